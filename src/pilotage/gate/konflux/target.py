"""One Gate, and what it is rendered with: the image whose steps run, and the commit from which Tekton takes the pipeline.

Both are pins. A tag could move between two tasks of one run, and so could the branch `main`. Where somebody has not chosen yet, pins of
zeros stand there: well-formed, so that the tree can be looked at, and unable to run anything.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec

from pilotage.api.canonical import canonical_json
from pilotage.api.gate import GROUP, PLATFORM_LABEL, Gate, GateSpec, VersionMatrix
from pilotage.api.meta import Kind, ObjectKey
from pilotage.gate.konflux.names import Names, names_of

__all__ = [
    "CONFIG_MAP_LABEL",
    "MANAGED_BY",
    "Pins",
    "Target",
    "manifest",
    "mark",
    "plain",
]

MANAGED_BY: Final = "pilotage-gate"
CONFIG_MAP_LABEL: Final = f"{GROUP}/kind"
"""On a ConfigMap of the gate: what it holds, `definition` or `run`."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PINNED: Final = re.compile(r".+@sha256:[0-9a-f]{64}")
_MARK: Final = 12


class Pins(msgspec.Struct, frozen=True):
    """`image` is `repository[:tag]@sha256:…`; `url` and `revision` (a commit) say where the pipeline is."""

    image: str = f"quay.io/unpinned/pilotage@sha256:{'0' * 64}"
    url: str = "https://github.com/openshift/hypershift"
    revision: str = "0" * 40

    @property
    def missing(self) -> tuple[str, ...]:
        """The pins that nobody has chosen yet."""
        chosen = {"image": self.image != Pins().image, "revision": self.revision != Pins().revision}
        return tuple(name for name, is_chosen in chosen.items() if not is_chosen)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is no pin."""
        problems = []
        if not _PINNED.fullmatch(self.image):
            problems.append(f"image {self.image}: name it by digest, repository@sha256:...")
        if not _COMMIT.fullmatch(self.revision):
            problems.append(
                f"revision {self.revision}: name a commit, 40 hexadecimal digits; a branch can move during a run"
            )
        return tuple(problems)


class Target(msgspec.Struct, frozen=True):
    """A Gate that is rendered; `matrix` is the VersionMatrix that it names, None without one."""

    gate: Gate
    pins: Pins = Pins()
    matrix: VersionMatrix | None = None

    @property
    def spec(self) -> GateSpec:
        return self.gate.spec

    @property
    def names(self) -> Names:
        return names_of(self.gate.spec.platform)

    @property
    def revision(self) -> str:
        """Changes when, and only when, what the Gate or its matrix says changes."""
        return mark([plain(self.spec), plain(self.matrix.spec) if self.matrix else None])

    @property
    def owner(self) -> dict[str, Any]:
        """Which of the two models of Konflux says what is built: exactly one stands in a spec."""
        group = self.spec.component_group
        return {"componentGroup": group} if group else {"application": self.spec.application}

    def labels(self, **more: str) -> dict[str, str]:
        return {PLATFORM_LABEL: self.spec.platform, **more}


def manifest(
    kind: Kind,
    key: ObjectKey,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """An object that says who made it."""
    metadata: dict[str, Any] = {
        "name": key.name,
        "labels": {"app.kubernetes.io/managed-by": MANAGED_BY, **(labels or {})},
    }
    if key.namespace:
        metadata["namespace"] = key.namespace
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}


def plain(value: Any) -> Any:
    """JSON values of a record, without what is its default: what a person would have written."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(type(value))
        return {
            field.encode_name: plain(found)
            for field in fields
            if (found := getattr(value, field.name)) != _default(field)
        }
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def mark(value: Any) -> str:
    """The revision of what is rendered, twelve digits: the same for the same values."""
    return hashlib.sha256(canonical_json(value)).hexdigest()[:_MARK]
