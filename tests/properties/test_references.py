"""Laws of names: references and overrides print as they were read."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.images.errors import ImageError
from pilotage.images.mirrors import format_mirrors, parse_mirrors
from pilotage.images.overrides import Overrides
from pilotage.images.reference import parse

LAW = settings(derandomize=True, max_examples=100, deadline=None)

ELEMENT = st.from_regex(r"[a-z0-9]{1,8}([_-][a-z0-9]{1,4}){0,2}", fullmatch=True)
PATH = st.lists(ELEMENT, min_size=1, max_size=4).map("/".join)
REGISTRY = st.sampled_from(["", "quay.io/", "localhost/", "reg:5000/", "[::1]:5000/", "A.example/"])
SUFFIX = st.tuples(
    st.sampled_from(["", ":latest", ":_1.2-3"]), st.sampled_from(["", f"@sha256:{'0a' * 32}"])
).map("".join)
REFERENCE = st.builds(lambda registry, path, suffix: registry + path + suffix, REGISTRY, PATH, SUFFIX)
SIDE = st.text(st.characters(exclude_characters=",=", exclude_categories=["Cs"]), min_size=1, max_size=12)


@LAW
@given(REFERENCE)
def test_a_reference_prints_as_it_was_read(text: str) -> None:
    """Parsing and printing give back the text, and the parts do not depend on how often it is parsed."""
    parsed = parse(text)
    assert str(parsed) == text
    assert parse(str(parsed)) == parsed
    assert parsed.location == f"{parsed.host}/{parsed.path}"


@LAW
@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    """Nothing but the one error escapes, and what is accepted prints unchanged."""
    with suppress(ImageError):
        assert str(parse(text)) == text


@LAW
@given(st.dictionaries(SIDE, SIDE, max_size=5))
def test_overrides_read_back(targets: dict[str, str]) -> None:
    """The flag form loses nothing."""
    assert Overrides.parse(str(Overrides(targets))) == Overrides(targets)


@LAW
@given(st.dictionaries(SIDE, st.lists(SIDE, min_size=1, max_size=4), max_size=4))
def test_mirror_text_reads_back(mirrors: dict[str, list[str]]) -> None:
    """The text form keeps every mirror, repetitions and order included."""
    assert parse_mirrors(format_mirrors(mirrors)) == mirrors


@LAW
@given(REFERENCE, st.dictionaries(st.one_of(PATH, REGISTRY.map(lambda r: r.rstrip("/"))), SIDE, max_size=5))
def test_an_override_changes_a_prefix_only(image: str, targets: dict[str, str]) -> None:
    """What stands behind the source stays, and no longer source was passed over."""
    found = Overrides(targets).apply(image)
    if found.source is None:
        assert found.image == image
        return
    rest = image.removeprefix(found.source)
    assert found.image == targets[found.source] + rest
    assert not rest or rest[0] in "/@:"
    assert found.canonical == image
