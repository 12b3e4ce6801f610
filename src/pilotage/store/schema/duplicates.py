"""Fields that a JSON text has twice. The last one counts; strict decoding complains: `duplicate field "spec.x"`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["duplicate_fields"]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with every field it was written with."""


def duplicate_fields(text: bytes) -> list[str]:
    """What strict decoding would complain about, in the order of the text, each field once.

    Raises ValueError when the text is not JSON.
    """
    paths = _repeated(json.loads(text, object_pairs_hook=_Pairs), "")
    return [f'duplicate field "{path}"' for path in dict.fromkeys(paths)]


def _repeated(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        prefix = f"{path}." if path else ""
        seen: set[str] = set()
        for name, child in value:
            if name in seen:
                yield prefix + name
            seen.add(name)
            yield from _repeated(child, prefix + name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _repeated(item, f"{path}[{index}]")
