"""Releases as people read them: aligned fields and tables, in the order that `oc adm release info` has taught them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pilotage.app.releaseinfo import MIB, digest_or_reference, short_age
from pilotage.decision.render import table
from pilotage.images.payload.diff import commit_url

if TYPE_CHECKING:
    from pilotage.app.bootdrift import BootDrift
    from pilotage.app.releaseinfo import ComponentRow, Sizes
    from pilotage.images.payload.imagereferences import Component
    from pilotage.images.payload.payload import ReleasePayload

__all__ = [
    "commit_urls", "commits", "components", "digests", "fields", "info", "pull_specs", "section", "sizes", "streams",
]  # fmt: skip

Components = Iterable["Component"]

_FEW_BASES = 5


def info(payload: ReleasePayload, body: str, *, is_streams: bool = False) -> str:
    """Everything about one release; `body` is the table of the view."""
    metadata = payload.metadata
    parts = [fields(_head(payload)), fields([("Pull From", payload.pull_spec)])]
    if metadata is not None:
        known = [("Version", metadata.version), ("Upgrades", ", ".join(metadata.upgrades) or "<none>")]
        lines = section("Release Metadata", fields(known))
        entries = [
            (key, _shown(value))
            for key, value in sorted(metadata.metadata.items())
            if value not in ("", [], {}, None)
        ]
        if entries:
            lines += "\n" + textwrap.indent(section("Metadata", fields(entries)), "  ")
        parts.append(lines)
    versions = payload.component_versions
    if versions.versions:
        rows = [(name, each.version, each.display_name) for name, each in sorted(versions.versions.items())]
        parts.append(section("Component Versions", _columns(rows)))
    if len(versions.machine_os) > 1:
        rows = [(each.tag, each.version.version, each.version.display_name) for each in versions.machine_os]
        parts.append(section("Operating Systems", _columns(rows)))
    parts.append(section("Boot Images" if is_streams else "Images", body))
    if payload.warnings:
        parts.append("Warnings:\n" + "\n".join(sorted(f"* {each.message}" for each in payload.warnings)))
    return "\n\n".join(parts)


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """`Name:  value` lines with the values below each other."""
    width = max((len(name) for name, _ in pairs), default=0) + 1
    return "\n".join(f"{f'{name}:':<{width}} {value}".rstrip() for name, value in pairs)


def section(title: str, body: str) -> str:
    return f"{title}:\n{textwrap.indent(body, '  ')}"


def digests(found: Components) -> str:
    return table(("NAME", "DIGEST"), [(each.name, digest_or_reference(each.image)) for each in found])


def pull_specs(found: Components) -> str:
    return table(("NAME", "PULL SPEC"), [(each.name, each.image) for each in found])


def commits(found: Components) -> str:
    rows = [(each.name, each.source_location, each.commit) for each in found]
    return table(("NAME", "REPO", "COMMIT"), rows)


def commit_urls(found: Components) -> str:
    return table(("NAME", "URL"), [(each.name, commit_url(each)) for each in found])


def sizes(found: Sizes, now: datetime) -> str:
    headings = ["NAME", " AGE", "LAYERS", " SIZE MB", " UNIQUE MB"]
    rows = [
        [
            row.name,
            f"{short_age(row.created, now):>4}",
            f"{row.layers:>6}",
            f"{row.size / MIB:>8.1f}",
            f"{row.unique / MIB:>10.1f}",
        ]
        if row.layers
        else [row.name, "", "", "", ""]
        for row in found.rows
    ]
    if found.bases > 1:
        headings.append("BASE")
        for cells, row in zip(rows, found.rows, strict=True):
            cells.append(_base(row.base, found.bases))
    total = f"{found.total / MIB:.1f} MB in {found.layers} layers"
    return f"{table(headings, rows)}\n\n{total}, {found.bases} different base images"


def streams(rows: Sequence[Mapping[str, str]], drift: Sequence[BootDrift] = ()) -> str:
    """Every boot image; below, what nodes boot beside what the release runs."""
    headings = ("STREAM", "ARCH", "PLATFORM", "WHERE", "RELEASE", "IMAGE")
    keys = ("stream", "architecture", "platform", "where", "release", "image")
    text = table(headings, [[row[key] for key in keys] for row in rows])
    if not drift:
        return text
    compared = [
        (
            each.stream,
            each.architecture,
            each.os_version,
            ", ".join(each.boot_releases),
            "" if each.is_same else "differs",
        )
        for each in drift
    ]
    return f"{text}\n\n{table(('STREAM', 'ARCH', 'OS IMAGE', 'BOOT IMAGE', ''), compared)}"


def components(rows: Sequence[ComponentRow]) -> str:
    marks = {True: "yes", False: "no", None: "?"}
    cells = [
        (row.name, row.digest, row.version or "-", row.commit[:12] or "-", marks[row.multi_arch])
        for row in rows
    ]
    return table(("NAME", "DIGEST", "VERSION", "COMMIT", "MULTI-ARCH"), cells)


def _head(payload: ReleasePayload) -> list[tuple[str, str]]:
    content = payload.content
    kinds = [file.kind for file in content.files]
    found = [("Name", payload.display_version)]
    if payload.version != payload.display_version:
        found.append(("Image stream", payload.version))
    if payload.digest:
        found.append(("Digest", payload.digest))
    created = content.config.created or content.references.created
    if created:
        found.append(("Created", re.sub(r"\.\d+", "", created)))
    if content.image_digest:
        platform = str(content.config.platform) or "unknown/unknown"
        is_list = content.digest != content.image_digest
        found.append(("OS/Arch", f"multi ({platform})" if is_list else platform))
    found.append(("Manifests", str(kinds.count("manifest"))))
    if "unknown" in kinds:
        found.append(("Metadata files", str(kinds.count("unknown"))))
    return found


def _columns(rows: Sequence[Sequence[str]]) -> str:
    return table(rows[0], rows[1:])


def _base(number: int, count: int) -> str:
    """A few bases are letters in columns of their own, so that the eye finds those who share one."""
    if not number:
        return ""
    return " " * (number - 1) + chr(ord("A") + number - 1) if count <= _FEW_BASES else str(number)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
