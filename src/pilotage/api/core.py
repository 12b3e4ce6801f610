"""Kinds of Kubernetes itself that Pilotage reads or writes: Secrets, ConfigMaps, Events, Namespaces, Leases, definitions."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.meta import Kind, Meta

__all__ = [
    "CONFIG_MAP",
    "CUSTOM_RESOURCE_DEFINITION",
    "EVENT",
    "KINDS",
    "LEASE",
    "NAMESPACE",
    "PULL_SECRET_KEY",
    "SECRET",
    "ConfigMap",
    "Event",
    "ObjectReference",
    "Secret",
]

SECRET: Final = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP: Final = Kind("", "v1", "ConfigMap", "configmaps", short_names=("cm",))
EVENT: Final = Kind("", "v1", "Event", "events", short_names=("ev",))
NAMESPACE: Final = Kind("", "v1", "Namespace", "namespaces", namespaced=False, short_names=("ns",))
LEASE: Final = Kind("coordination.k8s.io", "v1", "Lease", "leases")
CUSTOM_RESOURCE_DEFINITION: Final = Kind(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
    short_names=("crd", "crds"),
)
KINDS: Final = (SECRET, CONFIG_MAP, EVENT, NAMESPACE, LEASE, CUSTOM_RESOURCE_DEFINITION)

PULL_SECRET_KEY: Final = ".dockerconfigjson"  # noqa: S105 the name of a key, not a secret


class Secret(msgspec.Struct, frozen=True, rename="camel"):
    """`data` is base64; `string_data`, which only manifests have, is text and wins where both have a key."""

    metadata: Meta = Meta()
    type: str = ""
    data: dict[str, str | None] | None = None
    string_data: dict[str, str | None] | None = None

    def read(self, key: str) -> bytes | None:
        """The content of one key, None when it is not there.

        Raises InputError `MalformedSecret` naming Secret and key, never their content.
        """
        text = (self.string_data or {}).get(key)
        if text is not None:
            return text.encode()
        encoded = (self.data or {}).get(key)
        if encoded is None:
            return None
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise InputError(
                "MalformedSecret",
                f"Secret {self.metadata.namespace}/{self.metadata.name}: data[{key}] is not base64",
                hint="write the value as base64, or under stringData as text",
            ) from None

    def __repr__(self) -> str:
        """Without the content: a Secret may end up in a traceback."""
        return f"Secret({self.metadata.namespace}/{self.metadata.name})"


class ConfigMap(msgspec.Struct, frozen=True, rename="camel"):
    metadata: Meta = Meta()
    data: dict[str, str | None] | None = None

    def read(self, key: str) -> str | None:
        """The text of one key, None when it is not there."""
        return (self.data or {}).get(key)


class ObjectReference(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """core/v1 Event; times are RFC 3339, null in events that came through the newer API."""

    metadata: Meta = Meta()
    involved_object: ObjectReference = ObjectReference()
    type: str = ""
    reason: str = ""
    message: str = ""
    count: int | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
