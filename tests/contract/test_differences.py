"""What kube-apiserver does otherwise today: the smallest history that shows each difference that random histories leave out.

One that passes is a difference less: it goes from here, from the limits in the documentation, and into the histories.
"""

from __future__ import annotations

from typing import Any

import pytest

from .test_histories import Twins, twins  # noqa: F401 a fixture
from .twins import Step


def whole(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **fields}


def config(**fields: Any) -> dict[str, Any]:
    return {**whole("v1", "ConfigMap"), **fields}


def widget(**metadata: Any) -> dict[str, Any]:
    return {**whole("twins.dev/v1", "Widget"), "metadata": {"name": "a", **metadata}}


TWICE = {"finalizers": ["x.dev/a", "x.dev/a"]}
SCALE = {**whole("autoscaling/v1", "Scale"), "spec": {"replicas": 0}}
DIFFERENCES = {
    "empty metadata that was applied is kept until the next write": [
        Step("patch", "widget", "a", widget(finalizers=[]), "apply"),
        Step("put", "widget", "a", widget(), onto_live=True),
    ],
    "who applies a null owns it": [Step("patch", "config", "a", config(immutable=None), "apply")],
    "who applies stringData owns it by this name": [
        Step("patch", "secret", "a", whole("v1", "Secret", stringData={"a": "b"}), "apply")
    ],
    "a number that is too large is applied as none": [
        Step(
            "patch",
            "lease",
            "a",
            whole("coordination.k8s.io/v1", "Lease", spec={"leaseTransitions": 2**40}),
            "apply",
        )
    ],
    "a value twice in a set of another version forgets the managers": [
        Step("post", "widget", "a", widget(**TWICE)),
        Step("patch", "old widget", "a", {"metadata": {"annotations": {"a": "b"}}}),
    ],
    "who scales to nothing owns nothing": [
        Step("post", "widget", "a", widget(finalizers=["x.dev/a"])),
        Step("put", "widget", "a", SCALE, on="scale"),
    ],
    "who applies nothing finds owners for what is there": [
        Step("patch", "secret", "a", whole("v1", "Secret"), "apply"),
        Step("patch", "secret", "a", whole("v1", "Secret"), "apply", manager="two"),
    ],
    "of its own kinds a server says that another is not registered": [
        Step("post", "config", "a", config(kind="Other"))
    ],
}


@pytest.mark.xfail(reason="a limit: see 'The embedded store' in docs/explanation/limits.md", strict=True)
@pytest.mark.parametrize("history", DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_difference(twins: Twins, history: list[Step]):  # noqa: F811 a fixture
    """Kube-apiserver answers this history otherwise."""
    assert twins.differences(history) == []
