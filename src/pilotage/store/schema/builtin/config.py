"""ConfigMaps and Secrets: their keys, what types of Secrets hold, and what stays once they are immutable."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.builtin.values import Problems, fits, immutable

__all__ = ["config_map", "config_map_change", "key_faults", "secret", "secret_change"]

_Object = Mapping[str, Any]
_KEY = re.compile("[-._a-zA-Z0-9]+")
_LIMIT = 1024 * 1024
_IMMUTABLE = "field is immutable when `immutable` is set"
_ACCOUNT = "kubernetes.io/service-account.name"
_REDACTED = "<secret contents redacted>"
_NEEDED = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/ssh-auth": "ssh-privatekey",
}


def key_faults(key: str) -> list[str]:
    """What is wrong with a key of a ConfigMap or a Secret, which may become the name of a file."""
    faults = ["must be no more than 253 characters"] if len(key.encode()) > 253 else []
    if not _KEY.fullmatch(key):
        faults.append(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or"
            " 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        )
    if key in {".", ".."}:
        faults.append(f"must not be '{key}'")
    elif key.startswith(".."):
        faults.append("must not start with '..'")
    return faults


def config_map(value: _Object) -> Problems:
    data, binary = value.get("data") or {}, value.get("binaryData") or {}
    size = 0
    for key, text in sorted(data.items()):
        yield from fits(f"data[{key}]", key, key_faults)
        if key in binary:
            yield problems.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        size += len(text.encode())
    for key, text in sorted(binary.items()):
        yield from fits(f"binaryData[{key}]", key, key_faults)
        size += len(base64.b64decode(text))
    if size > _LIMIT:
        yield problems.too_long("", _LIMIT)


def config_map_change(value: _Object, old: _Object) -> Problems:
    yield from _kept(value, old, ("data", "binaryData"))
    yield from config_map(value)


def secret(value: _Object) -> Problems:
    """Of a Secret nothing but keys is ever shown."""
    data = value.get("data") or {}
    size = 0
    for key, text in sorted(data.items()):
        yield from fits(f"data[{key}]", key, key_faults)
        size += len(base64.b64decode(text or ""))
    if size > _LIMIT:
        yield problems.too_long("data", _LIMIT)
    yield from _of_type(value, data)


def _of_type(value: _Object, data: Mapping[str, str]) -> Problems:
    type_ = value.get("type", "")
    needed = _NEEDED.get(type_)
    if type_ == "kubernetes.io/service-account-token":
        if not (value["metadata"].get("annotations") or {}).get(_ACCOUNT):
            yield problems.required(f"metadata.annotations[{_ACCOUNT}]")
    elif needed is not None and not (data.get(needed) or (needed.startswith(".") and needed in data)):
        yield problems.required(f"data[{needed}]")
    elif needed is not None and needed.startswith("."):
        fault = _json_fault(base64.b64decode(data[needed]))
        if fault:
            yield problems.invalid(f"data[{needed}]", _REDACTED, fault)
    elif type_ == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            yield problems.required("data[username]")
            yield problems.required("data[password]")
    elif type_ == "kubernetes.io/tls":
        for key in ("tls.crt", "tls.key"):
            if key not in data:
                yield problems.required(f"data[{key}]")


def _json_fault(content: bytes) -> str:
    """What Go says of text that is no JSON object; empty when it is one. Nothing of the content is said."""
    try:
        value = json.loads(content)
    except ValueError as error:
        if not content.strip() or getattr(error, "pos", 0) >= len(content.decode(errors="replace").rstrip()):
            return "unexpected end of JSON input"
        return "invalid character in JSON"
    return "" if isinstance(value, dict) or value is None else "json: cannot unmarshal into an object"


def secret_change(value: _Object, old: _Object) -> Problems:
    yield from immutable("type", value.get("type"), old.get("type", "Opaque"))
    yield from _kept(value, old, ("data",))
    yield from secret(value)


def _kept(value: _Object, old: _Object, names: tuple[str, ...]) -> Problems:
    """Once `immutable` is set, it and the content stay."""
    if old.get("immutable") is not True:
        return
    if value.get("immutable") is not True:
        yield problems.forbidden("immutable", _IMMUTABLE)
    for name in names:
        if (value.get(name) or {}) != (old.get(name) or {}):
            yield problems.forbidden(name, _IMMUTABLE)
