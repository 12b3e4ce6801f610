"""Addresses and networks: `ip`, `cidr` and what can be asked of them, with the messages of Go's `net/netip`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, ClassVar

from pilotage.store.cel.declarations import Functions, function, method
from pilotage.store.cel.library.costs import passes, tenth
from pilotage.store.cel.library.formatting import quoted
from pilotage.store.cel.problems import EvaluationError, no_such_overload
from pilotage.store.cel.types import BOOL, CIDR, INT, IP, STRING
from pilotage.store.cel.values import size_of

__all__ = ["FUNCTIONS", "Address", "AddressError", "Network", "parse_address"]

_Raw = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressError(Exception):
    """The text is no address."""

    def __init__(self, text: str, problem: str, at: str | None = None) -> None:
        place = f" (at {quoted(at)})" if at else ""
        super().__init__(f"ParseAddr({quoted(text)}): {problem}{place}")


class Address:
    __slots__ = ("raw",)
    cel_type: ClassVar[str] = "net.IP"

    def __init__(self, raw: _Raw) -> None:
        self.raw = raw

    @property
    def cel_size(self) -> int:
        return self.raw.max_prefixlen // 8

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class Network:
    """An address with a prefix length; the address need not be the first of the network."""

    __slots__ = ("length", "raw")
    cel_type: ClassVar[str] = "net.CIDR"

    def __init__(self, raw: _Raw, length: int) -> None:
        self.raw = raw
        self.length = length

    @property
    def cel_size(self) -> int:
        return -(-self.length // 8)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.raw == other.raw and self.length == other.length

    def __hash__(self) -> int:
        return hash((self.raw, self.length))


def parse_address(text: str) -> tuple[_Raw, str]:
    """An address and its zone. Raises AddressError."""
    mark = next((character for character in text if character in ".:%"), "")
    if mark == ".":
        return ipaddress.IPv4Address(bytes(_four(text, text))), ""
    if mark == ":":
        return _parse_six(text)
    raise AddressError(text, "missing IPv6 address" if mark else "unable to parse IP")


def _four(whole: str, text: str) -> list[int]:
    """The four numbers of a dotted address. Raises AddressError."""
    fields: list[int] = []
    value = digits = 0
    for place, character in enumerate(text):
        if "0" <= character <= "9":
            if digits == 1 and value == 0:
                raise AddressError(whole, "IPv4 field has octet with leading zero")
            value = value * 10 + int(character)
            digits += 1
            if value > 255:
                raise AddressError(whole, "IPv4 field has value >255")
        elif character == ".":
            if place == 0 or place == len(text) - 1 or text[place - 1] == ".":
                raise AddressError(whole, "IPv4 field must have at least one digit", text[place:])
            if len(fields) == 3:
                raise AddressError(whole, "IPv4 address too long")
            fields.append(value)
            value = digits = 0
        else:
            raise AddressError(whole, "unexpected character", text[place:])
    if len(fields) < 3:
        raise AddressError(whole, "IPv4 address too short")
    return [*fields, value]


def _parse_six(whole: str) -> tuple[ipaddress.IPv6Address, str]:
    rest, percent, zone = whole.partition("%")
    if percent and not zone:
        raise AddressError(whole, "zone must be a non-empty string")
    found: list[int] = []
    gap = -1
    if rest.startswith("::"):
        gap, rest = 0, rest[2:]
        if not rest:
            return ipaddress.IPv6Address(0), zone
    while len(found) < 16:
        match = re.match(r"[0-9a-fA-F]*", rest)
        digits = match.group() if match else ""
        if len(digits) > 4:
            raise AddressError(whole, "each group must have 4 or less digits", rest)
        if not digits:
            raise AddressError(whole, "each colon-separated field must have at least one digit", rest)
        if rest[len(digits) : len(digits) + 1] == ".":
            if gap < 0 and len(found) != 12:
                raise AddressError(
                    whole, "embedded IPv4 address must replace the final 2 fields of the address", rest
                )
            if len(found) + 4 > 16:
                raise AddressError(
                    whole, "too many hex fields to fit an embedded IPv4 at the end of the address", rest
                )
            found.extend(_four(whole, rest))
            rest = ""
            break
        found.extend(divmod(int(digits, 16), 256))
        rest = rest[len(digits) :]
        if not rest:
            break
        if rest[0] != ":":
            raise AddressError(whole, "unexpected character, want colon", rest)
        if len(rest) == 1:
            raise AddressError(whole, "colon must be followed by more characters", rest)
        rest = rest[1:]
        if rest[0] == ":":
            if gap >= 0:
                raise AddressError(whole, "multiple :: in address", rest)
            gap, rest = len(found), rest[1:]
            if not rest:
                break
    if rest:
        raise AddressError(whole, "trailing garbage after address", rest)
    if len(found) < 16:
        if gap < 0:
            raise AddressError(whole, "address string too short")
        found[gap:gap] = [0] * (16 - len(found))
    elif gap >= 0:
        raise AddressError(whole, "the :: must expand to at least one field of zeros")
    return ipaddress.IPv6Address(bytes(found)), zone


def _mapped(raw: _Raw) -> bool:
    return isinstance(raw, ipaddress.IPv6Address) and raw.ipv4_mapped is not None


def _address(text: str) -> Address:
    try:
        raw, zone = parse_address(text)
    except AddressError as error:
        raise EvaluationError(
            f"IP Address {quoted(text)} parse error during conversion from string: {error}"
        ) from None
    if zone:
        raise EvaluationError(f"IP address {quoted(text)} with zone value is not allowed")
    if _mapped(raw):
        raise EvaluationError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return Address(raw)


_PREFIX = "network address parse error during conversion from string: "


def _network(text: str) -> Network:
    where = f"{_PREFIX * 2}netip.ParsePrefix({quoted(text)}): "
    head, slash, tail = text.rpartition("/")
    if not slash:
        raise EvaluationError(f"{where}no '/'")
    try:
        raw, zone = parse_address(head)
    except AddressError as error:
        raise EvaluationError(f"{where}{error}") from None
    if zone:
        raise EvaluationError(f"{where}IPv6 zones cannot be present in a prefix")
    if not re.fullmatch(r"[0-9]|[1-9][0-9]{1,9}", tail):
        raise EvaluationError(f"{where}bad bits after slash: {quoted(tail)}")
    if int(tail) > raw.max_prefixlen:
        raise EvaluationError(f"{where}prefix length out of range")
    if _mapped(raw):
        raise EvaluationError(f"{_PREFIX}IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return Network(raw, int(tail))


def _valid(read: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except EvaluationError:
            return False
        return True

    return check


def _address_text(address: Address) -> str:
    return str(address.raw)


def _network_text(network: Network) -> str:
    return f"{network.raw}/{network.length}"


def _canonical(text: str) -> bool:
    return str(_address(text).raw) == text


def _family(address: Address) -> int:
    return address.raw.version


def _link_local_multicast(address: Address) -> bool:
    packed = address.raw.packed
    if address.raw.version == 4:
        return packed[:3] == bytes([224, 0, 0])
    return packed[0] == 0xFF and packed[1] & 0x0F == 0x02


def _link_local_unicast(address: Address) -> bool:
    packed = address.raw.packed
    if address.raw.version == 4:
        return packed[:2] == bytes([169, 254])
    return packed[0] == 0xFE and packed[1] & 0xC0 == 0x80


def _loopback(address: Address) -> bool:
    return address.raw.packed[0] == 127 if address.raw.version == 4 else int(address.raw) == 1


def _unspecified(address: Address) -> bool:
    return int(address.raw) == 0


def _global_unicast(address: Address) -> bool:
    raw = address.raw
    if raw.version == 4 and (int(raw) in {0, 0xFFFFFFFF}):
        return False
    multicast = raw.packed[0] >> 4 == 14 if raw.version == 4 else raw.packed[0] == 0xFF
    return not (int(raw) == 0 or _loopback(address) or multicast or _link_local_unicast(address))


def _masked(network: Network) -> Network:
    shift = network.raw.max_prefixlen - network.length
    return Network(type(network.raw)(int(network.raw) >> shift << shift), network.length)


def _contains(network: Network, address: Address) -> bool:
    if network.raw.version != address.raw.version:
        return False
    shift = network.raw.max_prefixlen - network.length
    return int(network.raw) >> shift == int(address.raw) >> shift


def _contains_text(network: Network, text: str) -> bool:
    try:
        address = _address(text)
    except EvaluationError:
        raise no_such_overload() from None  # the API server loses what was wrong
    return _contains(network, address)


def _contains_network(network: Network, other: Network) -> bool:
    return network.length <= other.length and _contains(network, Address(other.raw))


def _contains_network_text(network: Network, text: str) -> bool:
    return _contains_network(network, _network(text))


def _length(network: Network) -> int:
    return network.length


def _ip_of(network: Network) -> Address:
    return Address(network.raw)


def _contains_cost(*, text: bool, network: bool) -> Any:
    def cost(args: tuple[Any, ...], _result: Any) -> int:
        size = size_of(args[0])
        total = tenth(size * 2) + (tenth(size) + 1 if network else 0)
        return total + (tenth(size_of(args[1])) if text else 0)

    return cost


_PARSE = passes(1)

FUNCTIONS: Functions = {
    "ip": (
        function("string_to_ip", (STRING,), IP, _address, cost=_PARSE),
        method("cidr_ip", (CIDR,), IP, _ip_of),
    ),
    "isIP": (function("is_ip", (STRING,), BOOL, _valid(_address), cost=_PARSE),),
    "ip.isCanonical": (function("ip_is_canonical", (STRING,), BOOL, _canonical, cost=passes(2)),),
    "family": (method("ip_family", (IP,), INT, _family),),
    "isUnspecified": (method("ip_is_unspecified", (IP,), BOOL, _unspecified),),
    "isLoopback": (method("ip_is_loopback", (IP,), BOOL, _loopback),),
    "isLinkLocalMulticast": (method("ip_is_link_local_multicast", (IP,), BOOL, _link_local_multicast),),
    "isLinkLocalUnicast": (method("ip_is_link_local_unicast", (IP,), BOOL, _link_local_unicast),),
    "isGlobalUnicast": (method("ip_is_global_unicast", (IP,), BOOL, _global_unicast),),
    "cidr": (function("string_to_cidr", (STRING,), CIDR, _network, cost=_PARSE),),
    "isCIDR": (function("is_cidr", (STRING,), BOOL, _valid(_network), cost=_PARSE),),
    "containsIP": (
        method(
            "cidr_contains_ip_string",
            (CIDR, STRING),
            BOOL,
            _contains_text,
            cost=_contains_cost(text=True, network=False),
        ),
        method(
            "cidr_contains_ip_ip", (CIDR, IP), BOOL, _contains, cost=_contains_cost(text=False, network=False)
        ),
    ),
    "containsCIDR": (
        method(
            "cidr_contains_cidr_string",
            (CIDR, STRING),
            BOOL,
            _contains_network_text,
            cost=_contains_cost(text=True, network=True),
        ),
        method(
            "cidr_contains_cidr",
            (CIDR, CIDR),
            BOOL,
            _contains_network,
            cost=_contains_cost(text=False, network=True),
        ),
    ),
    "prefixLength": (method("cidr_prefix_length", (CIDR,), INT, _length),),
    "masked": (method("cidr_masked", (CIDR,), CIDR, _masked),),
    "string": (
        function("ip_to_string", (IP,), STRING, _address_text),
        function("cidr_to_string", (CIDR,), STRING, _network_text),
    ),
}
