"""Laws of the image choice: what it may depend on, and what must never move it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.controlplane.eligibility import in_canary
from pilotage.controlplane.facts import ImageFacts, Release
from pilotage.controlplane.image import choose_image
from pilotage.controlplane.labels import parse_labels
from pilotage.controlplane.overrides import load
from pilotage.controlplane.questions import QUESTIONS
from pilotage.decision.facts import Known, NotSeen
from pilotage.decision.questions import answer

quick = settings(max_examples=150, derandomize=True, deadline=None)
FIVE = ["annotation", "override", "operator-image", "payload", "operator-fallback"]
HO, CPO, PIN = (f"quay.io/{name}@sha256:{name[0] * 64}" for name in ("a-ho", "b-cpo", "c-pin"))

pairs = st.sampled_from(
    [(0, 0), (3, 11), (4, 8), (4, 9), (4, 10), (4, 11), (4, 19), (4, 20), (4, 23), (5, 0), (6, 1)]
)
suffixes = st.sampled_from(["", "-rc.1", "-ec.3", "-0.nightly-2025-08-01-120000", "+hotfix.1"])
binaries = st.sampled_from([Known(True), Known(False), Known("partial"), NotSeen(), NotSeen("down")])
components = st.sampled_from([{}, {"hypershift": CPO}, {"hypershift": ""}, {"etcd": CPO}])
images = st.sampled_from(["", HO])
switches = st.sampled_from(["off", "canary", "on"])
sources = st.sampled_from([None, "auto", "payload", "operator", "hold", "typo"])
tables = st.sampled_from(
    [
        load(None).table,
        load({"platforms": {"aws": {"overrides": [{"version": "4.20.3", "cpoImage": PIN}]}}}).table,
    ]
)


@st.composite
def facts(draw: st.DrawFn, **fixed: Any) -> ImageFacts:
    major, minor = draw(pairs)
    version = f"{major}.{minor}.{draw(st.integers(0, 5))}{draw(suffixes)}"
    drawn: dict[str, Any] = {
        "annotation": draw(st.sampled_from([None, "", HO, "x:1", "Bad Ref"])),
        "release": draw(st.sampled_from([Known(Release(version, draw(components))), NotSeen("down")])),
        "platform": draw(st.sampled_from(["AWS", "Azure", ""])),
        "overrides": draw(tables),
        "overrides_enabled": draw(st.booleans()),
        "operator_image": draw(images),
        "binary": draw(binaries),
        "switch": draw(switches),
        "image_source": draw(sources),
    }
    return ImageFacts(subject="ns/name", **{**drawn, **fixed})


@quick
@given(facts())
def test_every_decision_ends_one_way_and_lists_all_five_rules(given_facts: ImageFacts) -> None:
    """An image with its rule or an error, never both, and the whole precedence in the trail."""
    decision = choose_image(given_facts)
    assert (decision.rule is None) == (decision.value is None) == (decision.error is not None)
    assert decision.needs is None
    assert [entry.rule for entry in decision.trail if entry.rule in FIVE] == FIVE
    assert decision.value != ""


@quick
@given(facts())
def test_equal_facts_give_equal_decisions(given_facts: ImageFacts) -> None:
    """The result depends on the facts alone."""
    assert choose_image(given_facts) == choose_image(given_facts)


@quick
@given(facts(annotation=None, overrides_enabled=False), st.integers(0, 99))
def test_the_z_stream_never_changes_the_rule(given_facts: ImageFacts, patch: int) -> None:
    """Inside one minor and without overrides every z-stream is decided by the same rule."""
    if not isinstance(given_facts.release, Known):
        return
    release = given_facts.release.value
    major, minor, _ = release.version.split(".", 2)
    moved = Known(Release(f"{major}.{minor}.{patch}", release.components))
    before, after = choose_image(given_facts), choose_image(_with(given_facts, release=moved))
    assert (before.value, before.rule, before.error and before.error.code) == (
        after.value,
        after.rule,
        after.error and after.error.code,
    )


@quick
@given(facts(), components)
def test_the_operator_image_does_not_look_at_components(
    given_facts: ImageFacts, other: dict[str, str]
) -> None:
    """Where the operator image is taken, the payload's components are irrelevant, down to the warnings."""
    decision = choose_image(given_facts)
    if decision.rule != "operator-image":
        return
    assert isinstance(given_facts.release, Known)
    changed = Known(Release(given_facts.release.value.version, other))
    again = choose_image(_with(given_facts, release=changed))
    assert (decision.value, decision.rule, decision.warnings) == (again.value, again.rule, again.warnings)


