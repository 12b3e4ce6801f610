"""Which proxy, if any, stands between us and a host?

`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (either case) mean what they mean to Go programs, because they are written for
those on every OpenShift node: an entry of `NO_PROXY` is a domain with its subdomains, `.domain`, an address, a network in
CIDR form, any of them with a port, or `*`; loopback is never proxied. (The HTTP library's own reading of the environment
knows no networks and would also send passwords from `~/.netrc`, which nobody asked for.)

Follows golang.org/x/net/http/httpproxy. Pure: the environment is an argument.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

__all__ = ["is_loopback", "proxy_for"]


def proxy_for(url: str, environment: Mapping[str, str]) -> str:
    """The proxy's address for this URL, or an empty text for a direct connection."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    name = f"{parts.scheme}_proxy"
    proxy = environment.get(name.upper()) or environment.get(name) or ""
    if not proxy or is_loopback(host):
        return ""
    exempt = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    port = parts.port or (80 if parts.scheme == "http" else 443)
    if any(_covers(entry.strip().lower(), host, port) for entry in exempt.split(",")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def is_loopback(host: str) -> bool:
    """Does this host name or address mean the machine itself?"""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, _, wanted_port = entry.rpartition(":") if _has_port(entry) else (entry, "", "")
    if not name or (wanted_port and wanted_port != str(port)):
        return False
    address = _address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(name.strip("[]"), strict=False)
        except ValueError:
            return False
    domain = name.removeprefix("*.").lstrip(".")
    return host.endswith(f".{domain}") or (host == domain and not name.startswith((".", "*")))


def _has_port(entry: str) -> bool:
    """A colon is a port's, unless the entry is a bare IPv6 address or network."""
    _, colon, port = entry.rpartition(":")
    return bool(colon) and port.isdigit() and (entry.count(":") == 1 or entry.startswith("["))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
