"""What names, labels and keys may look like, in the words of `k8s.io/apimachinery/pkg/api/validate/content`."""

from __future__ import annotations

import re

__all__ = ["dns_label", "dns_label_1035", "dns_subdomain", "label_value", "path_segment", "qualified_name"]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_IS_LABEL = re.compile("[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_IS_KEY = re.compile(_KEY)
_MUST_BE_KEY = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"


def _with_examples(words: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{words} (e.g. {shown}regex used for validation is '{pattern}')"


def _at_most(size: int, unit: str = "characters") -> str:
    return f"must be no more than {size} {unit}"


def _is_subdomain(text: str) -> bool:
    return all(_IS_LABEL.fullmatch(part) for part in text.split("."))


def dns_subdomain(text: str, unit: str = "characters") -> list[str]:
    """Each fault of a lower-case RFC 1123 subdomain, such as the name of most objects."""
    faults = [_at_most(253, unit)] if len(text.encode()) > 253 else []
    if not _is_subdomain(text):
        words = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must"
            " start and end with an alphanumeric character"
        )
        faults.append(_with_examples(words, _SUBDOMAIN, "example.com"))
    return faults


def dns_label(text: str) -> list[str]:
    """Each fault of a lower-case RFC 1123 label, such as the name of a namespace."""
    faults = [_at_most(63)] if len(text.encode()) > 63 else []
    if not _IS_LABEL.fullmatch(text):
        words = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and"
            " end with an alphanumeric character"
        )
        dots = _is_subdomain(text)
        faults.append(
            "must not contain dots" if dots else _with_examples(words, _LABEL, "my-name", "123-abc")
        )
    return faults


def dns_label_1035(text: str) -> list[str]:
    """Each fault of a label that starts with a letter, such as a resource or a version."""
    faults = [_at_most(63)] if len(text.encode()) > 63 else []
    if not (_IS_LABEL.fullmatch(text) and text[0].isalpha()):
        words = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic"
            " character, and end with an alphanumeric character"
        )
        faults.append(_with_examples(words, _LABEL_1035, "my-name", "abc-123"))
    return faults


def qualified_name(text: str) -> list[str]:
    """Each fault of a key: an optional DNS subdomain and `/`, then a name."""
    prefix, slash, name = text.partition("/")
    described = _with_examples(_MUST_BE_KEY, _KEY, "MyName", "my.name", "123-abc")
    if "/" in name:
        return [
            f"a valid label key {described} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    faults = []
    if not slash:
        name = prefix
    elif not prefix:
        faults.append("prefix part must be non-empty")
    else:
        faults += [f"prefix part {fault}" for fault in dns_subdomain(prefix, "bytes")]
    if not name:
        faults.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        faults.append(f"name part {_at_most(63, 'bytes')}")
    if not _IS_KEY.fullmatch(name):
        faults.append(f"name part {described}")
    return faults


def label_value(text: str) -> list[str]:
    faults = [_at_most(63, "bytes")] if len(text.encode()) > 63 else []
    if text and not _IS_KEY.fullmatch(text):
        words = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must"
            " start and end with an alphanumeric character"
        )
        faults.append(_with_examples(words, f"({_KEY})?", "MyValue", "my_value", "12345"))
    return faults


def path_segment(text: str, *, prefix: bool = False) -> list[str]:
    """Each fault of a name that becomes part of a URL path."""
    if not prefix and text in {".", ".."}:
        return [f"may not be '{text}'"]
    return [f"may not contain '{part}'" for part in "/%" if part in text]
