"""Every example does what its line in `examples/README.md` says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CLUSTER = "quay.example.com/openshift/release"


def test_every_example_is_listed_with_a_line() -> None:
    """Nothing lies around that nobody explains."""
    listed = set(re.findall(r"\]\(([^)]+)\)", (EXAMPLES / "README.md").read_text()))
    files = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()} - {
        "README.md"
    }
    unlisted = [file for file in files if file not in listed and f"{file.partition('/')[0]}/" not in listed]
    assert unlisted == []
    assert [name for name in listed if not (EXAMPLES / name).exists()] == []


def test_every_example_is_tried_in_this_module() -> None:
    """A new example comes with a test."""
    tried = Path(__file__).read_text()
    names = set(re.findall(r"\]\(([^)]+)\)", (EXAMPLES / "README.md").read_text()))
    assert [name for name in names if f"examples/{name.rstrip('/')}" not in tried] == []


def asked(terminal: Any, line: str, code: int = 0) -> Any:
    """The JSON that a command prints."""
    ran = terminal.run(f"pilotage {line}")
    assert ran.code == code, ran.text
    return json.loads(ran.text[ran.text.index("{") :])


def told(terminal: Any, line: str, code: int = 0) -> str:
    ran = terminal.run(f"pilotage {line}")
    assert ran.code == code, ran.text
    return ran.text


def rules_of(terminal: Any, code: int = 1) -> dict[str, str | None]:
    """The rule of every cluster of the sample fleet."""
    clusters = asked(terminal, "cpo resolve -o json", code)["clusters"]
    return {name: answer["rule"] for name, answer in clusters.items()}


def test_must_gather(terminal: Any) -> None:
    """Both clusters are explained although a file was cut off; without --tolerant the dump is refused, naming it."""
    found = asked(terminal, "explain cpo-image -f examples/must-gather --offline --tolerant -o json")
    assert {item["subject"]: item["rule"] for item in found["items"]} == {
        "clusters/shop-debug": "annotation",
        "clusters/shop-prod": "override",
    }
    assert "nodepools/shop-debug-workers.yaml" in told(
        terminal, "explain cpo-image -f examples/must-gather --offline", 2
    )


def test_must_gather_without_images(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no image is at hand, an annotation still decides, and the other cluster's answer names the release."""
    monkeypatch.delenv("PILOTAGE_DATA_DIR")
    found = asked(terminal, "explain cpo-image -f examples/must-gather --offline --tolerant -o json", 1)
    debug, production = found["items"]
    assert debug["rule"] == "annotation"
    assert production["error"]["code"] == "ReleaseLookupFailed"
    assert f"{CLUSTER}:4.20.3-multi" in production["error"]["message"]


@pytest.mark.parametrize(
    ("manifest", "cluster", "rule"),
    [
        ("examples/fleet/held.yaml", "clusters/aws-stage", "hold"),
        ("examples/fleet/volunteer.yaml", "clusters/aws-stage", "operator-image"),
        ("examples/fleet/misspelled.yaml", "clusters/aws-prod-east", None),
    ],
)
def test_annotations(terminal: Any, manifest: str, cluster: str, rule: str | None) -> None:
    """An owner's word decides about that cluster alone, and the rest of the object stays."""
    before = rules_of(terminal)
    spec = asked(terminal, f"get hc {cluster} -o json")["spec"]
    told(terminal, f"apply -f {manifest}")
    assert {**before, cluster: rule} == rules_of(terminal)
    assert spec == asked(terminal, f"get hc {cluster} -o json")["spec"]


def test_canary(terminal: Any) -> None:
    """The switch narrows who gets the operator's image; a volunteer is in; nobody else moves."""
    before = rules_of(terminal)
    assert "conflict" in told(terminal, "apply -f examples/fleet/canary.yaml", 2)
    assert before == rules_of(terminal)
    told(terminal, "apply -f examples/fleet/canary.yaml --force-conflicts")
    told(terminal, "apply -f examples/fleet/volunteer.yaml")
    after = rules_of(terminal)
    assert after["clusters/aws-stage"] == "operator-image"
    moved = {name for name in before if before[name] != after[name]}
    assert all(before[name] == "operator-image" for name in moved)


@pytest.mark.parametrize(
    ("table", "code", "said"),
    [
        ("examples/overrides/released.yaml", 0, ["nothing to report"]),
        ("examples/overrides/retired.yaml", 0, ["nothing to report"]),
        ("examples/overrides/hotfix.yaml", 1, ["OverrideByTag", "VersionNeverMatches"]),
        ("examples/overrides/broken.yaml", 2, ["is not a tag", "expected a map", "expected a list"]),
    ],
)
def test_tables(terminal: Any, table: str, code: int, said: list[str]) -> None:
    """What `overrides lint` finds in each table."""
    text = told(terminal, f"overrides lint {table} --offline", code)
    assert [fragment for fragment in said if fragment not in text] == []


def test_retiring_the_hotfix_moves_one_cluster(terminal: Any) -> None:
    """An empty table is a table: the preview shows who leaves the pin."""
    found = asked(terminal, "cpo preview --overrides-to examples/overrides/retired.yaml -o json")
    assert [name for name, change in found["clusters"].items() if change["changed"]] == [
        "clusters/azure-prod-west"
    ]


