"""Under which tags a digest stands in the verified repository."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.gate.promotion.tags import RULES, is_platform

from .asking import DIGEST, SHA, ask, cases

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("case", cases("tag.yaml"))
def test_case(case: dict[str, Any]) -> None:
    """Each case of cases/tag.yaml: the tag, or the error."""
    asked = {"platform": case.get("platform", "aro-hcp"), "digest": case.get("digest", DIGEST)}
    expected: dict[str, Any] = {"outcome": "error", "tag": None, "aliases": None}
    if "error" not in case:
        platform = asked["platform"]
        expected = {"outcome": "ok", "tag": f"{platform}-{SHA}", "aliases": [f"{platform}-latest"]}
    assert {**expected, "reason": case.get("error")} == ask("gate.tag", asked)


def test_a_commit_gives_two_more_aliases() -> None:
    """Latest, then the whole commit, then its first seven digits."""
    found = ask("gate.tag", {"platform": "aro-hcp", "digest": DIGEST, "gitSha": COMMIT})
    assert found["aliases"] == ["aro-hcp-latest", f"aro-hcp-{COMMIT}", "aro-hcp-0123456"]


@pytest.mark.parametrize(
    "commit",
    [None, "", 7, COMMIT[:39], COMMIT + "0", COMMIT.upper(), COMMIT[:39] + "g", COMMIT + "\n", [COMMIT]],
)
def test_what_is_no_whole_commit_gives_none(commit: Any) -> None:
    """Forty lower-case hexadecimal digits, or the alias would name nothing."""
    found = ask("gate.tag", {"platform": "aro-hcp", "digest": DIGEST, "gitSha": commit})
    assert (found["outcome"], found["aliases"]) == ("ok", ["aro-hcp-latest"])


def test_every_code_is_a_guard_and_has_cases() -> None:
    """The table of the code is the table of the cases."""
    assert {rule.name for rule in RULES if rule.is_guard} == {
        case.values[0]["error"] for case in cases("tag.yaml") if "error" in case.values[0]
    }


def test_names_of_platforms() -> None:
    """The gate's own objects ask the same question."""
    assert is_platform("gcp-hcp")
    assert not is_platform("gcp-hcp-")
