"""Is the control plane operator image part of what the nodes of this cluster boot from?

Nodes reach their API server through a static pod. Behind an egress proxy that pod runs the control plane operator image,
so the image stands in node ignition, hence in the config hash of every NodePool: a new image rolls all nodes. Otherwise
the pod runs HAProxy from the release payload and nodes stay.

Follows openshift/hypershift `hypershift-operator/controllers/nodepool/haproxy.go`: an HTTPS proxy, a platform whose nodes
reach the control plane over the internet, and no entry in `noProxy` that bypasses the API server (compared as text).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["image_is_in_ignition"]

_SERVICE_NETWORK = "172.31.0.0/16"
_CLUSTER_NETWORK = "10.132.0.0/14"
_ADVERTISED_IPV4 = "172.20.0.1"
_ADVERTISED_IPV6 = "fd00::1"
"""What the HostedCluster API and its controllers use where the field is not set."""


def image_is_in_ignition(spec: Mapping[str, Any]) -> bool:
    """Judge the `spec` of a HostedCluster; a field of an unexpected type counts as not set."""
    proxy = _map(_map(spec.get("configuration")).get("proxy"))
    if not _text(proxy.get("httpsProxy")) or not _reached_over_internet(_map(spec.get("platform"))):
        return False
    no_proxy = _text(proxy.get("noProxy"))
    return not any(address in no_proxy for address in _bypasses(_map(spec.get("networking"))))


def _bypasses(networking: Mapping[str, Any]) -> tuple[str, ...]:
    """Texts that, anywhere in `noProxy`, make nodes reach the API server without the proxy."""
    service = _first_cidr(networking.get("serviceNetwork")) or _SERVICE_NETWORK
    cluster = _first_cidr(networking.get("clusterNetwork")) or _CLUSTER_NETWORK
    default = _ADVERTISED_IPV6 if ":" in service else _ADVERTISED_IPV4
    advertised = _text(_map(networking.get("apiServer")).get("advertiseAddress")) or default
    return advertised, "kubernetes", service, cluster


def _reached_over_internet(platform: Mapping[str, Any]) -> bool:
    aws = _map(platform.get("aws"))
    return not aws or _text(aws.get("endpointAccess")) in ("", "Public")


def _first_cidr(networks: Any) -> str:
    return _text(_map(networks[0]).get("cidr")) if isinstance(networks, list) and networks else ""


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
