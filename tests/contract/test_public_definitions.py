"""Definitions that others publish, by the hundred: both API servers must accept them alike, and judge their objects alike.

None is kept here. Those beside the checkout are tried when they are there, and any others on demand: each YAML file below
the folders (separated as in PATH) that holds a CustomResourceDefinition.

    PILOTAGE_TEST_CRDS=~/go/pkg/mod/sigs.k8s.io/cluster-api@v1.14.2 pytest tests/contract/test_public_definitions.py
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilotage.api.core import CUSTOM_RESOURCE_DEFINITION as CRD
from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import PilotageError, WriteOptions, status_of

from .samples import bodies
from .test_histories import Twins, opened
from .twins import Step, UncertainTimeError, compare, differences, live_through

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "crds"
FOLDERS = [*map(Path, filter(None, os.environ.get("PILOTAGE_TEST_CRDS", "").split(os.pathsep)))]
MUTATIONS = int(os.environ.get("PILOTAGE_TEST_CRD_MUTATIONS", "6"))
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def definitions(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each once. The second of a name, another flavour of the same kind, stands in a group of its own."""
    seen: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.yaml")):
        text = path.read_text(errors="replace")
        if "\nkind: CustomResourceDefinition" not in f"\n{text}" or "{{" in text.partition("kind:")[0]:
            continue
        try:
            documents = list(yaml.load_all(text, LOADER))
        except yaml.YAMLError:
            continue  # a template
        for document in documents:
            if not isinstance(document, dict) or document.get("apiVersion") != CRD.api_version:
                continue
            spec = document.get("spec") or {}
            if document.get("kind") != CRD.kind or not (spec.get("versions") and spec.get("names")):
                continue  # a patch of one
            # Dates are quoted where they matter: what YAML takes for one is none in JSON.
            value = json.loads(json.dumps(document, default=str))
            name = value["metadata"]["name"]
            flavours = seen.setdefault(name, set())
            digest = hashlib.sha256(json.dumps(value["spec"], sort_keys=True).encode()).hexdigest()
            if digest not in flavours:
                yield f"{name}-{len(flavours)}" if flavours else name, _flavoured(value, len(flavours))
            flavours.add(digest)


def _flavoured(value: dict[str, Any], number: int) -> dict[str, Any]:
    value.pop("status", None)
    value["metadata"].pop("creationTimestamp", None)
    # Nobody is there to convert.
    value["spec"].pop("conversion", None)
    if number:
        group = f"flavour{number}.{value['spec']['group']}"
        value["spec"]["group"] = group
        value["metadata"]["name"] = f"{value['spec']['names']['plural']}.{group}"
    return value


@pytest.fixture(scope="module")
def twins(request: pytest.FixtureRequest) -> Iterator[Twins]:
    real_api = request.getfixturevalue("real_api")
    if not real_api.is_ours:
        pytest.skip("needs a server that was started for the tests")
    yield from opened(real_api.kubeconfig)


def _plain(answer: Any) -> Any:
    """What is compared of a definition: refusals whole, of those that were accepted the spec and the names."""
    if answer.get("kind") == "Status":
        return answer
    return {"spec": answer["spec"], "annotations": answer["metadata"].get("annotations")}


async def _install(twins: Twins, definition: dict[str, Any]) -> Any:
    try:
        written = await twins.store.post(CRD, "", definition, WriteOptions(manager="set-up"))
    except PilotageError as error:
        return status_of(error), []
    return written.object.value(), list(written.warnings)


def _conditions(value: dict[str, Any]) -> Any:
    conditions = value.get("status", {}).get("conditions") or ()
    return {
        each["type"]: [each["status"], each["reason"], each["message"]]
        for each in conditions
        if each["type"] != "KubernetesAPIApprovalPolicyConformant"
    }


def _are_refused(value: dict[str, Any]) -> bool:
    return _conditions(value).get("NamesAccepted", ["True"])[0] == "False"


