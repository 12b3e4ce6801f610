"""Which component versions does a release payload report, and which of its annotations are wrong?

A tag may carry two annotations: `io.openshift.build.versions` (`kubernetes=1.33.4,kubectl=1.33.1`) and
`io.openshift.build.version-display-names` (`machine-os=Red Hat Enterprise Linux CoreOS`). They are read for each tag and
then combined. A bad annotation on one tag is a *problem*, not a failure: the other tags still count, and a caller that
decides on one version looks at `problems_of` that key only.

Follows openshift/oc `pkg/cli/admin/release/image_mapper.go` and openshift/hypershift
`support/releaseinfo/releaseinfo.go`: versions compare as strings, `kubectl` counts from the tags `cli` and
`cli-artifacts` only, and `machine-os` may have several versions, because a payload may carry two RHEL streams.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from pilotage.api import versions
from pilotage.decision.findings import Finding, warning
from pilotage.images.errors import ImageError

__all__ = [
    "DISPLAY_NAMES",
    "VERSIONS",
    "ComponentVersion",
    "ComponentVersions",
    "Tagged",
    "combine",
    "parse_label",
]

VERSIONS = "io.openshift.build.versions"
DISPLAY_NAMES = "io.openshift.build.version-display-names"

_KUBECTL = "kubectl"
_KUBECTL_TAGS = frozenset({"cli", "cli-artifacts"})
_SEVERAL_ALLOWED = frozenset({"machine-os"})
_MAX_KUBECTL_VERSIONS = 2

# What Go's unicode.IsSpace accepts: Python's own notion has four separators more.
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_NAME = re.compile(r"[a-z0-9][-a-z0-9]*[a-z0-9]")
_DISPLAY_NAME = re.compile(r"[a-zA-Z0-9\-:.\t\n\f\r ()]+")


class ComponentVersion(msgspec.Struct, frozen=True, gc=False, rename="camel", order=True):
    """A version without its build part, and a display name, empty when there is none."""

    version: str
    display_name: str = ""


class Tagged(msgspec.Struct, frozen=True, gc=False):
    """What one tag says about one component."""

    tag: str
    version: ComponentVersion


class ComponentVersions(msgspec.Struct, frozen=True):
    """`versions` is sorted by name; `problems` lists invalid tags in tag order, then at most one conflict.

    `tag_of` names the last tag that declares a component. `machine_os` has every operating system of the payload with
    its tag, in tag order, where `versions` can show one only. `notes` are remarks that decide nothing.
    """

    versions: Mapping[str, ComponentVersion]
    problems: tuple[Finding, ...] = ()
    tag_of: Mapping[str, str] = {}
    machine_os: tuple[Tagged, ...] = ()
    conflicts: tuple[str, ...] = ()
    notes: tuple[Finding, ...] = ()

    def problems_of(self, name: str) -> tuple[Finding, ...]:
        """The problems that touch this component: what a caller that decides on its version treats as an error."""
        if name in self.conflicts:
            return tuple(problem for problem in self.problems if problem.code == "ComponentVersionConflict")
        return () if name in self.versions else self.problems


def parse_label(label: str, display_names: str = "") -> dict[str, ComponentVersion]:
    """Read the two annotation values of one tag. Display names are judged before versions.

    Raises ImageError `ComponentVersionInvalid`; an invalid value gives no version at all.
    """
    trimmed = label.strip(_SPACE)
    if not trimmed:
        return {}
    names = _parse_display_names(display_names)
    found: dict[str, ComponentVersion] = {}
    for pair in _split(trimmed):
        name, equals, version = pair.partition("=")
        if not equals:
            raise _invalid(f'the version pair "{pair}" must be NAME=VERSION')
        _check_name(name)
        if not versions.is_semver(version):
            raise _invalid(f'the version pair "{pair}" must have a valid semantic version')
        found[name] = ComponentVersion(version.partition("+")[0], names.get(name, ""))
    return found


def combine(
    tags: Iterable[tuple[str, Mapping[str, str | None] | None]], release_name: str = ""
) -> ComponentVersions:
    """Combine what all tags (name and annotations, in payload order) declare."""
    declared: dict[str, set[str]] = {}
    named: dict[str, set[str]] = {}
    tag_of: dict[str, str] = {}
    machine_os: list[Tagged] = []
    kubectl: set[str] = set()
    problems: list[Finding] = []
    for tag, notes in tags:
        if not notes:
            continue
        try:
            label = parse_label(notes.get(VERSIONS) or "", notes.get(DISPLAY_NAMES) or "")
        except ImageError as error:
            problems.append(_invalid_tag(tag, error))
            continue
        for name, version in label.items():
            tag_of[name] = tag
            if name in _SEVERAL_ALLOWED:
                machine_os.append(Tagged(tag, version))
            if name == _KUBECTL:
                kubectl.add(version.version)
                if tag not in _KUBECTL_TAGS:
                    continue
            declared.setdefault(name, set()).add(version.version)
            named.setdefault(name, set()).add(version.display_name)
    conflicts = sorted(
        name
        for name in declared
        if name not in _SEVERAL_ALLOWED and (len(declared[name]) > 1 or len(named[name]) > 1)
    )
    if conflicts:
        problems.append(_conflict(conflicts))
    # String order, not SemVer order: the answer must be the one that oc and HyperShift give.
    combined = {name: ComponentVersion(min(declared[name]), min(named[name])) for name in declared}
    if release_name:
        combined["release"] = ComponentVersion(release_name)
    return ComponentVersions(
        dict(sorted(combined.items())),
        tuple(problems),
        dict(sorted(tag_of.items())),
        tuple(machine_os),
        tuple(conflicts),
        _notes(kubectl),
    )


def _parse_display_names(text: str) -> dict[str, str]:
    if not text:
        return {}
    names: dict[str, str] = {}
    for pair in _split(text):
        name, equals, display_name = pair.partition("=")
        if not equals:
            raise _invalid(f'the display name pair "{pair}" must be NAME=DISPLAYNAME')
        _check_name(name)
        if not _DISPLAY_NAME.fullmatch(display_name):
            raise _invalid(
                f'the display name "{display_name}" must only be alphanumerics, spaces, and symbols in [().:-]'
            )
        names[name] = display_name
    return names


def _split(text: str) -> list[str]:
    return [pair.strip(_SPACE) for pair in text.split(",")]


def _check_name(name: str) -> None:
    if len(name) < 2:
        raise _invalid(f'the version name "{name}" must be at least 2 characters')
    if not _NAME.fullmatch(name):
        raise _invalid(f'the version name "{name}" must only be ASCII alphanumerics and internal hyphens')


def _invalid(message: str) -> ImageError:
    return ImageError("ComponentVersionInvalid", message)


def _invalid_tag(tag: str, error: ImageError) -> Finding:
    return warning(
        "ComponentVersionInvalid",
        f"the referenced image {tag} had an invalid version annotation: {error.message}",
        subject=tag,
        field=VERSIONS,
    )


def _conflict(names: list[str]) -> Finding:
    listed = ",  ".join(names)
    return warning(
        "ComponentVersionConflict",
        f"multiple versions or display names reported for the following component(s): {listed}",
        field=VERSIONS,
    )


def _notes(kubectl: set[str]) -> tuple[Finding, ...]:
    if len(kubectl) <= _MAX_KUBECTL_VERSIONS:
        return ()
    listed = ", ".join(sorted(kubectl))
    return (warning("KubectlVersions", f"the payload declares more than two versions of kubectl: {listed}"),)
