"""How is a text file of a release payload read, and how is a broken one reported?

Payload files are JSON or YAML. JSON goes to the JSON reader, which is a hundred times faster; the rest to the reader of
the Kubernetes YAML dialect. An error names the file and the position and repeats at most the first bytes: a whole
payload file does not belong in a message.
"""

from __future__ import annotations

from typing import Any

import orjson

from pilotage.api import yaml
from pilotage.api.errors import InputError
from pilotage.images.errors import ImageError

__all__ = ["MAX_DOCUMENT", "load", "load_json", "malformed"]

MAX_DOCUMENT = 32 << 20
"""The longest document that is read, in bytes: a real one has some hundred kilobytes."""

_MAX_QUOTED = 200


def load(text: str | bytes, file: str, *, braces_are_json: bool = False) -> Any:
    """The value of a JSON document, or the map of a YAML document.

    With `braces_are_json` a text that begins like JSON must be JSON, not YAML in flow style.
    Raises ImageError `MalformedPayloadFile`.
    """
    decoded = _decode(text, file)
    try:
        return orjson.loads(decoded)
    except orjson.JSONDecodeError as error:
        if braces_are_json and decoded.lstrip()[:1] in ("{", "["):
            raise _not_json(file, decoded, error) from None
    try:
        value = yaml.load(decoded, file)
    except InputError as error:
        raise malformed(file, error.message.removeprefix(f"{file}: "), decoded) from None
    if not isinstance(value, dict):
        what = "the file is empty" if value is None else "it is neither JSON nor a YAML map"
        raise malformed(file, what, decoded)
    return value


def load_json(text: str | bytes, file: str) -> Any:
    """The value of a JSON document. Raises ImageError `MalformedPayloadFile`."""
    decoded = _decode(text, file)
    try:
        return orjson.loads(decoded)
    except orjson.JSONDecodeError as error:
        raise _not_json(file, decoded, error) from None


def malformed(file: str, cause: str, text: str = "") -> ImageError:
    """The one error for a payload file that does not parse; `text` is quoted up to its first bytes."""
    return ImageError("MalformedPayloadFile", f"{file} does not parse: {cause}{_begins(text)}")


def _decode(text: str | bytes, file: str) -> str:
    if len(text) > MAX_DOCUMENT:
        raise malformed(file, f"it is larger than {MAX_DOCUMENT >> 20} MiB")
    if isinstance(text, str):
        return text
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise malformed(file, f"it is not UTF-8 text (byte {error.start})") from None


def _not_json(file: str, text: str, error: orjson.JSONDecodeError) -> ImageError:
    return malformed(file, f"{error.msg} (line {error.lineno}, column {error.colno})", text)


def _begins(text: str) -> str:
    # Encoding and decoding cuts at a byte; a character that is cut in two goes.
    quoted = text[:_MAX_QUOTED].encode(errors="replace")[:_MAX_QUOTED].decode(errors="ignore")
    return f"; it begins with {quoted!r}" if quoted.strip() else ""
