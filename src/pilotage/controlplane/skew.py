"""Which combinations of versions has this operator image been proven with?

A payload's control plane operator serves one release. The operator's own image serves every release from 4.20 on, on every
management cluster, so each combination is a cell that was proven or was not:

    proven      passed with this digest
    inherited   passed with an ancestor commit within the last days (7 unless told otherwise)
    unproven    nobody tested it
    failed      the last test with this digest failed
    excluded    not offered; the reason is kept

Cells and results are values; where results come from is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import product
from typing import Literal

import msgspec

__all__ = [
    "PATHS",
    "Cell",
    "CellState",
    "Dimensions",
    "State",
    "TestResult",
    "cells",
    "check",
    "matrix",
    "state_of",
]

State = Literal["proven", "inherited", "unproven", "failed", "excluded"]

PATHS = ("install", "upgrade-guest-z", "upgrade-guest-y", "upgrade-operator", "rollback-operator")

INHERITED_FOR = timedelta(days=7)


class Cell(msgspec.Struct, frozen=True, order=True):
    """One combination. Minors are written `4.20`; `data_plane` is that of the NodePools; `management` like
    `OpenShift 4.19` or `AKS 1.33`.
    """

    control_plane: str
    data_plane: str
    management: str
    platform: str
    architecture: str
    path: str

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.control_plane} with nodes {self.data_plane} on {self.management},"
            f" {self.platform}/{self.architecture}"
        )


class TestResult(msgspec.Struct, frozen=True):
    """One test run. `commit` is what the tested image was built from."""

    __test__ = False

    cell: Cell
    digest: str
    commit: str
    passed: bool
    at: datetime


class CellState(msgspec.Struct, frozen=True):
    cell: Cell
    state: State
    reason: str


class Dimensions(msgspec.Struct, frozen=True):
    """What is offered. `guest_minors` in ascending order: nodes may be up to three of them behind their control plane.

    `excluded` gives, for a cell that is not offered, the reason.
    """

    guest_minors: tuple[str, ...]
    management: tuple[str, ...]
    platforms: tuple[str, ...]
    architectures: tuple[str, ...] = ("amd64", "arm64", "multi")
    paths: tuple[str, ...] = PATHS
    excluded: Mapping[Cell, str] = {}


_NODES_BEHIND = 3


def cells(dimensions: Dimensions) -> Iterable[Cell]:
    """Every combination, control planes in the given order."""
    for position, control_plane in enumerate(dimensions.guest_minors):
        behind = dimensions.guest_minors[max(0, position - _NODES_BEHIND) : position + 1]
        for data_plane, management, platform, architecture, path in product(
            reversed(behind),
            dimensions.management,
            dimensions.platforms,
            dimensions.architectures,
            dimensions.paths,
        ):
            yield Cell(control_plane, data_plane, management, platform, architecture, path)


def matrix(
    dimensions: Dimensions,
    results: Iterable[TestResult],
    digest: str,
    ancestors: Iterable[str],
    now: datetime,
    inherited_for: timedelta = INHERITED_FOR,
) -> tuple[CellState, ...]:
    """The state of every cell for the operator image of `digest`; `ancestors` are the commits it descends from."""
    by_cell: dict[Cell, list[TestResult]] = {}
    for result in results:
        by_cell.setdefault(result.cell, []).append(result)
    descent = frozenset(ancestors)
    states = []
    for cell in cells(dimensions):
        if cell in dimensions.excluded:
            states.append(CellState(cell, "excluded", dimensions.excluded[cell]))
        else:
            states.append(state_of(cell, by_cell.get(cell, ()), digest, descent, now, inherited_for))
    return tuple(states)


def state_of(
    cell: Cell,
    results: Iterable[TestResult],
    digest: str,
    ancestors: frozenset[str],
    now: datetime,
    inherited_for: timedelta = INHERITED_FOR,
) -> CellState:
    """The state of one cell, from the results about it. The latest result with this very digest decides."""
    mine = sorted((result for result in results if result.cell == cell), key=lambda result: result.at)
    exact = [result for result in mine if result.digest == digest]
    if exact:
        last = exact[-1]
        return CellState(
            cell,
            "proven" if last.passed else "failed",
            f"{_word(last)} with this digest on {last.at:%Y-%m-%d}",
        )
    recent = [
        result
        for result in mine
        if result.commit in ancestors and timedelta(0) <= now - result.at <= inherited_for
    ]
    if recent and recent[-1].passed:
        last = recent[-1]
        return CellState(cell, "inherited", f"passed with its ancestor {last.commit} on {last.at:%Y-%m-%d}")
    return CellState(cell, "unproven", "not tested with this digest, nor lately with an ancestor")


def check(
    states: Iterable[CellState],
    *,
    control_plane: str,
    data_planes: Iterable[str],
    platform: str,
    management: str,
    architecture: str = "multi",
) -> tuple[CellState, ...]:
    """The cells that one hosted cluster is in: one for each minor of its nodes and each path."""
    nodes = frozenset(data_planes) or {control_plane}
    return tuple(
        state
        for state in states
        if state.cell.control_plane == control_plane
        and state.cell.data_plane in nodes
        and state.cell.platform.lower() == platform.lower()
        and state.cell.management == management
        and state.cell.architecture == architecture
    )


def _word(result: TestResult) -> str:
    return "passed" if result.passed else "failed"
