"""Facts from a few words: what a case leaves out is an ordinary 4.20 cluster whose operator image could serve."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pilotage.controlplane import overrides
from pilotage.controlplane.facts import Attestation, ImageFacts, Recorded, Release
from pilotage.controlplane.labels import PREFIX
from pilotage.decision.facts import Absent, Known, NotSeen

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def given() -> SimpleNamespace:
    """`given.facts(...)` builds facts, `given.whole(...)` writes digests out."""
    return SimpleNamespace(facts=facts, whole=whole, now=NOW)


def whole(text: str) -> str:
    """`sha256:a…` is a digest of 64 a's."""
    return re.sub(r"sha256:([0-9a-f])…", lambda match: f"sha256:{match[1] * 64}", text)


def facts(
    *,
    annotation: str | None = None,
    platform: str = "Azure",
    version: str = "4.20.3",
    hypershift: str | None = "quay.io/payload/cpo@sha256:2…",
    release: str = "read",
    overrides: dict[str, dict[str, str]] | None = None,
    overrides_enabled: bool | None = None,
    operator_image: str = "quay.io/ho@sha256:1…",
    binary: Any = True,
    switch: Any = "on",
    in_canary: bool = False,
    source: str | None = None,
    until: str | None = None,
    reported: bool = False,
    recorded: dict[str, str] | None = None,
    attestation_mode: Any = "off",
    attestation: str = "none",
    max_age_days: int = 0,
    labels: dict[str, list[str]] | None = None,
    cell_mode: Any = "off",
    cell: str = "unproven",
) -> ImageFacts:
    components = {} if hypershift is None else {"hypershift": whole(hypershift)}
    return ImageFacts(
        subject="clusters/demo",
        annotation=None if annotation is None else whole(annotation),
        platform=platform,
        release_image="quay.io/release:4.20.3",
        release=Known(Release(version, components)) if release == "read" else NotSeen("the registry is down"),
        overrides=_table(overrides or {}),
        overrides_enabled=bool(overrides) if overrides_enabled is None else overrides_enabled,
        operator_image=whole(operator_image),
        binary=_binary(binary),
        switch=switch,
        in_canary=in_canary,
        image_source=source,
        hold_until=until,
        hold_expiry_reported=reported,
        recorded=Recorded(whole(recorded["image"]), recorded["rule"]) if recorded else None,
        now=NOW,
        attestation_mode=attestation_mode,
        attestation=Absent() if attestation == "none" else Known(_attested(attestation)),
        attestation_max_age_days=max_age_days,
        operator_labels=_labels(labels, "operator"),
        payload_labels=_labels(labels, "payload"),
        cell_mode=cell_mode,
        cell_state=Known(cell),
    )


def _table(pins: dict[str, dict[str, str]]) -> overrides.OverrideTable:
    platforms = {
        platform: {
            "overrides": [{"version": version, "cpoImage": whole(image)} for version, image in block.items()]
        }
        for platform, block in pins.items()
    }
    return overrides.load({"platforms": platforms}).table


def _binary(binary: Any) -> Any:
    match binary:
        case "failed":
            return NotSeen("the registry is down")
        case None:
            return NotSeen()
        case _:
            return Known(binary, "layer 5")


def _attested(platform: str) -> Attestation:
    return Attestation(platform, datetime(2026, 5, 1, tzinfo=UTC))


def _labels(given: dict[str, list[str]] | None, side: str) -> Any:
    return None if given is None else Known({PREFIX + name: "true" for name in given[side]})
