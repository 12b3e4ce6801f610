"""Semantic versions: `semver`, `isSemver`, the parts, comparison."""

from __future__ import annotations

import re
from typing import ClassVar

from pilotage.store.cel.declarations import Functions, function, method
from pilotage.store.cel.library.costs import passes
from pilotage.store.cel.library.formatting import quoted
from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.types import BOOL, INT, SEMVER, STRING

__all__ = ["FUNCTIONS", "SemanticVersion"]

_ALPHANUMERIC = re.compile(r"[0-9A-Za-z-]+")
_NUMERIC = re.compile(r"[0-9]+")
_LARGEST = 2**64


class SemanticVersion:
    """`release` is major, minor, patch; a pre-release identifier sorts numbers before words. Build data is ignored."""

    __slots__ = ("pre", "release")
    cel_type: ClassVar[str] = "kubernetes.Semver"

    def __init__(self, release: tuple[int, int, int], pre: tuple[tuple[int, int, str], ...]) -> None:
        self.release = release
        self.pre = pre

    def order(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[int, int, str], ...]]:
        return self.release, not self.pre, self.pre

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SemanticVersion) and self.order() == other.order()

    def __hash__(self) -> int:
        return hash(self.order())


def _number(text: str, which: str) -> int:
    if not _NUMERIC.fullmatch(text):
        raise EvaluationError(f"Invalid character(s) found in {which} number {quoted(text)}")
    if len(text) > 1 and text[0] == "0":
        raise EvaluationError(f"{which.capitalize()} number must not contain leading zeroes {quoted(text)}")
    return _unsigned(text)


def _unsigned(text: str) -> int:
    if len(text) > 20 or int(text) >= _LARGEST:
        raise EvaluationError(f"strconv.ParseUint: parsing {quoted(text)}: value out of range")
    return int(text)


def _identifier(text: str) -> tuple[int, int, str]:
    if not text:
        raise EvaluationError("Prerelease is empty")
    if _NUMERIC.fullmatch(text):
        if len(text) > 1 and text[0] == "0":
            raise EvaluationError(
                f"Numeric PreRelease version must not contain leading zeroes {quoted(text)}"
            )
        return 0, _unsigned(text), ""
    if not _ALPHANUMERIC.fullmatch(text):
        raise EvaluationError(f"Invalid character(s) found in prerelease {quoted(text)}")
    return 1, 0, text


def _semver(text: str, normalize: bool = False) -> SemanticVersion:
    if normalize:
        text = _normalized(text)
    if not text:
        raise EvaluationError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise EvaluationError("No Major.Minor.Patch elements found")
    major, minor = _number(parts[0], "major"), _number(parts[1], "minor")
    rest, plus, build = parts[2].partition("+")
    patch, dash, pre = rest.partition("-")
    release = (major, minor, _number(patch, "patch"))
    identifiers = tuple(map(_identifier, pre.split("."))) if dash else ()
    for part in build.split(".") if plus else ():
        if not part:
            raise EvaluationError("Build meta data is empty")
        if not _ALPHANUMERIC.fullmatch(part):
            raise EvaluationError(f"Invalid character(s) found in build meta data {quoted(part)}")
    return SemanticVersion(release, identifiers)


def _normalized(text: str) -> str:
    """Without a leading `v` and leading zeroes, with all three numbers."""
    parts = text.removeprefix("v").split(".", 2)
    for place, part in enumerate(parts):
        if len(part) > 1:
            stripped = part.lstrip("0")
            parts[place] = stripped if stripped[:1].isdigit() and stripped[:1].isascii() else f"0{stripped}"
    if len(parts) < 3:
        if "+" in parts[-1] or "-" in parts[-1]:
            raise EvaluationError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        _semver(text, normalize)
    except EvaluationError:
        return False
    return True


def _compare(one: SemanticVersion, two: SemanticVersion) -> int:
    return (one.order() > two.order()) - (one.order() < two.order())


def _greater(one: SemanticVersion, two: SemanticVersion) -> bool:
    return one.order() > two.order()


def _less(one: SemanticVersion, two: SemanticVersion) -> bool:
    return one.order() < two.order()


def _major(version: SemanticVersion) -> int:
    return version.release[0]


def _minor(version: SemanticVersion) -> int:
    return version.release[1]


def _patch(version: SemanticVersion) -> int:
    return version.release[2]


FUNCTIONS: Functions = {
    "semver": (
        function("string_to_semver", (STRING,), SEMVER, _semver, cost=passes(1)),
        function("string_bool_to_semver", (STRING, BOOL), SEMVER, _semver, cost=passes(1)),
    ),
    "isSemver": (
        function("is_semver_string", (STRING,), BOOL, _is_semver, cost=passes(1)),
        function("is_semver_string_bool", (STRING, BOOL), BOOL, _is_semver, cost=passes(1)),
    ),
    "isGreaterThan": (method("semver_is_greater_than", (SEMVER, SEMVER), BOOL, _greater),),
    "isLessThan": (method("semver_is_less_than", (SEMVER, SEMVER), BOOL, _less),),
    "compareTo": (method("semver_compare_to", (SEMVER, SEMVER), INT, _compare),),
    "major": (method("semver_major", (SEMVER,), INT, _major),),
    "minor": (method("semver_minor", (SEMVER,), INT, _minor),),
    "patch": (method("semver_patch", (SEMVER,), INT, _patch),),
}
