"""Objects made from a schema, and what is wrong with them: bodies for kinds that somebody else defined. Pure, drawn from a seed."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["bodies", "mutated", "sample"]

FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "duration": "1h",
    "byte": "YQ==",
    "uuid": "11111111-0000-4000-8000-000000000000",
    "uri": "https://a.example/b",
    "cidr": "10.0.0.0/24",
    "ipv4": "10.0.0.1",
    "ipv6": "fd00::1",
    "email": "a@b.example",
}
TEXTS = (
    "a",
    "aa",
    "1",
    "a-b",
    "a.b",
    "a.b/c",
    "/a",
    "10.0.0.0/24",
    "1h",
    "https://a.b",
    "v1.2.3",
    "A",
    "aaaaaaaa",
)
WRONG: tuple[Any, ...] = (None, True, -1, 1.5, "", "x" * 300, [], {}, ["a"], {"a": 1}, 2**40)
DEEPEST = 7


def sample(schema: Mapping[str, Any], draw: random.Random, share: float, depth: int = 0) -> Any:
    """A value that fits as far as types, enumerations and bounds go; `share` of the optional fields are there."""
    if schema.get("enum"):
        return draw.choice(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return draw.choice([1, "1", "50%"])
    match schema.get("type"):
        case "object":
            return _object(schema, draw, share, depth)
        case "array":
            count = max(schema.get("minItems", 0), 1 if draw.random() < share else 0)
            return [sample(schema.get("items", {}), draw, share, depth + 1) for _ in range(min(count, 3))]
        case "boolean":
            return draw.random() < 0.5
        case "integer":
            return _number(schema)
        case "number":
            return _number(schema) + 0.5 * ("maximum" not in schema)
        case "string":
            return _text(schema)
    return draw.choice([{"a": 1}, "a", 1])


def _object(schema: Mapping[str, Any], draw: random.Random, share: float, depth: int) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    made = {
        name: sample(field, draw, share, depth + 1)
        for name, field in schema.get("properties", {}).items()
        if name in required or (depth < DEEPEST and draw.random() < share)
    }
    if isinstance(schema.get("additionalProperties"), dict) and draw.random() < share:
        made["a"] = sample(schema["additionalProperties"], draw, share, depth + 1)
    if schema.get("x-kubernetes-embedded-resource"):
        made |= {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    return made


def _number(schema: Mapping[str, Any]) -> int:
    low, high = schema.get("minimum", 1), schema.get("maximum", 1)
    return int(low if low > 1 else min(high, 1))


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    fitting = schema.get("pattern", "")
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 1000)
    for text in TEXTS:
        if shortest <= len(text) <= longest and _matches(fitting, text):
            return text
    return "a" * max(shortest, 1)


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def mutated(value: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """A copy with one thing changed somewhere: another value, a field that nobody knows, or one less."""
    copied = copy.deepcopy(value)
    places = list(_places(copied))
    if not places:
        return {**copied, "unknown": 1}
    holder, step = draw.choice(places)
    match draw.randrange(4):
        case 0 if isinstance(holder, dict):
            del holder[step]
        case 1 if isinstance(holder[step], dict):
            holder[step]["unknown"] = 1
        case 2 if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[step]))
        case _:
            holder[step] = copy.deepcopy(draw.choice(WRONG))
    return copied


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in steps:
        yield value, step
        yield from _places(child)


def bodies(schema: Mapping[str, Any], draw: random.Random, mutations: int) -> Iterator[dict[str, Any]]:
    """The least, the usual and the fullest object, then broken ones; without type and metadata."""
    fields = {
        **schema,
        "type": "object",
        "properties": {
            name: field
            for name, field in schema.get("properties", {}).items()
            if name not in {"apiVersion", "kind", "metadata"}
        },
        "required": [
            name for name in schema.get("required", ()) if name not in {"apiVersion", "kind", "metadata"}
        ],
    }
    sound = [sample(fields, draw, share) for share in (0.0, 0.3, 0.9)]
    yield from sound
    for number in range(mutations):
        yield mutated(sound[1 + number % 2], draw)
