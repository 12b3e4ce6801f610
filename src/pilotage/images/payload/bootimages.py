"""Which OS streams does a release payload carry boot images for, and which one is meant?

The payload's ConfigMap `coreos-bootimages` holds one stream as JSON text (`stream`, every payload until the end of
RHEL 9), a map of streams (`streams`, since 5.0), or both. A stream that is asked for by name comes from the map when
there is one; a payload with a single stream gives that, whatever the name, and the answer says that it is a fallback.

Follows openshift/hypershift `support/releaseinfo/deserialize.go` and `releaseinfo.go`; a `data` value that is no text is
refused, as the API server would refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, NoReturn, TypeVar

import msgspec
import orjson

from pilotage.decision.findings import Finding, warning
from pilotage.images.errors import ImageError
from pilotage.images.payload import documents, streams
from pilotage.images.payload.streams import Stream

__all__ = ["FILE", "BootImages", "Chosen", "choose", "parse"]

T = TypeVar("T")

FILE = "0000_50_installer_coreos-bootimages.yaml"

_SUBJECT = "boot image ConfigMap coreos-bootimages"
_FROZEN_STREAM = "rhel-9"


class Chosen(msgspec.Struct, Generic[T], frozen=True):
    """The stream that is meant. `fallback`: a name was asked for, and the only stream there is was given."""

    stream: T
    fallback: bool = False


class BootImages(msgspec.Struct, frozen=True):
    """`default` is the single stream; `streams` the map, None when the payload has none. A null entry stays null."""

    default: Stream | None = None
    streams: Mapping[str, Stream | None] | None = None
    release_version: str = ""

    def stream_for(self, name: str = "") -> Chosen[Stream]:
        """The stream called `name`, or the default one for the empty name. Raises ImageError `StreamNotFound`."""
        return choose(name, self.default, self.streams)

    def warnings(self, payload_version: str) -> tuple[Finding, ...]:
        """What to warn of: a foreign version, two accounts of one stream, an architecture that one stream lacks."""
        return (*self._version_warnings(payload_version), *self._frozen_warnings(), *self._missing_warnings())

    def _version_warnings(self, payload_version: str) -> tuple[Finding, ...]:
        if self.release_version in ("", payload_version):
            return ()
        message = f"{_SUBJECT}: releaseVersion is {self.release_version}, the payload is {payload_version}"
        return (warning("VersionMismatch", message, field="data.releaseVersion"),)

    def _frozen_warnings(self) -> tuple[Finding, ...]:
        frozen = (self.streams or {}).get(_FROZEN_STREAM)
        if self.default is None or frozen is None or frozen == self.default:
            return ()
        message = f"{_SUBJECT}: stream and streams[{_FROZEN_STREAM}] differ"
        return (warning("StreamMismatch", message, field="data.stream"),)

    def _missing_warnings(self) -> tuple[Finding, ...]:
        present = {name: stream for name, stream in (self.streams or {}).items() if stream is not None}
        known = {name for stream in present.values() for name in stream.architectures}
        return tuple(
            warning(
                "ArchitectureMissing",
                f"{_SUBJECT}: the stream {name} lacks {', '.join(lacking)}, which another stream has",
                subject=name,
            )
            for name, stream in sorted(present.items())
            if (lacking := sorted(known - stream.architectures.keys()))
        )


def parse(text: str | bytes) -> BootImages:
    """Read the ConfigMap, YAML or JSON. Raises ImageError `MalformedPayloadFile`."""
    data = _read_data(text)
    several = _decode_streams(data["streams"]) if "streams" in data else None
    if not several and "stream" not in data:
        raise _refused("it is missing both stream and streams: no boot images")
    default = _decode_stream(data["stream"]) if "stream" in data else None
    return BootImages(default, several, data.get("releaseVersion", ""))


def choose(name: str, default: T | None, several: Mapping[str, T | None] | None) -> Chosen[T]:
    """Which of these is meant by `name`; works on streams and on whatever stands for them.

    Raises ImageError `StreamNotFound` naming the stream and listing those that are there.
    """
    if not name:
        if default is None:
            raise ImageError(
                "StreamNotFound", "no default stream metadata available", hint="ask for a stream by name"
            )
        return Chosen(default)
    if several is None:
        if default is None:
            raise _not_found(name, ())
        return Chosen(default, fallback=True)
    found = several.get(name)
    if found is None:
        raise _not_found(name, sorted(key for key, value in several.items() if value is not None))
    return Chosen(found)


def _read_data(text: str | bytes) -> dict[str, str]:
    try:
        document = documents.load(text, FILE)
    except ImageError as error:
        raise _refused(error.message) from None
    data = document.get("data") if isinstance(document, dict) else _refuse_shape(document)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise _refused("data must be a map of texts")
    faults = tuple(
        f"data.{key} must be a text in quotes, found {_type_of(value)}"
        for key, value in data.items()
        if not isinstance(value, str)
    )
    if faults:
        raise _refused("; ".join(faults), faults)
    return data


def _decode_streams(text: str) -> dict[str, Stream | None] | None:
    """The map of streams; None when the text is `null`."""
    value = _decode(text, "multi-stream")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _undecodable("multi-stream", f"expected an object, found {_type_of(value)}")
    decoded: dict[str, Stream | None] = {}
    for name, item in value.items():
        try:
            decoded[name] = None if item is None else streams.decode(item)
        except msgspec.ValidationError as error:
            raise _undecodable("multi-stream", f"{name}: {error}") from None
    return decoded


def _decode_stream(text: str) -> Stream:
    value = _decode(text, "stream")
    try:
        return Stream() if value is None else streams.decode(value)
    except msgspec.ValidationError as error:
        raise _undecodable("stream", str(error)) from None


def _decode(text: str, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _undecodable(what, f"{error.msg} (line {error.lineno}, column {error.colno})") from None


def _undecodable(what: str, cause: str) -> ImageError:
    return _refused(f"couldn't decode {what} metadata: {cause}")


def _refused(cause: str, messages: tuple[str, ...] = ()) -> ImageError:
    return ImageError("MalformedPayloadFile", f"{_SUBJECT}: {cause}", messages=messages)


def _refuse_shape(document: Any) -> NoReturn:
    raise _refused(f"expected a map, found {_type_of(document)}")


def _not_found(name: str, available: tuple[str, ...] | list[str]) -> ImageError:
    listed = ", ".join(available) or "none"
    return ImageError(
        "StreamNotFound",
        f'no boot images for the OS stream "{name}"; available streams: {listed}',
        reference=name,
        hint="choose one of the available streams",
    )


def _type_of(value: Any) -> str:
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "a map",
    }
    return names.get(type(value), "nothing")
