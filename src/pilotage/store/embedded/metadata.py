"""The rules of `metadata` for objects of any kind, and the one error for an object that breaks rules.

The rules themselves are those of `schema.objectmeta`; here is which of them hold for a kind, and when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilotage.api.meta import Kind
from pilotage.store.base import BadRequestError, Cause, InvalidObjectError
from pilotage.store.embedded.builtin import BUILT_IN
from pilotage.store.embedded.kinds import NameRule
from pilotage.store.schema.gotext import json_text
from pilotage.store.schema.metafields import MetadataError, read_metadata
from pilotage.store.schema.names import dns_label, dns_subdomain, path_segment
from pilotage.store.schema.objectmeta import metadata_problems, metadata_update_problems
from pilotage.store.schema.problems import Problem, forbidden, invalid_message, required, unique
from pilotage.store.schema.problems import invalid as invalid_value

__all__ = [
    "CHECKED",
    "UnreadableMetadataError",
    "check_change",
    "check_new",
    "clean_metadata",
    "finalizer_warnings",
    "invalid",
    "problem_of",
    "required_key",
]

CHECKED = ("name", "namespace", "labels", "annotations", "ownerReferences", "finalizers")
"""The fields that have rules: where none of them changed, there is nothing to check again."""

_STANDARD = frozenset({"foregroundDeletion", "kubernetes", "orphan"})
_NAMES = {"label": dns_label, "segment": path_segment, "subdomain": dns_subdomain}


class UnreadableMetadataError(BadRequestError):
    """A field of metadata has another type; `fault` is what the decoder says to that."""

    def __init__(self, kind: Kind, fault: str) -> None:
        super().__init__(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {fault}'
        )
        self.fault = fault


def problem_of(field: str, text: str, reason: str = "FieldValueInvalid") -> Problem:
    """A problem whose sentence is at hand."""
    return Problem(reason, field, text)


def invalid(kind: Kind, name: str, problems: Sequence[Problem], shown_kind: str = "") -> InvalidObjectError:
    """The one error for an object that breaks rules: `NodePool.hypershift.openshift.io "a" is invalid: …`.

    `shown_kind` when the object calls itself something else.
    """
    subject = shown_kind or kind.kind
    told = unique(problems)
    # Of events the server always speaks by their first name.
    group = "" if kind.group == "events.k8s.io" else kind.group
    return InvalidObjectError(
        invalid_message(f"{subject}.{group}" if group else subject, name, told),
        tuple(problem.text for problem in told),
        {
            "name": name,
            "group": group,
            "kind": subject,
            "causes": tuple(Cause(problem.type, problem.body, problem.field) for problem in problems),
        },
    )


def clean_metadata(kind: Kind, metadata: Any, *, is_custom: bool) -> tuple[dict[str, Any], list[str]]:
    """Metadata as the API keeps it, and the paths of fields that it does not have.

    Raises BadRequestError when a field has another type.
    """
    try:
        cleaned, unknown = read_metadata(metadata)
    except MetadataError as error:
        text = str(error) if is_custom else str(error).replace("ObjectMeta.", "ObjectMeta.metadata.")
        raise UnreadableMetadataError(kind, text) from None
    return cleaned, [f"metadata.{path}" for path in unknown]


def required_key(kind: Kind, namespace: str, name: str) -> None:
    """Raises InvalidObjectError when the key cannot name an object of the kind."""
    problems = []
    if not name:
        problems.append(required("metadata.name", "name or generateName is required"))
    if kind.namespaced and not namespace:
        problems.append(required("metadata.namespace"))
    elif namespace and not kind.namespaced:
        problems.append(forbidden("metadata.namespace", "not allowed on this type"))
    if problems:
        raise invalid(kind, name, problems)


def check_new(kind: Kind, names: NameRule, metadata: Mapping[str, Any]) -> list[Problem]:
    """The problems of the metadata of a new object."""
    found = metadata_problems(metadata, namespaced=kind.namespaced, faults=_NAMES[names])
    return [*found, *_unqualified(kind, metadata)]


def check_change(kind: Kind, metadata: Mapping[str, Any], old: Mapping[str, Any]) -> list[Problem]:
    """The problems of changed metadata. What did not change is not judged again."""
    if all(metadata.get(name) == old.get(name) for name in CHECKED):
        return []
    found = metadata_update_problems(metadata, old)
    if metadata.get("finalizers") != old.get("finalizers"):
        found += [
            problem
            for problem in metadata_problems(metadata, namespaced=bool(metadata.get("namespace")))
            if problem.field == "metadata.finalizers"
        ]
        found += _unqualified(kind, metadata)
    # The server judges the metadata of its own kinds twice, and says so in the causes.
    return found * 2 if (kind.group, kind.kind) in BUILT_IN else found


def finalizer_warnings(metadata: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    """Of custom resources, what built-in kinds refuse is only warned of."""
    added = set(metadata.get("finalizers") or ()) - set(old.get("finalizers") or ()) - _STANDARD
    return [
        f"metadata.finalizers: {json_text(name)}: prefer a domain-qualified finalizer name to avoid accidental"
        " conflicts with other finalizer writers"
        for name in sorted(added)
        if "/" not in name
    ]


def _unqualified(kind: Kind, metadata: Mapping[str, Any]) -> list[Problem]:
    """Built-in kinds want to know whose a finalizer is; only Leases are judged as if they were custom resources."""
    if (kind.group, kind.kind) not in BUILT_IN or kind.group == "coordination.k8s.io":
        return []
    return [
        invalid_value(
            f"metadata.finalizers[{index}]",
            name,
            "name is neither a standard finalizer name nor is it fully qualified",
        )
        for index, name in enumerate(metadata.get("finalizers") or ())
        if "/" not in name and name not in _STANDARD
    ]