@quick
@given(st.lists(st.sampled_from([None, "", " ", "x:1", HO]), min_size=2, max_size=6), st.integers(0, 5))
def test_an_annotation_touches_its_own_cluster_alone(annotations: list[str | None], changed: int) -> None:
    """Changing one cluster's annotation leaves every other answer byte for byte the same."""
    changed %= len(annotations)
    before = _resolve(annotations)
    after = _resolve([*annotations[:changed], "y:2", *annotations[changed + 1 :]])
    for position in range(len(annotations)):
        if position != changed:
            assert before[f"ns/c{position}"] == after[f"ns/c{position}"]


@quick
@given(st.uuids(), st.floats(0, 100), st.floats(0, 100))
def test_a_larger_canary_contains_every_smaller_one(uid: Any, one: float, other: float) -> None:
    """A cluster that is in stays in while the percentage grows; at 0 nobody is in, at 100 everybody is."""
    low, high = sorted((one, other))
    assert in_canary(str(uid), high) or not in_canary(str(uid), low)
    assert in_canary(str(uid), 100)
    assert not in_canary(str(uid), 0)


@quick
@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters=",=")), st.text(st.characters(exclude_characters=",="))
    )
)
def test_labels_that_can_be_written_are_read_back(labels: dict[str, str]) -> None:
    """Writing a map as key=value pairs and reading it gives the map; only the empty text is malformed."""
    if labels:
        assert parse_labels(",".join(f"{key}={value}" for key, value in labels.items()), "a/b") == labels


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "name",
                    "namespace",
                    "annotations",
                    "spec",
                    "release",
                    "platform",
                    "type",
                    "image",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@quick
@given(
    st.lists(st.dictionaries(st.sampled_from(["metadata", "spec", "x"]), json_values), max_size=4),
    json_values,
)
def test_no_manifest_and_no_table_is_our_bug(manifests: list[Any], platforms: Any) -> None:
    """Whatever stands inside objects is an answer or a coded error, never Internal or InvalidInput."""
    request = {
        "hostedClusters": manifests,
        "payload": None,
        "overrides": {"platforms": platforms},
        "overridesEnabled": True,
        "hoImage": "",
        "hoHasCpoBinary": None,
    }
    found = json.loads(answer(QUESTIONS[0], json.dumps(request).encode()))
    if "error" in found:
        assert found["error"]["code"] not in ("Internal", "InvalidInput", "InvalidJSON")
    else:
        assert len(found["value"]["clusters"]) == len(manifests)


def _with(given_facts: ImageFacts, **changes: Any) -> ImageFacts:
    return ImageFacts(
        **{field: getattr(given_facts, field) for field in ImageFacts.__struct_fields__} | changes
    )


def _resolve(annotations: list[str | None]) -> dict[str, Any]:
    key = "hypershift.openshift.io/control-plane-operator-image"
    request = {
        "hostedClusters": [
            {"metadata": {"namespace": "ns", "name": f"c{position}", "annotations": {key: text}}}
            for position, text in enumerate(annotations)
        ],
        "payload": {"version": "4.20.1", "components": {"hypershift": CPO}},
        "overrides": None,
        "overridesEnabled": False,
        "hoImage": HO,
        "hoHasCpoBinary": True,
    }
    clusters: dict[str, Any] = json.loads(answer(QUESTIONS[0], json.dumps(request).encode()))["value"][
        "clusters"
    ]
    return clusters
