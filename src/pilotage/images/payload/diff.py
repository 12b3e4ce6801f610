"""What is different between two release payloads?

A component that both name with another pull spec is *changed* when its source commit differs, and *rebuilt* when the
commit is the same or unknown. Names that only one of them has are *added* or *removed*. Tags that come from no image are
passed over.

Follows `oc adm release info --changes-from` (openshift/oc `pkg/cli/admin/release/info.go`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import msgspec

from pilotage.images.payload.imagereferences import Component

__all__ = ["ComponentChange", "PayloadDiff", "commit_url", "compare", "version_changes"]

_UNKNOWN = "<unknown>"


class ComponentChange(msgspec.Struct, frozen=True):
    """One component in both payloads."""

    name: str
    old: Component
    new: Component

    @property
    def is_same_digest(self) -> bool:
        """Only the repository differs: the bytes are the same."""
        digest = self.old.image.partition("@")[2]
        return bool(digest) and digest == self.new.image.partition("@")[2]

    @property
    def repository(self) -> str:
        """Where the source is; `old -> new` when it moved."""
        old, new = self.old.source_location or _UNKNOWN, self.new.source_location or _UNKNOWN
        return new if old == new else f"{old} -> {new}"

    @property
    def commits(self) -> str:
        """`old -> new`, with `<unknown>` for a missing annotation."""
        return f"{self.old.commit or _UNKNOWN} -> {self.new.commit or _UNKNOWN}"

    @property
    def compare_url(self) -> str:
        """The page that shows the commits in between; empty when the source is not one GitHub repository."""
        path = _github_path(self.new.source_location)
        if not path or not self.old.commit or not self.new.commit or self.old.commit == self.new.commit:
            return ""
        if _github_path(self.old.source_location) != path:
            return ""
        return f"https://github.com/{path}/compare/{self.old.commit}...{self.new.commit}"


class PayloadDiff(msgspec.Struct, frozen=True):
    """All lists are sorted by name."""

    changed: tuple[ComponentChange, ...] = ()
    rebuilt: tuple[ComponentChange, ...] = ()
    added: tuple[Component, ...] = ()
    removed: tuple[Component, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.rebuilt or self.added or self.removed)


def compare(old: Mapping[str, Component], new: Mapping[str, Component]) -> PayloadDiff:
    """The difference of two payloads' components."""
    differing = [change for change in _in_both(old, new) if change.old.image != change.new.image]
    return PayloadDiff(
        tuple(change for change in differing if _has_new_source(change)),
        tuple(change for change in differing if not _has_new_source(change)),
        tuple(new[name] for name in sorted(new.keys() - old.keys())),
        tuple(old[name] for name in sorted(old.keys() - new.keys())),
    )


def version_changes(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Component versions that differ, as name to (old, new), sorted; a missing one is empty."""
    names = sorted(old.keys() | new.keys())
    return {name: (old.get(name, ""), new.get(name, "")) for name in names if old.get(name) != new.get(name)}


def commit_url(component: Component) -> str:
    """The page of the source commit on GitHub; elsewhere `repository commit`; empty when neither is known."""
    path = _github_path(component.source_location)
    if path and component.commit:
        return f"https://github.com/{path}/commit/{component.commit}"
    return " ".join(part for part in (component.source_location, component.commit) if part)


def _in_both(old: Mapping[str, Component], new: Mapping[str, Component]) -> Iterator[ComponentChange]:
    for name in sorted(old.keys() & new.keys()):
        yield ComponentChange(name, old[name], new[name])


def _has_new_source(change: ComponentChange) -> bool:
    return bool(change.old.commit and change.new.commit) and change.old.commit != change.new.commit


def _github_path(location: str) -> str:
    """`owner/name` of a GitHub clone URL (`https://…`, `git@github.com:…`); empty for any other place."""
    if location.startswith("git@github.com:"):
        path = location.removeprefix("git@github.com:")
    else:
        try:
            parts = urlsplit(location)
        except ValueError:
            return ""
        if parts.hostname != "github.com":
            return ""
        path = parts.path
    return path.strip("/").removesuffix(".git")
