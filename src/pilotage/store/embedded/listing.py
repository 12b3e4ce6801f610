"""Lists in parts: selection, pages of one snapshot, and versions that a client asks for.

A page ends with a token: the version of the snapshot and the key that the next page follows. While nothing of the kind has
changed since, the next page is simply read. Otherwise it comes from what was kept when the first page was given; when that
was too much to keep, or is long ago, the token is expired and the client lists again.
"""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

import msgspec

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.api.prepared import prepared
from pilotage.store.base import AheadError, BadRequestError, ExpiredError, ListOptions, Page, WatchOptions
from pilotage.store.embedded import rows
from pilotage.store.embedded.kinds import KindTraits, storage_type
from pilotage.store.embedded.metadata import invalid
from pilotage.store.embedded.pen import in_version
from pilotage.store.embedded.selectors import (
    FieldRequirement,
    LabelRequirement,
    parse_fields,
    parse_labels,
)
from pilotage.store.schema.gotext import json_text
from pilotage.store.schema.problems import Problem, forbidden, not_supported

__all__ = ["Selection", "Snapshots", "check_watch", "read_version", "unreadable_version"]

_OPTIONS = Kind("meta.k8s.io", "v1", "ListOptions", "")
_FORM = "meta.k8s.io/v1"
_BATCH = 256
_MOST_DIGITS = 20
_MOST_JOINED = 4
_KEPT_BYTES = 64 << 20
_TOO_OLD = "The resourceVersion for the provided list is too old."
_INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the"
    " continue parameter."
)
_COMMON = ("metadata.name", "metadata.namespace")
_BLANKS = {"spec.unschedulable": "false", "spec.hostNetwork": "false", "status.replicas": "0"}
_ELSEWHERE = {"source": "source.component"}

Row = tuple[str, str, int, bytes]


class Selection:
    """What selectors let through."""

    def __init__(self, traits: KindTraits, labels: str, fields: str) -> None:
        """Raises BadRequestError."""
        allowed = traits.selectable

        def check(path: str) -> None:
            if path in _COMMON or path in allowed:
                return
            if traits.is_custom:
                raise BadRequestError(f"field label not supported: {path}")
            known = ", ".join(f'"{name}"' for name in _COMMON)
            raise BadRequestError(
                f'"{path}" is not a known field selector: only {known}'
                if not allowed
                else f"field label not supported: {path}"
            )

        self.labels: tuple[LabelRequirement, ...] = parse_labels(labels)
        self.fields: tuple[FieldRequirement, ...] = parse_fields(fields, check)
        self._plain = all(requirement.path in _COMMON for requirement in self.fields)

    @property
    def is_everything(self) -> bool:
        return not (self.labels or self.fields)

    @property
    def name(self) -> str | None:
        """The one name that can match, when there is just one."""
        return next(
            (each.value for each in self.fields if each.path == "metadata.name" and each.is_equal), None
        )

    def __contains__(self, item: Object) -> bool:
        if not all(requirement.holds(item.labels) for requirement in self.labels):
            return False
        if not self.fields:
            return True
        value: Mapping[str, Any] = {} if self._plain else item.value()
        return all(
            (_field(item, value, requirement.path) == requirement.value) == requirement.is_equal
            for requirement in self.fields
        )


def _field(item: Object, value: Mapping[str, Any], path: str) -> str:
    if path == "metadata.name":
        return item.meta.name
    if path == "metadata.namespace":
        return item.meta.namespace
    found: Any = value
    for step in _ELSEWHERE.get(path, path).split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    if found is None:
        return _BLANKS.get(path, "")
    if isinstance(found, bool):
        return "true" if found else "false"
    return found if isinstance(found, str) else json_text(found)


def read_version(text: str) -> int:
    """0 for an empty version. Raises BadRequestError when it is none."""
    if not text:
        return 0
    problem = unreadable_version(text)
    if problem:
        raise BadRequestError(problem)
    return int(text)


