"""Pods and the templates of pods: containers, volumes, probes, resources, and what of a pod may change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.builtin.config import key_faults
from pilotage.store.schema.builtin.values import (
    Problems,
    fits,
    labels,
    listed,
    non_negative,
    port,
    port_name_faults,
    port_or_name,
    subdomain,
)
from pilotage.store.schema.names import dns_label, label_value, qualified_name
from pilotage.store.schema.quantities import quantity

__all__ = ["pod", "pod_change", "pod_spec", "template"]

_Object = Mapping[str, Any]
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_STANDARD_RESOURCES = frozenset({"cpu", "ephemeral-storage", "memory"})
_SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_MAX_INT32 = 2**31 - 1
_CHANGEABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_PRINTABLE = re.compile("[ -<>-~]+")


def pod(value: _Object) -> Problems:
    yield from pod_spec("spec", value["spec"])
    for index, container in enumerate(value["spec"].get("containers") or ()):
        image = container.get("image", "")
        if image and image != image.strip():
            yield problems.invalid(
                f"spec.containers[{index}].image", image, "must not have leading or trailing whitespace"
            )


def pod_change(value: _Object, old: _Object) -> Problems:
    yield from pod(value)
    new, before = value["spec"], old["spec"]
    for name in ("containers", "initContainers"):
        if len(new.get(name) or ()) != len(before.get(name) or ()):
            yield problems.forbidden(f"spec.{name}", "pod updates may not add or remove containers")
            return
    deadline, earlier = new.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if deadline is None and earlier is not None:
        yield problems.invalid(
            "spec.activeDeadlineSeconds", None, "must not update from a positive integer to nil value"
        )
    elif deadline is not None and earlier is not None and earlier < deadline:
        yield problems.invalid(
            "spec.activeDeadlineSeconds", deadline, "must be less than or equal to previous value"
        )
        return
    if any(item not in (new.get("tolerations") or ()) for item in before.get("tolerations") or ()):
        yield problems.forbidden(
            "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"
        )
    if _fixed(new) != _fixed(before):
        yield problems.forbidden("spec", _CHANGEABLE)


def _fixed(spec: _Object) -> dict[str, Any]:
    """What of a pod's spec stays as it is."""
    kept = {
        name: child
        for name, child in spec.items()
        if name not in {"activeDeadlineSeconds", "schedulingGates", "tolerations", "ephemeralContainers"}
    }
    for name in ("containers", "initContainers"):
        kept[name] = [
            {field: child for field, child in container.items() if field != "image"}
            for container in spec.get(name) or ()
        ]
    return kept


def template(path: str, value: _Object) -> Problems:
    """A pod template; `path` is that of the template."""
    metadata = value.get("metadata") or {}
    yield from labels(f"{path}.labels", metadata.get("labels"))
    for name in sorted(metadata.get("annotations") or {}):
        yield from fits(f"{path}.annotations", name.lower(), qualified_name)
    yield from pod_spec(f"{path}.spec", value["spec"])
    if value["spec"].get("ephemeralContainers"):
        yield problems.forbidden(
            f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"
        )


