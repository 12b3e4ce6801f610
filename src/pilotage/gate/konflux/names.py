"""How is everything called that is rendered for a platform? And does every name fit?

Names follow from the platform alone, so that a person who knows one knows all. A platform has at most 20 characters because the
longest name made of it, that of the ReleasePlanAdmission, is also the value of a label, which ends at 63. A CronJob's name ends at
52: Kubernetes appends to it. Platforms with the same schedule share a CronJob, which is named after the schedule.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.gate import GateSpec, SecretKeyReference
from pilotage.gate.promotion.tags import TagRequest, tags_of

__all__ = [
    "GANGWAY_SECRET",
    "LONGEST",
    "LONGEST_CRONJOB",
    "PIPELINE",
    "SLACK_SECRET",
    "Names",
    "names_of",
    "platform_problem",
    "slack_secret",
    "stale_cronjob",
    "trigger_cronjob",
]

LONGEST: Final = 63
LONGEST_CRONJOB: Final = 52
PIPELINE: Final = "ho-release-gate"
GANGWAY_SECRET: Final = SecretKeyReference("gangway-token", "token")
SLACK_SECRET: Final = SecretKeyReference("slack-webhook", "url")
_TRIGGER: Final = "hypershift-operator-nightly-promotion"
_STALE: Final = "hypershift-operator-stale-check"
_NIGHTLY: Final = ("15 3 * * *", "Etc/UTC")


class Names(msgspec.Struct, frozen=True):
    """What belongs to one platform."""

    scenario: str
    release_plan: str
    admission: str
    definition: str


def names_of(platform: str) -> Names:
    """Raises InputError `BadPlatform` for a platform whose names or tags would not be valid."""
    problem = platform_problem(platform)
    if problem:
        raise InputError("BadPlatform", problem, hint="name it as aro-hcp, rosa-hcp or gcp-hcp are named")
    plan = f"hypershift-operator-ho-release-gate-{platform}"
    # `definition` is no run key, which is hexadecimal, so no run of another platform has this name.
    return Names(
        f"hypershift-ho-release-gate-{platform}", plan, f"redhat-{plan}", f"gate-{platform}-definition"
    )


def platform_problem(platform: str) -> str:
    """Why nothing may be named after this platform; empty when it may."""
    refused = tags_of(TagRequest(platform, f"sha256:{'0' * 64}")).error
    if refused is None:
        return ""
    return f"platform {refused.message}: it has 1 to 20 lower-case letters, digits and inner dashes, and begins no other tag"


def trigger_cronjob(schedule: str, zone: str) -> str:
    """The nightly one by its well-known name; that of another schedule by what it is."""
    return _TRIGGER if (schedule, zone) == _NIGHTLY else f"{_TRIGGER}-{_mark(schedule, zone)}"


def stale_cronjob(secret: SecretKeyReference) -> str:
    return _STALE if secret == SLACK_SECRET else f"{_STALE}-{_mark(secret.name, secret.key)}"


def slack_secret(spec: GateSpec) -> SecretKeyReference:
    return spec.slack_channel_ref or SLACK_SECRET


def _mark(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:8]