def unreadable_version(text: str) -> str:
    """Why a text is no version, in the words of the server; empty for one that is: 64 bits, in digits."""
    if not (text.isascii() and text.isdecimal()):
        why = "invalid syntax"
    elif len(text.lstrip("0")) > _MOST_DIGITS or int(text) >= 1 << 64:
        why = "value out of range"
    else:
        return ""
    return f"resourceVersion: Invalid value: {json_text(text)}: strconv.ParseUint: parsing {json_text(text)}: {why}"


def check_list(options: ListOptions) -> None:
    """Raises InvalidObjectError for options that contradict one another."""
    field = "resourceVersionMatch"
    problems: list[Problem] = []
    if options.match:
        if not options.resource_version:
            problems.append(forbidden(field, f"{field} is forbidden unless resourceVersion is provided"))
        if options.continuation:
            problems.append(forbidden(field, f"{field} is forbidden when continue is provided"))
        if options.match not in {"Exact", "NotOlderThan"}:
            problems.append(not_supported(field, options.match, ("Exact", "NotOlderThan", "")))
        if options.match == "Exact" and options.resource_version == "0":
            problems.append(forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"'))
    if problems:
        raise invalid(_OPTIONS, "", problems)


def check_watch(options: WatchOptions) -> None:
    """Raises InvalidObjectError for options that contradict one another."""
    field = "resourceVersionMatch"
    problems: list[Problem] = []
    if options.initial_events is None:
        if options.match:
            problems.append(
                forbidden(field, f"{field} is forbidden for watch unless sendInitialEvents is provided")
            )
    elif options.match != "NotOlderThan":
        problems.append(
            forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        )
        if options.match:
            problems.append(not_supported(field, options.match, ("NotOlderThan",)))
    if problems:
        raise invalid(_OPTIONS, "", problems)


@prepared
class _Token(msgspec.Struct):
    v: str = ""
    rv: int = 0
    start: str = ""


class Snapshots:
    """The rest of lists of which a part was given, the oldest forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, int], list[Row]] = OrderedDict()

    def page(
        self,
        connection: sqlite3.Connection,
        kind: Kind,
        traits: KindTraits,
        selection: Selection,
        options: ListOptions,
    ) -> Page:
        """Raises BadRequestError, ExpiredError, AheadError, InvalidObjectError."""
        check_list(options)
        type_ = storage_type(kind.group, kind.kind)
        current = rows.current_version(connection)
        if options.continuation:
            version, after = _read_token(options)
            source = self._rest(connection, type_, options.namespace, version, after)
        else:
            version, after = _wanted_version(connection, type_, options, current), None
            source = iter(_rows(connection, type_, options.namespace, selection))
        page, last = self._cut(kind, traits, selection, options, version, source)
        if last is None or not selection.is_everything:
            return page
        remaining = self._count(connection, type_, options, version, (last[0], last[1]))
        return msgspec.structs.replace(page, remaining=remaining)

    def _count(
        self,
        connection: sqlite3.Connection,
        type_: str,
        options: ListOptions,
        version: int,
        after: tuple[str, str],
    ) -> int:
        """How many objects of that version follow."""
        if not options.continuation or not rows.has_changed(connection, type_, version):
            return rows.count(connection, type_, options.namespace, after)
        return sum(1 for _ in self._rest(connection, type_, options.namespace, version, after))

    def _cut(
        self,
        kind: Kind,
        traits: KindTraits,
        selection: Selection,
        options: ListOptions,
        version: int,
        source: Iterator[Row],
    ) -> tuple[Page, Row | None]:
        """One page, and the last row of it when more follow."""
        found: list[Object] = []
        last: Row | None = None
        limit = max(0, options.limit)
        for row in source:
            item = _parsed(row[3], kind, traits)
            if not selection.is_everything and item not in selection:
                continue
            if limit and len(found) == limit and last is not None:
                if not options.continuation:
                    name = (storage_type(kind.group, kind.kind), options.namespace, version)
                    self._keep(name, chain((row,), source))
                return Page(tuple(found), str(version), _token(version, last)), last
            found.append(item)
            last = row
        return Page(tuple(found), str(version)), None

    def _keep(self, name: tuple[str, str, int], source: Iterable[Row]) -> None:
        """Unless it is too much, which shows before all of it was read."""
        rest, size = [], 0
        for row in source:
            rest.append(row)
            size += len(row[3])
            if size > _KEPT_BYTES:
                return
        self._kept[name] = rest
        self._kept.move_to_end(name)
        total = sum(len(row[3]) for kept in self._kept.values() for row in kept)
        while total > _KEPT_BYTES:
            _, dropped = self._kept.popitem(last=False)
            total -= sum(len(row[3]) for row in dropped)

    def _rest(
        self, connection: sqlite3.Connection, type_: str, namespace: str, version: int, after: tuple[str, str]
    ) -> Iterator[Row]:
        if not rows.has_changed(connection, type_, version):
            return _read_on(connection, type_, namespace, after)
        kept = self._kept.get((type_, namespace, version))
        if kept is None:
            raise ExpiredError(_INCONSISTENT)
        return (row for row in kept if (row[0], row[1]) > after)


def _rows(connection: sqlite3.Connection, type_: str, namespace: str, selection: Selection) -> Iterable[Row]:
    if selection.name is not None and namespace:
        body = rows.read(connection, type_, ObjectKey(namespace, selection.name))
        return [] if body is None else [(namespace, selection.name, 0, body)]
    # A few of them make the rows few; the selection looks at the others, too, and a join has its limit.
    equal = {each.key: each.values[0] for each in selection.labels if each.operator == "="}
    if equal:
        equal = dict(islice(equal.items(), _MOST_JOINED))
        return [_as_row(body) for body in rows.read_list(connection, type_, namespace, equal)]
    return _read_on(connection, type_, namespace, None)


def _read_on(
    connection: sqlite3.Connection, type_: str, namespace: str, after: tuple[str, str] | None
) -> Iterator[Row]:
    """What follows `after`, read no further than it is looked at: a page costs what is in it, not what is behind it."""
    while True:
        batch = rows.read_page(connection, type_, namespace, after, _BATCH)
        yield from batch
        if len(batch) < _BATCH:
            return
        after = batch[-1][:2]


def _as_row(body: bytes) -> Row:
    meta = Object.parse(body).meta
    return (meta.namespace, meta.name, 0, body)


def _parsed(body: bytes, kind: Kind, traits: KindTraits) -> Object:
    return Object.parse(in_version(body, kind.api_version) if traits.is_versioned else body)


def _wanted_version(connection: sqlite3.Connection, type_: str, options: ListOptions, current: int) -> int:
    """The version of a list that begins now, given what the client asks for."""
    asked = read_version(options.resource_version)
    if asked > current:
        raise AheadError(asked, current)
    is_exact = options.match == "Exact" or (not options.match and options.limit > 0 and asked > 0)
    if not is_exact or asked == current:
        return current
    if asked < rows.floor(connection) or rows.has_changed(connection, type_, asked):
        raise ExpiredError(_TOO_OLD)
    return asked


def _token(version: int, last: Row) -> str:
    token = msgspec.json.encode(_Token(_FORM, version, f"{last[0]}/{last[1]}\0"))
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def _read_token(options: ListOptions) -> tuple[int, tuple[str, str]]:
    if options.resource_version not in {"", "0"}:
        raise BadRequestError("specifying resource version is not allowed when using continue")
    text = options.continuation
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Token)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        raise BadRequestError("invalid continue token: continue key is not valid") from None
    namespace, slash, name = token.start.removesuffix("\0").partition("/")
    if token.v != _FORM or not slash:
        raise BadRequestError("invalid continue token: continue key is not valid: unknown version")
    return token.rv, (namespace, name)
