"""Deployments and the other kinds that keep pods: selectors that select their own template, strategies, what is immutable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.builtin import pods
from pilotage.store.schema.builtin.values import (
    Problems,
    immutable,
    is_selected,
    labels,
    listed,
    non_negative,
    selector,
    unlabelled,
)

__all__ = [
    "daemon_set",
    "daemon_set_change",
    "deployment",
    "deployment_change",
    "replica_set",
    "replica_set_change",
    "replication_controller",
    "stateful_set",
    "stateful_set_change",
]

_Object = Mapping[str, Any]
_OPERATORS = frozenset({"In", "NotIn", "Exists", "DoesNotExist"})
_PERCENT = re.compile("[0-9]+%")
_NO_MATCH = "`selector` does not match template `labels`"


def deployment(value: _Object) -> Problems:
    spec = value["spec"]
    yield from non_negative("spec.replicas", spec.get("replicas"))
    yield from _selecting(spec, "deployment")
    yield from _strategy("spec.strategy", spec["strategy"])
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from non_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    yield from non_negative("spec.progressDeadlineSeconds", deadline)
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        yield problems.invalid(
            "spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"
        )


def deployment_change(value: _Object, old: _Object) -> Problems:
    yield from deployment(value)
    yield from _same_selector(value, old)


def replica_set(value: _Object) -> Problems:
    spec = value["spec"]
    yield from non_negative("spec.replicas", spec.get("replicas"))
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _selecting(spec, "deployment")


def replica_set_change(value: _Object, old: _Object) -> Problems:
    yield from replica_set(value)
    yield from _same_selector(value, old)


def daemon_set(value: _Object) -> Problems:
    spec = value["spec"]
    chosen, wanted = spec.get("selector"), _labels(spec)
    yield from selector("spec.selector", chosen)
    if chosen is None or (_is_sound(chosen) and not is_selected(chosen, wanted)):
        yield problems.invalid("spec.template.metadata.labels", wanted or None, _NO_MATCH)
    if chosen is not None and unlabelled(chosen):
        yield problems.invalid("spec.selector", chosen, "empty selector is invalid for daemonset")
    yield from pods.template("spec.template", spec["template"])
    yield from _always(spec)
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from listed(
        "spec.updateStrategy.type", spec["updateStrategy"].get("type"), ("RollingUpdate", "OnDelete")
    )
    yield from non_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def daemon_set_change(value: _Object, old: _Object) -> Problems:
    yield from daemon_set(value)
    yield from _same_selector(value, old)


def stateful_set(value: _Object) -> Problems:
    spec = value["spec"]
    for field, allowed in (("podManagementPolicy", ("OrderedReady", "Parallel")),):
        if spec.get(field) not in allowed:
            yield problems.invalid(
                f"spec.{field}", spec.get(field), f"must be '{allowed[0]}' or '{allowed[1]}'"
            )
    strategy = spec["updateStrategy"]
    if strategy.get("type") not in {"RollingUpdate", "OnDelete"}:
        yield problems.invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")
    yield from non_negative("spec.replicas", spec.get("replicas"))
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _selecting(spec, "statefulset")


_STATEFUL_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def stateful_set_change(value: _Object, old: _Object) -> Problems:
    yield from stateful_set(value)
    kept = (
        {name: child for name, child in each["spec"].items() if name not in _STATEFUL_CHANGEABLE}
        for each in (value, old)
    )
    if next(kept) != next(kept):
        *most, last = (f"'{name}'" for name in _STATEFUL_CHANGEABLE)
        yield problems.forbidden(
            "spec",
            f"updates to statefulset spec for fields other than {', '.join(most)} and {last} are forbidden",
        )


def replication_controller(value: _Object) -> Problems:
    spec = value["spec"]
    yield from non_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    chosen = spec.get("selector")
    if not chosen:
        yield problems.required("spec.selector")
    yield from non_negative("spec.replicas", spec.get("replicas"))
    if spec.get("template") is None:
        yield problems.required("spec.template")
        return
    if chosen and not is_selected({"matchLabels": chosen}, _labels(spec)):
        yield problems.invalid("spec.template.metadata.labels", _labels(spec) or None, _NO_MATCH)
    yield from pods.template("spec.template", spec["template"])
    yield from _always(spec)


def _labels(spec: _Object) -> Mapping[str, str]:
    return ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}


def _is_sound(chosen: _Object) -> bool:
    """Can anything be selected with it?"""
    return all(
        requirement.get("operator") in _OPERATORS
        and bool(requirement.get("values")) == (requirement.get("operator") in {"In", "NotIn"})
        for requirement in chosen.get("matchExpressions") or ()
    ) and not list(labels("", chosen.get("matchLabels")))


def _selecting(spec: _Object, kind: str) -> Problems:
    """A selector and the template that it must select."""
    chosen, wanted = spec.get("selector"), _labels(spec)
    if chosen is None:
        yield problems.required("spec.selector")
    else:
        yield from selector("spec.selector", chosen)
        if unlabelled(chosen):
            yield problems.invalid("spec.selector", chosen, f"empty selector is invalid for {kind}")
    if chosen is not None and not _is_sound(chosen):
        yield problems.invalid("spec.selector", chosen, "invalid label selector")
        return
    # An empty selector was complained about; no selector selects nothing.
    if chosen is None or not (unlabelled(chosen) or is_selected(chosen, wanted)):
        yield problems.invalid("spec.template.metadata.labels", wanted or None, _NO_MATCH)
    yield from pods.template("spec.template", spec["template"])
    yield from _always(spec)


def _always(spec: _Object) -> Problems:
    policy = spec["template"]["spec"].get("restartPolicy")
    if policy != "Always":
        yield problems.not_supported("spec.template.spec.restartPolicy", policy, ("Always",))
    if "activeDeadlineSeconds" in spec["template"]["spec"]:
        yield problems.forbidden(
            "spec.template.spec.activeDeadlineSeconds", "activeDeadlineSeconds in ReplicaSet is not Supported"
        )


def _same_selector(value: _Object, old: _Object) -> Problems:
    yield from immutable("spec.selector", value["spec"].get("selector"), old["spec"].get("selector"))


def _strategy(path: str, strategy: _Object) -> Problems:
    rolling = strategy.get("rollingUpdate")
    match strategy.get("type"):
        case "Recreate":
            if rolling is not None:
                yield problems.forbidden(
                    f"{path}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"
                )
        case "RollingUpdate":
            yield from _rolling(f"{path}.rollingUpdate", rolling or {})
        case other:
            shown = {"Type": other, "RollingUpdate": rolling}
            yield problems.Problem(
                "FieldValueNotSupported",
                path,
                f'Unsupported value: {{"Type":"{shown["Type"]}","RollingUpdate":null}}: supported values: "Recreate",'
                ' "RollingUpdate"',
            )


def _rolling(path: str, rolling: _Object) -> Problems:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    yield from _amount(f"{path}.maxUnavailable", unavailable)
    yield from _amount(f"{path}.maxSurge", surge)
    if _number(unavailable) == 0 and _number(surge) == 0:
        yield problems.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    if isinstance(unavailable, str) and _number(unavailable) > 100:
        yield problems.invalid(f"{path}.maxUnavailable", unavailable, "must not be greater than 100%")


def _amount(path: str, value: int | str) -> Problems:
    if isinstance(value, int):
        yield from non_negative(path, value)
    elif not _PERCENT.fullmatch(value):
        yield problems.invalid(
            path,
            value,
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex"
            " used for validation is '[0-9]+%')",
        )


def _number(value: int | str) -> int:
    if isinstance(value, int):
        return value
    return int(value[:-1]) if _PERCENT.fullmatch(value) else 0
