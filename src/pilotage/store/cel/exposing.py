"""Objects whose types are given up: `dyn(self.spec)`, or an object inside a list of anything.

While the type of an object is known, its fields are found by their declared names. Once it is not, the object must carry
the names that expressions use: declared fields only, under their escaped names, null ones left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotage.store.cel.naming import KEYWORDS
from pilotage.store.cel.types import Type

__all__ = ["exposure"]


def exposure(type_: Type) -> Callable[[Any], Any] | None:
    """How a value of the type looks without its type; None when it looks the same."""
    if type_.kind == "struct" and type_.fields is not None:
        inner = {
            name: (field.property, exposure(field.type))
            for name, field in sorted(type_.fields.items())
            if name not in KEYWORDS  # also there under its escaped name
        }
        return lambda value: _object(value, inner)
    if type_.kind == "list":
        element = exposure(type_.params[0])
        return None if element is None else lambda value: [element(item) for item in value]
    if type_.kind == "map":
        entry = exposure(type_.params[1])
        return None if entry is None else lambda value: {key: entry(item) for key, item in value.items()}
    return None


def _object(value: Any, fields: dict[str, tuple[str, Callable[[Any], Any] | None]]) -> Any:
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, (property_, expose) in fields.items():
        item = value.get(property_)
        if item is not None:
            found[name] = item if expose is None else expose(item)
    return found