def test_mirrors_by_digest(terminal: Any) -> None:
    """The longer source wins, and its policy keeps the source out."""
    digest = asked(terminal, f"image inspect {CLUSTER}:4.20.3-multi -o json")["digest"]
    text = told(
        terminal,
        f"release explain {CLUSTER}@{digest} --for direct-fetch --mirrors examples/mirrors/idms.yaml --offline",
    )
    assert f"mirror-a.example.net:5000/ocp/release@{digest}" in text
    assert f"mirror-a.example.net:5000/openshift/release@{digest}" not in text


def test_mirrors_by_tag(terminal: Any) -> None:
    """A tag rule is for tags."""
    text = told(
        terminal,
        "release explain quay.example.com/hypershift/hypershift-operator:v1.1.0 --for direct-fetch"
        " --mirrors examples/mirrors/itms.yaml --offline",
    )
    assert "mirror-a.example.net:5000/hypershift/hypershift-operator:v1.1.0" in text


@pytest.mark.parametrize(
    ("payload", "version"),
    [("examples/payloads/4.20.3.json", "4.20.3"), ("examples/payloads/from-references.yaml", "4.20.4")],
)
def test_short_forms(terminal: Any, payload: str, version: str) -> None:
    """A short form is read as a release: its version, and every component by name."""
    assert told(terminal, f"release info {payload} -o name").split() == ["etcd", "hypershift"]
    assert re.search(
        rf"^Name: +{re.escape(version)}$", told(terminal, f"release info {payload}"), re.MULTILINE
    )


def test_decide_one(terminal: Any) -> None:
    """The clusters of the example get their images by two different rules; mirrors come in their order."""
    resolved = asked(terminal, "decide cpo.resolve examples/decide/cpo-resolve.json")["value"]["clusters"]
    assert {name: answer["rule"] for name, answer in resolved.items()} == {
        "clusters/shop-prod": "override",
        "clusters/shop-stage": "operator-image",
    }
    found = asked(terminal, "decide payload.mirror-candidates examples/decide/mirror-candidates.json")[
        "value"
    ]
    assert [each.partition("/")[0] for each in found["candidates"]] == [
        "mirror-a.example.net:5000",
        "mirror-b.example.net",
        "quay.example.com",
    ]


@pytest.mark.parametrize(
    ("file", "code", "ids", "errors"),
    [
        ("examples/decide/requests.jsonl", 0, [1, 2, "three"], [None, None, "StreamNotFound"]),
        (
            "examples/decide/mistakes.jsonl",
            2,
            [1, 2, None, 4],
            ["InvalidInput", "UnknownDecision", "InvalidJSON", None],
        ),
    ],
)
def test_decide_lines(terminal: Any, file: str, code: int, ids: list[Any], errors: list[Any]) -> None:
    """One answer for each line, in order, with the identifier of its request."""
    answers = [json.loads(line) for line in told(terminal, f"decide --lines {file}", code).splitlines()]
    assert ids == [answer.get("id") for answer in answers]
    assert errors == [answer.get("error", {}).get("code") for answer in answers]


def test_skew(terminal: Any) -> None:
    """The combination that was tested is proven for that digest, the others are not."""
    digest = re.search(r"digest: (\S+)", (EXAMPLES / "skew" / "results.yaml").read_text())
    assert digest
    text = told(terminal, f"skew show {digest[1]} --results examples/skew/results.yaml")
    proven = [line.split() for line in text.splitlines() if line.startswith("proven")]
    assert [(row[1], row[2]) for row in proven] == [("4.20", "4.20")]


GATES = "-f examples/onboarding/aro-hcp.yaml -f examples/onboarding/matrix.yaml"


def test_a_gate_is_planned_within_its_budget(terminal: Any) -> None:
    """One file and a matrix make seven jobs, with a price."""
    found = asked(terminal, f"gate plan {GATES} --prices examples/onboarding/prices.yaml -o json")
    assert len(found["forecast"]["jobs"]) == 7
    assert found["forecast"]["money"]["least"] == pytest.approx(22 * 2.4 + 4 * 3.1)
    assert found["forecast"]["month"]["isEnough"] is True
    assert "no findings" in told(terminal, f"gate lint {GATES}")


def test_mistakes_in_a_gate_are_told_at_once(terminal: Any) -> None:
    """Four errors, each with its code."""
    found = asked(terminal, "gate lint -f examples/onboarding/mistakes.yaml -o json", 1)
    assert [each["code"] for each in found["findings"]] == [
        "Q-GATE-007",
        "Q-GATE-010",
        "Q-GATE-012",
        "Q-GATE-018",
    ]


def test_a_race_of_labels_is_found_in_any_tenant(terminal: Any) -> None:
    """No Gate is needed for that."""
    found = asked(terminal, "gate lint --konflux-dump examples/onboarding/tenant.yaml -o json", 1)
    assert [each["code"] for each in found["findings"]] == ["Q-GATE-026", "Q-GATE-027", "Q-GATE-030"]


def test_a_verified_repository(terminal: Any) -> None:
    """The promoted image is accepted, the one that was taken back is refused with the reason."""
    place = "oci:examples/gate/verified:quay.example.com/verified/hypershift-operator"
    asking = "--platform aro-hcp --key examples/gate/gate.pub -o json"

    assert asked(terminal, f"gate verify {place}:aro-hcp-latest {asking}")["accepted"]
    refused = asked(terminal, f"gate verify {place}:yanked {asking}", 1)
    assert ("revoked", True) == (refused["code"], "loses volumes on resize" in refused["reason"])
