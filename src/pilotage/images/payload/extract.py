"""Which files of a payload go into a directory? All manifests, one file, or the credential requests of one cloud.

Each file appears whole or not at all, and a name that would leave the directory is refused before anything is written.
A credential request is a document of kind `CredentialsRequest`; its cloud is told by the kind of its provider specification.
Documents keep their bytes. Follows openshift/oc `pkg/cli/admin/release/extract.go`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pilotage.api import yaml
from pilotage.api.errors import InputError
from pilotage.images.disk.durable import write_file
from pilotage.images.errors import ImageError

__all__ = ["CLOUDS", "credentials_requests", "extract"]

CLOUDS: Final[Mapping[str, str]] = {
    "alibabacloud": "AlibabaCloudProviderSpec",
    "aws": "AWSProviderSpec",
    "azure": "AzureProviderSpec",
    "gcp": "GCPProviderSpec",
    "ibmcloud": "IBMCloudProviderSpec",
    "nutanix": "NutanixProviderSpec",
    "openstack": "OpenStackProviderSpec",
    "ovirt": "OvirtProviderSpec",
    "powervs": "IBMCloudPowerVSProviderSpec",
    "vsphere": "VSphereProviderSpec",
}
_SEPARATOR = re.compile(rb"^---[ \t]*(?:#.*)?$\r?\n?", re.MULTILINE)
_KIND = b"CredentialsRequest"


def extract(files: Mapping[str, bytes], directory: Path) -> tuple[Path, ...]:
    """Write the files and return their paths. Raises ImageError `UnsafeLayer` naming every unsafe name, and writes nothing then."""
    unsafe = tuple(name for name in files if not _is_plain(name))
    if unsafe:
        raise ImageError(
            "UnsafeLayer",
            f'failed to extract to {directory}: "{unsafe[0][:200]}" is no plain file name',
            messages=unsafe,
        )
    written = []
    for name, raw in files.items():
        write_file(directory / name, raw)
        written.append(directory / name)
    return tuple(written)


def credentials_requests(manifests: Mapping[str, bytes], cloud: str = "") -> dict[str, bytes]:
    """The documents that ask for cloud credentials, by file; with a `cloud` only those for it.

    Raises ImageError `MalformedPayloadFile` for a file that mentions such requests and does not parse.
    """
    if cloud and cloud not in CLOUDS:
        raise ImageError(
            "NoMatchingPlatform",
            f'failed to select credential requests: "{cloud}" is none of {", ".join(CLOUDS)}',
        )
    selected: dict[str, bytes] = {}
    for name, raw in manifests.items():
        if _KIND not in raw:
            continue  # parsing seven hundred manifests to find thirty would take seconds
        documents = [part for part, document in _documents(name, raw) if _asks_for(document, cloud)]
        if documents:
            selected[name] = b"---\n".join(documents)
    return selected


def _documents(name: str, raw: bytes) -> Iterator[tuple[bytes, Any]]:
    """Every document of a file, as written and as understood."""
    for part in _SEPARATOR.split(raw):
        if _KIND in part:
            try:
                yield part, yaml.load(part.decode(), name)
            except (InputError, UnicodeDecodeError) as error:
                raise ImageError("MalformedPayloadFile", f"{name} does not parse: {error}") from None


def _asks_for(document: Any, cloud: str) -> bool:
    if not isinstance(document, Mapping) or document.get("kind") != "CredentialsRequest":
        return False
    spec = document.get("spec")
    provider = spec.get("providerSpec") if isinstance(spec, Mapping) else None
    kind = provider.get("kind") if isinstance(provider, Mapping) else None
    return not cloud or kind == CLOUDS[cloud]


def _is_plain(name: str) -> bool:
    return bool(name) and name not in (".", "..") and not set(name) & {"/", "\\", "\0"}
