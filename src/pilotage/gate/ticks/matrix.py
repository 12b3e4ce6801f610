"""Which versions of hosted clusters does a run cover? The version matrix is data; this is its expansion.

Every supported minor brings its published releases; what is selected is the latest, the published one before it, and the
first, `X.Y.0`. Gaps and withdrawn releases are normal, so "the one before" is the next lower that exists. Candidates and
nightlies never count, and neither does a release that stands under the wrong minor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.versions import OCPVersion
from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match

__all__ = ["MATRIX_RULES", "QUESTION", "ROLES", "Entry", "Matrix", "Minor", "Row", "expand", "judge_minor"]

QUESTION = "matrix"
ROLES = ("latest", "latest-minus-one", "zero")
"""What can be selected of a minor, in the order in which an entry lists its roles."""

_MINOR = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")


class Minor(msgspec.Struct, frozen=True):
    """A minor as it is listed, `4.20`, with the texts of its releases."""

    minor: str
    releases: tuple[str, ...]
    supported: bool


class Entry(msgspec.Struct, frozen=True):
    """One version to test, and why it is tested."""

    minor: str
    version: str
    roles: tuple[str, ...]


class Row(msgspec.Struct, frozen=True):
    """What becomes of a minor: entries, version descending, or the code for which it is skipped."""

    entries: tuple[Entry, ...] = ()
    skipped: str = ""


class Matrix(msgspec.Struct, frozen=True):
    """All entries, minor ascending and version descending, and the minors that are skipped with their codes."""

    entries: tuple[Entry, ...]
    skipped: dict[str, str]


class _Facts(msgspec.Struct, frozen=True):
    minor: Minor
    published: tuple[OCPVersion, ...]
    selected: frozenset[str]


def expand(minors: Iterable[Minor], selected: Iterable[str]) -> Matrix:
    """The matrix of these minors. Roles that do not exist are not selected.

    A minor that is listed more than once is one minor: its releases are put together, and it is supported when one of the
    lists says so.
    """
    merged: dict[str, Minor] = {}
    for minor in minors:
        known = merged.get(minor.minor, Minor(minor.minor, (), supported=False))
        merged[minor.minor] = Minor(
            minor.minor,
            known.releases + (minor.releases if minor.supported else ()),
            known.supported or minor.supported,
        )
    roles = frozenset(selected)
    rows = {name: judge_minor(minor, roles).value or Row() for name, minor in merged.items()}
    ordered = sorted((name for name, row in rows.items() if row.entries), key=_pair)
    return Matrix(
        tuple(entry for name in ordered for entry in rows[name].entries),
        {name: row.skipped for name, row in rows.items() if row.skipped},
    )


def judge_minor(minor: Minor, selected: frozenset[str]) -> Decision[Row]:
    """What becomes of one minor, and why."""
    facts = _Facts(minor, _published(minor), selected)
    return first_match(QUESTION, minor.minor, MATRIX_RULES, facts, otherwise=_UNREACHABLE)


def _published(minor: Minor) -> tuple[OCPVersion, ...]:
    """The released versions of the minor, highest first, each once."""
    if not _MINOR.fullmatch(minor.minor):
        return ()
    found: dict[tuple[int, int, int], OCPVersion] = {}
    for text in minor.releases:
        try:
            version = OCPVersion.parse(text)
        except InputError:
            continue
        if version.prerelease or f"{version.major}.{version.minor}" != minor.minor:
            continue
        number = (version.major, version.minor, version.patch)
        # Builds of one version are one release; the plain one speaks for them.
        found[number] = min(found.get(number, version), version, key=str)
    return tuple(found[number] for number in sorted(found, reverse=True))


def _pair(minor: str) -> tuple[int, int]:
    major, _, number = minor.partition(".")
    return int(major), int(number)


def _unsupported(facts: _Facts) -> Verdict[Row]:
    """The minor is not supported."""
    if facts.minor.supported:
        return Passes("supported")
    return Applies(Row(skipped="unsupported"), "the minor is not supported")


def _no_release(facts: _Facts) -> Verdict[Row]:
    """No release of the minor is generally available."""
    if facts.published:
        return Passes(f"{len(facts.published)} releases")
    return Applies(Row(skipped="no-ga-release"), "none of its releases is generally available")


def _entries(facts: _Facts) -> Verdict[Row]:
    """Else the selected releases, each with its roles."""
    roles: dict[OCPVersion, list[str]] = {}
    for role, version in zip(ROLES, _by_role(facts.published), strict=True):
        if version is not None and role in facts.selected:
            roles.setdefault(version, []).append(role)
    entries = tuple(
        Entry(facts.minor.minor, str(version), tuple(roles[version]))
        for version in facts.published
        if version in roles
    )
    return Applies(Row(entries), f"{len(entries)} of {len(facts.published)} releases are selected")


def _by_role(published: Sequence[OCPVersion]) -> tuple[OCPVersion | None, ...]:
    latest = published[0] if published else None
    before = published[1] if len(published) > 1 else None
    lowest = published[-1] if published else None
    return latest, before, lowest if lowest and lowest.patch == 0 else None


MATRIX_RULES: tuple[Rule[_Facts, Row], ...] = (
    Rule("unsupported", _unsupported),
    Rule("no-ga-release", _no_release),
    Rule("entries", _entries),
)
"""What becomes of a minor, read from top to bottom."""

_UNREACHABLE = error("NoVerdict", "no rule of the matrix applied")
