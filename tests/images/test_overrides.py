"""Registry overrides and component overrides as values. Matching cases stand in `cases/registry-override.yaml`."""

from __future__ import annotations

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.overrides import ComponentOverrides, Overridden, Overrides


def test_flag_form() -> None:
    """The flag is sorted, reads back, and none is a single equals sign."""
    overrides = Overrides({"b": "2", "a": "1"})
    assert str(overrides) == "a=1,b=2"
    assert Overrides.parse("a=1,b=2") == overrides
    assert str(Overrides()) == "="
    assert Overrides.parse("=") == Overrides.parse("") == Overrides()
    assert not Overrides.parse("=")


def test_malformed_entries_are_skipped() -> None:
    """Entries without an equals sign or with an empty side are no overrides."""
    assert str(Overrides.parse("a=1,nonsense,=x,y=,b=2=3")) == "a=1,b=2=3"


def test_the_canonical_image_is_kept() -> None:
    """Data plane users need the name from before the override."""
    assert Overrides({"quay.io": "m.example"}).apply("quay.io/r:1") == Overridden(
        "m.example/r:1", "quay.io/r:1", "quay.io"
    )


def test_component_overrides_read_names_and_images() -> None:
    """Each entry replaces one component; the map that was passed in stays as it is."""
    overrides = ComponentOverrides.parse("etcd=quay.io/me/etcd:1, new=quay.io/me/new:2")
    components = {"etcd": "quay.io/r/etcd:0", "cli": "quay.io/r/cli:0"}
    assert overrides.apply(components) == {
        "etcd": "quay.io/me/etcd:1",
        "cli": "quay.io/r/cli:0",
        "new": "quay.io/me/new:2",
    }
    assert components == {"etcd": "quay.io/r/etcd:0", "cli": "quay.io/r/cli:0"}
    assert ComponentOverrides.parse(str(overrides)).apply({}) == overrides.apply({})


@pytest.mark.parametrize("text", ["=", ""])
def test_no_component_overrides(text: str) -> None:
    """The empty forms of the flag replace nothing."""
    assert not ComponentOverrides.parse(text)


def test_every_malformed_component_override_is_listed() -> None:
    """A typo would silently run the wrong image, so the whole flag is refused, with all faults."""
    with pytest.raises(ImageError) as caught:
        ComponentOverrides.parse("etcd,=x,cli=,api=quay.io/UPPER/x,a=quay.io/b,a=quay.io/c")
    assert caught.value.code == "ComponentOverrideInvalid"
    assert len(caught.value.messages) == 5
