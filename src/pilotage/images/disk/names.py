"""What does the `index.json` of an image layout call the images it lists?

The annotation `org.opencontainers.image.ref.name` holds a whole reference where we wrote it, a bare tag where other tools did. A name
means the last entry that bears it. Entries keep whatever other tools put into them. This module is the pure part: one
version of the list, and the list with one more image in it. Follows the OCI image specification (image layout, annotations).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from pilotage.images import reference as references
from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference

__all__ = ["REF_NAME", "Entry", "Names", "is_whole", "name_of", "with_entry"]

REF_NAME = "org.opencontainers.image.ref.name"

Entry = dict[str, Any]  # a descriptor of index.json with whatever other tools put there


class Names:
    """One version of `index.json`, by name. A name that is given twice means the last entry, as other readers take it."""

    def __init__(self, raw: bytes, entries: Sequence[Entry]) -> None:
        self.raw = raw
        self.entries = entries
        self._whole: dict[tuple[str, str, str], Entry] = {}
        self._bare: dict[str, Entry] = {}
        for entry in entries:
            name = name_of(entry)
            if name and not is_whole(name):
                self._bare[name] = entry
            elif name:
                with contextlib.suppress(ImageError):  # a free-text name of another tool is not one of ours
                    reference = references.parse(name)
                    self._whole[reference.host, reference.path, reference.tag] = entry

    def find(self, reference: Reference, own: Reference) -> Entry | None:
        entry = self._whole.get((reference.host, reference.path, reference.tag))
        if entry is None and (reference.host, reference.path) == (own.host, own.path):
            entry = self._bare.get(reference.tag)
        return entry

    def tags(self, reference: Reference, own: Reference) -> list[str]:
        place = (reference.host, reference.path)
        found = {tag for host, path, tag in self._whole if (host, path) == place and tag}
        return sorted(found | self._bare.keys() if place == (own.host, own.path) else found)


def name_of(entry: Entry) -> str:
    annotations = entry.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else ""


def is_whole(name: str) -> bool:
    """A tag holds none of these characters, a whole reference at least one."""
    return any(character in name for character in "/:@")


def with_entry(entries: Sequence[Entry], new: Entry, children: frozenset[str]) -> list[Entry]:
    """The list with `new` in it: an older image of its name loses the name, its children lose their own lines."""
    name = name_of(new)
    reachable = children | {new["digest"]}
    kept = [
        entry
        for entry in entries
        if not (name and name_of(entry) == name)
        and not (_is_by_digest(entry) and entry["digest"] in reachable)
    ]
    if _is_by_digest(new) and any(entry["digest"] == new["digest"] for entry in kept):
        return kept  # a digest that a tag names needs no line of its own
    return [*kept, new]


def _is_by_digest(entry: Entry) -> bool:
    name = name_of(entry)
    return not name or name.endswith("@" + entry["digest"])
