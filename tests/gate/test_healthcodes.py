"""Every code that these decisions can give is documented, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pilotage.gate.health import regression
from pilotage.gate.health.healthcodes import CODES

CASES = Path(__file__).parent / "cases"


def cases(name: str) -> list[dict[str, Any]]:
    return yaml.safe_load((CASES / f"{name}.yaml").read_text())


def test_verdict_codes() -> None:
    """The reasons of all verdicts."""
    assert {case["gives"]["reason"] for case in cases("aggregate")} == set(CODES["why a run has its verdict"])


def test_retry_codes() -> None:
    """The reasons of all retries, yes and no."""
    found = {case["gives"].removeprefix("+") for case in cases("retry")}
    assert found == set(CODES["why a job is run again, or not"])


def test_matrix_codes() -> None:
    """Why a minor is skipped."""
    found = {code for case in cases("matrix") for code in case.get("skipped", {}).values()}
    assert found == set(CODES["why a minor is not tested"])


def test_stale_codes() -> None:
    """The reasons of all alarms."""
    found = {case["gives"].split()[1] for case in cases("stale")}
    assert found == set(CODES["why a platform is stale, or not"])


def test_regression_codes() -> None:
    """All that a comparison can say."""
    assert set(regression.Status.__args__) == set(CODES["how a test compares"])
