"""What the API does about single kinds of its own, beyond reading, filling and judging them.

What is prepared in every write, belongs to who writes: the data of a Secret that was sent as text. What is settled in a new object
belongs to nobody: the address of a Service, the selector of a Job, the first status. Definitions have rules of their own
(`schema.definitions`). Follows the strategies and admission plugins in `k8s.io/kubernetes`.
"""

from __future__ import annotations

import base64
import ipaddress
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from pilotage.api.errors import InputError
from pilotage.store.base import BadRequestError
from pilotage.store.embedded.definitions import DEFINITION_TYPE
from pilotage.store.schema.problems import Problem

if TYPE_CHECKING:
    from pilotage.store.schema.definition import Definition

__all__ = [
    "DEFINITION_TYPE",
    "KEEPS_STATUS",
    "NAMESPACE_TYPE",
    "SERVICE_TYPE",
    "fold_text",
    "free_address",
    "judge",
    "needs_version",
    "prepare",
    "settle_change",
    "settle_new",
    "warnings",
]

NAMESPACE_TYPE = "/Namespace"
SERVICE_TYPE = "/Service"
KEEPS_STATUS = frozenset({NAMESPACE_TYPE, DEFINITION_TYPE, "/Node"})
"""New objects of these may say their status."""
ADDRESSES = ipaddress.ip_network("10.0.0.0/16")
"""Where Services get their addresses from. Nothing listens there: it is what clients expect to see."""

_POD = "/Pod"
_JOB = "batch/Job"
_SECRET = "/Secret"  # noqa: S105 the name of a type
_NAME_LABEL = "kubernetes.io/metadata.name"
_RULES = b"x-kubernetes-validations"
_NEEDING_VERSION = frozenset({DEFINITION_TYPE, "coordination.k8s.io/Lease"})


def needs_version(type_: str) -> bool:
    """May an object only be replaced by somebody who names the version that they saw?"""
    return type_ in _NEEDING_VERSION


