"""Services: ports, selectors, addresses, and the address that stays."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.builtin.values import Problems, fits, labels, listed, port, port_or_name, subdomain
from pilotage.store.schema.gotext import json_text
from pilotage.store.schema.names import dns_label

__all__ = ["service", "service_change"]

_Object = Mapping[str, Any]
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def service(value: _Object) -> Problems:
    spec = value["spec"]
    type_, ports = spec.get("type", ""), spec.get("ports") or ()
    is_headless = spec.get("clusterIP") == "None"
    if not ports and not is_headless and type_ != "ExternalName":
        yield problems.required("spec.ports")
    if type_ == "LoadBalancer" and is_headless:
        yield problems.invalid(
            "spec.clusterIPs[0]", "None", "may not be set to 'None' for LoadBalancer services"
        )
    if type_ == "NodePort" and is_headless:
        yield problems.invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for NodePort services")
    if type_ == "ExternalName":
        name = spec.get("externalName", "").removesuffix(".")
        if not name:
            yield problems.required("spec.externalName")
        else:
            yield from subdomain("spec.externalName", name)
    names: set[str] = set()
    for index, item in enumerate(ports):
        yield from _port(f"spec.ports[{index}]", item, names, needs_name=len(ports) > 1)
    yield from labels("spec.selector", spec.get("selector"))
    yield from listed("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    yield from listed("spec.type", type_, _TYPES)
    for index, address in enumerate(spec.get("clusterIPs") or ()):
        if address != "None" and not is_address(address):
            yield problems.invalid(f"spec.clusterIPs[{index}]", address, _NO_ADDRESS)
    yield from _repeated(ports)


def _port(path: str, item: _Object, names: set[str], *, needs_name: bool) -> Problems:
    name = item.get("name", "")
    if needs_name and not name:
        yield problems.required(f"{path}.name")
    elif name:
        yield from fits(f"{path}.name", name, dns_label)
        if name in names:
            yield problems.duplicate(f"{path}.name", name)
        names.add(name)
    yield from port(f"{path}.port", item.get("port", 0))
    yield from listed(f"{path}.protocol", item.get("protocol"), _PROTOCOLS)
    yield from port_or_name(f"{path}.targetPort", item.get("targetPort", 0))


def _repeated(ports: Any) -> Problems:
    seen: set[tuple[Any, Any]] = set()
    for index, item in enumerate(ports):
        key = (item.get("protocol"), item.get("port"))
        if key in seen:
            shown = f'{{"Name":"","Protocol":{json_text(key[0])},"AppProtocol":null,"Port":{key[1]},"TargetPort":0,"NodePort":0}}'
            yield problems.Problem("FieldValueDuplicate", f"spec.ports[{index}]", f"Duplicate value: {shown}")
        seen.add(key)


def service_change(value: _Object, old: _Object) -> Problems:
    new, before = value["spec"], old["spec"]
    had, has = before.get("clusterIPs") or [], new.get("clusterIPs") or []
    if "ExternalName" not in {new.get("type"), before.get("type")} and had and has[:1] != had[:1]:
        if has:
            yield problems.invalid("spec.clusterIPs[0]", has, "may not change once set")
        else:
            yield problems.invalid("spec.clusterIPs[0]", None, "primary clusterIP can not be unset")
    yield from service(value)


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
