"""What does a release payload say of its place in the update graph?

The file `release-manifests/release-metadata` is JSON of the kind `cincinnati-metadata-v0`. It is optional: a payload
made by hand may lack it and is usable all the same. Decisions use the version of `image-references`; a different one
here is shown and warned of.

Follows openshift/oc `pkg/cli/admin/release/new.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotage.api.versions import OCPVersion, is_semver
from pilotage.decision.findings import Finding, warning
from pilotage.images.payload import documents

__all__ = ["FILE", "ReleaseMetadata", "parse"]

FILE = "release-metadata"

_URL = "url"
_DESCRIPTION = "description"
_ARCHITECTURE = "release.openshift.io/architecture"


class ReleaseMetadata(msgspec.Struct, frozen=True):
    """`previous` are the versions that may update to this one, as written; `metadata` is free."""

    version: str = ""
    kind: str = ""
    previous: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}

    @property
    def url(self) -> str:
        """The errata page."""
        return self._text(_URL)

    @property
    def description(self) -> str:
        return self._text(_DESCRIPTION)

    @property
    def is_multi(self) -> bool:
        """The payload was made for several architectures."""
        return self._text(_ARCHITECTURE) == "multi"

    @property
    def upgrades(self) -> tuple[str, ...]:
        """`previous` for display: in SemVer order when every entry is a version, else as written."""
        if not all(map(is_semver, self.previous)):
            return self.previous
        return tuple(sorted(self.previous, key=lambda text: OCPVersion.parse(text).precedence))

    def can_update_from(self, version: str) -> bool:
        return version in self.previous

    def warnings(self, payload_version: str) -> tuple[Finding, ...]:
        """What to warn of when the payload's `image-references` is called `payload_version`."""
        if not self.version or self.version == payload_version:
            return ()
        return (
            warning(
                "VersionMismatch",
                f"{FILE} says version {self.version}, image-references says {payload_version or 'nothing'}; "
                "the latter counts",
                field="version",
            ),
        )

    def _text(self, key: str) -> str:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""


class _Document(msgspec.Struct, frozen=True):
    kind: str | None = None
    version: str | None = None
    previous: tuple[str, ...] | None = None
    next: tuple[str, ...] | None = None
    metadata: dict[str, Any] | None = None


def parse(text: str | bytes) -> ReleaseMetadata:
    """Read the file. Raises ImageError `MalformedPayloadFile`."""
    value = documents.load_json(text, FILE)
    try:
        document = msgspec.convert(value, _Document)
    except msgspec.ValidationError as error:
        raise documents.malformed(FILE, str(error)) from None
    return ReleaseMetadata(
        document.version or "",
        document.kind or "",
        document.previous or (),
        document.next or (),
        document.metadata or {},
    )
