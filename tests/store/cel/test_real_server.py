"""The recorded answers, asked again of a real API server where there is one: a recording must not grow old unnoticed."""

from __future__ import annotations

import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import recorded

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All"
EVERY = 7  # of the recorded refusals, to keep the run short
Refuse = Callable[[dict[str, Any]], list[str]]


@pytest.fixture
def refuse(real_api: Any) -> Refuse:
    """What the server says to a definition with a schema; nothing is stored."""
    if not real_api.is_ours:
        pytest.skip("needs a server that was started for the tests")
    config = json.loads(real_api.kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]["server"]
    tokens = {user["name"]: user["user"].get("token") for user in config["users"]}
    context = next(each["context"] for each in config["contexts"] if each["name"] == "token")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),
    )

    def ask(schema: dict[str, Any]) -> list[str]:
        headers = {"Authorization": f"Bearer {tokens[context['user']]}", "Content-Type": "application/json"}
        body = json.dumps(definition(schema)).encode()
        request = urllib.request.Request(server + DEFINITIONS, body, headers, method="POST")
        try:
            with opener.open(request, timeout=30):
                return []
        except urllib.error.HTTPError as error:
            with error:
                causes = json.load(error)["details"]["causes"]
        return sorted(shown(f"{cause['field']}: {cause['message']}") for cause in causes)

    return ask


def definition(schema: dict[str, Any]) -> dict[str, Any]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "kind": "Thing"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.cel.test"},
        "spec": {"group": "cel.test", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def shown(text: str) -> str:
    """As it is recorded: types without their random number, paths from the schema on."""
    return re.sub(r"selfType\d+", "selfType", text).replace("spec.validation.openAPIV3Schema", "schema")


@pytest.mark.parametrize("case", recorded("definitions.json"), ids=lambda case: case["name"])
def test_definitions_are_still_refused_in_these_words(case: dict[str, Any], refuse: Refuse) -> None:
    """The recording of definitions is what the server says today."""
    assert refuse(case["schema"]) == sorted(case["faults"])


def test_expressions_are_still_refused_in_these_words(refuse: Refuse) -> None:
    """A sample of the recorded compile errors is what the server says today."""
    record = recorded("expressions.json")
    refused = [answer for answer in record["answers"] if "compile" in answer][::EVERY]
    for answer in refused:
        spec = {**record["schema"], "x-kubernetes-validations": [{"rule": answer["rule"]}]}
        found = refuse({"type": "object", "properties": {"spec": spec}})
        assert [line.partition('"OptionalOldSelf":null}: ')[2] for line in found] == [answer["compile"]]
