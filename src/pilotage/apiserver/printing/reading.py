"""Reading of JSON that nobody has checked, and the texts that several kinds show: labels, selectors, containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from pilotage.apiserver.printing.ages import age

__all__ = [
    "NONE",
    "UNSET",
    "Column",
    "Printer",
    "age_of",
    "at",
    "containers",
    "flag",
    "has_condition",
    "label_selector",
    "labels",
    "listed",
    "mapping",
    "name_of",
    "number",
    "text",
    "wide",
]

NONE = "<none>"
UNSET = "<unset>"

Value = Mapping[str, Any]


class Column(msgspec.Struct, frozen=True):
    """A column of a table. Those of `priority` 1 are shown by `-o wide` only."""

    name: str
    type: str = "string"
    priority: int = 0
    format: str = ""


class Printer(msgspec.Struct, frozen=True):
    """How a kind is shown: `cells` gives one for each column; times are told relative to the second argument."""

    columns: tuple[Column, ...]
    cells: Callable[[Value, float], list[Any]]


NAME = Column("Name", format="name")
AGE = Column("Age")


def wide(*names: str) -> tuple[Column, ...]:
    """Columns of `-o wide`."""
    return tuple(Column(name, priority=1) for name in names)


def at(value: Any, *steps: str) -> Any:
    """What stands at the end of a path; None when there is none."""
    for step in steps:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def text(value: Any, *steps: str, default: str = "") -> str:
    """An empty text counts as absent, as it does in Go."""
    found = at(value, *steps)
    return found if isinstance(found, str) and found else default


def number(value: Any, *steps: str, default: int = 0) -> int:
    found = at(value, *steps)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def flag(value: Any, *steps: str, default: bool = False) -> bool:
    found = at(value, *steps)
    return found if isinstance(found, bool) else default


def listed(value: Any, *steps: str) -> list[Any]:
    found = at(value, *steps)
    return found if isinstance(found, list) else []


def mapping(value: Any, *steps: str) -> Value:
    found = at(value, *steps)
    return found if isinstance(found, Mapping) else {}


def name_of(value: Value) -> str:
    return text(value, "metadata", "name")


def age_of(value: Value, now: float) -> str:
    return age(at(value, "metadata", "creationTimestamp"), now)


def has_condition(conditions: Iterable[Any], type_: str) -> bool:
    """Is the first condition of that type true?"""
    statuses = (text(each, "status") for each in conditions if text(each, "type") == type_)
    return next(statuses, "") == "True"


def containers(pod_spec: Any) -> list[str]:
    """The names of the containers, and their images."""
    found = listed(pod_spec, "containers")
    return [",".join(text(each, key) for each in found) for key in ("name", "image")]


def labels(pairs: Value) -> str:
    return ",".join(f"{name}={pairs[name]}" for name in sorted(pairs)) or NONE


_OPERATORS = {"In": " in ", "NotIn": " notin "}


def label_selector(selector: Any) -> str:
    """A `metav1.LabelSelector` as a selector on a command line; empty for one that selects everything."""
    parts = [(name, f"{name}={value}") for name, value in mapping(selector, "matchLabels").items()]
    for expression in listed(selector, "matchExpressions"):
        key, operator = text(expression, "key"), text(expression, "operator")
        if operator in _OPERATORS:
            values = ",".join(sorted(str(value) for value in listed(expression, "values")))
            parts.append((key, f"{key}{_OPERATORS[operator]}({values})"))
        else:
            parts.append((key, f"!{key}" if operator == "DoesNotExist" else key))
    return ",".join(part for _, part in sorted(parts, key=lambda pair: pair[0]))
