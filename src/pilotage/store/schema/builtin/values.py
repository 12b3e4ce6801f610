"""Checks of single values that the rules of many kinds share. Each yields the problems of one field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.names import dns_label, dns_subdomain, label_value, qualified_name
from pilotage.store.schema.problems import Problem

__all__ = [
    "Problems",
    "fits",
    "immutable",
    "is_selected",
    "labels",
    "listed",
    "non_negative",
    "port",
    "port_or_name",
    "selector",
    "subdomain",
    "unlabelled",
]

Problems = Iterator[Problem]
_PORT_NAME = re.compile("[-a-z0-9]+")
_OPERATORS = {"In", "NotIn", "Exists", "DoesNotExist"}


def fits(path: str, value: str, faults: Callable[[str], Iterable[str]]) -> Problems:
    """Each fault that a rule for names finds."""
    for fault in faults(value):
        yield problems.invalid(path, value, fault)


def subdomain(path: str, value: str) -> Problems:
    return fits(path, value, dns_subdomain)


def listed(path: str, value: Any, supported: Iterable[str], *, is_required: bool = True) -> Problems:
    """One of a closed set of texts; an empty one is missing."""
    supported = tuple(supported)
    if not value:
        if is_required:
            yield problems.required(path)
    elif value not in supported:
        yield problems.not_supported(path, value, supported)


def non_negative(path: str, value: int | None) -> Problems:
    if value is not None and value < 0:
        yield problems.invalid(path, value, "must be greater than or equal to 0")


def immutable(path: str, value: Any, old: Any) -> Problems:
    if value != old:
        yield problems.invalid(path, value, "field is immutable")


def port(path: str, value: int) -> Problems:
    if not 1 <= value <= 65535:
        yield problems.invalid(path, value, "must be between 1 and 65535, inclusive")


def port_name_faults(name: str) -> list[str]:
    faults = ["must be no more than 15 characters"] if len(name) > 15 else []
    if not _PORT_NAME.fullmatch(name):
        faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", name):
        faults.append("must contain at least one letter (a-z)")
    if "--" in name:
        faults.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        faults.append("must not begin or end with a hyphen")
    return faults


def port_or_name(path: str, value: int | str) -> Problems:
    return port(path, value) if isinstance(value, int) else fits(path, value, port_name_faults)


def labels(path: str, value: Mapping[str, str] | None) -> Problems:
    for name, text in sorted((value or {}).items()):
        yield from fits(path, name, qualified_name)
        for fault in label_value(text):
            yield problems.invalid(path, text, fault)


def selector(path: str, value: Mapping[str, Any] | None) -> Problems:
    """A label selector."""
    if value is None:
        return
    yield from labels(f"{path}.matchLabels", value.get("matchLabels"))
    for index, requirement in enumerate(value.get("matchExpressions") or ()):
        yield from _requirement(f"{path}.matchExpressions[{index}]", requirement)


def _requirement(path: str, requirement: Mapping[str, Any]) -> Problems:
    operator, values = requirement.get("operator"), requirement.get("values") or ()
    if operator in {"In", "NotIn"}:
        if not values:
            yield problems.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in _OPERATORS:
        if values:
            yield problems.forbidden(
                f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            )
    else:
        yield problems.invalid(f"{path}.operator", operator or "", "not a valid selector operator")
    yield from fits(f"{path}.key", requirement.get("key", ""), qualified_name)
    for index, text in enumerate(values):
        yield from fits(f"{path}.values[{index}]", text, label_value)


def is_selected(value: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Does a label selector that makes sense select these labels? An empty one selects all."""
    if any(labels.get(name) != text for name, text in (value.get("matchLabels") or {}).items()):
        return False
    for requirement in value.get("matchExpressions") or ():
        name, operator = requirement.get("key", ""), requirement.get("operator")
        values = requirement.get("values") or ()
        holds = {
            "In": name in labels and labels[name] in values,
            "NotIn": name not in labels or labels[name] not in values,
            "Exists": name in labels,
            "DoesNotExist": name not in labels,
        }
        if not holds.get(operator, False):
            return False
    return True


def unlabelled(value: Mapping[str, Any] | None) -> bool:
    """Does a selector say nothing at all?"""
    return not value or not (value.get("matchLabels") or value.get("matchExpressions"))


def label(path: str, value: str) -> Problems:
    return fits(path, value, dns_label)
