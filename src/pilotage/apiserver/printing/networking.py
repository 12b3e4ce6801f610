"""Services, what stands behind them, and how they are reached."""

from __future__ import annotations

from typing import Any

from pilotage.apiserver.printing.reading import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Column,
    Printer,
    Value,
    age_of,
    at,
    label_selector,
    labels,
    listed,
    mapping,
    name_of,
    number,
    text,
    wide,
)

__all__ = ["PRINTERS"]

_NETWORK = "networking.k8s.io"
_SHOWN = 3


def _service(value: Value, now: float) -> list[Any]:
    addresses = listed(value, "spec", "clusterIPs") or [text(value, "spec", "clusterIP", default=NONE)]
    return [
        name_of(value),
        text(value, "spec", "type", default="ClusterIP"),
        str(addresses[0]),
        _external(value),
        ",".join(map(_port, listed(value, "spec", "ports"))) or NONE,
        age_of(value, now),
        labels(mapping(value, "spec", "selector")),
    ]


def _external(service: Value) -> str:
    """By what it is reached from outside."""
    given = [str(each) for each in listed(service, "spec", "externalIPs")]
    kind = text(service, "spec", "type", default="ClusterIP")
    if kind in {"ClusterIP", "NodePort"}:
        return ",".join(given) or NONE
    if kind == "LoadBalancer":
        balanced = _balancers(service)
        return ",".join([*balanced, *given]) or "<pending>"
    return text(service, "spec", "externalName") if kind == "ExternalName" else "<unknown>"


def _balancers(value: Value) -> list[str]:
    found = (
        text(each, "ip") or text(each, "hostname")
        for each in listed(value, "status", "loadBalancer", "ingress")
    )
    return sorted(set(filter(None, found)))


def _port(port: Any) -> str:
    node = number(port, "nodePort")
    middle = f":{node}" if node > 0 else ""
    return f"{number(port, 'port')}{middle}/{text(port, 'protocol', default='TCP')}"


def _ingress(value: Value, now: float) -> list[Any]:
    return [
        name_of(value),
        text(value, "spec", "ingressClassName", default=NONE),
        _hosts(listed(value, "spec", "rules")),
        ",".join(_balancers(value)),
        "80, 443" if listed(value, "spec", "tls") else "80",
        age_of(value, now),
    ]


def _hosts(rules: list[Any]) -> str:
    hosts: list[str] = []
    for rule in rules:
        if len(hosts) == _SHOWN:
            return f"{','.join(hosts)} + {len(rules) - _SHOWN} more..."
        if text(rule, "host"):
            hosts.append(text(rule, "host"))
    return ",".join(hosts) or "*"


def _ingress_class(value: Value, now: float) -> list[Any]:
    default = at(value, "metadata", "annotations", "ingressclass.kubernetes.io/is-default-class") == "true"
    parameters = mapping(value, "spec", "parameters")
    group = text(parameters, "apiGroup")
    told = f"{text(parameters, 'kind')}{f'.{group}' if group else ''}/{text(parameters, 'name')}"
    return [
        name_of(value) + (" (default)" if default else ""),
        text(value, "spec", "controller"),
        told if parameters else NONE,
        age_of(value, now),
    ]


def _network_policy(value: Value, now: float) -> list[Any]:
    return [name_of(value), label_selector(at(value, "spec", "podSelector")) or NONE, age_of(value, now)]


def _endpoints(value: Value, now: float) -> list[Any]:
    subsets = listed(value, "subsets")
    found: list[str] = []
    for subset in subsets:
        addresses = [text(each, "ip") for each in listed(subset, "addresses")]
        ports = listed(subset, "ports")
        if not ports:
            found += addresses
        for port in ports:
            found += [_host_port(address, number(port, "port")) for address in addresses]
    return [name_of(value), _some(found) if subsets else NONE, age_of(value, now)]


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _slice(value: Value, now: float) -> list[Any]:
    ports = [
        str(at(port, "port")) if at(port, "port") is not None else text(port, "name", default="*")
        for port in listed(value, "ports")
    ]
    addresses = [
        str(each) for endpoint in listed(value, "endpoints") for each in listed(endpoint, "addresses")
    ]
    return [
        name_of(value),
        text(value, "addressType"),
        _some(ports) or UNSET,
        _some(addresses) or UNSET,
        age_of(value, now),
    ]


def _some(found: list[str]) -> str:
    """The first three, and how many there are besides."""
    more = len(found) - _SHOWN
    return ",".join(found[:_SHOWN]) + (f" + {more} more..." if more > 0 else "")


PRINTERS = {
    ("", "Service"): Printer(
        (
            NAME,
            Column("Type"),
            Column("Cluster-IP"),
            Column("External-IP"),
            Column("Port(s)"),
            AGE,
            *wide("Selector"),
        ),
        _service,
    ),
    ("", "Endpoints"): Printer((NAME, Column("Endpoints"), AGE), _endpoints),
    ("discovery.k8s.io", "EndpointSlice"): Printer(
        (NAME, Column("AddressType"), Column("Ports"), Column("Endpoints"), AGE), _slice
    ),
    (_NETWORK, "Ingress"): Printer(
        (NAME, Column("Class"), Column("Hosts"), Column("Address"), Column("Ports"), AGE), _ingress
    ),
    (_NETWORK, "IngressClass"): Printer(
        (NAME, Column("Controller"), Column("Parameters"), AGE), _ingress_class
    ),
    (_NETWORK, "NetworkPolicy"): Printer((NAME, Column("Pod-Selector"), AGE), _network_policy),
}
