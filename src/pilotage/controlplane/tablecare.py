"""Is the override table still healthy, why is this version pinned, and which pins are no longer needed?

The table outlives the bugs it works around: an entry whose fix is in the payload holds a cluster back, one that is missing
between its neighbours lets a cluster through. Everything here is pure; what a registry or a repository knows about an
image comes in as `PinnedImage` and `FixFacts`, and what is not given is not judged.

Follows the review contract in openshift/hypershift `docs/content/contribute/cpo-overrides.md`.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from pilotage.api.versions import OCPVersion, is_semver
from pilotage.controlplane.overrides import Override, OverrideTable
from pilotage.decision.findings import Finding, Severity
from pilotage.images import reference

__all__ = ["FixFacts", "PinnedImage", "Retirement", "Why", "lint", "retire", "why"]

_UPSTREAM_PLATFORMS = ("aws", "azure")
_TESTED_TOGETHER = 1
"""End-to-end tests of overrides normally run for one platform at a time."""


class PinnedImage(msgspec.Struct, frozen=True):
    """What is known of an image in the table. None: not looked at. `created` orders builds of one repository."""

    pullable: bool | None = None
    architectures: tuple[str, ...] | None = None
    created: datetime | None = None


class Why(msgspec.Struct, frozen=True):
    """What the table says about one version on one platform, in one sentence, with the entry and its neighbours."""

    sentence: str
    entry: Override | None
    shadowed: tuple[Override, ...]
    neighbours: tuple[Override, ...]


class FixFacts(msgspec.Struct, frozen=True):
    """`vcs-ref` of the pinned image, commit of component `hypershift` in the payload of that version, and whether the
    payload's commit is the pinned one or a descendant of it (None: the histories were not compared).
    """

    pinned_commit: str
    payload_commit: str
    payload_contains_fix: bool | None = None


class Retirement(msgspec.Struct, frozen=True):
    """One entry and whether it may go; `may_retire` is None where that cannot be told from the facts."""

    entry: Override
    may_retire: bool | None
    reason: str


def lint(
    table: OverrideTable,
    *,
    previous: OverrideTable | None = None,
    images: Mapping[str, PinnedImage] | None = None,
    architectures: Iterable[str] = ("amd64", "arm64"),
    oldest_supported: tuple[int, int] | None = None,
) -> tuple[Finding, ...]:
    """Everything odd in a table that loaded, entry by entry, then the table as a whole.

    `previous` is the table before a change, `images` what a registry says by pull spec.
    """
    needed = frozenset(architectures)
    known = images or {}
    findings: list[Finding] = []
    for entry in table.entries:
        findings += _entry_findings(entry, oldest_supported)
        if entry.image in known:
            findings += _image_findings(entry, known[entry.image], needed)
    findings += _duplicates(table)
    findings += _gaps(table)
    findings += _tested_platforms(table)
    if previous is not None:
        findings += _misfiled(table, previous)
        findings += _older_builds(table, previous, known)
    return tuple(findings)


def why(table: OverrideTable, version: str, platform: str) -> Why:
    """Which entry counts for this version on this platform, which it hides, and what is pinned next to it."""
    key = platform.lower()
    matching = [entry for entry in table.entries if (entry.platform, entry.version) == (key, version)]
    entry = table.find(platform, version)
    near = tuple(
        other
        for other in table.index.values()
        if other.platform == key and _same_minor(other.version, version)
    )
    where = f"{version} on {platform}"
    if entry:
        place = f"entry {entry.position}" + (f" of {entry.source}" if entry.source else "")
        sentence = f"{where} is pinned to {entry.image} by {place}"
    elif matching:
        sentence = f"{where} has an entry with an empty image, so it is not pinned"
    elif any(other.version == version for other in table.entries):
        others = sorted({other.platform for other in table.entries if other.version == version})
        sentence = f"{where} is not pinned; {version} is pinned on {', '.join(others)}"
    else:
        sentence = f"{where} is not pinned"
    return Why(sentence, entry, tuple(matching[:-1]), near)


def retire(table: OverrideTable, fixes: Mapping[str, FixFacts]) -> tuple[Retirement, ...]:
    """Which entries are no longer needed because the payload of their version carries the fix.

    `fixes` is by pull spec and version, as `image|version`.
    """
    return tuple(
        _retirement(entry, fixes.get(f"{entry.image}|{entry.version}"))
        for entry in table.index.values()
        if entry.image
    )


def _retirement(entry: Override, facts: FixFacts | None) -> Retirement:
    if facts is None or not (facts.pinned_commit and facts.payload_commit):
        return Retirement(entry, None, "the commits of pin and payload are not known")
    if facts.pinned_commit == facts.payload_commit or facts.payload_contains_fix:
        return Retirement(entry, True, f"the payload is built from {facts.payload_commit}, which has the fix")
    if facts.payload_contains_fix is None:
        return Retirement(
            entry,
            None,
            f"the histories of {facts.pinned_commit} and {facts.payload_commit} were not compared",
        )
    return Retirement(entry, False, f"the payload's {facts.payload_commit} lacks {facts.pinned_commit}")


def _entry_findings(entry: Override, oldest: tuple[int, int] | None) -> list[Finding]:
    findings = []
    if not is_semver(entry.version):
        findings.append(
            _finding(
                "VersionNeverMatches",
                entry,
                f'"{entry.version}" is no release version, so it matches none',
                "write MAJOR.MINOR.PATCH in quotes",
            )
        )
    elif oldest and OCPVersion.parse(entry.version).minor_pair < oldest:
        findings.append(
            _finding(
                "VersionNoLongerSupported",
                entry,
                f"is older than {oldest[0]}.{oldest[1]}",
                "remove it",
                "info",
            )
        )
    if entry.image and not reference.parse(entry.image).is_pinned:
        findings.append(
            _finding("OverrideByTag", entry, f"{entry.image} has no digest", "pin it as name@sha256:...")
        )
    if entry.platform not in _UPSTREAM_PLATFORMS:
        findings.append(
            _finding(
                "PlatformOnlyHere",
                entry,
                f"overrides for {entry.platform} count here; the HyperShift Operator ignores them",
                severity="info",
            )
        )
    return findings


def _image_findings(entry: Override, image: PinnedImage, needed: frozenset[str]) -> list[Finding]:
    findings = []
    if image.pullable is False:
        findings.append(
            _finding("ImageNotPullable", entry, f"{entry.image} cannot be pulled any more", severity="error")
        )
    missing = sorted(needed - set(image.architectures)) if image.architectures is not None else []
    if missing:
        findings.append(
            _finding(
                "ImageNotMultiArch",
                entry,
                f"{entry.image} lacks {', '.join(missing)}; parts of it run on worker nodes",
                "pin the digest of the image list",
                "error",
            )
        )
    return findings


def _duplicates(table: OverrideTable) -> list[Finding]:
    return [
        _finding(
            "DuplicateOverride", entry, "is listed again below; the last entry wins", "remove one of them"
        )
        for entry in table.entries
        if table.index[entry.platform, entry.version] is not entry
    ]


def _gaps(table: OverrideTable) -> list[Finding]:
    """Patches that nobody pinned between two pinned ones: usually on purpose, so a note."""
    patches: dict[tuple[str, int, int], set[int]] = defaultdict(set)
    for entry in table.index.values():
        if is_semver(entry.version):
            version = OCPVersion.parse(entry.version)
            if not version.prerelease and not version.build:
                patches[entry.platform, *version.minor_pair].add(version.patch)
    notes = []
    for (platform, major, minor), found in sorted(patches.items()):
        for first, last in _missing_ranges(found):
            span = f"{major}.{minor}.{first}" + (f" to {major}.{minor}.{last}" if last > first else "")
            notes.append(
                Finding("OverrideGap", f"{platform}: {span} between pinned versions is not pinned", "info")
            )
    return notes


def _missing_ranges(found: set[int]) -> list[tuple[int, int]]:
    ordered = sorted(found)
    pairs = itertools.pairwise(ordered)
    return [(low + 1, high - 1) for low, high in pairs if high > low + 1]


def _tested_platforms(table: OverrideTable) -> list[Finding]:
    tested = sorted(platform for platform, releases in table.testing.items() if releases.run_tests)
    if len(tested) <= _TESTED_TOGETHER:
        return []
    return [
        Finding(
            "SeveralPlatformsTested", f"runTests is set for {', '.join(tested)}; normally for one", "info"
        )
    ]


def _misfiled(table: OverrideTable, previous: OverrideTable) -> list[Finding]:
    """A platform gains or changes a version that until now only another platform had: filed under the wrong one?"""
    owners: dict[str, set[str]] = defaultdict(set)
    for entry in previous.index.values():
        owners[entry.version].add(entry.platform)
    return [
        _finding(
            "OverrideMaybeMisfiled",
            entry,
            f"until now {entry.version} was pinned on {', '.join(sorted(owners[entry.version]))} only",
            "check the platform of the entry",
        )
        for entry in table.index.values()
        if owners.get(entry.version) and entry.platform not in owners[entry.version]
    ]


def _older_builds(
    table: OverrideTable, previous: OverrideTable, images: Mapping[str, PinnedImage]
) -> list[Finding]:
    findings = []
    for key, entry in table.index.items():
        before = previous.index.get(key)
        if before is None or before.image == entry.image:
            continue
        old, new = images.get(before.image), images.get(entry.image)
        if old and new and old.created and new.created and new.created < old.created:
            findings.append(
                _finding(
                    "OverrideReplacedByOlderBuild",
                    entry,
                    f"{entry.image} was built before {before.image}, which it replaces",
                    "a new image must hold all fixes of the one it replaces",
                )
            )
    return findings


def _same_minor(one: str, other: str) -> bool:
    return one != other and one.split(".")[:2] == other.split(".")[:2]


def _finding(
    code: str, entry: Override, message: str, hint: str = "", severity: Severity = "warning"
) -> Finding:
    subject = f"{entry.platform} {entry.version}"
    field = f"platforms.{entry.platform}.overrides[{entry.position}]"
    return Finding(code, f"{subject}: {message}", severity, subject, field, hint)
