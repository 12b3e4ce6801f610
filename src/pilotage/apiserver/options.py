"""The options of a request, from its query: what they mean, and what the server says of values that mean nothing.

Follows `k8s.io/apimachinery/pkg/apis/meta/v1` (`types.go`, `validation`), and `pkg/conversion/queryparams` for how a text becomes
a number or a truth.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast
from urllib.parse import parse_qs

import msgspec

from pilotage.apiserver.refusals import RefusalError, bad_request, invalid_options
from pilotage.store.base import DeleteOptions, ListOptions, WatchOptions, WriteOptions
from pilotage.store.embedded.listing import unreadable_version
from pilotage.store.schema.gotext import json_text
from pilotage.store.schema.problems import Problem, forbidden, invalid, not_supported, required, too_long

__all__ = [
    "Query",
    "delete_options",
    "list_options",
    "manager_of",
    "watch_options",
    "watch_seconds",
    "write_options",
]

LONGEST_MANAGER = 128
_MOST_DIGITS = 19
_POLICIES = ("Foreground", "Background", "Orphan")
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")


class Query:
    """The query of a request; of a name that stands there twice the first value counts."""

    def __init__(self, text: str) -> None:
        self._values = parse_qs(text, keep_blank_values=True)

    def has(self, name: str) -> bool:
        return name in self._values

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def text(self, name: str) -> str:
        return self._values.get(name, [""])[0]

    def flag(self, name: str) -> bool:
        """Go's reading: there is nothing false but `false` and `0`."""
        return self.has(name) and self.text(name).lower() not in {"false", "0"}

    def number(self, name: str) -> int | None:
        """Raises RefusalError for what is no number."""
        text = self.text(name)
        if not text:
            return None
        digits = text[1:] if text[0] in "+-" else text
        if not (digits.isascii() and digits.isdecimal()):
            raise bad_request(f"strconv.ParseInt: parsing {json_text(text)}: invalid syntax")
        is_long = len(digits.lstrip("0")) > _MOST_DIGITS
        if is_long or not -(2**63) <= int(text) < 2**63:
            raise bad_request(f"strconv.ParseInt: parsing {json_text(text)}: value out of range")
        return int(text)


def manager_of(agent: str) -> str:
    """Who writes, when the request does not say: the user agent up to its first slash."""
    manager = ""
    for character in agent.partition("/")[0]:
        if not _is_printable(character):
            continue
        if len((manager + character).encode()) > LONGEST_MANAGER:
            break
        manager += character
    return manager or "unknown"


