"""Can this image serve as control plane operator? One row for each thing that a component would miss.

`must` means that without it something cannot start; `should` that old control planes, or parity, want it. The image is
given as it was inspected: files by architecture, labels, entry point. Follows the Dockerfiles of openshift/hypershift and
the commands that its components call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from pilotage.controlplane.facts import CPO_BINARY
from pilotage.controlplane.labels import CAPABILITIES, RELEASE_OPERATOR_LABEL

__all__ = [
    "FILES",
    "ROWS",
    "InspectedImage",
    "Requirement",
    "Role",
    "Row",
    "RowResult",
    "lint_image",
    "passes",
]

Role = Literal["payload", "operator"]
Requirement = Literal["must", "should", "must-not"]

_CPO = "/usr/bin/control-plane-operator"
_SHELL_TOOLS = ("sh", "grep", "awk", "base64")
_BIN_DIRECTORIES = ("/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin")


class InspectedImage(msgspec.Struct, frozen=True):
    """`executables` holds, by architecture, every path (links resolved) of a file with content and an execute bit.

    `path` is the PATH of the image config; `architectures_needed` are those of management cluster and hosted nodes.
    """

    executables: Mapping[str, frozenset[str]]
    labels: Mapping[str, str] = {}
    path: tuple[str, ...] = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
    architectures_needed: frozenset[str] = frozenset()
    signed: bool | None = None
    attested: bool | None = None


class Row(msgspec.Struct, frozen=True):
    """`payload` and `operator` say what the item is for an image of that role; None: not asked for."""

    item: str
    payload: Requirement | None
    operator: Requirement | None
    needed_by: str
    check: Callable[[InspectedImage], str | None]
    """What is missing or wrong; empty when nothing is; None when that cannot be told from what was inspected."""


class RowResult(msgspec.Struct, frozen=True):
    item: str
    requirement: Requirement
    passed: bool | None
    needed_by: str
    detail: str


def _files(*paths: str) -> Callable[[InspectedImage], str]:
    def check(image: InspectedImage) -> str:
        return "; ".join(filter(None, (_absent(image, path) for path in paths)))

    return check


def _absent(image: InspectedImage, path: str) -> str:
    lacking = sorted(arch for arch, files in image.executables.items() if path not in files)
    if not image.executables:
        return f"{path} is missing: the image has no architecture"
    return f"{path} is missing for {', '.join(lacking)}" if lacking else ""


def _on_path(*names: str) -> Callable[[InspectedImage], str]:
    def check(image: InspectedImage) -> str:
        missing = [
            f"{name} is not on PATH for {arch}"
            for name in names
            for arch, files in sorted(image.executables.items())
            if not any(f"{directory}/{name}" in files for directory in image.path)
        ]
        return "; ".join(missing) if image.executables else "the image has no architecture"

    return check


def _bash(image: InspectedImage) -> str:
    """Called as /bin/bash; in images where /bin is a link the file stands below /usr/bin."""
    lacking = sorted(
        arch for arch, files in image.executables.items() if files.isdisjoint(("/bin/bash", "/usr/bin/bash"))
    )
    return f"/bin/bash is missing for {', '.join(lacking)}" if lacking else ""


def _shell_tools(image: InspectedImage) -> str:
    missing = [
        f"{name} for {arch}"
        for name in _SHELL_TOOLS
        for arch, files in sorted(image.executables.items())
        if not any(f"{directory}/{name}" in files for directory in _BIN_DIRECTORIES)
    ]
    return f"missing: {', '.join(missing)}" if missing else ""


def _capability_labels(image: InspectedImage) -> str:
    missing = [capability.label for capability in CAPABILITIES if capability.label not in image.labels]
    return f"missing: {', '.join(missing)}" if missing else ""


def _release_label_present(image: InspectedImage) -> str:
    return "" if RELEASE_OPERATOR_LABEL in image.labels else f"label {RELEASE_OPERATOR_LABEL} is missing"


def _release_label_absent(image: InspectedImage) -> str:
    return f"label {RELEASE_OPERATOR_LABEL} is present" if RELEASE_OPERATOR_LABEL in image.labels else ""


def _architectures(image: InspectedImage) -> str:
    missing = sorted(image.architectures_needed - set(image.executables))
    return f"ImageNotMultiArch: no image for {', '.join(missing)}" if missing else ""


def _provenance(image: InspectedImage) -> str | None:
    evidence = {
        "vcs-ref label": "vcs-ref" in image.labels,
        "signature": image.signed,
        "attestation": image.attested,
    }
    missing = [name for name, present in evidence.items() if present is False]
    if missing:
        return f"missing: {', '.join(missing)}"
    return None if None in evidence.values() else ""


ROWS: tuple[Row, ...] = (
    Row(_CPO, "must", "must", "every consumer", _files(CPO_BINARY)),
    Row(
        "/usr/bin/control-plane-pki-operator",
        "must",
        "must",
        "PKI operator Deployment",
        _files("/usr/bin/control-plane-pki-operator"),
    ),
    Row(
        "operator binaries",
        None,
        "must",
        "HyperShift Operator, its entry point, karpenter operator",
        _files("/usr/bin/hypershift-operator", "/usr/bin/hypershift", "/usr/bin/karpenter-operator"),
    ),
    Row(
        "name ignition-server",
        None,
        "must",
        "older control planes that call it by name",
        _files("/usr/bin/ignition-server"),
    ),
    Row(
        "names of the utilities",
        None,
        "must",
        "older control planes that call them by name",
        _files("/usr/bin/konnectivity-socks5-proxy", "/usr/bin/availability-prober", "/usr/bin/token-minter"),
    ),
    Row("name fetch-etcd-certs", None, "should", "etcd backup Job", _files("/usr/bin/fetch-etcd-certs")),
    Row(
        "binary on PATH",
        "must",
        "must",
        "etcd ensure-dns and the node proxy pod",
        _on_path("control-plane-operator"),
    ),
    Row("/bin/bash", "must", "must", "etcd ensure-dns", _bash),
    Row("sh, grep, awk, base64", "must", "must", "AWS node termination handler", _shell_tools),
    Row("capability labels", "must", "must", "controllers of the management cluster", _capability_labels),
    Row("release label", "must", None, "release tooling", _release_label_present),
    Row("no release label", None, "must-not", "release tooling", _release_label_absent),
    Row(
        "architectures", "must", "must", "node proxy and global pull secret pods run on nodes", _architectures
    ),
    Row("provenance", None, "must", "the gate", _provenance),
)

FILES: tuple[str, ...] = (
    CPO_BINARY,
    "/usr/bin/control-plane-pki-operator",
    "/usr/bin/hypershift-operator",
    "/usr/bin/hypershift",
    "/usr/bin/karpenter-operator",
    "/usr/bin/ignition-server",
    "/usr/bin/konnectivity-socks5-proxy",
    "/usr/bin/availability-prober",
    "/usr/bin/token-minter",
    "/usr/bin/fetch-etcd-certs",
    *(f"{directory}/{name}" for name in (*_SHELL_TOOLS, "bash") for directory in ("/bin", "/usr/bin")),
)
"""What to look for in the layers before `lint_image` is asked."""


def lint_image(image: InspectedImage, role: Role) -> tuple[RowResult, ...]:
    """One result for each row that this role asks for."""
    results = []
    for row in ROWS:
        requirement = row.payload if role == "payload" else row.operator
        if requirement is not None:
            detail = row.check(image)
            passed = None if detail is None else not detail
            results.append(RowResult(row.item, requirement, passed, row.needed_by, detail or ""))
    return tuple(results)


def passes(results: Iterable[RowResult]) -> bool:
    """Can the image serve? Neither a `should` that fails nor a row that could not be judged says no."""
    return not any(result.passed is False for result in results if result.requirement != "should")