def installed(twins: Twins, definition: dict[str, Any]) -> tuple[list[str], bool]:
    """What the two say differently to a definition, and whether objects of it can be tried."""
    path = f"/apis/{CRD.api_version}/{CRD.plural}"
    name = definition["metadata"]["name"]
    # Another test may have left it on the server that all share.
    while twins.server.ask("DELETE", f"{path}/{name}", {})[0] != 404:
        pass
    _, real, real_warnings = twins.server.ask(
        "POST", path, {"fieldManager": "set-up"}, definition, {"Content-Type": "application/json"}
    )
    ours, warnings = twins.runner.run(_install(twins, json.loads(json.dumps(definition))))
    found = differences(_plain(real), _plain(ours), "definition")
    found += differences(sorted(real_warnings), sorted(warnings), "warnings")
    if found or real.get("kind") == "Status":
        return found, False
    for _ in twins.server.watch(path, ""):
        real = twins.server.ask("GET", f"{path}/{name}", {})[1]
        if _conditions(real).get("Established", ["False"])[0] == "True" or _are_refused(real):
            break
    ours = twins.runner.run(twins.store.get(CRD, ObjectKey("", name))).value()
    found = differences(_conditions(real), _conditions(ours), "conditions")
    return found, _conditions(real).get("Established", ["False"])[0] == "True"


def _says_nothing(value: Any) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(map(_says_nothing, children))


def history(kind: Kind, schema: dict[str, Any], seed: str) -> list[Step]:
    draw = random.Random(seed)
    steps = []
    modes: Sequence[Any] = ("Strict", "Warn", "Ignore")
    for number, body in enumerate(bodies(schema, draw, MUTATIONS)):
        name = f"a{number}"
        whole = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": name if kind.namespaced else f"<name:{name}>"},
            **{name: child for name, child in body.items() if name != "status"},
        }
        validation = modes[number % 3]
        steps += [
            Step("post", "thing", name, whole, validation=validation),
            # A null that is applied is kept by one and dropped by the other.
            *(
                ()
                if _says_nothing(whole)
                else (Step("patch", "thing", name, whole, "apply", validation=validation, manager="two"),)
            ),
            Step("put", "thing", name, whole, validation=validation, onto_live=True),
        ]
    return steps


def judged(twins: Twins, definition: dict[str, Any]) -> list[str]:
    """What the two say differently to objects of a definition."""
    spec = definition["spec"]
    found = []
    for version in spec["versions"]:
        if not (version.get("served") and version["storage"]):
            continue  # nothing is converted, so objects of other versions are not pruned as they are read
        kind = Kind(
            spec["group"],
            version["name"],
            spec["names"]["kind"],
            spec["names"]["plural"],
            namespaced=spec["scope"] == "Namespaced",
        )
        kinds = {"namespace": NAMESPACE, "thing": kind}
        while twins.server.ask("GET", f"/apis/{kind.api_version}/{kind.plural}", {})[0] == 404:
            pass
        schema = version.get("schema", {}).get("openAPIV3Schema", {})
        steps = history(kind, schema, f"{kind.resource}/{kind.version}")
        for _ in range(5):
            twins.count[0] += 1
            try:
                records = twins.runner.run(
                    live_through(
                        steps,
                        twins.server,
                        twins.store,
                        twins.clock,
                        kinds,
                        f"d{twins.count[0]:05}x",
                        is_heard=False,
                    )
                )
            except UncertainTimeError:
                continue
            found += [f"{kind.version}: {line}" for line in compare(steps, *records)]
            break
    return found


NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
CASES = [
    pytest.param(value, id=f"{folder.name}:{name}")
    for folder in FOLDERS
    for name, value in definitions(folder)
]


def check(twins: Twins, definition: dict[str, Any]) -> None:
    found, is_there = installed(twins, definition)
    if is_there:
        found += judged(twins, definition)
    assert not found, "\n".join(line[:1500] for line in found[:20])


@pytest.mark.skipif(not FOLDERS, reason="on demand: set PILOTAGE_TEST_CRDS to folders of definitions")
@pytest.mark.parametrize("definition", CASES)
def test_definitions_of_others_are_taken_alike(twins: Twins, definition: dict[str, Any]):
    """A published definition is accepted, or refused in the same words; objects made from its schema are judged alike."""
    check(twins, definition)


@pytest.mark.shared_data
def test_definitions_beside_the_checkout_are_taken_alike(twins: Twins):
    """Those of the systems that Pilotage meets."""
    if not SHARED.is_dir():
        pytest.skip("no shared data beside the checkout")
    for _, definition in definitions(SHARED):
        check(twins, definition)
