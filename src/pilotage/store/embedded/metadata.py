"""The rules of `metadata`, in the words of the API server: names, namespaces, labels, owners, finalizers.

Follows `k8s.io/apimachinery/pkg/api/validation` and `pkg/util/validation`. Every problem of an object is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pilotage.api.meta import Kind
from pilotage.store.base import InvalidObjectError
from pilotage.store.embedded.kinds import KindTraits

__all__ = ["CHECKED", "check_metadata", "invalid", "required_key"]

CHECKED = ("name", "namespace", "labels", "annotations", "ownerReferences", "finalizers")
"""The fields that have rules: where none of them changed, there is nothing to check again."""

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start"
    f" and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end"
    f" with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start"
    " and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation"
    f" is '{_LABEL_VALUE}')"
)
_QUALIFIED_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
    " character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    f" '{_QUALIFIED}')"
)

_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_label_value = re.compile(_LABEL_VALUE).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch

_ANNOTATIONS_LIMIT = 256 * 1024


def invalid(kind: Kind, name: str, problems: list[str]) -> InvalidObjectError:
    """The one error for an object that breaks rules: `NodePool.hypershift.openshift.io "a" is invalid: …`."""
    subject = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    text = problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]"
    return InvalidObjectError(f'{subject} "{name}" is invalid: {text}', tuple(problems))


def required_key(kind: Kind, namespace: str, name: str) -> None:
    """Raises InvalidObjectError when the key cannot name an object of the kind."""
    problems = []
    if not name:
        problems.append("metadata.name: Required value: name or generateName is required")
    if kind.namespaced and not namespace:
        problems.append("metadata.namespace: Required value")
    elif namespace and not kind.namespaced:
        problems.append("metadata.namespace: Forbidden: not allowed on this type")
    if problems:
        raise invalid(kind, name, problems)


def check_metadata(kind: Kind, traits: KindTraits, metadata: Mapping[str, Any]) -> None:
    """Raises InvalidObjectError listing every rule that `metadata` breaks."""
    problems = [
        *_name_problems(traits, metadata.get("name", "")),
        *_namespace_problems(metadata.get("namespace", "")),
        *_label_problems(metadata.get("labels") or {}),
        *_annotation_problems(metadata.get("annotations") or {}),
        *_owner_problems(metadata.get("ownerReferences") or []),
        *_finalizer_problems(metadata.get("finalizers") or []),
    ]
    if problems:
        raise invalid(kind, metadata.get("name", ""), problems)


def _name_problems(traits: KindTraits, name: str) -> Iterator[str]:
    where = f'metadata.name: Invalid value: "{name}": '
    if traits.names == "segment":
        if name in {".", ".."}:
            yield f"{where}may not be '{name}'"
        for character in "/%":
            if character in name:
                yield f"{where}may not contain '{character}'"
        return
    limit, matches, rule = (
        (63, _is_label, _LABEL_RULE) if traits.names == "label" else (253, _is_subdomain, _SUBDOMAIN_RULE)
    )
    if len(name) > limit:
        yield f"{where}must be no more than {limit} characters"
    if not matches(name):
        yield where + rule


def _namespace_problems(namespace: str) -> Iterator[str]:
    where = f'metadata.namespace: Invalid value: "{namespace}": '
    if len(namespace) > 63:
        yield f"{where}must be no more than 63 characters"
    if namespace and not _is_label(namespace):
        yield where + _LABEL_RULE


def _qualified_problems(where: str, name: str) -> Iterator[str]:
    prefix, slash, last = name.rpartition("/")
    if slash and not prefix:
        yield f"{where}prefix part must be non-empty"
    elif slash and "/" in prefix:
        yield f"{where}a qualified name {_QUALIFIED_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
    elif slash and not _is_subdomain(prefix):
        yield f"{where}prefix part {_SUBDOMAIN_RULE}"
    elif slash and len(prefix) > 253:
        yield f"{where}prefix part must be no more than 253 characters"
    if not last:
        yield f"{where}name part must be non-empty"
    elif len(last) > 63:
        yield f"{where}name part must be no more than 63 characters"
    elif not _is_qualified(last):
        yield where + _QUALIFIED_RULE


def _label_problems(labels: Mapping[str, str]) -> Iterator[str]:
    for name, value in labels.items():
        yield from _qualified_problems(f'metadata.labels: Invalid value: "{name}": ', name)
        where = f'metadata.labels: Invalid value: "{value}": '
        if len(value) > 63:
            yield f"{where}must be no more than 63 characters"
        if not _is_label_value(value):
            yield where + _LABEL_VALUE_RULE


def _annotation_problems(annotations: Mapping[str, str]) -> Iterator[str]:
    size = 0
    for name, value in annotations.items():
        yield from _qualified_problems(
            f'metadata.annotations: Invalid value: "{name.lower()}": ', name.lower()
        )
        size += len(name.encode()) + len(value.encode())
    if size > _ANNOTATIONS_LIMIT:
        yield f"metadata.annotations: Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes"


def _owner_problems(owners: list[Mapping[str, Any]]) -> Iterator[str]:
    controllers = []
    for index, owner in enumerate(owners):
        yield from (
            f'metadata.ownerReferences[{index}].{field}: Invalid value: "": must not be empty'
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        )
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    if len(controllers) > 1:
        yield (
            "metadata.ownerReferences: Invalid value: only one reference can have Controller set to true. Found"
            f' "true" in references for {" and ".join(controllers)}'
        )


def _finalizer_problems(finalizers: list[str]) -> Iterator[str]:
    for index, name in enumerate(finalizers):
        yield from _qualified_problems(f'metadata.finalizers[{index}]: Invalid value: "{name}": ', name)
