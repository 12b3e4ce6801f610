"""Which credential of a pull secret opens this repository?

A pull secret is a dockerconfigjson document: `{"auths": {LOCATION: {"auth": base64(user:password)}}}`. A location may
carry a scheme and a `/v1/` or `/v2/` prefix; without them it is the *key* `host[:port][/path]`. A key fits a repository
when the ports are equal, each label of its host, read as a glob, fits the label at the same place, and its path is a
prefix of the repository *on path element borders* (`quay.io/acme` does not open `quay.io/acme-private/x`). Keys are
tried in reverse string order, so a longer path of one host comes before the host alone.

Follows the kubelet's keyring (`k8s.io/kubernetes/pkg/credentialprovider`) and openshift/hypershift
`support/thirdparty/oc/pkg/cli/image/manifest/dockercredentials`, apart from the borders. Passwords never stand in a
message, a `repr` or a log: what explains a choice is the key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import msgspec
import orjson

from pilotage.images.errors import ImageError
from pilotage.images.reference import DOCKER_HUB, Reference

__all__ = ["IDENTITY_USER", "Credential", "Credentials"]

IDENTITY_USER = "<token>"
"""The user name that marks a password as an identity token: the container tools' own convention."""

_LEGACY_HUB = "index.docker.io"
_CANONICAL_PORTS = (":443", ":80")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_NOT_IN_HOST = re.compile(r"[\x00-\x20\x7f\\^{}|`%#?]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME = re.compile(r"\Ahttps?://")
_PORT = re.compile(r":[0-9]*\Z")
_CLASS_MEMBER = re.compile(r"(?!\A)[\[&~]")  # what Python would read as a set operation
_ID_LENGTH = 12


class Credential(msgspec.Struct, frozen=True, gc=False):
    """A user name and a password, and the key under which they stood. Prints as the key and the short hash only."""

    location: str
    username: str
    password: str

    @property
    def is_anonymous(self) -> bool:
        """The entry exists and holds nothing: whoever it matches goes in without a name."""
        return not (self.username or self.password)

    @property
    def id(self) -> str:
        """A short hash that tells credentials apart in cache keys and traces."""
        material = "\0".join((self.location, self.username, self.password))
        return hashlib.sha256(material.encode()).hexdigest()[:_ID_LENGTH]

    def __repr__(self) -> str:
        return f"Credential({self.location!r}, id={self.id})"

    __str__ = __repr__


class Credentials:
    """All credentials of one pull secret, in the order in which they are tried."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[Credential] = ()) -> None:
        ordered = sorted(entries, key=lambda entry: entry.location, reverse=True)
        self._entries = tuple((entry, _Pattern(entry.location)) for entry in ordered)

    @classmethod
    def parse(cls, raw: bytes | str) -> Credentials:
        """Read the text of a `.dockerconfigjson` key.

        Raises ImageError `PullSecretInvalid` naming every broken entry by its location, never by its content.
        """
        try:
            document = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ImageError(
                "PullSecretInvalid",
                f"the pull secret is not JSON (line {error.lineno} column {error.colno})",
                hint="store a dockerconfigjson document under the key .dockerconfigjson",
            ) from None
        return cls.of(document)

    @classmethod
    def of(cls, document: Any) -> Credentials:
        """The same from a decoded document."""
        if not isinstance(document, Mapping):
            raise _invalid(["the document must be an object"])
        auths = document.get("auths")
        if auths is None:
            return cls()
        if not isinstance(auths, Mapping):
            raise _invalid(["auths: must be an object of locations"])
        faults: list[str] = []
        entries = []
        for location in sorted(auths):
            try:
                username, password = _read_entry(auths[location])
            except ValueError as fault:
                faults.append(f'entry "{location}": {fault}')
                continue
            key = _key_of(location)
            if key is not None:
                entries.append(Credential(key, username, password))
        if faults:
            raise _invalid(faults)
        return cls(entries)

    def matching(self, reference: Reference) -> Sequence[Credential]:
        """Every credential that fits, best first: the others are for the retry after 401 or 403.

        Empty means anonymous access; entries that hold nothing are left out.
        """
        return tuple(entry for entry in self._fitting(reference) if not entry.is_anonymous)

    def first(self, reference: Reference) -> Credential | None:
        """The entry that decides, also when it holds nothing; None when no key fits."""
        return next(iter(self._fitting(reference)), None)

    def _fitting(self, reference: Reference) -> tuple[Credential, ...]:
        """A host with the port 443 or 80 that matches nothing is tried without its port, and an image of Docker Hub
        falls back to the entries of that name.
        """
        host = reference.registry or DOCKER_HUB
        found = self._at(host, reference.path)
        for port in _CANONICAL_PORTS:
            if not found and host.endswith(port):
                found = self._at(host.removesuffix(port), reference.path)
        if not found and reference.host == DOCKER_HUB:
            found = self._of_hub(reference.path)
        return found

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Credentials({', '.join(entry.location for entry, _ in self._entries)})"

    def _at(self, host: str, path: str) -> tuple[Credential, ...]:
        labels, port = _split_host(host)
        return tuple(entry for entry, pattern in self._entries if pattern.fits(labels, port, path))

    def _of_hub(self, path: str) -> tuple[Credential, ...]:
        """Docker Hub's own entries, by name and not by glob."""
        return tuple(
            entry
            for entry, pattern in self._entries
            if pattern.host in (_LEGACY_HUB, DOCKER_HUB) and pattern.covers(path)
        )


class _Pattern:
    """A key, taken apart once: host labels as globs, port, path."""

    __slots__ = ("host", "labels", "path", "port")

    def __init__(self, key: str) -> None:
        host, _, path = key.partition("/")
        self.host = host
        self.labels, self.port = _split_host(host)
        self.path = path.rstrip("/")

    def fits(self, labels: tuple[str, ...], port: str, path: str) -> bool:
        return (
            self.port == port
            and len(self.labels) == len(labels)
            and self.covers(path)
            and all(_fits_glob(glob, label) for glob, label in zip(self.labels, labels, strict=True))
        )

    def covers(self, path: str) -> bool:
        return not self.path or path == self.path or path.startswith(f"{self.path}/")


def _read_entry(entry: Any) -> tuple[str, str]:
    """User name and password of one entry. Raises ValueError whose text never repeats the content."""
    if entry is None:
        return "", ""
    if not isinstance(entry, Mapping):
        raise ValueError("must be an object")  # noqa: TRY004 -- one kind of fault for the caller that collects them
    values = {}
    for key in ("auth", "username", "password", "identitytoken"):
        value = entry.get(key)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{key} must be a string")
        values[key] = value or ""
    user, password = (
        _decode_auth(values["auth"]) if values["auth"] else (values["username"], values["password"])
    )
    if not password and values["identitytoken"]:
        return IDENTITY_USER, values["identitytoken"]
    return user, password


def _decode_auth(text: str) -> tuple[str, str]:
    compact = text.replace("\r", "").replace("\n", "")
    padded = compact if compact.endswith("=") else compact + "=" * (-len(compact) % 4)
    try:
        # Padding that is there must be exact; the standard library forgives too much of it.
        if not _BASE64.fullmatch(padded) or len(padded) % 4:
            raise ValueError("auth is not base64")
        user, colon, password = base64.b64decode(padded, validate=True).decode().partition(":")
    except binascii.Error:
        raise ValueError("auth is not base64") from None
    except UnicodeDecodeError:
        raise ValueError("auth is not base64 of UTF-8 text") from None
    if not colon:
        raise ValueError("auth must be base64 of USER:PASSWORD, and there is no colon")
    return user, password


def _key_of(location: str) -> str | None:
    """`host[:port][/path]` of a location; None when the location does not parse as one."""
    bare = _SCHEME.sub("", location, count=1)
    authority, slash, rest = re.split(r"[?#]", bare, maxsplit=1)[0].partition("/")
    host = authority.rpartition("@")[2]
    path = f"{slash}{rest}"
    if not host or _NOT_IN_HOST.search(host) or _BAD_ESCAPE.search(path) or not _has_valid_port(host):
        return None
    path = unquote(path)
    if path.startswith(("/v1/", "/v2/")):
        path = path[3:]
    return host if path in ("", "/") else host + path


def _has_valid_port(host: str) -> bool:
    behind = host.rpartition("]")[2] if host.startswith("[") else host
    return ":" not in behind or _PORT.search(behind) is not None


@lru_cache(maxsize=4096)
def _split_host(host: str) -> tuple[tuple[str, ...], str]:
    """The labels of a host and its port (empty when there is none)."""
    name, colon, port = host.rpartition(":")
    if not colon or "]" in port or (":" in name and not name.endswith("]")):
        name, port = host, ""
    return tuple(name.split(".")), port


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str] | None:
    """A label as a glob: `*` and `[a-z]`, all that a host can hold. None when malformed, and then it fits nothing."""
    parts = re.split(r"(\*|\[[^\]]+\])", pattern)
    literals = "".join(parts[::2])
    if "[" in literals or "]" in literals or "--" in pattern:
        return None
    chunks = [""]
    for index, part in enumerate(parts):
        if part == "*":
            chunks.append("")
        else:
            chunks[-1] += _CLASS_MEMBER.sub(r"\\\g<0>", part) if index % 2 else re.escape(part)
    first, *middle = chunks
    # Each star takes as little as it can and is not asked again: many stars stay cheap on any label.
    source = (
        first
        + "".join(f"(?>.*?{chunk})" for chunk in middle[:-1])
        + "".join(f".*{chunk}" for chunk in middle[-1:])
    )
    try:
        return re.compile(source, re.DOTALL)
    except re.error:
        return None


def _fits_glob(glob: str, label: str) -> bool:
    if glob == label:
        return True
    if "*" not in glob and "[" not in glob:
        return False
    pattern = _glob(glob)
    return pattern is not None and pattern.fullmatch(label) is not None


def _invalid(faults: Sequence[str]) -> ImageError:
    return ImageError(
        "PullSecretInvalid",
        f"the pull secret is not usable: {'; '.join(faults)}",
        hint="correct the entries that are named; their content is never shown",
        messages=tuple(faults),
    )
