"""Which image a Snapshot names for a component, and what is wrong where it names none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilotage.gate.ticks.imageref import RULES, ImageRequest, image_of

from .asking import DIGEST, IMAGE, ask, cases, whole


@pytest.mark.parametrize("case", cases("image-ref.yaml"))
def test_case(case: dict[str, Any]) -> None:
    """Each case of cases/image-ref.yaml: the image with its commit, or the error."""
    spec = case["spec"] if "spec" in case else {"components": case["components"]}
    asked = {"snapshotSpec": spec, "component": case.get("component", "operator")}
    expected: dict[str, Any] = {"outcome": "error", "image": None, "digest": None, "revision": None}
    if "error" not in case:
        expected = {"outcome": "ok", "image": IMAGE, "digest": DIGEST, "revision": case.get("revision")}
    assert {**expected, "reason": case.get("error")} == ask("gate.image-ref", asked)


@pytest.mark.parametrize("case", [each for each in cases("image-ref.yaml") if "components" in each.values[0]])
def test_a_text_says_the_same_as_the_object(case: dict[str, Any]) -> None:
    """The pipeline hands the spec on as text; nothing else follows from that."""
    spec, component = {"components": case["components"]}, case.get("component", "operator")
    as_object = ask("gate.image-ref", {"snapshotSpec": spec, "component": component})
    as_text = ask("gate.image-ref", {"snapshotSpec": json.dumps(spec), "component": component})
    assert as_object == as_text


def test_a_tag_beside_the_digest_is_kept() -> None:
    """The image is told as it was written; the digest decides."""
    image = whole("quay.io/acme/operator:v1@<DIGEST>")
    spec = {"components": [{"name": "operator", "containerImage": image}]}
    found = ask("gate.image-ref", {"snapshotSpec": spec, "component": "operator"})
    assert (found["image"], found["digest"]) == (image, DIGEST)


def test_a_text_nested_beyond_reason_is_no_json() -> None:
    """Neither a crash nor an answer: it is not read."""
    found = ask("gate.image-ref", {"snapshotSpec": '{"a":' * 100_000, "component": "operator"})
    assert found["reason"] == "invalid-json"


def test_every_code_is_a_guard_and_has_cases() -> None:
    """Each guard is named by its code; what passes all is pinned."""
    codes = {case.values[0].get("error") for case in cases("image-ref.yaml")} - {None}
    assert {rule.name for rule in RULES if rule.is_guard} == codes
    decision = image_of(ImageRequest(None, "operator"))
    assert decision.error.message == "component operator: it is no JSON object"
