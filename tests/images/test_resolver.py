"""One purpose for each resolver: what applies, what is refused, and the trace that explains it."""

from __future__ import annotations

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.mirrors import Mirrors
from pilotage.images.overrides import ComponentOverrides, Overrides
from pilotage.images.resolver import Resolver

OVERRIDES = Overrides({"quay.io/org": "reg.example/org"})
MIRRORS = Mirrors.of_map({"reg.example": ["m1.example", "M2//bad"], "quay.io": ["never.example"]})
COMPONENTS = ComponentOverrides({"etcd": "quay.io/me/etcd:1"})


def test_direct_fetch_applies_overrides_first_and_mirrors_to_the_result() -> None:
    """The mirrors of the overridden name are tried in order, then the overridden name; a bad mirror is reported."""
    found = Resolver("direct-fetch", overrides=OVERRIDES, mirrors=MIRRORS).resolve("quay.io/org/repo:1")
    assert [str(candidate) for candidate in found.candidates] == [
        "m1.example/org/repo:1",
        "reg.example/org/repo:1",
    ]
    assert (found.given, found.image) == ("quay.io/org/repo:1", "reg.example/org/repo:1")
    assert (found.override, found.mirrored) == ("quay.io/org", "reg.example")
    assert [warning.code for warning in found.warnings] == ["MirrorInvalid"]
    assert [step.name for step in found.steps] == ["override", "mirrors", "candidate", "candidate"]


def test_pod_spec_applies_overrides_only() -> None:
    """The container runtime applies the mirrors of the management cluster, not we."""
    found = Resolver("pod-spec", overrides=OVERRIDES).resolve("quay.io/org/repo:1")
    assert [str(candidate) for candidate in found.candidates] == ["reg.example/org/repo:1"]


def test_data_plane_applies_nothing() -> None:
    """A name that lands on nodes is the canonical one."""
    found = Resolver("data-plane").resolve("quay.io/org/repo:1")
    assert [str(candidate) for candidate in found.candidates] == ["quay.io/org/repo:1"]
    assert found.override == found.mirrored == ""


@pytest.mark.parametrize(
    "given", [{"overrides": OVERRIDES}, {"mirrors": MIRRORS}, {"components": COMPONENTS}]
)
def test_data_plane_refuses_what_must_not_leak(given: dict[str, object]) -> None:
    """Overrides, mirrors and component overrides of the management cluster are refused at construction."""
    with pytest.raises(ImageError, match="data-plane") as caught:
        Resolver("data-plane", **given)  # type: ignore[arg-type]
    assert caught.value.code == "ForbiddenRewrite"


def test_data_plane_accepts_empty_ones() -> None:
    """What is empty rewrites nothing."""
    Resolver("data-plane", overrides=Overrides(), mirrors=Mirrors(), components=ComponentOverrides())


def test_pod_spec_refuses_mirrors() -> None:
    """A pod spec with a mirror in it would bypass the runtime's own order."""
    with pytest.raises(ImageError, match="mirrors"):
        Resolver("pod-spec", mirrors=MIRRORS)


def test_an_override_that_breaks_a_reference_is_named() -> None:
    """The error says which override made the reference invalid."""
    with pytest.raises(ImageError) as caught:
        Resolver("pod-spec", overrides=Overrides({"quay.io": "BAD/"})).resolve("quay.io/x:1")
    assert caught.value.code == "InvalidReference"
    assert "override of quay.io" in caught.value.message
    assert caught.value.reference == "quay.io/x:1"


def test_components_keep_their_canonical_name() -> None:
    """Component overrides come last and win; every component keeps the name it has in the payload."""
    payload = {"etcd": "quay.io/org/etcd:0", "cli": "quay.io/org/cli:0", "oc": "other.io/oc:0"}
    found = Resolver("pod-spec", overrides=OVERRIDES, components=COMPONENTS).components(payload)
    assert {name: (c.image, c.canonical, c.source) for name, c in found.items()} == {
        "etcd": ("quay.io/me/etcd:1", "quay.io/org/etcd:0", "component-override"),
        "cli": ("reg.example/org/cli:0", "quay.io/org/cli:0", "registry-override"),
        "oc": ("other.io/oc:0", "other.io/oc:0", "payload"),
    }
    assert payload["etcd"] == "quay.io/org/etcd:0"
