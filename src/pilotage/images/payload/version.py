"""May a hosted cluster, or a node pool, run this OpenShift version?

Versions are compared by minor: nightlies, candidates and patches count as their minor. The numbering has a bridge: 5.x
is the line that would have been 4.(23+x), so 5.0 follows 4.22 as 4.23 does, and every distance is counted across it.
All faults are reported together, because a user who must change one thing wants to hear of the others.

Follows openshift/hypershift `support/supportedversion/version.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from pilotage.api.versions import OCPVersion
from pilotage.decision.findings import Finding, error

__all__ = [
    "FLOOR",
    "KUBERNETES",
    "LATEST",
    "MAX_SKEW",
    "MINIMUM",
    "SKIP_ANNOTATION",
    "HostedRelease",
    "kubernetes_minor",
    "line_of",
    "minor_name",
    "node_pool_problems",
    "release_problems",
]

SKIP_ANNOTATION = "hypershift.openshift.io/skip-release-image-validation"

_BRIDGE = 23  # 5.0 is the line of 4.23
FLOOR = 8
"""The line below which nothing is known."""
MINIMUM = 14
"""The oldest supported line."""
LATEST = _BRIDGE + 1
"""The newest supported line: 5.1, which is 4.24."""
MAX_SKEW = 3
"""How many minors a node pool may be behind its cluster."""
_LAST_SDN = 10
_FIRST_OVN = 11

KUBERNETES: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        **{(4, minor): f"1.{minor + 13}" for minor in range(MINIMUM, _BRIDGE + 1)},
        (5, 0): "1.36",
        (5, 1): "1.37",
    }
)
"""The Kubernetes minor of each OpenShift minor."""

NetworkType = Literal["OVNKubernetes", "OpenShiftSDN", "Calico", "Other", ""]


class HostedRelease(msgspec.Struct, frozen=True):
    """What the check of a hosted cluster's release depends on. `current` is None for a new cluster."""

    desired: OCPVersion
    current: OCPVersion | None = None
    network: str = ""
    platform: str = ""


def line_of(version: OCPVersion) -> int | None:
    """The number of the line: the minor of 4.x, 23 more than the minor of 5.x; None for any other major."""
    if version.major == 4:
        return version.minor
    return _BRIDGE + version.minor if version.major == 5 else None


def minor_name(line: int) -> str:
    """`4.22`, `5.0 (4.23)`: how a line is written for a person."""
    return f"4.{line}" if line < _BRIDGE else f"5.{line - _BRIDGE} (4.{line})"


def kubernetes_minor(version: OCPVersion) -> str:
    """`1.33` for 4.20; empty when it is not known."""
    return KUBERNETES.get(version.minor_pair, "")


def release_problems(release: HostedRelease) -> tuple[Finding, ...]:
    """Everything that speaks against the desired release of a hosted cluster; empty when it is valid."""
    line = line_of(release.desired)
    if line is None:
        return (_refuse("UnsupportedMajor", f"{release.desired} has a major other than 4 and 5"),)
    return (
        *_range_problems(release.desired, line),
        *_update_problems(release, line),
        *_network_problems(release, line),
    )


def node_pool_problems(pool: OCPVersion, cluster: OCPVersion) -> tuple[Finding, ...]:
    """What speaks against a node pool's release beside its cluster's: never newer, at most three minors older."""
    pool_line, cluster_line = line_of(pool), line_of(cluster)
    unknown = [version for version, line in ((pool, pool_line), (cluster, cluster_line)) if line is None]
    if pool_line is None or cluster_line is None:
        listed = " and ".join(map(str, unknown))
        return (_refuse("UnsupportedMajor", f"{listed}: a major other than 4 and 5"),)
    if (pool_line, pool.patch) > (cluster_line, cluster.patch):
        return (
            _refuse(
                "NodePoolTooNew",
                f"NodePool version {pool} is higher than the HostedCluster version {cluster}",
                hint="update the HostedCluster first",
            ),
        )
    behind = cluster_line - pool_line
    if behind > MAX_SKEW:
        return (
            _refuse(
                "NodePoolTooOld",
                f"NodePool version {pool} is {behind} minors behind the HostedCluster version {cluster}; "
                f"at most {MAX_SKEW} are supported",
                hint="update the NodePool first",
            ),
        )
    return ()


def _range_problems(desired: OCPVersion, line: int) -> tuple[Finding, ...]:
    if line < FLOOR:
        return (
            _refuse(
                "UnsupportedVersion", f"releases before {minor_name(FLOOR)} are not supported: {desired}"
            ),
        )
    if line < MINIMUM:
        message = f"the minimum supported version is {minor_name(MINIMUM)}, attempting to use {desired}"
        return (_refuse("UnsupportedVersion", message),)
    if line > LATEST:
        message = f"the latest supported version is {minor_name(LATEST)}, attempting to use {desired}"
        return (_refuse("UnsupportedVersion", message),)
    return ()


def _update_problems(release: HostedRelease, line: int) -> tuple[Finding, ...]:
    current = line_of(release.current) if release.current else None
    if current is None or line >= current:
        return ()
    message = f"y-stream downgrade from {release.current} to {release.desired} is not supported"
    return (_refuse("Downgrade", message),)


def _network_problems(release: HostedRelease, line: int) -> tuple[Finding, ...]:
    """OpenShiftSDN ended with 4.10, OVNKubernetes begins with 4.11; PowerVS may keep the former."""
    is_new = release.current is None
    if release.network == "OpenShiftSDN":
        if is_new and line > _LAST_SDN and release.platform != "PowerVS":
            message = (
                f"network type OpenShiftSDN is not supported above {minor_name(_LAST_SDN)}: {release.desired}"
            )
            return (_refuse("UnsupportedNetwork", message, hint="use OVNKubernetes"),)
        current = line_of(release.current) if release.current else None
        if current is not None and line > current:
            message = f"y-stream upgrade from {release.current} to {release.desired} is not supported with OpenShiftSDN"
            return (_refuse("UnsupportedNetwork", message),)
    if release.network == "OVNKubernetes" and is_new and line < _FIRST_OVN:
        message = (
            f"network type OVNKubernetes is not supported below {minor_name(_FIRST_OVN)}: {release.desired}"
        )
        return (_refuse("UnsupportedNetwork", message, hint="use OpenShiftSDN"),)
    return ()


def _refuse(code: str, message: str, *, hint: str = "") -> Finding:
    return error(code, message, field="spec.release.image", hint=hint)
