"""Sample images: three release payloads with all their components, one hand-made payload, and HyperShift operators.

They are real images in an OCI layout, small but whole: multi-arch indexes, labels, layers with executables, release
manifests. Boot images come from the real RHEL CoreOS stream metadata beside this module. Building is reproducible, so the
digests are the same on every machine, and it is skipped for what is there already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from typing import Final

import msgspec

from pilotage.controlplane.labels import CAPABILITIES
from pilotage.images import reference
from pilotage.images.errors import ImageError
from pilotage.images.layers.build import Entry, PackedLayer, pack, push_image, push_index
from pilotage.images.payload.manifests import ComponentSource
from pilotage.images.payload.newrelease import OPERATOR_LABEL, NewRelease, build_release
from pilotage.images.source import ImageTarget, Manifest, Platform

__all__ = ["OPERATORS", "PAYLOADS", "REGISTRY", "build"]

REGISTRY: Final = "quay.example.com"
RELEASES: Final = f"{REGISTRY}/openshift/release"
COMPONENTS: Final = f"{REGISTRY}/openshift/art-dev"
OPERATOR: Final = f"{REGISTRY}/hypershift/hypershift-operator"
OVERRIDE: Final = f"{REGISTRY}/hypershift/control-plane-operator"
PLATFORMS: Final = (Platform("amd64", "linux"), Platform("arm64", "linux"))
BUILT: Final = "2026-05-20T04:35:16Z"

_CPO_NAMES = (
    "ignition-server",
    "konnectivity-socks5-proxy",
    "availability-prober",
    "token-minter",
    "fetch-etcd-certs",
)


class SamplePayload(msgspec.Struct, frozen=True):
    """One release: `kubernetes` and `rhel` give the component versions; `streams` are the OS streams that it ships."""

    version: str
    tag: str
    kubernetes: str
    rhel: Mapping[str, str]
    previous: tuple[str, ...] = ()
    has_cpo: bool = True


class SampleOperator(msgspec.Struct, frozen=True):
    """One build of the HyperShift operator; `labels_all` says whether it has every capability label."""

    tag: str
    has_cpo_binary: bool = True
    labels_all: bool = True


PAYLOADS: Final = (
    SamplePayload("4.19.7", "4.19.7-multi", "1.32.7", {"rhel-9": "9.6.20250805-0"}, ("4.18.20", "4.19.6")),
    SamplePayload(
        "4.19.8", "4.19.8-handmade", "1.32.7", {"rhel-9": "9.6.20250805-0"}, ("4.19.7",), has_cpo=False
    ),
    SamplePayload("4.20.3", "4.20.3-multi", "1.33.5", {"rhel-9": "9.6.20251015-1"}, ("4.19.7", "4.20.2")),
    SamplePayload(
        "5.0.0-ec.0",
        "5.0.0-ec.0-multi",
        "1.36.0",
        {"rhel-9": "9.8.20260410-0", "rhel-10": "10.2.20260412-0"},
        ("4.20.3",),
    ),
)
"""What `pilotage up` can install from."""

OPERATORS: Final = (
    SampleOperator("v1.0.0", has_cpo_binary=False),
    SampleOperator("v1.1.0"),
    SampleOperator("v1.2.0", labels_all=False),
)
"""v1.0.0 cannot serve as control plane operator; v1.2.0 forgot a capability label."""

_COMPONENTS = (
    "aws-cluster-api-controllers", "cli", "cluster-autoscaler", "cluster-capi-controllers", "cluster-config-api",
    "cluster-version-operator", "etcd", "haproxy-router", "hyperkube", "machine-config-operator",
)  # fmt: skip


async def build(target: ImageTarget, on_step: Callable[[str], None]) -> None:
    """Build what is not there yet. The tag of each image is written last, so an interrupted build is simply repeated."""
    for operator in OPERATORS:
        await _build_operator(target, operator, on_step)
    await _build_override(target, "4.20.3-hotfix", on_step)
    await _build_override(target, "bugfix-4711", on_step)
    for payload in PAYLOADS:
        await _build_payload(target, payload, on_step)


async def _build_payload(target: ImageTarget, payload: SamplePayload, on_step: Callable[[str], None]) -> None:
    destination = reference.parse(f"{RELEASES}:{payload.tag}")
    if await _is_there(target, destination):
        return
    on_step(f"building release payload {payload.version}")
    names = _component_names(payload)
    components = [await _component(target, payload, name) for name in names]
    release = NewRelease(
        payload.version,
        tuple(components),
        BUILT,
        payload.previous,
        metadata={"url": f"https://access.example.com/errata/{payload.version}"},
        extra={"0000_50_installer_coreos-bootimages.yaml": _boot_images(payload)},
    )
    await build_release(target, destination, release, platforms=PLATFORMS)


def _component_names(payload: SamplePayload) -> tuple[str, ...]:
    """Components of a payload; each OS stream brings an image and its extensions."""
    streams = [
        name.replace("rhel-9", "rhel-coreos").replace("rhel-10", "rhel-coreos-10") for name in payload.rhel
    ]
    images = [image for stream in streams for image in (stream, f"{stream}-extensions")]
    return tuple(sorted((*_COMPONENTS, *images, *(("hypershift",) if payload.has_cpo else ()))))


async def _component(target: ImageTarget, payload: SamplePayload, name: str) -> ComponentSource:
    """Build the image of a component and say how the payload names it."""
    entries = [Entry(f"usr/share/{name}/version", f"{payload.version}\n".encode())]
    labels: dict[str, str] = {}
    if name == "hypershift":
        entries += _cpo_binaries(payload.version)
        labels = {capability.label: "true" for capability in CAPABILITIES} | {OPERATOR_LABEL: "true"}
    manifest = await _push(target, COMPONENTS, entries, labels)
    return ComponentSource(name, f"{COMPONENTS}@{manifest.digest}", annotations=_annotations(payload, name))


def _annotations(payload: SamplePayload, name: str) -> dict[str, str]:
    """Where the component was built from, and the versions that it declares."""
    annotations = {
        "io.openshift.build.commit.id": _commit(name, payload.version),
        "io.openshift.build.commit.ref": "",
        "io.openshift.build.source-location": f"https://github.com/openshift/{name}",
    }
    if name == "hyperkube":
        annotations["io.openshift.build.versions"] = f"kubernetes={payload.kubernetes}"
    elif name == "cli":
        annotations["io.openshift.build.versions"] = f"kubectl={payload.kubernetes}"
    elif name in ("rhel-coreos", "rhel-coreos-10"):
        stream = "rhel-10" if name.endswith("-10") else "rhel-9"
        annotations["io.openshift.build.versions"] = f"machine-os={payload.rhel[stream]}"
        annotations["io.openshift.build.version-display-names"] = "machine-os=Red Hat Enterprise Linux CoreOS"
    return annotations


def _commit(component: str, version: str) -> str:
    """A commit hash for a component of a release; a hotfix of that release was built from the same one."""
    return hashlib.sha1(f"{component} {version}".encode(), usedforsecurity=False).hexdigest()


def _boot_images(payload: SamplePayload) -> bytes:
    """The boot image ConfigMap: one stream under `stream`, and from 5.0 on all of them under `streams`."""
    texts = {
        name: resources.files("pilotage.world").joinpath("coreos", f"{name}.json").read_text()
        for name in payload.rhel
    }
    data = {"releaseVersion": payload.version, "stream": texts["rhel-9"]}
    if len(texts) > 1:
        joined = ",".join(f'"{name}":{text}' for name, text in texts.items())
        data["streams"] = "{" + joined + "}"
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coreos-bootimages", "namespace": "openshift-machine-config-operator"},
        "data": data,
    }
    return msgspec.json.encode(config_map)


async def _build_operator(
    target: ImageTarget, operator: SampleOperator, on_step: Callable[[str], None]
) -> None:
    destination = reference.parse(f"{OPERATOR}:{operator.tag}")
    if await _is_there(target, destination):
        return
    on_step(f"building HyperShift operator {operator.tag}")
    entries = [
        _executable(f"usr/bin/{name}", operator.tag)
        for name in ("hypershift", "hypershift-operator", "karpenter-operator")
    ]
    if operator.has_cpo_binary:
        entries += _cpo_binaries(operator.tag)
    labels = {
        capability.label: "true"
        for capability in CAPABILITIES
        if operator.labels_all or capability.on_operator_image
    }
    await _push(target, OPERATOR, entries, labels | {"vcs-ref": operator.tag}, operator.tag)


async def _build_override(target: ImageTarget, tag: str, on_step: Callable[[str], None]) -> None:
    destination = reference.parse(f"{OVERRIDE}:{tag}")
    if await _is_there(target, destination):
        return
    on_step(f"building control plane operator {tag}")
    labels = {capability.label: "true" for capability in CAPABILITIES}
    source = {"vcs-ref": _commit("hypershift", tag.partition("-")[0])}
    await _push(target, OVERRIDE, _cpo_binaries(tag), labels | source, tag)


def _cpo_binaries(build: str) -> list[Entry]:
    """The control plane operator, its PKI sibling, the names it is called by, and the shell that its pods use."""
    links = [Entry(f"usr/bin/{name}", kind="symlink", link="control-plane-operator") for name in _CPO_NAMES]
    tools = [_executable(f"usr/bin/{name}", build) for name in ("bash", "sh", "grep", "awk", "base64")]
    return [
        Entry("bin", kind="symlink", link="usr/bin"),
        _executable("usr/bin/control-plane-operator", build),
        _executable("usr/bin/control-plane-pki-operator", build),
        *links,
        *tools,
    ]


def _executable(path: str, build: str) -> Entry:
    return Entry(path, f"#!/bin/sh\n# {path} {build}\n".encode(), 0o755)


async def _push(
    target: ImageTarget, repository: str, entries: Iterable[Entry], labels: Mapping[str, str], tag: str = ""
) -> Manifest:
    """One image for each platform, and the index over them."""
    where = reference.parse(repository)
    layer: PackedLayer = pack(entries)
    images = [
        (
            await push_image(
                target, where, [layer], config={"created": BUILT}, platform=platform, labels=labels
            ),
            platform,
        )
        for platform in PLATFORMS
    ]
    return await push_index(target, where, images, tag=tag)


async def _is_there(target: ImageTarget, destination: reference.Reference) -> bool:
    try:
        await target.resolve(destination)
    except ImageError as error:
        if error.code == "NotFound":
            return False
        raise
    return True
