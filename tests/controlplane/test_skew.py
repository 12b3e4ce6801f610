"""Cells of the version matrix and what is proven about each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from pilotage.controlplane.skew import Cell, Dimensions, TestResult, cells, check, matrix, state_of

NOW = datetime(2026, 5, 20, tzinfo=UTC)
CELL = Cell("4.20", "4.19", "OpenShift 4.20", "AWS", "amd64", "install")
MINE, OTHER = "sha256:mine", "sha256:other"
DIMENSIONS = Dimensions(
    guest_minors=("4.18", "4.19", "4.20", "4.21", "4.22"),
    management=("OpenShift 4.20",),
    platforms=("AWS",),
    architectures=("amd64",),
    paths=("install",),
)


def result(digest: str = MINE, commit: str = "c1", passed: bool = True, days: float = 1) -> TestResult:
    return TestResult(CELL, digest, commit, passed, NOW - timedelta(days=days))


@pytest.mark.parametrize(
    ("results", "state"),
    [
        pytest.param([], "unproven", id="nobody tested it"),
        pytest.param([result()], "proven", id="passed with this digest"),
        pytest.param([result(days=400)], "proven", id="a proof of this digest does not age"),
        pytest.param([result(passed=False)], "failed", id="failed with this digest"),
        pytest.param([result(passed=False, days=2), result(days=1)], "proven", id="the latest result counts"),
        pytest.param([result(days=2), result(passed=False, days=1)], "failed", id="also when it is worse"),
        pytest.param([result(OTHER, "ancestor")], "inherited", id="passed with an ancestor"),
        pytest.param([result(OTHER, "ancestor", days=7)], "inherited", id="seven days ago"),
        pytest.param([result(OTHER, "ancestor", days=7.1)], "unproven", id="too long ago"),
        pytest.param([result(OTHER, "stranger")], "unproven", id="passed with an unrelated commit"),
        pytest.param([result(OTHER, "ancestor", passed=False)], "unproven", id="failed with an ancestor"),
        pytest.param(
            [result(OTHER, "ancestor"), result(passed=False)],
            "failed",
            id="its own result beats an ancestor's",
        ),
    ],
)
def test_state_of_a_cell(results: list[TestResult], state: str) -> None:
    """The digest's own latest result, else a recent pass of an ancestor, else nothing."""
    assert state_of(CELL, results, MINE, frozenset({"ancestor"}), NOW).state == state


def test_nodes_are_at_most_three_minors_behind() -> None:
    """The matrix has no cell that no cluster may be in."""
    of_newest = [cell.data_plane for cell in cells(DIMENSIONS) if cell.control_plane == "4.22"]
    assert of_newest == ["4.22", "4.21", "4.20", "4.19"]
    assert [cell.data_plane for cell in cells(DIMENSIONS) if cell.control_plane == "4.18"] == ["4.18"]


def test_an_excluded_cell_keeps_its_reason() -> None:
    """Not offered is not unproven, whatever was tested."""
    given = msgspec.structs.replace(DIMENSIONS, excluded={CELL: "not offered"})
    states = {state.cell: state for state in matrix(given, [result()], MINE, [], NOW)}
    assert (states[CELL].state, states[CELL].reason) == ("excluded", "not offered")
    assert len(states) == len(list(cells(DIMENSIONS)))


@pytest.mark.parametrize(
    ("nodes", "expected"), [([], ["4.20"]), (["4.19", "4.20"], ["4.20", "4.19"]), (["4.1"], [])]
)
def test_a_cluster_is_in_one_cell_for_each_minor_of_its_nodes(nodes: list[str], expected: list[str]) -> None:
    """Without NodePools its nodes would have its own minor."""
    where: dict[str, Any] = {"platform": "aws", "management": "OpenShift 4.20", "architecture": "amd64"}
    states = matrix(DIMENSIONS, [], MINE, [], NOW)
    found = check(states, control_plane="4.20", data_planes=nodes, **where)
    assert [state.cell.data_plane for state in found] == expected
