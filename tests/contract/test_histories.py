"""Random histories, lived through by a real kube-apiserver and by the embedded store: both must have said the same.

Values come from small sets, so that names, managers, fields and versions collide often. A history that fails shrinks to
its smallest case, which then becomes a plain test (`test_apply_texts`). A few are lived through in each run, without what is
known to differ (`test_differences`); more, with everything, on demand:

    PILOTAGE_TEST_HISTORIES=2000 pytest tests/contract/test_histories.py
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pilotage.api.core import CUSTOM_RESOURCE_DEFINITION as CRD
from pilotage.api.meta import Kind
from pilotage.store.embedded import EmbeddedStore

from .twins import (
    FIRST_VERSION,
    PLACES,
    MovingClock,
    RealServer,
    Step,
    UncertainTimeError,
    compare,
    live_through,
)

RUNS = int(os.environ.get("PILOTAGE_TEST_HISTORIES", "0"))
SEED = os.environ.get("PILOTAGE_TEST_SEED", "")
GROUP = "twins.dev"
KINDS = {
    "namespace": Kind("", "v1", "Namespace", "namespaces", namespaced=False),
    "config": Kind("", "v1", "ConfigMap", "configmaps"),
    "secret": Kind("", "v1", "Secret", "secrets"),
    "lease": Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    "widget": Kind(GROUP, "v1", "Widget", "widgets"),
    "old widget": Kind(GROUP, "v1alpha1", "Widget", "widgets"),
    "gadget": Kind(GROUP, "v1", "Gadget", "gadgets", namespaced=False),
    "deployment": Kind("apps", "v1", "Deployment", "deployments"),
}

# The two kinds of our own

STRING: dict[str, Any] = {"type": "string"}
INTEGER: dict[str, Any] = {"type": "integer"}
PORT = {
    "type": "object",
    "required": ["port"],
    "properties": {
        "port": {"type": "integer", "minimum": 1, "maximum": 9},
        "protocol": {"type": "string", "default": "TCP"},
        "name": STRING,
        "hosts": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
    },
}
SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "replicas": {"type": "integer", "default": 1},
        "size": {"x-kubernetes-int-or-string": True},
        "note": {"type": "string", "nullable": True, "maxLength": 4},
        "color": {"type": "string", "enum": ["red", "blue", "green"], "default": "red"},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING, "maxItems": 3},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": PORT,
        },
        "args": {"type": "array", "items": STRING},
        "selector": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {"a": STRING, "b": STRING},
        },
        "extra": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[a-z]*$"}},
        "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": INTEGER}},
        "deep": {
            "type": "object",
            "default": {},
            "properties": {
                "a": {"type": "integer", "default": 3},
                "b": {"type": "object", "nullable": True, "properties": {"c": {"type": "boolean"}}},
            },
        },
        "ratio": {"type": "number"},
    },
    "x-kubernetes-validations": [
        {"rule": "!has(self.ratio) || self.ratio <= 2.0", "message": "too much ratio", "fieldPath": ".ratio"},
        {
            "rule": "oldSelf.color != 'blue' || self.color == 'blue'",
            "message": "blue stays",
            "reason": "FieldValueForbidden",
        },
    ],
}
CONDITION = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": STRING, "status": STRING},
}
STATUS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "replicas": INTEGER,
        "selector": STRING,
        "conditions": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": CONDITION,
        },
    },
}
SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}
OLD_SPEC = {
    **SPEC,
    "properties": {name: field for name, field in SPEC["properties"].items() if name != "ratio" or not RUNS},
}
OLD_SPEC.pop("x-kubernetes-validations")


def _version(name: str, spec: Any, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": spec, "status": STATUS}}
    return {
        "name": name,
        "served": True,
        "storage": name == "v1",
        "schema": {"openAPIV3Schema": schema},
        **more,
    }


def _definition(kind: Kind, *versions: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": CRD.api_version,
        "kind": CRD.kind,
        "metadata": {"name": kind.resource},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {"kind": kind.kind, "plural": kind.plural},
            "versions": list(versions),
        },
    }


DEFINITIONS = (
    _definition(
        KINDS["widget"],
        _version("v1", SPEC, subresources={"status": {}, "scale": SCALE}),
        _version("v1alpha1", OLD_SPEC, subresources={"status": {}}),
    ),
    _definition(
        KINDS["gadget"],
        _version(
            "v1",
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            selectableFields=[],
        ),
    ),
)
for each in DEFINITIONS:
    for version in each["spec"]["versions"]:
        if not version.get("selectableFields", True):
            del version["selectableFields"]

# What may stand in a body

WORDS = st.sampled_from(["a", "b", "c"])
NAMES = st.sampled_from(["a", "a", "a", "b"])
MANAGERS = st.sampled_from(["one", "two", "three"])
NUMBERS = st.sampled_from([0, 1, 2, 3])
WRONG = st.sampled_from([None, None, True, 7, -1, 1.5, "x", "", [], {}, ["a"], {"a": 1}, 2**53])


def rarely(
    usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any], times: int = 12
) -> st.SearchStrategy[Any]:
    """Once in a while the odd one."""
    return st.integers(0, times).flatmap(lambda number: odd if number == times else usual)


def in_long_runs(odd: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What the two say differently today: `test_differences` shows many, long runs go on looking."""
    return odd if RUNS else usual


