"""The table of pinned versions: for one platform and one exact release version, take this image instead.

    platforms:
      azure:
        overrides:
        - version: "4.19.7"
          cpoImage: registry.example.com/cpo@sha256:...
        testing: {latest: ..., previous: ..., runTests: true}

Follows openshift/hypershift `hypershift-operator/controlplaneoperator-overrides`, with two differences: every platform
key is honoured (there only `aws` and `azure` are), and a table may be merged over another, each entry keeping its source.

A table arrives as text or as JSON values. From text every scalar stays text, because `version: 4.20` read as a number
is 4.2 for ever after. Strict loading is for people who edit the table, lenient loading is what upstream accepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pilotage.api.errors import InputError
from pilotage.decision.findings import Finding, error, warning
from pilotage.images import reference
from pilotage.images.errors import ImageError

__all__ = ["EMPTY", "Loaded", "Override", "OverrideTable", "TestReleases", "load", "load_text"]


class Override(msgspec.Struct, frozen=True, gc=False):
    """One pinned version. `platform` is lower case, `version` the exact text, `position` the index in its block."""

    platform: str
    version: str
    image: str
    source: str = ""
    position: int = 0


class TestReleases(msgspec.Struct, frozen=True, gc=False):
    """The releases that the end-to-end tests of a platform's overrides run with."""

    __test__ = False

    latest: str = ""
    previous: str = ""
    run_tests: bool = False


class OverrideTable(msgspec.Struct, frozen=True):
    """All entries as they were written, duplicates included, and the index by platform and version: last wins."""

    entries: tuple[Override, ...] = ()
    testing: Mapping[str, TestReleases] = {}
    index: Mapping[tuple[str, str], Override] = {}

    def find(self, platform: str, version: str) -> Override | None:
        """The override of this platform (in any case of letters) and exact version text; None when there is none."""
        found = self.index.get((platform.lower(), version))
        return found if found and found.image else None

    def over(self, base: OverrideTable) -> OverrideTable:
        """Merge this table over `base`: where both have a platform and version, the entry of this one counts."""
        return _table((*base.entries, *self.entries), {**base.testing, **self.testing})

    def __len__(self) -> int:
        return len(self.index)


class Loaded(msgspec.Struct, frozen=True):
    """A table and what was odd about it."""

    table: OverrideTable
    warnings: tuple[Finding, ...] = ()


EMPTY = OverrideTable()

_TABLE_KEYS = {"platforms"}
_PLATFORM_KEYS = {"overrides", "testing"}
_ENTRY_KEYS = {"version", "cpoImage"}
_TESTING_KEYS = {"latest", "previous", "runTests"}


def load(value: Any, *, strict: bool = False, source: str = "") -> Loaded:
    """Read a table from JSON values; None is an empty table.

    Raises InputError `InvalidOverrideTable` (or `DuplicateOverride` when duplicates are all that is wrong) with every
    problem in `messages`. Structure and image references are always checked; duplicates, unknown keys, empty images
    and versions that are no text are errors in strict mode and warnings otherwise.
    """
    return _read(value, {}, strict, source)


def load_text(text: str, *, strict: bool = False, source: str = "") -> Loaded:
    """Read a table from YAML or JSON text; a version that was written without quotes keeps its spelling.

    Raises InputError `MalformedManifest` when the text is no YAML, else as `load` does.
    """
    from pilotage.api import yaml  # noqa: PLC0415 -- start-up time: questions are asked with tables in JSON

    reading = yaml.read(text, yaml.Origin(source))
    return _read(reading.value, {item.path: item.text for item in reading.respelled}, strict, source)


def _read(value: Any, spellings: Mapping[str, str], strict: bool, source: str) -> Loaded:
    reader = _TableReader(strict, source, spellings)
    table = reader.read(value)
    if reader.errors:
        codes = {problem.code for problem in reader.errors}
        raise InputError(
            codes.pop() if len(codes) == 1 else "InvalidOverrideTable",
            f"override table{f' {source}' if source else ''}: "
            + "; ".join(problem.message for problem in reader.errors),
            hint="correct the table; none of it was used",
            messages=tuple(problem.message for problem in reader.errors),
        )
    return Loaded(table, tuple(reader.warnings))


