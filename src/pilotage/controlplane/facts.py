"""Everything the choice of an image depends on, as one frozen record. `observe` fills it; `image` judges it.

A field of type `Fact | None` costs a request to a registry. None means that nobody looked yet, `NotSeen(cause)` that
somebody looked and could not see: a rule answers the first with "needs", the second with its own consequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from pilotage.controlplane import overrides
from pilotage.controlplane.overrides import OverrideTable
from pilotage.decision.facts import Fact

__all__ = [
    "CPO_BINARY",
    "HYPERSHIFT_COMPONENT",
    "Attestation",
    "Binary",
    "ImageFacts",
    "Mode",
    "Recorded",
    "Release",
    "Switch",
]

HYPERSHIFT_COMPONENT = "hypershift"
CPO_BINARY = "/usr/bin/control-plane-operator"

Switch = Literal["off", "canary", "on"]
"""May the operator's own image serve as control plane operator: for no cluster, for chosen clusters, for all?"""

Mode = Literal["off", "warn", "enforce"]
"""What follows from evidence that is missing: nothing, a warning, or that the operator image is not taken."""

Binary = bool | Literal["partial"]
"""Does the operator image carry the control plane operator binary? `partial`: for some architectures only."""


class Release(msgspec.Struct, frozen=True):
    """What a release payload says: its version as written, and the pull spec of each component.

    Registry overrides have been applied to the components already.
    """

    version: str
    components: Mapping[str, str]


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """What the last decision gave this cluster. `operator_image` is the operator image as configured at that time."""

    image: str
    rule: str
    operator_image: str = ""


class Attestation(msgspec.Struct, frozen=True):
    """The gate's signed word on one operator image digest for one platform; `at` is when it was given, None
    when that is not known.
    """

    platform: str
    at: datetime | None = None
    guest_minors: tuple[str, ...] = ()


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One hosted cluster and what is known about it.

    `subject` is `namespace/name`; `now` is None where time is unknown; `overrides_problem` says why the table cannot be used.
    """

    subject: str
    annotation: str | None = None
    platform: str = ""
    release_image: str = ""
    release: Fact[Release] | None = None

    overrides_enabled: bool = False
    overrides: OverrideTable = overrides.EMPTY
    overrides_problem: str = ""

    operator_image: str = ""
    binary: Fact[Binary] | None = None
    switch: Switch = "off"
    in_canary: bool = False

    image_source: str | None = None
    hold_until: str | None = None
    hold_expiry_reported: bool = False
    recorded: Recorded | None = None
    now: datetime | None = None

    attestation_mode: Mode = "off"
    attestation: Fact[Attestation] | None = None
    attestation_max_age_days: int = 0
    operator_labels: Fact[Mapping[str, str]] | None = None
    payload_labels: Fact[Mapping[str, str]] | None = None
    cell_mode: Mode = "off"
    cell_state: Fact[str] | None = None