def some(fields: dict[str, st.SearchStrategy[Any]], most: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    """A few of the fields."""
    return st.lists(st.sampled_from(sorted(fields)), max_size=most, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: fields[name] for name in names})
    )


PORTS = st.lists(
    st.fixed_dictionaries(
        {"port": rarely(st.sampled_from([1, 2, 3]), WRONG)},
        optional={
            "protocol": st.sampled_from(["TCP", "UDP"]),
            "name": rarely(WORDS, WRONG),
            "hosts": st.lists(WORDS, max_size=2, unique=True),
        },
    ),
    max_size=3,
)
SPECS = some(
    {
        "replicas": rarely(NUMBERS, WRONG),
        "size": rarely(st.sampled_from([1, "1", "50%"]), WRONG),
        "note": rarely(st.sampled_from(["a", "b", None]), st.sampled_from(["too long", 1])),
        "color": rarely(st.sampled_from(["red", "blue", "green"]), WRONG),
        "tags": rarely(
            st.lists(WORDS, max_size=3, unique=True), st.sampled_from([["a", "a"], None, [1], "a", [["a"]]])
        ),
        "ports": rarely(PORTS, WRONG),
        "args": rarely(st.lists(WORDS, max_size=2), WRONG),
        "selector": rarely(some({"a": WORDS, "b": WORDS}), WRONG),
        "extra": rarely(st.dictionaries(WORDS, rarely(WORDS, WRONG), max_size=2), WRONG),
        "raw": rarely(
            some({"a": NUMBERS, "z": WRONG, "y": st.dictionaries(WORDS, WRONG, max_size=2)}), WRONG
        ),
        "deep": rarely(
            some({"a": rarely(NUMBERS, WRONG), "b": rarely(some({"c": st.booleans()}), st.none(), 3)}), WRONG
        ),
        "ratio": rarely(st.sampled_from([0.5, 1, 2.0]), st.sampled_from([2.5, "x", 1e300])),
        "unknown": st.sampled_from([1, {"a": None}, None]),
    }
)
STATUSES = some(
    {
        "replicas": rarely(NUMBERS, WRONG),
        "selector": WORDS,
        "conditions": st.lists(
            st.fixed_dictionaries(
                {"type": rarely(st.sampled_from(["Ready", "Gone"]), WRONG)},
                optional={"status": st.sampled_from(["True", "False"])},
            ),
            max_size=3,
        ),
        "unknown": WORDS,
    }
)
ANYTHING = st.recursive(
    st.sampled_from([None, True, 0, 1, 1.5, "a", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
OWNERS = st.lists(
    st.fixed_dictionaries(
        {
            "apiVersion": rarely(st.just("v1"), st.sampled_from(["", "a/b/c"])),
            "kind": rarely(st.sampled_from(["ConfigMap", "Secret"]), st.sampled_from(["", "Event"])),
            "name": rarely(WORDS, st.just("")),
            "uid": rarely(
                st.sampled_from(
                    ["11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"]
                ),
                st.sampled_from(["", "<uid>"]),
            ),
        },
        optional={"controller": st.booleans(), "blockOwnerDeletion": st.booleans()},
    ),
    max_size=2,
    unique_by=None if RUNS else lambda owner: owner["uid"],
)
LABELS = st.dictionaries(
    rarely(WORDS, st.sampled_from(["a/b/c", "not ok", "x.y/z", ""])),
    rarely(WORDS, st.sampled_from(["", "not ok", None, "a" * 64, 1])),
    max_size=2,
)
FINALIZERS = rarely(
    st.lists(st.sampled_from(["x.dev/a", "x.dev/b"]), max_size=2, unique=not RUNS),
    st.sampled_from(
        [
            *([["x.dev/a", "x.dev/a"]] if RUNS else []),
            ["foregroundDeletion"],
            ["orphan"],
            ["foregroundDeletion", "orphan"],
            ["plain"],
            ["not ok"],
            None,
        ]
    ),
)
ODD_METADATA = some(
    {
        "resourceVersion": st.sampled_from(
            ["<version>", "<stale>", "<version>", "<stale>", "0", "x", "", None]
        ),
        "uid": st.sampled_from(["<uid>", "<uid>", "33333333-0000-4000-8000-000000000000", ""]),
        "name": st.sampled_from(["a", "b", "", "Not_Ok"]),
        "namespace": st.sampled_from(["<place>", "default", ""]),
        "managedFields": st.sampled_from(
            [
                [{}],
                [],
                None,
                [
                    {
                        "manager": "one",
                        "operation": "Apply",
                        "apiVersion": "v1",
                        "fieldsType": "FieldsV1",
                        "fieldsV1": {"f:data": {"f:a": {}}},
                    }
                ],
                [
                    {
                        "manager": "one",
                        "operation": "Update",
                        "apiVersion": "v1",
                        "time": "2020-01-01T00:00:00Z",
                        "fieldsType": "FieldsV1",
                        "fieldsV1": {"f:data": {"f:a": {}}},
                    }
                ],
                [{"manager": "one", "operation": "Other", "apiVersion": "v1"}],
                [{"manager": "one", "fieldsV1": {"x": {}}}],
            ]
        ),
        "generation": st.sampled_from([7, 0, -1]),
        "creationTimestamp": st.sampled_from([None, "2020-01-01T00:00:00Z", "x"]),
        "deletionTimestamp": st.sampled_from([None, "2020-01-01T00:00:00Z"]),
        "deletionGracePeriodSeconds": st.sampled_from([0, 5]),
        "selfLink": WORDS,
        "unknown": WORDS,
        "annotations": rarely(st.dictionaries(WORDS, WORDS, max_size=2), WRONG),
        "generateName": st.sampled_from(["", "a-"]),
        "ownerReferences": rarely(OWNERS, WRONG),
        "labels": WRONG,
        "finalizers": WRONG,
    },
    2,
)
METADATA = st.builds(
    lambda plain, odd: {**plain, **odd},
    some(
        {
            "labels": LABELS,
            "annotations": st.dictionaries(WORDS, WORDS, max_size=2),
            "finalizers": FINALIZERS,
            "ownerReferences": OWNERS,
        },
        2,
    ),
    rarely(st.just({}), ODD_METADATA, 3) if RUNS else st.just({}),
)
MICRO = st.sampled_from(["2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"])


MICRO_TIME = st.just("2026-01-01T00:00:00.000000Z")


def _built_in(
    odd: Callable[..., st.SearchStrategy[Any]],
) -> dict[str, dict[str, st.SearchStrategy[Any]]]:
    """`odd` says whether values of other types are among them."""
    return {
        "config": {
            "data": odd(
                st.dictionaries(odd(WORDS, st.sampled_from(["not ok", ""])), odd(WORDS, WRONG), max_size=3),
                WRONG,
            ),
            "binaryData": odd(
                st.dictionaries(
                    odd(st.sampled_from(["x", "y"]), WORDS), odd(st.just("YQ=="), WRONG), max_size=2
                ),
                WRONG,
            ),
            "immutable": rarely(st.none(), st.booleans(), 3),
            "unknown": WORDS,
        },
        "secret": {
            "data": odd(
                st.dictionaries(odd(WORDS, st.just("not ok")), odd(st.just("YQ=="), WRONG), max_size=2),
                WRONG,
            ),
            "stringData": odd(st.dictionaries(WORDS, odd(WORDS, WRONG), max_size=2), WRONG),
            "type": odd(st.sampled_from(["Opaque", "x.dev/y"]), WRONG),
            "immutable": rarely(st.none(), st.booleans(), 3),
        },
        "lease": {
            "spec": odd(
                some(
                    {
                        "holderIdentity": odd(WORDS, WRONG),
                        "leaseDurationSeconds": odd(st.sampled_from([1, 15]), WRONG),
                        "leaseTransitions": odd(NUMBERS, WRONG),
                        "acquireTime": odd(MICRO, WRONG),
                        "renewTime": odd(MICRO, WRONG),
                    }
                ),
                WRONG,
            )
        },
    }


CONTENT: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    **_built_in(rarely),
    "widget": {"spec": rarely(SPECS, WRONG, 20), "status": rarely(STATUSES, WRONG, 20), "unknown": WORDS},
    "gadget": {
        "spec": rarely(st.dictionaries(WORDS, ANYTHING, max_size=2), WRONG),
        "status": rarely(STATUSES, WRONG),
    },
}
CONTENT["old widget"] = CONTENT["widget"]
SOUND = {**CONTENT, **_built_in(lambda usual, *_: usual if usual is not MICRO else MICRO_TIME)}
"""Built-in kinds without what cannot be read: of a patch, a server tells that in an order of fields that nobody promises."""


ENVELOPES = st.sampled_from(
    [{"apiVersion": "x/v1"}, {"kind": "Other"}, {"metadata": None}, {"metadata": "x"}, {"kind": 1}]
)


def bodies(kind: str, *, is_sound: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """What an object of a kind may look like, mostly sensible."""
    return st.builds(
        lambda metadata, content, odd: {"metadata": metadata, **content, **odd},
        METADATA,
        some((SOUND if is_sound else CONTENT)[kind], 2),
        in_long_runs(rarely(st.just({}), ENVELOPES, 25), st.just({})),
    )


def _tidy(value: Any) -> Any:
    """Without what says nothing, which is kept by a server and not here when it is applied."""
    if isinstance(value, dict):
        return {name: _tidy(child) for name, child in value.items() if child not in (None, {}, [])}
    return value


def _configuration(body: dict[str, Any], *, is_custom: bool) -> dict[str, Any]:
    if RUNS:
        return body
    if not is_custom:
        return {name: child for name, child in _tidy(body).items() if name != "stringData"}
    stated = {name: child for name, child in body.items() if child is not None}
    return {**stated, "metadata": _tidy(body["metadata"])}


POINTERS = {
    "config": [
        "/data",
        "/data/a",
        "/data/b",
        "/data/-",
        "/binaryData",
        "/immutable",
        "/metadata/labels",
        "/metadata/labels/a",
        "/metadata/finalizers",
        "/metadata/finalizers/0",
        "/metadata/finalizers/-",
        "/metadata/resourceVersion",
        "",
        "/metadata/name",
        "/kind",
        "data",
        "/data/a~1b",
    ],
    "widget": [
        "/spec",
        "/spec/replicas",
        "/spec/tags",
        "/spec/tags/0",
        "/spec/tags/-",
        "/spec/ports",
        "/spec/ports/0",
        "/spec/ports/0/port",
        "/spec/ports/1",
        "/spec/ports/-",
        "/spec/deep/b/c",
        "/spec/raw",
        "/spec/raw/z",
        "/status",
        "/status/conditions",
        "/metadata/labels",
        "/metadata/finalizers",
        "/spec/color",
        *(["/apiVersion"] if RUNS else []),
    ],
    "secret": ["/data", "/data/a", "/stringData", "/stringData/a", "/type", "/immutable"],
    "lease": ["/spec", "/spec/holderIdentity", "/spec/leaseTransitions", "/metadata/labels"],
    "gadget": ["/spec", "/spec/a", "/spec/b", "/spec/a/a", "/spec/a/0", "/status", "/metadata/labels"],
}
POINTERS["old widget"] = POINTERS["widget"]


SOUND_POINTERS = {
    "config": ["/data/a", "/data/b", "/metadata/labels/a", "/data/a~1b"],
    "secret": ["/data/a", "/data/b"],
    "lease": ["/spec/holderIdentity", "/metadata/annotations/a"],
}
SOUND_VALUES = {"secret": st.just("YQ==")}


def json_patches(kind: str) -> st.SearchStrategy[list[Any]]:
    is_sound = not RUNS and kind in SOUND_POINTERS
    pointer = st.sampled_from(SOUND_POINTERS[kind] if is_sound else POINTERS[kind])
    value = SOUND_VALUES.get(kind, WORDS) if is_sound else ANYTHING
    operation = st.one_of(
        st.fixed_dictionaries(
            {"op": st.sampled_from(["add", "replace", "test"]), "path": pointer, "value": value}
        ),
        st.fixed_dictionaries({"op": st.sampled_from(["add", "replace"]), "path": pointer, "value": value}),
        st.fixed_dictionaries({"op": st.just("remove"), "path": pointer}),
        st.fixed_dictionaries({"op": st.sampled_from(["copy", "move"]), "path": pointer, "from": pointer}),
    )
    odd = st.sampled_from(
        [
            {"op": "add", "path": "/data"},
            {"op": "other", "path": "/data", "value": 1},
            {"path": "/data"},
            *([1, None] if RUNS else []),
            {"op": "add", "value": 1},
        ]
    )
    return rarely(
        st.lists(rarely(operation, odd, 20), min_size=1, max_size=2), st.sampled_from([{}, None, "x", []]), 25
    )


def _says(kind: str, name: str, door: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An object that says what and who it is, unless it says something else."""
    of = KINDS[kind]
    typed = (
        {"apiVersion": "autoscaling/v1", "kind": "Scale"}
        if door == "scale"
        else {"apiVersion": of.api_version, "kind": of.kind}
    )
    shown = name if of.namespaced else f"<name:{name}>"

    def said(value: dict[str, Any]) -> dict[str, Any]:
        metadata = value.get("metadata", {})
        return {
            **typed,
            **value,
            "metadata": {"name": shown, **metadata} if isinstance(metadata, dict) else metadata,
        }

    return said


def steps(kind: str, *, has_scale: bool = True) -> st.SearchStrategy[Step]:
    """One step on objects of a kind."""
    is_custom = KINDS[kind].group == GROUP
    doors: list[Any] = ["", "", ""]
    if kind in {"widget", "old widget"}:
        doors += ["status", "status", *(["scale"] if has_scale and kind == "widget" else [])]
    elif kind == "gadget":
        doors.append("status")
    on = st.sampled_from(doors)
    options = {
        "manager": MANAGERS,
        "dry": rarely(st.just(False), st.just(True), 10),
        "validation": st.sampled_from(["Warn", "Warn", "Strict", "Ignore"]),
    }
    body = bodies(kind)
    # Rarely the number that is there already.
    counts = in_long_runs(rarely(NUMBERS, WRONG), st.integers(2, 100_000))
    scales = rarely(
        st.builds(lambda count: {"spec": {"replicas": count}}, counts),
        st.builds(
            lambda metadata, count: {"metadata": metadata, "spec": {"replicas": count}},
            in_long_runs(ODD_METADATA, st.just({})),
            counts,
        ),
        3,
    )

    sound = body if RUNS or is_custom else bodies(kind, is_sound=True)

    def change(door: str) -> st.SearchStrategy[Any]:
        return scales if door == "scale" else sound

    def whole(name: str, door: str = "") -> st.SearchStrategy[Any]:
        content = scales if door == "scale" else body
        return st.builds(lambda value, says: says(value), content, st.just(_says(kind, name, door)))

    def applied(name: str, door: str) -> st.SearchStrategy[Any]:
        says = _says(kind, name, door)
        return sound.map(lambda value: says(_configuration(value, is_custom=is_custom)))

    def put(door: str) -> st.SearchStrategy[Step]:
        return NAMES.flatmap(
            lambda name: st.builds(
                Step, do=st.just("put"), kind=st.just(kind), name=st.just(name), on=st.just(door),
                body=whole(name, door), onto_live=st.sampled_from([True, True, False]) if door != "scale" else st.just(False), **options,
            )
        )  # fmt: skip

    def patch(door: str) -> st.SearchStrategy[Step]:
        shared = {"do": st.just("patch"), "kind": st.just(kind), "on": st.just(door), **options}
        force = rarely(st.just(False), st.just(True), 2)
        apply = NAMES.flatmap(
            lambda name: st.builds(
                Step,
                name=st.just(name),
                patch=st.just("apply"),
                body=applied(name, door),
                force=force,
                **shared,
            )
        )
        return st.one_of(
            st.builds(Step, name=NAMES, patch=st.just("merge"), body=change(door), **shared),
            *(
                [st.builds(Step, name=NAMES, patch=st.just("json"), body=json_patches(kind), **shared)]
                if RUNS or door != "scale"
                else []
            ),
            *([apply, apply] if door != "scale" else []),
            *(
                []
                if is_custom
                else [st.builds(Step, name=NAMES, patch=st.just("strategic"), body=change(door), **shared)]
            ),
        )

    post = NAMES.flatmap(
        lambda name: st.builds(
            Step, do=st.just("post"), kind=st.just(kind), name=st.just(name), body=whole(name), **options
        )
    )
    delete = st.builds(
        Step, do=st.just("delete"), kind=st.just(kind), name=NAMES,
        propagation=st.sampled_from(["", "Background", "Foreground", "Orphan"]),
        uid=rarely(st.just(""), st.sampled_from(["<uid>", "other"]), 3),
        version=rarely(st.just(""), st.sampled_from(["<version>", "<stale>"]), 3),
        dry=options["dry"],
    )  # fmt: skip
    many = st.builds(
        Step, do=st.sampled_from(["list", "delete_all"]), kind=st.just(kind),
        labels=st.sampled_from(["", "a=b", "a!=b", "a in (a,b)", "!a", "a,b", "a notin (a)", "a>1", "a in", "=x"]),
        fields=st.sampled_from(["", "metadata.name=a", "metadata.name!=a", "spec.x=1", "metadata.namespace=b"]),
    )  # fmt: skip
    get = st.builds(Step, do=st.just("get"), kind=st.just(kind), name=NAMES, on=on)
    return st.one_of(
        post,
        post,
        on.flatmap(put),
        on.flatmap(patch),
        on.flatmap(patch),
        on.flatmap(patch),
        delete,
        rarely(get, many, 1) if KINDS[kind].namespaced else get,
    )


WAIT = st.just(Step("wait"))


def histories(*kinds: str, has_waits: bool = False, most: int = 10) -> st.SearchStrategy[list[Step]]:
    has_scale = RUNS > 0
    one = st.sampled_from(kinds).flatmap(lambda kind: steps(kind, has_scale=has_scale))
    return st.lists(rarely(one, WAIT, 8) if has_waits else one, min_size=2, max_size=most)


# Living through them


class Twins(NamedTuple):
    runner: asyncio.Runner
    server: RealServer
    store: EmbeddedStore
    clock: MovingClock
    count: list[int]

    def differences(self, history: Sequence[Step]) -> list[str]:
        """What one history brings to light."""
        for _ in range(5):
            self.count[0] += 1
            place = f"t{self.count[0]:05}x"
            try:
                real, embedded = self.runner.run(
                    live_through(history, self.server, self.store, self.clock, KINDS, place)
                )
            except UncertainTimeError:
                continue
            return compare(history, real, embedded)
        raise AssertionError("the machine is too slow to tell times")


async def open_store(clock: MovingClock) -> EmbeddedStore:
    """Strict, with versions of its own, and nobody who collects garbage."""
    store = await EmbeddedStore.open(
        None, clock, is_strict=True, bookmark_seconds=3600, entropy=random.Random(1)
    )
    await store._database.write(
        lambda tx: tx.connection.execute(
            "INSERT INTO log VALUES (?, '', '', '', 'BEGUN', 0, NULL)", (FIRST_VERSION,)
        )
    )
    store._database.on_orphans = None
    for definition in DEFINITIONS:
        await store.create(CRD, definition, manager="set-up")
    return store


@pytest.fixture(scope="module")
def twins(request: pytest.FixtureRequest) -> Iterator[Twins]:
    real_api = request.getfixturevalue("real_api")
    if not real_api.is_ours:
        pytest.skip("needs a server that was started for the tests")
    yield from opened(real_api.kubeconfig)


def opened(kubeconfig: Any) -> Iterator[Twins]:
    server = RealServer(kubeconfig)
    establish(server)
    clock = MovingClock()
    with asyncio.Runner() as runner:
        store = runner.run(open_store(clock))
        try:
            yield Twins(runner, server, store, clock, PLACES)
        finally:
            runner.run(store.close())
            server.close()


def establish(server: RealServer) -> None:
    path = f"/apis/{CRD.api_version}/{CRD.plural}"
    for definition in DEFINITIONS:
        server.ask("POST", path, {"fieldManager": "set-up"}, definition, {"Content-Type": "application/json"})
        name = definition["metadata"]["name"]
        for _ in server.watch(path, ""):
            _, found, _ = server.ask("GET", f"{path}/{name}", {})
            conditions = found.get("status", {}).get("conditions") or ()
            if any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
                break
    for kind in KINDS.values():
        if kind.group == GROUP:
            while server.ask("GET", f"/apis/{kind.api_version}/{kind.plural}", {})[0] != 200:
                pass


def _settings(short: int) -> settings:
    return settings(
        max_examples=RUNS or short,
        deadline=None,
        derandomize=not RUNS,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if RUNS else (Phase.generate,),
        report_multiple_bugs=False,
    )


FAMILIES = {
    "custom resources": ("widget",),
    "versions of custom resources": ("widget", "old widget"),
    "cluster-scoped": ("gadget",),
    "ConfigMaps": ("config",),
    "Secrets": ("secret",),
    "Leases": ("lease",),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_histories_are_the_same(twins: Twins, family: str):
    """Whatever is done to objects in whatever order, answers, objects, managers and events are those of kube-apiserver."""

    @_settings(8)
    @given(histories(*FAMILIES[family], has_waits=bool(RUNS)))
    def live(history: list[Step]) -> None:
        found = twins.differences(history)
        told = [msgspec.json.encode(step).decode() for step in history]
        assert not found, "\n".join([*told, *found])

    live()