class _TableReader:
    """Collects every problem of one table, with its place.

    `spellings` gives, by path, the text of numbers that YAML respelled: how a version that looks like a number is saved.
    """

    def __init__(self, strict: bool, source: str, spellings: Mapping[str, str]) -> None:
        self.strict = strict
        self.source = source
        self.spellings = spellings
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []

    def read(self, value: Any) -> OverrideTable:
        body = self._mapping(value, "table", _TABLE_KEYS)
        entries: list[Override] = []
        testing: dict[str, TestReleases] = {}
        for name, block in self._mapping(body.get("platforms"), "platforms").items():
            where = f"platforms.{name}"
            fields = self._mapping(block, where, _PLATFORM_KEYS)
            entries.extend(self._entries(name, fields.get("overrides"), f"{where}.overrides"))
            if fields.get("testing") is not None:
                testing[name.lower()] = self._testing(fields["testing"], f"{where}.testing")
        self._report_duplicates(entries)
        return _table(tuple(entries), testing)

    def _entries(self, platform: str, value: Any, where: str) -> Iterator[Override]:
        if value is None:
            return
        if not isinstance(value, list):
            self._broken(f"{where}: expected a list", where)
            return
        for position, item in enumerate(value):
            entry = self._entry(platform.lower(), item, f"{where}[{position}]", position)
            if entry:
                yield entry

    def _entry(self, platform: str, item: Any, where: str, position: int) -> Override | None:
        fields = self._mapping(item, where, _ENTRY_KEYS)
        if not isinstance(item, dict):
            return None
        image = fields.get("cpoImage")
        version = self.spellings.get(f"{where}.version", fields.get("version"))
        if isinstance(version, bool | int | float):
            self._odd(
                "VersionNotText",
                f"{where}.version: {version} is a number and not text (4.20 would be read as 4.2); put it in quotes",
                where,
            )
            return None
        if not isinstance(version, str) or not version:
            self._odd(
                "InvalidOverrideTable", f"{where}.version: expected the text of a release version", where
            )
            return None
        if image is None or image == "":
            self._odd(
                "EmptyOverrideImage",
                f"{where}.cpoImage: {platform} {version} has an empty image, so there is no override",
                where,
            )
            return Override(platform, version, "", self.source, position)
        if not isinstance(image, str):
            self._broken(f"{where}.cpoImage: expected text", where)
            return None
        try:
            reference.parse(image)
        except ImageError as problem:
            self._broken(f"{where}.cpoImage: {problem.message}", where)
            return None
        return Override(platform, version, image, self.source, position)

    def _testing(self, value: Any, where: str) -> TestReleases:
        fields = self._mapping(value, where, _TESTING_KEYS)
        latest, previous = fields.get("latest", ""), fields.get("previous", "")
        if not (isinstance(latest, str) and isinstance(previous, str)):
            self._broken(f"{where}: latest and previous are the pull specs of releases", where)
            return TestReleases()
        return TestReleases(latest, previous, str(fields.get("runTests", False)).lower() == "true")

    def _report_duplicates(self, entries: list[Override]) -> None:
        seen: set[tuple[str, str]] = set()
        for entry in entries:
            key = (entry.platform, entry.version)
            if key in seen:
                where = f"platforms.{entry.platform}.overrides[{entry.position}]"
                self._odd(
                    "DuplicateOverride",
                    f"{where}: {entry.platform} {entry.version} is listed again; the last entry wins",
                    where,
                )
            seen.add(key)

    def _mapping(self, value: Any, where: str, known: set[str] | None = None) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._broken(f"{where}: expected a map", where)
            return {}
        for key in value:
            if known is not None and key not in known:
                self._odd("UnknownKey", f'{where}: unknown key "{key}"', where)
        return value

    def _odd(self, code: str, message: str, where: str) -> None:
        """Wrong for somebody who edits the table, tolerated when it is used."""
        if self.strict:
            self.errors.append(error(code, message, subject=self.source, field=where))
        else:
            self.warnings.append(warning(code, message, subject=self.source, field=where))

    def _broken(self, message: str, where: str) -> None:
        self.errors.append(error("InvalidOverrideTable", message, subject=self.source, field=where))


def _table(entries: tuple[Override, ...], testing: Mapping[str, TestReleases]) -> OverrideTable:
    return OverrideTable(entries, testing, {(entry.platform, entry.version): entry for entry in entries})
