"""Named formats: `format.dns1123Label().validate(name)` gives the problems of a text, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from pilotage.store.cel.declarations import Functions, function, method
from pilotage.store.cel.library.costs import tenth
from pilotage.store.cel.library.times import timestamp_from_date
from pilotage.store.cel.library.urls import UrlError, check_url
from pilotage.store.cel.types import FORMAT, STRING, list_of, optional_of
from pilotage.store.cel.values import NONE, Optional

__all__ = ["FUNCTIONS", "NamedFormat"]

_REGEX = 0.25


class NamedFormat:
    """`check` lists the problems of a text; `weight` is the length of pattern that its cost is counted with."""

    __slots__ = ("check", "name", "weight")
    cel_type: ClassVar[str] = "kubernetes.NamedFormat"

    def __init__(self, name: str, weight: int, check: Callable[[str], list[str]]) -> None:
        self.name = name
        self.weight = weight
        self.check = check

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedFormat) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:.[0-9]+)?(?:z|[+-][0-9]{2}:[0-9]{2})")


def _regex_problem(message: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def _long(text: str, most: int) -> list[str]:
    return [f"must be no more than {most} bytes"] if len(text.encode()) > most else []


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None


def _label(text: str) -> list[str]:
    problems = _long(text, 63)
    if not _fits(_LABEL, text):
        # A name that would do as a subdomain is told about its dots.
        if _fits(_SUBDOMAIN, text):
            return [*problems, "must not contain dots"]
        problems.append(
            _regex_problem(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
                "and end with an alphanumeric character",
                _LABEL,
                "my-name",
                "123-abc",
            )
        )
    return problems


def _subdomain(text: str) -> list[str]:
    problems = _long(text, 253)
    if not _fits(_SUBDOMAIN, text):
        problems.append(
            _regex_problem(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
                "start and end with an alphanumeric character",
                _SUBDOMAIN,
                "example.com",
            )
        )
    return problems


def _label_1035(text: str) -> list[str]:
    problems = _long(text, 63)
    if not _fits(_LABEL_1035, text):
        problems.append(
            _regex_problem(
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
                "character, and end with an alphanumeric character",
                _LABEL_1035,
                "my-name",
                "abc-123",
            )
        )
    return problems


def _prefix(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """A name that something is appended to may end with a dash."""
    return lambda text: check(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)


_KEY_PROBLEM = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"


def _qualified(text: str) -> list[str]:
    examples = ("MyName", "my.name", "123-abc")
    parts = text.split("/")
    problems: list[str] = []
    if len(parts) > 2:
        problem = _regex_problem(_KEY_PROBLEM, _KEY, *examples)
        return [
            f"a valid label key {problem} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    if len(parts) == 2:
        found = _subdomain(parts[0]) if parts[0] else ["must be non-empty"]
        problems.extend(f"prefix part {problem}" for problem in found)
    name = parts[-1]
    if not name:
        problems.append("name part must be non-empty")
    problems.extend(f"name part {problem}" for problem in _long(name, 63))
    if not _fits(_KEY, name):
        problems.append(f"name part {_regex_problem(_KEY_PROBLEM, _KEY, *examples)}")
    return problems


def _label_value(text: str) -> list[str]:
    problems = _long(text, 63)
    if not _fits(_VALUE, text):
        problems.append(
            _regex_problem(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
                "start and end with an alphanumeric character",
                _VALUE,
                "MyValue",
                "my_value",
                "12345",
            )
        )
    return problems


def _uri(text: str) -> list[str]:
    try:
        check_url(text)
    except UrlError as error:
        return [str(error)]
    return []


def _is_datetime(text: str) -> bool:
    parts = text.lower().split("t")
    if len(text) < 4 or len(parts) < 2 or timestamp_from_date(parts[0]) is None:
        return False
    match = _TIME.fullmatch(parts[1])
    return match is not None and match[1] <= "23" and match[2] <= "59" and match[3] <= "59"


def _says(message: str, valid: Callable[[str], Any]) -> Callable[[str], list[str]]:
    return lambda text: [] if valid(text) else [message]


_FORMATS = {
    "dns1123Label": NamedFormat("DNS1123Label", 30, _label),
    "dns1123Subdomain": NamedFormat("DNS1123Subdomain", 60, _subdomain),
    "dns1035Label": NamedFormat("DNS1035Label", 30, _label_1035),
    "qualifiedName": NamedFormat("QualifiedName", 60, _qualified),
    "dns1123LabelPrefix": NamedFormat("DNS1123LabelPrefix", 30, _prefix(_label)),
    "dns1123SubdomainPrefix": NamedFormat("DNS1123SubdomainPrefix", 60, _prefix(_subdomain)),
    "dns1035LabelPrefix": NamedFormat("DNS1035LabelPrefix", 30, _prefix(_label_1035)),
    "labelValue": NamedFormat("LabelValue", 40, _label_value),
    "uri": NamedFormat("URI", 1103, _uri),
    "uuid": NamedFormat("uuid", 70, _says("does not match the UUID format", _UUID.fullmatch)),
    "byte": NamedFormat("byte", 84, _says("invalid base64", _BASE64.fullmatch)),
    "date": NamedFormat("date", 71, _says("invalid date", timestamp_from_date)),
    "datetime": NamedFormat("datetime", 71, _says("invalid datetime", _is_datetime)),
}


def _validate(named: NamedFormat, text: str) -> Optional:
    problems = named.check(text)
    return Optional(problems) if problems else NONE


def _named(name: str) -> Optional:
    found = _FORMATS.get(name)
    return NONE if found is None else Optional(found)


def _cost(args: tuple[Any, ...], _result: Any) -> int:
    return tenth(1.0 + len(args[1])) * -int(-args[0].weight * _REGEX // 1)


def _constant(value: NamedFormat) -> Callable[[], NamedFormat]:
    return lambda: value


FUNCTIONS: Functions = {
    "validate": (
        method("format-validate", (FORMAT, STRING), optional_of(list_of(STRING)), _validate, cost=_cost),
    ),
    "format.named": (function("format-named", (STRING,), optional_of(FORMAT), _named),),
    **{
        f"format.{name}": (function(f"format.{name}", (), FORMAT, _constant(value)),)
        for name, value in _FORMATS.items()
    },
}
