"""The string formats that a schema can ask for, judged as kube-apiserver judges them.

The names are those of kube-openapi's `strfmt` (dashes do not count: `date-time` is `datetime`), as far as CRD schemas
support them in 1.36. A format that is not in the table asks for nothing. Several judges are Go functions with habits of
their own, such as `url.ParseRequestURI`, which accepts any text that starts with `/`.
"""

from __future__ import annotations

import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date

from pilotage.store.schema.goduration import is_duration
from pilotage.store.schema.patterns import matcher

__all__ = ["Judge", "effective_format", "judge"]

Judge = Callable[[str], bool]


def _matches(pattern: str) -> Judge:
    """A pattern that is compiled when it is first asked for."""

    def judged(text: str) -> bool:
        return matcher(pattern)(text)

    return judged


def _is_bson_object_id(text: str) -> bool:
    try:
        return len(binascii.unhexlify(text)) == 12
    except (binascii.Error, ValueError):
        return False


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    # Go knows a year 0, Python starts at 1; both are leap years or not by the same rule 400 years later.
    year = text[:4] if text[:4] != "0000" else "0400"
    try:
        date.fromisoformat(year + text[4:])
    except ValueError:
        return False
    return True


_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))")


def _is_date_time(text: str) -> bool:
    parts = text.lower().split("t")
    if len(text) < 4 or len(parts) < 2 or not _is_date(parts[0]):
        return False
    found = _TIME.fullmatch(parts[1])
    return found is not None and found[1] <= "23" and found[2] <= "59" and found[3] <= "59"


def _without_leading_zeros(text: str) -> str:
    """Each decimal part of a dotted address without zeros in front, which old Go versions allowed."""
    return re.sub(r"(?<![0-9A-Fa-f:])0+(?=[0-9]+(?:\.|$|/))|(?<=\.)0+(?=[0-9])", "", text)


def _is_ipv4(text: str) -> bool:
    return "." in text and _is_ip(text, sloppy=True)


def _is_ipv6(text: str) -> bool:
    return ":" in text and _is_ip(text, sloppy=False)


def _is_ip(text: str, *, sloppy: bool) -> bool:
    if "%" in text:
        return False
    try:
        ipaddress.ip_address(_without_leading_zeros(text) if sloppy else text)
    except ValueError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    address, slash, length = text.partition("/")
    if not slash or not re.fullmatch(r"[0-9]{1,3}", length) or not _is_ip(address, sloppy=True):
        return False
    return int(length) <= (128 if ":" in address else 32)


def _is_mac(text: str) -> bool:
    """EUI-48, EUI-64 or 20 octets: bare, with colons or dashes between octets, or dots between pairs of octets."""
    if re.fullmatch(r"(?:[0-9A-Fa-f]{12}|[0-9A-Fa-f]{16}|[0-9A-Fa-f]{40})", text):
        return True
    for separator, digits, counts in (("[:-]", 2, (6, 8, 20)), (r"\.", 4, (3, 4, 10))):
        for count in counts:
            octets = f"[0-9A-Fa-f]{{{digits}}}"
            found = re.fullmatch(f"{octets}({separator}){octets}(?:\\1{octets}){{{count - 2}}}", text)
            if found:
                return True
    return False


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


def _is_request_uri(text: str) -> bool:
    """Go's `url.ParseRequestURI`: an absolute URI or an absolute path."""
    if not text or any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        return False
    if text == "*":
        return True
    found = _SCHEME.match(text)
    if found is None:
        rest = text
        if ":" in text.partition("/")[0]:
            return False
    else:
        rest = found[2]
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        return found is not None
    if rest.startswith("//") and (found is not None or not rest.startswith("///")):
        authority, _, path = rest[2:].partition("/")
        return _is_authority(authority) and _escapes_are_sound(path)
    return _escapes_are_sound(rest)


