"""One YAML or JSON document, as Kubernetes tools read it.

What opens like JSON is tried as JSON first, which is faster and allows what YAML does not (tabs, surrogate pairs);
everything else, and what only looked like JSON, is composed from YAML events (`composer`).

Three limits hold whatever the input is: the size of a document, the depth of its nesting, and how much its aliases
expand to (`places.Limits`).
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from pilotage.api.errors import InputError
from pilotage.api.yaml import json_text
from pilotage.api.yaml.composer import REPEATED, Composer
from pilotage.api.yaml.places import DEFAULT_LIMITS, Limits, Origin, Reading, malformed, shown

__all__ = ["load", "read", "read_all"]

_JSON_FACTOR: Final = 8
_NOWHERE: Final = Origin()


def load(text: str, source: str = "", limits: Limits = DEFAULT_LIMITS) -> Any:
    """The value of the first document in `text`; null when there is none.

    As in Go, what follows the first document is not looked at: split a stream first (`manifest.load_documents`).
    Raises InputError `MalformedManifest` naming document, line and column of every problem.
    """
    return read(text, Origin(source), limits).value


def read(
    text: str, origin: Origin = _NOWHERE, limits: Limits = DEFAULT_LIMITS, *, alone: bool = False
) -> Reading:
    """Read the first document of `text`, YAML or JSON; with `alone` a second one is a problem.

    Raises InputError `MalformedManifest`.
    """
    text = text.removeprefix("\ufeff")
    found = _json(text, origin, limits, several=False)
    if len(found) == 1:
        return found[0]
    return Composer(text, origin, limits, alone=alone).read()


def read_all(text: str, origin: Origin = _NOWHERE, limits: Limits = DEFAULT_LIMITS) -> list[Reading]:
    """Like `read`, for a text that may also be a stream of JSON values, one after the other."""
    text = text.removeprefix("\ufeff")
    return _json(text, origin, limits, several=True) or [Composer(text, origin, limits, alone=True).read()]


def _json(text: str, origin: Origin, limits: Limits, *, several: bool) -> list[Reading]:
    """The JSON values in `text`; none when it should rather be read as YAML, whose messages know more."""
    if not json_text.looks_like_json(text) or len(text) > _JSON_FACTOR * limits.characters:
        return []
    try:
        found = json_text.decode(text, limits.depth)
    except json_text.NotJSONError as error:
        if len(text) <= limits.characters and not (several and error.values_before):
            return []
        raise malformed((f"{origin.at(error.line, error.column)}: {error}",)) from None
    except json_text.RepeatedKeyError as error:
        _refuse_repeated_key(error.key, text, origin, limits)
    return [Reading(item.value, origin.line + item.line) for item in found]


def _refuse_repeated_key(key: str, text: str, origin: Origin, limits: Limits) -> NoReturn:
    """Raise for JSON with a repeated key, with its place where the composer can read the text too."""
    try:
        Composer(text, origin, limits, alone=False).read()
    except InputError as error:
        if REPEATED in error.message:
            raise
    raise malformed((f"{origin.at(0)}: {shown(key)}{REPEATED}",))