def prepare(type_: str, value: dict[str, Any], old: Mapping[str, Any] | None) -> None:
    """Fill in, in place, what the API adds to an object. `old` is None for a new one."""
    if type_ == NAMESPACE_TYPE:
        _prepare_namespace(value, old)
    elif type_ == _SECRET:
        _prepare_secret(value, old)
    elif type_ == DEFINITION_TYPE:
        from pilotage.store.schema.definition import default_definition  # noqa: PLC0415 start-up time

        default_definition(value)
        if old is None:
            value["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}}
        _remember_versions(value)


def settle_change(type_: str, value: dict[str, Any], old: Mapping[str, Any]) -> None:
    """Give back to a changed object, in place, what it was given when it was new and the change does not speak of."""
    if type_ == SERVICE_TYPE:
        _keep_addresses(value["spec"], old.get("spec") or {})


def settle_new(
    type_: str,
    value: dict[str, Any],
    first_status: Any,
    free_address: Callable[[], str],
) -> None:
    """Fill in, in place, what the API gives to a new object. `free_address`: one that no Service has."""
    if first_status is not None and "status" not in value:
        value["status"] = first_status
    if type_ == SERVICE_TYPE:
        _settle_service(value["spec"], free_address)
    elif type_ == _JOB:
        _settle_job(value)
    elif type_ == _POD:
        _settle_pod(value)


def judge(type_: str, value: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[Problem]:
    """What is wrong with a definition; the rules of other kinds are in `schema.builtin`."""
    return _definition_problems(value, old) if type_ == DEFINITION_TYPE else []


def warnings(type_: str, value: Mapping[str, Any]) -> list[str]:
    """What to tell the person who wrote the object."""
    if type_ != DEFINITION_TYPE:
        return []
    from pilotage.store.schema.definitions import unrecognized_formats  # noqa: PLC0415

    return [f'unrecognized format "{name}"' for name in unrecognized_formats(_readable(value))]


def _prepare_namespace(value: dict[str, Any], old: Mapping[str, Any] | None) -> None:
    metadata = value["metadata"]
    metadata["labels"] = {**metadata.get("labels", {}), _NAME_LABEL: metadata["name"]}
    if old is None:
        value["spec"] = {"finalizers": ["kubernetes"]}
        value["status"] = {"phase": "Active"}
    else:
        for part in ("spec", "status"):
            if part in old:
                value[part] = old[part]


def fold_text(type_: str, value: dict[str, Any]) -> None:
    """Make of the `stringData` of a Secret, in place, the data that it means."""
    if type_ != _SECRET:
        return
    text = value.pop("stringData", None)
    if isinstance(text, dict) and text:
        data = {name: base64.b64encode(str(part or "").encode()).decode() for name, part in text.items()}
        value["data"] = {**(value.get("data") or {}), **data}


def _prepare_secret(value: dict[str, Any], old: Mapping[str, Any] | None) -> None:
    fold_text(_SECRET, value)
    if old is not None and value.get("type", "Opaque") == "Opaque":
        value["type"] = old.get("type") or "Opaque"


def _keep_addresses(spec: dict[str, Any], old: Mapping[str, Any]) -> None:
    """What a Service was given stays when a change does not speak of it."""
    if spec.get("type") == "ExternalName" or old.get("type") == "ExternalName":
        if spec.get("type") == "ExternalName" and old.get("type") != "ExternalName":
            for field in ("clusterIP", "clusterIPs", "internalTrafficPolicy", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(field, None)
        return
    if not spec.get("clusterIP"):
        spec |= {name: old[name] for name in ("clusterIP", "clusterIPs") if name in old}
    elif spec.get("clusterIP") != old.get("clusterIP") and spec.get("clusterIPs") == old.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []
    elif spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    for field in ("ipFamilies", "ipFamilyPolicy"):
        if field in old:
            spec.setdefault(field, old[field])


def _settle_service(spec: dict[str, Any], free_address: Callable[[], str]) -> None:
    if spec.get("type") == "ExternalName":
        return
    if not spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIP"] = free_address()
    if not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    is_six = ":" in spec["clusterIPs"][0]
    spec.setdefault("ipFamilies", ["IPv6" if is_six else "IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")


def free_address(entropy: random.Random, is_taken: Callable[[str], bool]) -> str:
    """An address at random, and from there on the next that is free. `is_taken`: has a Service this address?"""
    count = ADDRESSES.num_addresses - 2
    start = entropy.randrange(count)
    for number in range(count):
        address = str(ADDRESSES[1 + (start + number) % count])
        if not is_taken(address):
            return address
    return ""


def _settle_job(value: dict[str, Any]) -> None:
    """Unless somebody selects by hand, a Job selects its pods by its own uid."""
    spec, metadata = value["spec"], value["metadata"]
    template = spec["template"].setdefault("metadata", {})
    has_own_labels = (metadata.get("labels") or {}) != (template.get("labels") or {})
    if not spec.get("manualSelector"):
        uid, name = metadata["uid"], metadata["name"]
        template["labels"] = {
            "batch.kubernetes.io/job-name": name,
            "job-name": name,
            "batch.kubernetes.io/controller-uid": uid,
            "controller-uid": uid,
            **template.get("labels", {}),
        }
        selector = spec.get("selector") or {}
        labels = {"batch.kubernetes.io/controller-uid": uid, **selector.get("matchLabels", {})}
        spec["selector"] = {**selector, "matchLabels": labels}
    if not has_own_labels and template.get("labels"):
        metadata["labels"] = dict(template["labels"])


_ENDURED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def _settle_pod(value: dict[str, Any]) -> None:
    """What the API server's own plugins say of every pod: its priority, and how long it endures a node that is away."""
    spec = value["spec"]
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    present = spec.get("tolerations", [])
    keys = {item.get("key", "") for item in present if item.get("effect", "NoExecute") == "NoExecute"}
    added = [
        {"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300}
        for key in _ENDURED
        if not {key, ""} & keys
    ]
    if present or added:
        spec["tolerations"] = [*present, *added]
    value["status"] = {"phase": "Pending", "qosClass": _quality(spec)}


def _quality(spec: Mapping[str, Any]) -> str:
    """The class of service that the requests and limits of a pod's containers make."""
    containers = [*(spec.get("containers") or ()), *spec.get("initContainers", ())]
    resources = [container.get("resources") or {} for container in containers]
    counted = ("cpu", "memory")
    if not any(
        (each.get(part) or {}).keys() & set(counted) for each in resources for part in ("limits", "requests")
    ):
        return "BestEffort"
    is_exact = all(
        name in (each.get("limits") or {}) and each["limits"][name] == (each.get("requests") or {}).get(name)
        for each in resources
        for name in counted
    )
    return "Guaranteed" if is_exact else "Burstable"


def _remember_versions(value: dict[str, Any]) -> None:
    """Every version that objects may be stored in."""
    status = value["status"] = value.get("status") or {}
    stored = status["storedVersions"] = status.get("storedVersions") or []
    stored += [
        version["name"]
        for version in value.get("spec", {}).get("versions") or ()
        if isinstance(version, dict) and version.get("storage") and version.get("name") not in stored
    ]


def _readable(value: Mapping[str, Any]) -> Definition:
    """Raises BadRequestError for a definition in which a value has another type than the API knows."""
    from pilotage.store.schema.definition import read_definition  # noqa: PLC0415 start-up time

    try:
        return read_definition(value)
    except InputError as error:
        raise BadRequestError(error.message) from error


def _definition_problems(value: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[Problem]:
    # Start-up time: most processes never write a definition.
    from pilotage.store.schema import definitions  # noqa: PLC0415

    new = _readable(value)
    found = (
        definitions.definition_problems(new)
        if old is None
        else definitions.definition_update_problems(new, _readable(old))
    )
    versions = value["spec"].get("versions") or []
    if found or (old is not None and old["spec"].get("versions") == versions):
        return found
    return list(_rule_problems(versions))


def _rule_problems(versions: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """Rules in CEL that make no sense. What all versions share stands, for the API server, in one place."""
    schemas = [(version.get("schema") or {}).get("openAPIV3Schema") or {} for version in versions]
    if not any(_RULES in orjson.dumps(schema) for schema in schemas):
        return
    from pilotage.store.cel.definitions import check_definition  # noqa: PLC0415 start-up time

    is_shared = all(schema == schemas[0] for schema in schemas)
    for index, schema in enumerate(schemas[:1] if is_shared else schemas):
        place = "spec.validation" if is_shared else f"spec.versions[{index}].schema"
        for fault in check_definition(schema, f"{place}.openAPIV3Schema"):
            yield Problem(fault.type, fault.path or "<nil>", fault.message)
