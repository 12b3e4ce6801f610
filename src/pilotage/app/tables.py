"""What `pilotage overrides` calls: the override table, and what registries say about the images in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pilotage.api.errors import InputError, RemoteError
from pilotage.app.images import ImageAccess, Images, opened
from pilotage.controlplane import overrides, tablecare
from pilotage.controlplane.facts import HYPERSHIFT_COMPONENT
from pilotage.controlplane.overrides import Override, OverrideTable
from pilotage.controlplane.tablecare import FixFacts, PinnedImage, Retirement, Why
from pilotage.decision.findings import Finding
from pilotage.images.errors import ImageError
from pilotage.images.inspect import ImageInfo, inspect_image
from pilotage.images.payload.payload import load_payload

__all__ = ["lint", "read_table", "retire", "why"]


def read_table(path: Path, *, strict: bool = False) -> overrides.Loaded:
    """An override table from a file. Raises InputError listing all its problems."""
    try:
        text = path.read_text()
    except OSError as error:
        raise InputError("UnreadableFile", f"{path}: {error.strerror}") from None
    return overrides.load_text(text, strict=strict, source=str(path))


async def lint(path: Path, previous: Path | None, oldest: str, access: ImageAccess) -> tuple[Finding, ...]:
    """Everything odd in a table; with a registry also about its images. Raises InputError when it does not load."""
    loaded = read_table(path)
    before = read_table(previous).table if previous else None
    tables = (loaded.table, *((before,) if before else ()))
    images = {} if access.is_offline else await _looked_at(tables, access)
    found = tablecare.lint(loaded.table, previous=before, images=images, oldest_supported=_minor(oldest))
    return (*loaded.warnings, *(finding for finding in found if finding not in loaded.warnings))


def why(path: Path, version: str, platform: str) -> Why:
    return tablecare.why(read_table(path).table, version, platform)


async def retire(
    path: Path, payloads: Iterable[str], contains: Iterable[str], access: ImageAccess
) -> tuple[Retirement, ...]:
    """Compare the commit of each pinned image with that of the payload of its version. `contains` are `PAYLOAD=PINNED`.

    Raises InputError for a table that does not load, and for a `contains` that is no such pair.
    """
    table = read_table(path).table
    descents = _descents(contains)
    fixes = {}
    async with opened(access) as images:
        commits = dict([await _payload_commit(images, text) for text in payloads])
        for entry in table.index.values():
            if entry.image and entry.version in commits:
                pinned = (await _inspect(images, entry)).labels.get("vcs-ref", "")
                mine = commits[entry.version]
                is_same = bool(pinned) and pinned == mine
                known = True if is_same or (mine, pinned) in descents else None
                fixes[f"{entry.image}|{entry.version}"] = FixFacts(pinned, mine, known)
    return tablecare.retire(table, fixes)


def _descents(contains: Iterable[str]) -> frozenset[tuple[str, str]]:
    """Pairs of a payload commit and a pinned commit that it contains."""
    pairs = [text.partition("=") for text in contains]
    faults = [head + equals + tail for head, equals, tail in pairs if not (head and tail)]
    if faults:
        raise InputError(
            "InvalidOption", f"--contains {', '.join(faults)}: write PAYLOAD_COMMIT=PINNED_COMMIT"
        )
    return frozenset((head, tail) for head, _, tail in pairs)


async def _payload_commit(images: Images, text: str) -> tuple[str, str]:
    """Version of a payload, and the commit that its control plane operator was built from; empty when it says none."""
    source, reference = await images.open(text, cached=True)
    payload = await load_payload(source, reference)
    component = payload.components.get(HYPERSHIFT_COMPONENT)
    return payload.version, component.commit if component else ""


async def _looked_at(tables: Iterable[OverrideTable], access: ImageAccess) -> dict[str, PinnedImage]:
    """What a registry says of each image; what it cannot answer at all is left out, not called missing."""
    seen: dict[str, PinnedImage] = {}
    async with opened(access) as images:
        for entry in (entry for table in tables for entry in table.entries if entry.image):
            if entry.image in seen:
                continue
            try:
                info = await _inspect(images, entry)
            except ImageError as error:
                if error.code in ("NotFound", "Unauthorized"):
                    seen[entry.image] = PinnedImage(pullable=False)
                elif error.code == "RegistryUnreachable":
                    raise RemoteError(
                        error.code, error.message, hint="--offline checks the table alone"
                    ) from None
                continue
            built_for = tuple(sorted({platform.architecture for platform in info.platforms}))
            created = datetime.fromisoformat(info.created) if info.created else None
            seen[entry.image] = PinnedImage(True, built_for, created)
    return seen


async def _inspect(images: Images, entry: Override) -> ImageInfo:
    source, reference = await images.open(entry.image)
    return await inspect_image(source, reference)


def _minor(text: str) -> tuple[int, int] | None:
    """`4.14` as numbers. Raises InputError."""
    if not text:
        return None
    major, dot, minor = text.partition(".")
    if not (dot and major.isdecimal() and minor.isdecimal()):
        raise InputError("InvalidOption", f'--oldest-supported "{text}" is not MAJOR.MINOR')
    return int(major), int(minor)
