"""What our gate answers to an object, in the shape in which the answers of a real API server were recorded."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from pilotage.store.schema.compiled import Node
from pilotage.store.schema.metafields import MetadataError
from pilotage.store.schema.problems import Problem
from pilotage.store.schema.resource import (
    ResourceKind,
    admit,
    convert,
    create_problems,
    rules_may_run,
    settle_numbers,
    status_problems,
    undecodable,
    update_problems,
)

Answer = Callable[..., dict[str, Any]]

OF_THE_STORE = ("uid", "creationTimestamp", "generation", "resourceVersion")


@pytest.fixture(scope="session")
def answer() -> Answer:
    return _answer


def _answer(kind: ResourceKind, case: dict[str, Any], stored: ResourceKind | None = None) -> dict[str, Any]:
    value = copy.deepcopy(case["object"])
    try:
        admitted = admit(kind, value)
    except MetadataError as error:
        return {"code": 400, "message": undecodable(kind, error)}
    complaints = {"warnings": list(admitted.complaints)} if admitted.complaints else {}
    if admitted.problem is not None:
        return {"code": 400, "message": undecodable(kind, MetadataError(admitted.problem.text))} | complaints
    if kind.namespaced:
        value.setdefault("metadata", {}).setdefault("namespace", "default")
    value, found = _judged(kind, value, case)
    if found and _has_rules(kind.schema):
        found += filter(None, [rules_may_run(found)])
    if found:
        return {"code": 422, "causes": _causes(found)} | complaints
    if stored is not None and stored is not kind:
        convert(value, stored)
        admit(stored, value)
        convert(value, kind)
    return {"code": 200 if "old" in case else 201, "object": settle_numbers(value)} | complaints


def _judged(
    kind: ResourceKind, value: dict[str, Any], case: dict[str, Any]
) -> tuple[dict[str, Any], list[Problem]]:
    """The object as it would be stored, without what only a store knows, and its problems."""
    if "old" not in case:
        if kind.has_status:
            value.pop("status", None)
        return value, create_problems(kind, value)
    old = copy.deepcopy(case["old"])
    if case.get("subresource") == "status":
        status, value = value.get("status"), copy.deepcopy(old)
        value.pop("status", None)
        if status is not None:
            value["status"] = status
    for one in (value, old):
        for name in OF_THE_STORE:
            one["metadata"].pop(name, None)
    value["metadata"]["resourceVersion"] = "1"
    judge = status_problems if case.get("subresource") == "status" else update_problems
    found = judge(kind, value, old)
    del value["metadata"]["resourceVersion"]
    return value, found


def _causes(found: list[Problem]) -> list[list[str]]:
    return sorted([problem.type, problem.field, problem.body] for problem in set(found))


def _has_rules(node: Node) -> bool:
    below = [*node.properties.values(), node.additional, node.items]
    return bool(node.rules) or any(_has_rules(child) for child in below if child is not None)
