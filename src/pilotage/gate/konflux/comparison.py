"""How does what is live differ from what is rendered? Object by object, field by field.

Only what is rendered is compared: a server adds defaults and status, and others own other fields. Lists are different, because
whoever adds to one changes what it means: a further rule in a Role, a context in a scenario. Entries with a name are compared by
name, all others by position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

__all__ = ["Drift", "differences", "drift_of"]

State = Literal["missing", "differs", "surplus", "not seen"]
_SHOWN = 120


class Drift(msgspec.Struct, frozen=True):
    """`wanted` and `found` are as JSON, empty for nothing; `field` is empty for the whole object."""

    subject: str
    state: State
    field: str = ""
    wanted: str = ""
    found: str = ""


def drift_of(subject: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> tuple[Drift, ...]:
    """Every difference of one object; `found` is None when it is not there."""
    if found is None:
        return (Drift(subject, "missing"),)
    return tuple(
        Drift(subject, "differs", field, _shown(want), _shown(have))
        for field, want, have in differences(wanted, found)
    )


class _Nothing:
    """Stands for a value that is not there: null is one."""


_NOTHING = _Nothing()


def differences(wanted: Any, found: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(field, wanted, found) of everything in `wanted` that `found` has otherwise."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key, value in wanted.items():
            yield from differences(value, found.get(key, _NOTHING), _below(path, key))
    elif isinstance(wanted, list | tuple) and isinstance(found, list | tuple):
        yield from _of_lists(wanted, found, path)
    elif found is _NOTHING and wanted in ({}, []):
        return  # an empty map or list is as good as none: servers drop them
    elif wanted != found or isinstance(wanted, bool) != isinstance(found, bool):
        yield path, wanted, found


def _of_lists(wanted: Any, found: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    names = [_name(item) for item in (*wanted, *found)]
    if all(names) and len(set(names[: len(wanted)])) == len(wanted):
        live = {_name(item): item for item in found}
        for item in wanted:
            name = _name(item)
            yield from differences(item, live.pop(name, _NOTHING), f"{path}[{name}]")
        for name, item in live.items():
            yield f"{path}[{name}]", _NOTHING, item
        return
    for position in range(max(len(wanted), len(found))):
        want = wanted[position] if position < len(wanted) else _NOTHING
        have = found[position] if position < len(found) else _NOTHING
        yield from differences(want, have, f"{path}[{position}]")


def _name(item: Any) -> str:
    name = item.get("name") if isinstance(item, Mapping) else None
    return name if isinstance(name, str) else ""


def _below(path: str, key: str) -> str:
    if any(character in key for character in "./[]"):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return ""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
