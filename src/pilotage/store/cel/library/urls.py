"""URLs: `url`, `isURL` and the parts of a URL, read as Go's `net/url` reads a request URI."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, ClassVar, NamedTuple

from pilotage.store.cel.declarations import Functions, function, method
from pilotage.store.cel.library.costs import passes
from pilotage.store.cel.library.formatting import quoted
from pilotage.store.cel.library.network import AddressError, parse_address
from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.types import BOOL, STRING, URL, list_of, map_of

__all__ = ["FUNCTIONS", "Url", "UrlError", "check_url", "parse_url"]

_MOST_PARAMETERS = 10_000
_UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")
_PATH = _UNRESERVED | frozenset(b"$&+,/:;=@")
_PATH_AS_WRITTEN = _PATH | frozenset(b"!'()*[]%")
_HOST = _UNRESERVED | frozenset(b"!$&'()*+,;=:[]<>\"")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


class UrlError(Exception):
    """The text is no URL."""


class Url:
    """A parsed URL; equal when written the same."""

    __slots__ = ("host", "path", "query", "raw_path", "scheme", "text")
    cel_type: ClassVar[str] = "kubernetes.URL"

    def __init__(self, text: str, scheme: str, host: str, path: bytes, raw_path: str, query: str) -> None:
        self.text = text
        self.scheme = scheme
        self.host = host
        self.path = path
        self.raw_path = raw_path
        self.query = query

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self.text == other.text

    def __hash__(self) -> int:
        return hash(("url", self.text))


class _Parts(NamedTuple):
    scheme: str
    host: str
    path: str
    query: str


def check_url(text: str) -> None:
    """Raises UrlError unless the text is an absolute URI or an absolute path."""
    try:
        _split(text, request=True)
    except UrlError as error:
        raise UrlError(f"parse {quoted(text)}: {error}") from None


def parse_url(text: str) -> Url:
    """Raises UrlError."""
    check_url(text)
    without, _, _fragment = text.partition("#")
    try:
        parts = _split(without, request=False)
    except UrlError as error:
        raise UrlError(f"parse {quoted(without)}: {error}") from None
    return Url(text, parts.scheme, parts.host, _unescaped(parts.path, "path"), parts.path, parts.query)


def _split(text: str, *, request: bool) -> _Parts:
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise UrlError("net/url: invalid control character in URL")
    if not text and request:
        raise UrlError("empty url")
    if text == "*":
        return _Parts("", "", "*", "")
    scheme, rest = _scheme(text)
    if rest.endswith("?") and rest.count("?") == 1:
        rest, query = rest[:-1], ""
    else:
        rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return _Parts(scheme, "", "", query)  # opaque, such as mailto:
        if request:
            raise UrlError("invalid URI for request")
        if ":" in rest.partition("/")[0]:
            raise UrlError("first path segment in URL cannot contain colon")
    host = ""
    if rest.startswith("//") and (scheme or (not request and not rest.startswith("///"))):
        authority, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        host = _authority(scheme, authority)
    _unescaped(rest, "path")
    return _Parts(scheme, host, rest, query)


def _scheme(text: str) -> tuple[str, str]:
    if text.startswith(":"):
        raise UrlError("missing protocol scheme")
    match = _SCHEME.match(text)
    return (match.group()[:-1].lower(), text[match.end() :]) if match else ("", text)


def _authority(scheme: str, authority: str) -> str:
    user, at, host = authority.rpartition("@")
    found = _host(scheme, host)
    if at:
        if not _USER.fullmatch(user):
            raise UrlError("net/url: invalid userinfo")
        _unescaped(user, "user")
    return found


def _port(text: str) -> None:
    if not re.fullmatch(r"(?::[0-9]*)?", text):
        raise UrlError(f"invalid port {quoted(text)} after host")


def _host(scheme: str, host: str) -> str:
    opened = host.rfind("[")
    if opened > 0:
        raise UrlError("invalid IP-literal")
    if opened == 0:
        closed = host.rfind("]")
        if closed < 0:
            raise UrlError("missing ']' in host")
        _port(host[closed + 1 :])
        inner = host[1:closed]
        zone = inner.find("%25")
        if zone >= 0:
            name = _unescaped(inner[:zone], "host").decode() + _unescaped(inner[zone:], "zone").decode(
                errors="replace"
            )
        else:
            name = _unescaped(inner, "host").decode(errors="replace")
        try:
            address = parse_address(name)
        except AddressError as error:
            raise UrlError(f"invalid host: {error}") from None
        if isinstance(address[0], ipaddress.IPv4Address):
            raise UrlError("invalid IP-literal")
        return f"[{name}]{host[closed + 1 :]}"
    first = host.find(":")
    if first >= 0:
        start = first if scheme in {"http", "https"} else host.rfind(":")
        _port(host[start:])
    return _unescaped(host, "host").decode(errors="replace")


def _unescaped(text: str, part: str) -> bytes:
    """Percent-escapes resolved. Raises UrlError."""
    raw = text.encode()
    out = bytearray()
    at = 0
    while at < len(raw):
        byte = raw[at]
        if byte == 0x25:
            pair = raw[at + 1 : at + 3]
            if len(pair) < 2 or not re.fullmatch(rb"[0-9a-fA-F]{2}", pair):
                shown = raw[at : at + 3].decode(errors="replace")
                raise UrlError(f"invalid URL escape {quoted(shown)}")
            value = int(pair, 16)
            if part == "host" and value < 0x80 and pair != b"25":
                raise UrlError(f"invalid URL escape {quoted(raw[at : at + 3].decode())}")
            if part == "zone" and pair != b"25" and value != 0x20 and value not in _HOST:
                raise UrlError(f"invalid URL escape {quoted(raw[at : at + 3].decode())}")
            out.append(value)
            at += 3
            continue
        if part in {"host", "zone"} and byte < 0x80 and byte not in _HOST:
            raise UrlError(f"invalid character {quoted(chr(byte))} in host name")
        out.append(0x20 if part == "query" and byte == 0x2B else byte)
        at += 1
    return bytes(out)


def _url(text: str) -> Url:
    try:
        return parse_url(text)
    except UrlError as error:
        raise EvaluationError(f"URL parse error during conversion from string: {error}") from None


def _is_url(text: str) -> bool:
    try:
        check_url(text)
    except UrlError:
        return False
    return True


def _scheme_of(url: Url) -> str:
    return url.scheme


def _host_of(url: Url) -> str:
    return url.host


def _host_and_port(host: str) -> tuple[str, str]:
    colon = host.rfind(":")
    port = ""
    if colon >= 0 and re.fullmatch(r":[0-9]*", host[colon:]):
        host, port = host[:colon], host[colon + 1 :]
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return host, port


def _hostname(url: Url) -> str:
    return _host_and_port(url.host)[0]


def _port_of(url: Url) -> str:
    return _host_and_port(url.host)[1]


def _escaped_path(url: Url) -> str:
    if all(byte in _PATH_AS_WRITTEN for byte in url.raw_path.encode()):
        return url.raw_path
    if url.path == b"*":
        return "*"
    return "".join(chr(byte) if byte in _PATH else f"%{byte:02X}" for byte in url.path)


def _query(url: Url) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    pairs = url.query.split("&")
    if len(pairs) > _MOST_PARAMETERS:
        return found
    for pair in pairs:
        if not pair or ";" in pair:
            continue
        key, _, value = pair.partition("=")
        try:
            name = _unescaped(key, "query").decode(errors="replace")
            found.setdefault(name, []).append(_unescaped(value, "query").decode(errors="replace"))
        except UrlError:
            continue
    return found


def _accessor(id_: str, result: Any, read: Any) -> Any:
    return (method(id_, (URL,), result, read),)


FUNCTIONS: Functions = {
    "url": (function("string_to_url", (STRING,), URL, _url, cost=passes(1)),),
    "isURL": (function("is_url_string", (STRING,), BOOL, _is_url),),
    "getScheme": _accessor("url_get_scheme", STRING, _scheme_of),
    "getHost": _accessor("url_get_host", STRING, _host_of),
    "getHostname": _accessor("url_get_hostname", STRING, _hostname),
    "getPort": _accessor("url_get_port", STRING, _port_of),
    "getEscapedPath": _accessor("url_get_escaped_path", STRING, _escaped_path),
    "getQuery": _accessor("url_get_query", map_of(STRING, list_of(STRING)), _query),
}