def pod_spec(path: str, spec: _Object) -> Problems:
    """The rules of a pod's spec that `pod` and `template` share."""
    volumes: set[str] = set()
    yield from _volumes(f"{path}.volumes", spec, volumes)
    containers = spec.get("containers") or ()
    if not containers:
        yield problems.required(f"{path}.containers")
    yield from _containers(f"{path}.containers", containers, volumes, ())
    yield from _containers(f"{path}.initContainers", spec.get("initContainers") or (), volumes, containers)
    yield from listed(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART_POLICIES)
    yield from listed(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    yield from labels(f"{path}.nodeSelector", spec.get("nodeSelector"))
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            yield problems.required(f"{path}.imagePullSecrets[{index}].name")
    for field in ("serviceAccountName", "nodeName"):
        if spec.get(field):
            yield from subdomain(f"{path}.{field}", spec[field])
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _MAX_INT32:
        yield problems.invalid(
            f"{path}.activeDeadlineSeconds", deadline, f"must be between 1 and {_MAX_INT32}, inclusive"
        )
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            yield from fits(f"{path}.{field}", spec[field], dns_label)
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        yield from _toleration(f"{path}.tolerations[{index}]", toleration)
    if spec.get("priorityClassName"):
        yield from subdomain(f"{path}.priorityClassName", spec["priorityClassName"])


def _volumes(path: str, spec: _Object, known: set[str]) -> Problems:
    """`known` collects the names that containers may mount."""
    for index, volume in enumerate(spec.get("volumes") or ()):
        here, name = f"{path}[{index}]", volume.get("name", "")
        found = list(_volume_source(here, volume, spec))
        if not name:
            found.append(problems.required(f"{here}.name"))
        else:
            found += fits(f"{here}.name", name, dns_label)
        if name in known:
            found.append(problems.duplicate(f"{here}.name", name))
        if not found:
            known.add(name)
        yield from found


def _volume_source(path: str, volume: _Object, spec: _Object) -> Problems:
    sources = sorted(volume.keys() - {"name"})
    for extra in sources[1:]:
        yield problems.forbidden(f"{path}.{extra}", "may not specify more than 1 volume type")
    secret, config, claim = volume.get("secret"), volume.get("configMap"), volume.get("persistentVolumeClaim")
    if secret is not None and not secret.get("secretName"):
        yield problems.required(f"{path}.secret.secretName")
    if config is not None and not config.get("name"):
        yield problems.required(f"{path}.configMap.name")
    if claim is not None and not claim.get("claimName"):
        yield problems.required(f"{path}.persistentVolumeClaim.claimName")
    host = volume.get("hostPath")
    if host is not None and not host.get("path"):
        yield problems.required(f"{path}.hostPath.path")
    projected = volume.get("projected") or {}
    for index, source in enumerate(projected.get("sources") or ()):
        if "serviceAccountToken" in source and not spec.get("serviceAccountName"):
            yield problems.forbidden(
                f"{path}.projected.sources[{index}].serviceAccountToken",
                "must not be specified when serviceAccountName is not set",
            )


def _containers(
    path: str, containers: Iterable[_Object], volumes: set[str], others: Iterable[_Object]
) -> Problems:
    names = {other.get("name") for other in others}
    for index, container in enumerate(containers):
        here, name = f"{path}[{index}]", container.get("name", "")
        yield from _container(here, container, volumes)
        if name in names:
            yield problems.duplicate(f"{here}.name", name)
        names.add(name)
        for field in ("livenessProbe", "readinessProbe", "startupProbe"):
            if field in container:
                yield from _probe(f"{here}.{field}", container[field], field)


def _container(path: str, container: _Object, volumes: set[str]) -> Problems:
    name = container.get("name", "")
    if not name:
        yield problems.required(f"{path}.name")
    else:
        yield from fits(f"{path}.name", name, dns_label)
    if not container.get("image"):
        yield problems.required(f"{path}.image")
    yield from listed(
        f"{path}.terminationMessagePolicy", container.get("terminationMessagePolicy"), _MESSAGE_POLICIES
    )
    yield from _ports(f"{path}.ports", container.get("ports") or ())
    yield from _environment(f"{path}.env", container.get("env") or ())
    yield from _environment_from(f"{path}.envFrom", container.get("envFrom") or ())
    yield from _mounts(f"{path}.volumeMounts", container.get("volumeMounts") or (), volumes)
    yield from listed(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    yield from _resources(f"{path}.resources", container.get("resources") or {})


def _ports(path: str, ports: Iterable[_Object]) -> Problems:
    names: set[str] = set()
    for index, item in enumerate(ports):
        here, name = f"{path}[{index}]", item.get("name")
        if name:
            faults = port_name_faults(name)
            yield from fits(f"{here}.name", name, lambda _, faults=faults: faults)  # type: ignore[misc]  # mypy: lambda default
            if not faults and name in names:
                yield problems.duplicate(f"{here}.name", name)
            elif not faults:
                names.add(name)
        if not item.get("containerPort"):
            yield problems.required(f"{here}.containerPort")
        else:
            yield from port(f"{here}.containerPort", item["containerPort"])
        if item.get("hostPort"):
            yield from port(f"{here}.hostPort", item["hostPort"])
        yield from listed(f"{here}.protocol", item.get("protocol"), _PROTOCOLS)


def _variable_faults(name: str) -> list[str]:
    if _PRINTABLE.fullmatch(name):
        return []
    return [
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
    ]


def _environment(path: str, variables: Iterable[_Object]) -> Problems:
    for index, variable in enumerate(variables):
        here, name = f"{path}[{index}]", variable.get("name", "")
        if not name:
            yield problems.required(f"{here}.name")
        else:
            yield from fits(f"{here}.name", name, _variable_faults)
        source = variable.get("valueFrom")
        if source is not None:
            yield from _source(f"{here}.valueFrom", source, variable.get("value", ""))


def _source(path: str, source: _Object, value: str) -> Problems:
    field = source.get("fieldRef")
    if field is not None and not field.get("fieldPath"):
        yield problems.required(f"{path}.fieldRef.fieldPath")
    resource = source.get("resourceFieldRef")
    if resource is not None and not resource.get("resource"):
        yield problems.required(f"{path}.resourceFieldRef.resource")
    for reference in ("configMapKeyRef", "secretKeyRef"):
        if reference in source:
            chosen = source[reference]
            yield from subdomain(f"{path}.{reference}.name", chosen.get("name", ""))
            if not chosen.get("key"):
                yield problems.required(f"{path}.{reference}.key")
            else:
                yield from fits(f"{path}.{reference}.key", chosen["key"], key_faults)
    if not source:
        yield problems.invalid(path, "", f"must specify one of: {_SOURCES}")
    elif value:
        yield problems.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(source) > 1:
        yield problems.invalid(path, "", "may not have more than one field specified at a time")


def _environment_from(path: str, sources: Iterable[_Object]) -> Problems:
    for index, source in enumerate(sources):
        here = f"{path}[{index}]"
        if source.get("prefix"):
            yield from fits(f"{here}.prefix", source["prefix"], _variable_faults)
        chosen = [name for name in ("configMapRef", "secretRef") if name in source]
        for name in chosen:
            yield from subdomain(f"{here}.{name}.name", source[name].get("name", ""))
        if not chosen:
            yield problems.invalid(here, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(chosen) > 1:
            yield problems.invalid(here, "", "may not have more than one field specified at a time")


def _mounts(path: str, mounts: Iterable[_Object], volumes: set[str]) -> Problems:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        here, name, place = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield problems.required(f"{here}.name")
        if name not in volumes:
            yield problems.not_found(f"{here}.name", name)
        if not place:
            yield problems.required(f"{here}.mountPath")
        if place in places:
            yield problems.invalid(f"{here}.mountPath", place, "must be unique")
        places.add(place)


def _resources(path: str, resources: _Object) -> Problems:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in sorted(amounts.items()):
            here = f"{path}.{part}[{name}]"
            yield from _resource_name(here, name)
            if quantity(amount) < 0:
                yield problems.invalid(here, amount, "must be greater than or equal to 0")
            elif _is_extended(name) and quantity(amount) % 1:
                yield problems.invalid(here, amount, "must be an integer")
            if part == "requests" and name in limits:
                yield from _within(path, name, amount, limits[name])
            elif part == "requests" and _is_extended(name):
                yield problems.required(
                    f"{path}.limits", "Limit must be set for non overcommitable resources"
                )


def _is_extended(name: str) -> bool:
    """A device of a node or a huge page: counted, and never shared."""
    return name.startswith("hugepages-") or ("/" in name and "kubernetes.io/" not in name)


def _resource_name(path: str, name: str) -> Problems:
    yield from fits(path, name, qualified_name)
    if "/" not in name and name not in _STANDARD_RESOURCES and not name.startswith("hugepages-"):
        yield problems.invalid(path, name, "must be a standard resource type or fully qualified")
        yield problems.invalid(path, name, "must be a standard resource for containers")


def _within(path: str, name: str, amount: str, limit: str) -> Problems:
    if _is_extended(name) and quantity(amount) != quantity(limit):
        yield problems.invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}")
    elif quantity(amount) > quantity(limit):
        yield problems.invalid(
            f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}"
        )


def _probe(path: str, probe: _Object, kind: str) -> Problems:
    handlers = [name for name in _HANDLERS if name in probe]
    for name in handlers[:1]:
        yield from _handler(f"{path}.{name}", name, probe[name])
    for name in handlers[1:]:
        yield problems.forbidden(f"{path}.{name}", "may not specify more than 1 handler type")
    if not handlers:
        yield problems.required(path, "must specify a handler type")
    for field in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        yield from non_negative(f"{path}.{field}", probe.get(field))
    if kind != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        yield problems.invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _handler(path: str, name: str, handler: _Object) -> Problems:
    match name:
        case "exec":
            if not handler.get("command"):
                yield problems.required(f"{path}.command")
        case "httpGet":
            if not handler.get("path"):
                yield problems.required(f"{path}.path")
            yield from port_or_name(f"{path}.port", handler.get("port", 0))
            yield from listed(f"{path}.scheme", handler.get("scheme"), ("HTTP", "HTTPS"))
        case "tcpSocket":
            yield from port_or_name(f"{path}.port", handler.get("port", 0))
        case "grpc":
            yield from port(f"{path}.port", handler.get("port", 0))


def _toleration(path: str, toleration: _Object) -> Problems:
    key, operator = toleration.get("key", ""), toleration.get("operator", "")
    if key:
        yield from fits(f"{path}.key", key, qualified_name)
    elif operator != "Exists":
        yield problems.invalid(
            f"{path}.operator",
            operator,
            'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        )
    if operator in {"", "Equal"}:
        yield from fits(f"{path}.operator", toleration.get("value", ""), label_value)
    elif operator == "Exists":
        if toleration.get("value"):
            yield problems.invalid(
                f"{path}.operator", toleration["value"], "value must be empty when `operator` is 'Exists'"
            )
    else:
        yield problems.not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    if toleration.get("effect"):
        yield from listed(
            f"{path}.effect", toleration["effect"], ("NoSchedule", "PreferNoSchedule", "NoExecute")
        )