def _is_authority(text: str) -> bool:
    user, at, host = text.rpartition("@")
    if at and not re.fullmatch(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*", user):
        return False
    if host.startswith("["):
        address, bracket, port = host[1:].partition("]")
        return bool(bracket) and _is_port(port) and ":" in address
    name, colon, port = host.rpartition(":")
    if colon and not _is_port(":" + port):
        return False
    name = name if colon else host
    # A host may hold escapes of bytes beyond ASCII, and of the percent sign.
    bare = re.sub(r"%(?:[89A-Fa-f][0-9A-Fa-f]|25)", "", name)
    return not re.search(r"[\s\\^`{|}#%/?\[\]@:]", bare)


def _is_port(text: str) -> bool:
    return not text or re.fullmatch(r":[0-9]*", text) is not None


def _escapes_are_sound(text: str) -> bool:
    return re.search(r"%(?![0-9A-Fa-f]{2})", text) is None


_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]+"
_DOT_ATOM = rf"{_ATOM}(?:\.{_ATOM})*"
_QUOTED = r'"(?:[^"\\\r\n]|\\.)*"'
_ADDRESS = rf"(?:{_DOT_ATOM}|{_QUOTED})@(?:{_DOT_ATOM}|\[[^\[\]\\]+\])"
_PHRASE = rf"(?:{_ATOM}|{_QUOTED})(?:[ \t.]+(?:{_ATOM}|{_QUOTED}))*\.?"
_EMAIL = re.compile(rf"[ \t]*(?:{_ADDRESS}|(?:{_PHRASE})?[ \t]*<{_ADDRESS}>)[ \t]*(?:\([^()]*\)[ \t]*)?")


def _is_email(text: str) -> bool:
    """RFC 5322 as `mail.ParseAddress` reads it: with or without a display name."""
    return len(text) <= 4096 and _EMAIL.fullmatch(text) is not None


_HOSTNAME = (
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)"
    r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
)


# The same for texts without other letters and symbols, whose tables take a moment to build.
_ASCII_HOSTNAME = _HOSTNAME.replace(r"\p{S}", r"$+<=>\^`|~").replace(r"\p{L}", "")


def _is_hostname(text: str) -> bool:
    octets = text.encode()
    return (
        len(octets) <= 255
        and all(len(part) <= 63 for part in octets.split(b"."))
        and matcher(_ASCII_HOSTNAME if text.isascii() else _HOSTNAME)(text)
    )


_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _is_short_name(text: str) -> bool:
    return len(text) <= 63 and re.fullmatch(_NAME, text) is not None


def _is_long_name(text: str) -> bool:
    return len(text) <= 253 and all(re.fullmatch(_NAME, part) for part in text.split("."))


_CARD = re.compile(
    r"4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11}"
)


def _is_credit_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _is_isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch(r"[0-9]{9}[0-9X]", digits, re.ASCII):
        return False
    return (
        sum((place + 1) * (10 if digit == "X" else int(digit)) for place, digit in enumerate(digits)) % 11
        == 0
    )


def _is_isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch(r"[0-9]{13}", digits, re.ASCII):
        return False
    return sum((1, 3)[place % 2] * int(digit) for place, digit in enumerate(digits)) % 10 == 0


_HEX = "[0-9a-f]"
_UUID = rf"(?i)^{_HEX}{{8}}-?{_HEX}{{4}}-?%s-?%s-?{_HEX}{{12}}$"
_COLOUR = r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*"

_JUDGES: dict[str, Judge] = {
    "bsonobjectid": _is_bson_object_id,
    "byte": _matches(r"^(?:[A-Za-z0-9+\/]{4})*(?:[A-Za-z0-9+\/]{2}==|[A-Za-z0-9+\/]{3}=|[A-Za-z0-9+\/]{4})$"),
    "cidr": _is_cidr,
    "creditcard": _is_credit_card,
    "date": _is_date,
    "datetime": _is_date_time,
    "duration": is_duration,
    "email": _is_email,
    "hexcolor": _matches("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "k8slongname": _is_long_name,
    "k8sshortname": _is_short_name,
    "mac": _is_mac,
    "password": lambda text: True,  # noqa: ARG005 - any text is a password
    "rgbcolor": _matches(rf"^rgb\({_COLOUR},{_COLOUR},{_COLOUR}\)$"),
    "ssn": lambda text: len(text.encode()) == 11 and matcher(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$")(text),
    "uri": _is_request_uri,
    "uuid": _matches(_UUID % (f"{_HEX}{{4}}", f"{_HEX}{{4}}")),
    "uuid3": _matches(_UUID % (f"3{_HEX}{{3}}", f"{_HEX}{{4}}")),
    "uuid4": _matches(_UUID % (f"4{_HEX}{{3}}", f"[89ab]{_HEX}{{3}}")),
    "uuid5": _matches(_UUID % (f"5{_HEX}{{3}}", f"[89ab]{_HEX}{{3}}")),
}
_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def effective_format(schema_format: str, schema_type: str) -> str:
    """The format as the schema wrote it when it means something for this type, or empty."""
    if schema_type in {"", "string"}:
        return schema_format if schema_format.replace("-", "") in _JUDGES else ""
    return schema_format if schema_format in _NUMBERS.get(schema_type, ()) else ""


def judge(schema_format: str) -> Judge | None:
    """What decides whether a text has this format; None for formats of numbers."""
    return _JUDGES.get(schema_format.replace("-", ""))
