"""The difference of two releases as people read it."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pilotage.app.releaseinfo import digest_or_reference, short_age
from pilotage.cli.releasetext import section
from pilotage.decision.render import table
from pilotage.images.payload.diff import commit_url

if TYPE_CHECKING:
    from pilotage.app.featuregates import GateChange
    from pilotage.app.releasediff import ReleaseDiff
    from pilotage.images.payload.changes import BootImageChange, ManifestChanges
    from pilotage.images.payload.diff import ComponentChange
    from pilotage.images.payload.payload import ReleasePayload

__all__ = ["diff"]

_UNKNOWN = "<unknown>"


def diff(
    found: ReleaseDiff,
    now: datetime,
    *,
    commits: bool = False,
    manifests: bool = False,
    boot_images: bool = False,
) -> str:
    """Everything that differs, in the order of `oc adm release info --changes-from`, then what that leaves out."""
    if found.changes.identical:
        return "Releases are identical"
    parts = [_header(found, now)]
    components = found.changes.components
    for title, changes in (("Images Changed", components.changed), ("Images Rebuilt", components.rebuilt)):
        if changes:
            parts.append(section(title, _changes(changes, commits=commits)))
    if components.added:
        rows = [
            (each.name, (commit_url(each) or _UNKNOWN) if commits else digest_or_reference(each.image))
            for each in components.added
        ]
        parts.append(section("Images Added", _columns(rows)))
    if components.removed:
        parts.append(section("Images Removed", "\n".join(each.name for each in components.removed)))
    parts += _versions(found)
    parts += [_gates(each) for each in found.gates]
    parts += _operator(found)
    parts += _boot_images(found.changes.boot_images, in_full=boot_images)
    if found.changes.manifests:
        parts.append(_manifests(found.changes.manifests, in_full=manifests))
    return "\n\n".join(parts)


def _header(found: ReleaseDiff, now: datetime) -> str:
    old, new = found.old, found.new
    rows = [("Name:", old.display_version, new.display_version), ("Created:", _age(old, now), _age(new, now))]
    if _platform(old) != _platform(new):
        rows.append(("OS/Arch:", _platform(old), _platform(new)))
    if old.metadata is not None and new.metadata is not None:
        rows.append(("Version:", old.metadata.version, new.metadata.version))
        rows.append(("Upgrade From:", "", "Yes" if found.changes.can_update else "No"))
    elif old.metadata is not None or new.metadata is not None:
        held = ["Yes" if each.metadata is not None else "" for each in (old, new)]
        rows.append(("Has Release Metadata:", held[0], held[1]))
    return table(("", "FROM", "TO"), rows)


def _changes(changes: Sequence[ComponentChange], *, commits: bool) -> str:
    rows: list[tuple[str, ...]] = []
    for change in changes:
        if commits:
            rows.append((change.name, _source(change)))
        elif change.is_same_digest:
            rows.append((change.name, change.old.image, change.new.image))
        else:
            rows.append(
                (change.name, *(digest_or_reference(each.image) for each in (change.old, change.new)))
            )
    return _columns(rows)


def _source(change: ComponentChange) -> str:
    """A link that shows the commits in between, else where the sources were and are."""
    if change.compare_url:
        return change.compare_url
    if change.old.commit == change.new.commit and change.old.source_location == change.new.source_location:
        return commit_url(change.new) or _UNKNOWN
    return f"{change.repository}   {change.commits}"


def _versions(found: ReleaseDiff) -> Iterator[str]:
    if found.changes.versions:
        rows = [
            (name, old or "<none>", "->", new or "<none>")
            for name, (old, new) in found.changes.versions.items()
        ]
        yield section("Component Versions", _columns(rows))


def _gates(change: GateChange) -> str:
    where = f"{change.feature_set}, {change.profile}" if change.profile else change.feature_set
    rows = [
        (what, ", ".join(names))
        for what, names in (
            ("Enabled", change.enabled),
            ("Disabled", change.disabled),
            ("Removed", change.removed),
        )
        if names
    ]
    return section(f"Feature Gates ({where})", _columns(rows))


def _operator(found: ReleaseDiff) -> Iterator[str]:
    if found.operator is None:
        return
    old, new = (digest_or_reference(each) or "<none>" for each in found.operator)
    lines = [f"{old} -> {new}"]
    lines += [f"{each.change} {each.label}: {each.effect}" for each in found.labels]
    if found.label_error:
        lines.append(f"its labels could not be compared: {found.label_error}")
    elif all(found.operator) and not found.labels:
        lines.append("its capability labels are the same")
    yield section("Control Plane Operator", "\n".join(lines))


def _boot_images(changes: Sequence[BootImageChange], *, in_full: bool) -> Iterator[str]:
    if not changes:
        return
    if in_full:
        rows = [
            (
                each.stream,
                each.architecture,
                each.platform,
                each.where,
                each.old or "<none>",
                each.new or "<none>",
            )
            for each in changes
        ]
        yield section(
            "Boot Images Changed", table(("STREAM", "ARCH", "PLATFORM", "WHERE", "FROM", "TO"), rows)
        )
        return
    counted = Counter((each.stream, each.architecture, _verb(each)) for each in changes)
    counts = [
        (stream, architecture, f"{count} {verb}") for (stream, architecture, verb), count in counted.items()
    ]
    yield section("Boot Images Changed (--boot-images lists them)", table(("STREAM", "ARCH", ""), counts))


def _verb(change: BootImageChange) -> str:
    return "changed" if change.old and change.new else "added" if change.new else "removed"


def _manifests(changes: ManifestChanges, *, in_full: bool) -> str:
    lines = [f"added    {name}" for name in changes.added] + [f"removed  {name}" for name in changes.removed]
    for name, text in changes.changed.items():
        lines.append(f"changed  {name}{'' if text else '  (too large to compare by line, or not text)'}")
        if in_full and text:
            lines.append(textwrap.indent(text.rstrip("\n"), "  "))
    title = (
        "Manifests" if in_full or not changes.changed else "Manifests (--manifests shows how they changed)"
    )
    return section(title, "\n".join(lines))


def _age(payload: ReleasePayload, now: datetime) -> str:
    return short_age(payload.content.config.created or payload.content.references.created, now) or "unknown"


def _platform(payload: ReleasePayload) -> str:
    content = payload.content
    platform = str(content.config.platform) or "unknown/unknown"
    return f"multi ({platform})" if content.digest != content.image_digest else platform


def _columns(rows: Sequence[Sequence[str]]) -> str:
    return table(rows[0], rows[1:])