def _is_printable(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def write_options(
    kind: Literal["CreateOptions", "UpdateOptions", "PatchOptions"],
    query: Query,
    agent: str,
    *,
    is_apply: bool = False,
) -> WriteOptions:
    """Raises InvalidObjectError listing every option that makes no sense."""
    manager = query.text("fieldManager")
    problems: list[Problem] = []
    if kind == "PatchOptions":
        if not is_apply and query.has("force"):
            problems.append(forbidden("force", "may not be specified for non-apply patch"))
        if is_apply and not manager:
            problems.append(required("fieldManager", "is required for apply patch"))
    problems += [*_manager_problems(manager), *_dry_run_problems(query.all("dryRun"))]
    validation = query.text("fieldValidation")
    if validation not in _VALIDATIONS:
        problems.append(not_supported("fieldValidation", validation, _VALIDATIONS))
    if problems:
        raise invalid_options(kind, problems)
    return WriteOptions(
        manager=manager or manager_of(agent),
        is_dry_run=query.has("dryRun"),
        force=query.flag("force"),
        validation=cast("Literal['Strict', 'Warn', 'Ignore']", validation or "Warn"),
    )


def _manager_problems(manager: str) -> list[Problem]:
    problems = []
    if len(manager.encode()) > LONGEST_MANAGER:
        problems.append(too_long("fieldManager", LONGEST_MANAGER))
    for position, character in enumerate(manager):
        if not _is_printable(character):
            detail = f"invalid character U+{ord(character):04X} (at position {position})"
            problems.append(invalid("fieldManager", manager, detail))
            break
    return problems


def _dry_run_problems(values: Sequence[str]) -> list[Problem]:
    return [not_supported("dryRun", list(values), ("All",))] if set(values) - {"All"} else []


def list_options(namespace: str, query: Query) -> ListOptions:
    """Raises RefusalError, InvalidObjectError."""
    version = query.text("resourceVersion")
    query.number("timeoutSeconds")
    limit = query.number("limit")
    if query.has("sendInitialEvents"):
        field = "sendInitialEvents"
        raise invalid_options("ListOptions", [forbidden(field, f"{field} is forbidden for list")])
    if version and unreadable_version(version):
        raise bad_request(f"invalid resource version: {unreadable_version(version)}")
    return ListOptions(
        namespace=namespace,
        labels=query.text("labelSelector"),
        fields=query.text("fieldSelector"),
        limit=limit or 0,
        continuation=query.text("continue"),
        resource_version=version,
        match=cast("Literal['', 'Exact', 'NotOlderThan']", query.text("resourceVersionMatch")),
    )


def watch_options(namespace: str, query: Query) -> WatchOptions:
    """Raises RefusalError. What contradicts itself is the store's to say."""
    version = query.text("resourceVersion")
    query.number("limit")
    if query.text("continue"):
        field = "resourceVersionMatch"
        raise invalid_options(
            "ListOptions", [forbidden(field, f"{field} is forbidden when continue is provided")]
        )
    if version and unreadable_version(version):
        raise RefusalError(500, unreadable_version(version))
    return WatchOptions(
        namespace=namespace,
        labels=query.text("labelSelector"),
        fields=query.text("fieldSelector"),
        resource_version=version,
        has_bookmarks=query.flag("allowWatchBookmarks"),
        initial_events=query.flag("sendInitialEvents") if query.has("sendInitialEvents") else None,
        match=cast("Literal['', 'Exact', 'NotOlderThan']", query.text("resourceVersionMatch")),
    )


def watch_seconds(query: Query) -> int | None:
    """How long the client wants to watch; None: as long as the server likes. Raises RefusalError."""
    seconds = query.number("timeoutSeconds")
    return seconds if seconds is not None and seconds > 0 else None


class _Preconditions(msgspec.Struct):
    uid: str | None = None
    version: str | None = msgspec.field(name="resourceVersion", default=None)


class _Sent(msgspec.Struct, rename="camel"):
    """A `DeleteOptions` as it is sent."""

    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    grace_period_seconds: int | None = None
    preconditions: _Preconditions | None = None
    dry_run: list[str] | None = None


_GO_TYPES: Mapping[str, tuple[type, str]] = {
    "propagationPolicy": (str, "v1.DeletionPropagation"),
    "orphanDependents": (bool, "bool"),
    "gracePeriodSeconds": (int, "int64"),
    "preconditions": (dict, "v1.Preconditions"),
    "dryRun": (list, "[]string"),
}


def delete_options(query: Query, sent: Mapping[str, Any] | None) -> DeleteOptions:
    """From the body when there is one, else from the query. Raises RefusalError, InvalidObjectError."""
    wanted = _from_query(query) if sent is None else _from_body(sent)
    policy, orphans = wanted.propagation_policy, wanted.orphan_dependents
    problems: list[Problem] = []
    if policy is not None and orphans is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        problems.append(invalid("propagationPolicy", policy, why))
    if policy is not None and policy not in _POLICIES:
        problems.append(not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    problems += _dry_run_problems(wanted.dry_run or ())
    if problems:
        raise invalid_options("DeleteOptions", problems)
    if policy is None and orphans is not None:
        policy = "Orphan" if orphans else "Background"
    preconditions = wanted.preconditions or _Preconditions()
    return DeleteOptions(
        propagation=cast("Literal['', 'Background', 'Foreground', 'Orphan']", policy or ""),
        uid=preconditions.uid or "",
        resource_version=preconditions.version or "",
        is_dry_run=bool(wanted.dry_run),
    )


def _from_query(query: Query) -> _Sent:
    return _Sent(
        query.text("propagationPolicy") if query.has("propagationPolicy") else None,
        query.flag("orphanDependents") if query.has("orphanDependents") else None,
        query.number("gracePeriodSeconds"),
        None,
        query.all("dryRun") or None,
    )


def _from_body(sent: Mapping[str, Any]) -> _Sent:
    for name, (wanted, shown) in _GO_TYPES.items():
        value = sent.get(name)
        if value is not None and (
            not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))
        ):
            raise bad_request(
                f"json: cannot unmarshal {_go_type(value)} into Go struct field DeleteOptions.{name} of type {shown}"
            )
    try:
        return msgspec.convert(dict(sent), _Sent)
    except msgspec.ValidationError as error:
        raise bad_request(f"DeleteOptions: {error}") from None


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object"
