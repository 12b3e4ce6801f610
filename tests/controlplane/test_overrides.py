"""The override table: how it is read, and what is found by those who look after it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pilotage.api.errors import InputError
from pilotage.controlplane.overrides import EMPTY, OverrideTable, load, load_text
from pilotage.controlplane.tablecare import FixFacts, PinnedImage, lint, retire, why

A, B, C = (f"quay.io/{name}@sha256:{name * 64}" for name in "abc")


def table(*entries: tuple[str, str, str], testing: dict[str, Any] | None = None) -> OverrideTable:
    platforms: dict[str, Any] = {}
    for platform, version, image in entries:
        block = platforms.setdefault(platform, {"overrides": []})
        block["overrides"].append({"version": version, "cpoImage": image})
    for platform, releases in (testing or {}).items():
        platforms.setdefault(platform, {})["testing"] = releases
    return load({"platforms": platforms}).table


def codes(findings: Any) -> list[str]:
    return [finding.code for finding in findings]


def test_versions_without_quotes_stay_as_they_were_written() -> None:
    """`version: 4.20` is the text 4.20 and not the number 4.2, whatever YAML makes of it."""
    text = f"platforms:\n  aws:\n    overrides:\n    - version: 4.20\n      cpoImage: {A}\n    - {{version: 4.20.1, cpoImage: '{B}'}}\n"
    read = load_text(text, source="overrides.yaml").table
    assert [entry.version for entry in read.entries] == ["4.20", "4.20.1"]
    assert read.find("AWS", "4.20.1").source == "overrides.yaml"


def test_json_values_cannot_save_a_version_that_is_a_number() -> None:
    """A parsed 4.2 may have been 4.20: refused in strict mode with the way out, skipped otherwise."""
    value = {"platforms": {"aws": {"overrides": [{"version": 4.2, "cpoImage": A}]}}}
    with pytest.raises(InputError, match=r"platforms.aws.overrides\[0\].version.*quotes"):
        load(value, strict=True)
    loaded = load(value)
    assert (len(loaded.table), codes(loaded.warnings)) == (0, ["VersionNotText"])


def test_strict_mode_lists_every_problem() -> None:
    """Somebody who edits the table hears of all mistakes at once."""
    value = {
        "extra": 1,
        "platforms": {
            "aws": {
                "overrides": [
                    {"version": "4.20.1", "cpoImage": A, "why": "x"},
                    {"version": "4.20.1", "cpoImage": B},
                    {"version": "4.20.2", "cpoImage": ""},
                    {"cpoImage": B},
                    "text",
                    {"version": "4.20.3", "cpoImage": "Not An Image"},
                ]
            },
            "azure": [],
        },
    }
    with pytest.raises(InputError) as caught:
        load(value, strict=True)
    assert caught.value.code == "InvalidOverrideTable"
    assert len(caught.value.messages) == 8


def test_duplicates_alone_have_their_own_code() -> None:
    """A table whose only fault is a repeated version says so in the code."""
    value = {
        "platforms": {"aws": {"overrides": [{"version": "4.20.1", "cpoImage": image} for image in (A, B)]}}
    }
    with pytest.raises(InputError) as caught:
        load(value, strict=True)
    assert caught.value.code == "DuplicateOverride"
    assert load(value).table.find("aws", "4.20.1").image == B


def test_nothing_is_an_empty_table() -> None:
    """No text, null and an empty map hold no overrides."""
    assert all(len(load(value).table) == 0 for value in (None, {}, {"platforms": None}))
    assert len(load_text("").table) == 0
    assert EMPTY.find("aws", "4.20.1") is None


def test_one_table_is_merged_over_another_entry_by_entry() -> None:
    """A table from the cluster wins where both pin a version; the rest of the base stays."""
    base = table(("aws", "4.20.1", A), ("aws", "4.20.2", A))
    over = load(
        {"platforms": {"AWS": {"overrides": [{"version": "4.20.1", "cpoImage": B}]}}}, source="cm"
    ).table
    merged = over.over(base)
    assert (merged.find("aws", "4.20.1").image, merged.find("aws", "4.20.2").image) == (B, A)
    assert merged.find("aws", "4.20.1").source == "cm"


def test_an_empty_entry_merged_over_a_pin_releases_it() -> None:
    """The last entry counts, and an empty image is no override."""
    over = table(("aws", "4.20.1", ""))
    assert over.over(table(("aws", "4.20.1", A))).find("aws", "4.20.1") is None


def test_testing_releases_are_kept() -> None:
    """The release pair for the end-to-end tests of a platform."""
    read = load_text("platforms: {AWS: {testing: {latest: r:2, previous: r:1, runTests: true}}}").table
    assert (read.testing["aws"].latest, read.testing["aws"].previous, read.testing["aws"].run_tests) == (
        "r:2",
        "r:1",
        True,
    )


def test_lint_notes_gaps_between_pinned_patches() -> None:
    """The live table pins 4.17.0 to 4.17.14 and 4.17.20 to 4.17.43: the hole is a note, not an error."""
    pins = [("aws", f"4.17.{patch}", A) for patch in (*range(15), *range(20, 44))]
    findings = lint(table(*pins))
    assert codes(findings) == ["OverrideGap"]
    assert ("4.17.15 to 4.17.19" in findings[0].message, findings[0].severity) == (True, "info")


def test_lint_looks_at_every_entry() -> None:
    """Tags, versions that match nothing, old versions, platforms that upstream ignores, duplicates."""
    findings = lint(
        table(
            ("aws", "4.15.53", "quay.io/a:tag"),
            ("aws", "4.20", A),
            ("aws", "4.12.1", A),
            ("kubevirt", "4.20.1", A),
            ("kubevirt", "4.20.1", B),
        ),
        oldest_supported=(4, 14),
    )
    assert set(codes(findings)) == {
        "OverrideByTag",
        "VersionNeverMatches",
        "VersionNoLongerSupported",
        "PlatformOnlyHere",
        "DuplicateOverride",
    }


def test_lint_uses_what_a_registry_knows() -> None:
    """Images that are gone, and lists that lack an architecture; images nobody looked at are not judged."""
    known = {A: PinnedImage(pullable=False), B: PinnedImage(architectures=("amd64",))}
    findings = lint(table(("aws", "4.20.1", A), ("aws", "4.20.2", B), ("aws", "4.20.3", C)), images=known)
    assert codes(findings) == ["ImageNotPullable", "ImageNotMultiArch"]
    assert "arm64" in findings[1].message


def test_lint_compares_with_the_table_before() -> None:
    """An entry filed under a platform that never had the version, and an image older than the one it replaces."""
    built = {
        A: PinnedImage(created=datetime(2026, 5, 2, tzinfo=UTC)),
        B: PinnedImage(created=datetime(2026, 5, 1, tzinfo=UTC)),
    }
    before = table(("azure", "4.19.7", A), ("aws", "4.17.0", A))
    after = table(("azure", "4.19.7", A), ("aws", "4.19.7", A), ("aws", "4.17.0", B))
    assert codes(lint(after, previous=before, images=built)) == [
        "OverrideMaybeMisfiled",
        "OverrideReplacedByOlderBuild",
    ]


def test_lint_notes_tests_on_several_platforms() -> None:
    """`runTests` is normally true for one platform."""
    assert codes(lint(table(testing={name: {"runTests": True} for name in ("aws", "azure")}))) == [
        "SeveralPlatformsTested"
    ]


@pytest.mark.parametrize(
    ("version", "platform", "sentence"),
    [
        ("4.20.1", "AWS", f"4.20.1 on AWS is pinned to {B} by entry 1"),
        ("4.20.2", "aws", "has an entry with an empty image"),
        ("4.20.3", "aws", "is not pinned; 4.20.3 is pinned on azure"),
        ("4.20.9", "aws", "4.20.9 on aws is not pinned"),
    ],
)
def test_why_answers_in_one_sentence(version: str, platform: str, sentence: str) -> None:
    """Which entry counts for a version, or why none does."""
    pins = table(("aws", "4.20.1", A), ("aws", "4.20.1", B), ("aws", "4.20.2", ""), ("azure", "4.20.3", A))
    assert sentence in why(pins, version, platform).sentence


def test_why_shows_what_is_hidden_and_what_is_near() -> None:
    """Earlier entries for the same version, and pins of the same minor on the same platform."""
    pins = table(("aws", "4.20.1", A), ("aws", "4.20.1", B), ("aws", "4.20.7", A), ("aws", "4.2.1", A))
    found = why(pins, "4.20.1", "aws")
    assert ([entry.image for entry in found.shadowed], [entry.version for entry in found.neighbours]) == (
        [A],
        ["4.20.7"],
    )


@pytest.mark.parametrize(
    ("facts", "may_retire"),
    [
        (FixFacts("c1", "c1"), True),
        (FixFacts("c1", "c2", payload_contains_fix=True), True),
        (FixFacts("c1", "c2", payload_contains_fix=False), False),
        (FixFacts("c1", "c2"), None),
        (FixFacts("", "c2"), None),
        (None, None),
    ],
)
def test_an_entry_retires_when_its_fix_is_in_the_payload(
    facts: FixFacts | None, may_retire: bool | None
) -> None:
    """The same commit, or one that descends from it; what was not compared is not guessed."""
    given = {f"{A}|4.20.1": facts} if facts else {}
    assert [item.may_retire for item in retire(table(("aws", "4.20.1", A)), given)] == [may_retire]
