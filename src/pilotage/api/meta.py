"""What every Kubernetes object has: its kind, its name, and the JSON text that is the truth about it.

Listing ten thousand objects decodes ten thousand *headers*; the rest of each object stays bytes until a view is
asked for. Follows the Kubernetes API conventions (`metav1.ObjectMeta`, `metav1.Condition`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import orjson

from pilotage.api.errors import InputError

__all__ = [
    "Condition",
    "Header",
    "Kind",
    "Meta",
    "Object",
    "ObjectKey",
    "OwnerReference",
    "malformed",
    "merge_conditions",
]

T = TypeVar("T")


class Kind(msgspec.Struct, frozen=True, gc=False):
    """A kind that we serve or read: `hypershift.openshift.io/v1beta1` HostedCluster, plural `hostedclusters`.

    `group` is empty for the core group. `short_names` are what `kubectl get` accepts besides kind and plural.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """`plural.group`, the name that `kubectl api-resources -o name` prints."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


class ObjectKey(msgspec.Struct, frozen=True, gc=False, order=True):
    """Namespace (empty for a cluster-scoped object) and name: what a controller's queue holds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class OwnerReference(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    api_version: str = msgspec.field(name="apiVersion", default="")
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class Meta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The part of `metadata` that the runtime needs; everything else stays in the object's bytes."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    finalizers: tuple[str, ...] | None = None


class Header(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What can be said of any object without decoding its body."""

    api_version: str = ""
    kind: str = ""
    metadata: Meta = Meta()


class Condition(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`metav1.Condition`. `last_transition_time` is RFC 3339 and moves only when `status` changes."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int = 0


class Object(msgspec.Struct, frozen=True, gc=False):
    """One Kubernetes object: a decoded header over the JSON text `raw`.

    Equality is by bytes. Build one with `Object.of` (a mapping) or `Object.parse` (JSON bytes).
    """

    header: Header
    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Object:
        """Read the header of a JSON object.

        Raises InputError `MalformedObject` when the text is not JSON or the header has values of another type.
        """
        try:
            return cls(_header_decoder.decode(raw), raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise malformed("object", error) from None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Object:
        return cls.parse(orjson.dumps(value))

    @property
    def meta(self) -> Meta:
        return self.header.metadata

    @property
    def kind(self) -> str:
        return self.header.kind

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.header.metadata.namespace, self.header.metadata.name)

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.header.metadata.annotations or {}

    @property
    def labels(self) -> Mapping[str, str]:
        return self.header.metadata.labels or {}

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    def __repr__(self) -> str:
        """Without the text: a Secret may end up in a traceback."""
        return f"Object({self})"

    def view(self, view_type: type[T]) -> T:
        """Decode the object as `view_type`.

        Raises InputError `MalformedObject` naming the object and the field when a value has another type.
        """
        try:
            return _decoder(view_type).decode(self.raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise malformed(str(self), error) from None

    def value(self) -> dict[str, Any]:
        """The whole object as plain JSON values: a copy, free to change."""
        value: dict[str, Any] = orjson.loads(self.raw)
        return value


def malformed(subject: str, error: msgspec.MsgspecError | RecursionError) -> InputError:
    """The one error for a body that does not fit its kind; msgspec's text names path and types, never values."""
    return InputError(
        "MalformedObject",
        f"{subject}: {error}",
        hint="correct the field that the message names; nothing was changed",
    )


def merge_conditions(
    existing: tuple[Condition, ...], desired: tuple[Condition, ...], now: str
) -> tuple[Condition, ...]:
    """The desired conditions, each with the transition time of its predecessor unless its status changed."""
    before = {condition.type: condition for condition in existing}
    merged = []
    for condition in desired:
        old = before.get(condition.type)
        kept = old is not None and old.status == condition.status and old.last_transition_time
        merged.append(
            msgspec.structs.replace(
                condition, last_transition_time=old.last_transition_time if old and kept else now
            )
        )
    return tuple(merged)


_header_decoder = msgspec.json.Decoder(Header)
_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def _decoder(view_type: type[T]) -> msgspec.json.Decoder[T]:
    """One decoder for each view type: building one costs more than decoding a small object."""
    decoder = _decoders.get(view_type)
    if decoder is None:
        decoder = _decoders[view_type] = msgspec.json.Decoder(view_type)
    return decoder
