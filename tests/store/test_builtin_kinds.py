"""Objects of built-in kinds: what becomes of them, and what is said of mistakes, is what a kube-apiserver does and says.

The cases stand in `cases/builtin_kinds.yaml`, its answers in `cases/builtin_kinds.json`. The embedded API is held to the
answers; so is a real server, where there is one, and `PILOTAGE_RECORD=1` writes down what it says now.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from pilotage.api.errors import PilotageError
from pilotage.api.meta import Kind, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import WriteOptions, status_of
from pilotage.store.embedded import EmbeddedStore
from pilotage.store.embedded.builtin import BUILT_IN

from ..realapi import RealApi  # noqa: TID252 -- tests have no package of their own

FOLDER = Path(__file__).parent / "cases"
CASES = yaml.safe_load((FOLDER / "builtin_kinds.yaml").read_text())
RECORDED_IN = FOLDER / "builtin_kinds.json"
RECORDED = json.loads(RECORDED_IN.read_text()) if RECORDED_IN.exists() else {}
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
MANAGER = "case"
IS_RECORDING = os.environ.get("PILOTAGE_RECORD") == "1"

UID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
DIFFERENCES = {
    "namespace": "who asks for other finalizers of a namespace comes to own them there, though nothing changes",
    "service with an address out of range": "here any address may be asked for",
    "node": "there a new node is tainted until somebody has seen it ready",
    "daemon set": "there an old annotation counts the generations of the template",
    "persistent volume claim": "there a finalizer holds it, which its controller takes away",
}
PATCHES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


def kind_of(text: str) -> Kind:
    api_version, name = text.split()
    group, _, version = api_version.rpartition("/")
    found = next(
        builtin.kind
        for builtin in BUILT_IN.values()
        if builtin.kind.kind == name and builtin.kind.group in {group, "" if name == "Event" else group}
    )
    return found if found.group == group else Kind(group, version, name, found.plural)


def steps_of(case: dict[str, Any], namespace: str) -> list[tuple[str, Any]]:
    """Verbs with what they are given; `@` is the namespace."""
    first = next((verb, case[verb]) for verb in ("create", "apply") if verb in case)
    rest = [next(iter(step.items())) for step in case.get("then", ())]
    return json.loads(json.dumps([first, *rest]).replace('"@"', json.dumps(namespace)))


def told(answer: Any, namespace: str, stated: str) -> Any:
    """An answer without what is different each time."""
    text = json.dumps(answer)
    text = re.sub(UID, "<uid>", text.replace(namespace, "<namespace>"))
    for address in set(re.findall(r'"10\.0\.\d+\.\d+"', text)):
        if address.strip('"') not in stated:
            text = text.replace(address, '"<address>"')
    value = json.loads(text)
    metadata = value.get("metadata", {})
    for name in ("uid", "resourceVersion", "creationTimestamp"):
        metadata.pop(name, None)
    for entry in metadata.get("managedFields", ()):
        entry.pop("time", None)
    return value


class Server:
    """A kube-apiserver, asked over HTTP."""

    def __init__(self, api: RealApi) -> None:
        config = yaml.safe_load(api.kubeconfig.read_text())
        self._address = config["clusters"][0]["cluster"]["server"]
        self._token = config["users"][0]["user"]["token"]
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )

    def ask(
        self, method: str, path: str, body: Any, media_type: str = "application/json"
    ) -> tuple[Any, tuple[str, ...]]:
        request = urllib.request.Request(
            self._address + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": media_type},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=30) as answer:
                return json.load(answer), tuple(answer.headers.get_all("Warning") or ())
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error), tuple(error.headers.get_all("Warning") or ())

    def path(self, kind: Kind, namespace: str, name: str = "") -> str:
        root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
        place = f"/namespaces/{namespace}" if kind.namespaced else ""
        return f"{root}{place}/{kind.plural}" + (f"/{urllib.parse.quote(name)}" if name else "")

    def answers(self, case: dict[str, Any], namespace: str) -> list[Any]:
        kind = kind_of(case["kind"])
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        found = []
        name = ""
        for verb, given in steps_of(case, namespace):
            name = name or given["metadata"]["name"]
            query = f"?fieldManager={MANAGER}&fieldValidation={case.get('validation', 'Warn')}"
            path = self.path(kind, namespace, name)
            typed = {"apiVersion": kind.api_version, "kind": kind.kind}
            match verb:
                case "create":
                    answer = self.ask("POST", self.path(kind, namespace) + query, {**typed, **given})
                case "update":
                    answer = self.ask("PUT", path + query, {**typed, **given})
                case "apply":
                    answer = self.ask("PATCH", path + query, {**typed, **given}, PATCHES["apply"])
                case "status" | "scale":
                    answer = self.ask("PATCH", f"{path}/{verb}{query}", given, PATCHES["merge"])
                case _:
                    answer = self.ask("PATCH", path + query, given, PATCHES[verb])
            value, warnings = answer
            found.append(
                [
                    told(value, namespace, json.dumps(case)),
                    [re.sub(r'^299 - "(.*)"$', r"\1", text).replace('\\"', '"') for text in warnings],
                ]
            )
        self.ask("DELETE", self.path(kind, namespace, name) + "?gracePeriodSeconds=0", None)
        return found


async def embedded_answers(case: dict[str, Any]) -> list[Any]:
    """What the embedded API does with a case, in the form of the server's answers."""
    namespace = "somewhere"
    async with await EmbeddedStore.open(None, ManualClock(), is_strict=True) as store:
        await store.create(NAMESPACE, {"metadata": {"name": namespace}}, manager=MANAGER)
        kind = kind_of(case["kind"])
        options = WriteOptions(manager=MANAGER, validation=case.get("validation", "Warn"))
        found = []
        name = ""
        for verb, given in steps_of(case, namespace):
            name = name or given["metadata"]["name"]
            key = ObjectKey(namespace if kind.namespaced else "", name)
            typed = {"apiVersion": kind.api_version, "kind": kind.kind}
            try:
                match verb:
                    case "create":
                        written = await store.post(kind, key.namespace, {**typed, **given}, options)
                    case "update":
                        written = await store.put(kind, key, {**typed, **given}, options)
                    case "apply":
                        written = await store.patch(kind, key, "apply", {**typed, **given}, options)
                    case "status" | "scale":
                        written = await store.patch(kind, key, "merge", given, options, verb)
                    case _:
                        written = await store.patch(kind, key, verb, given, options)
                answer, warnings = orjson.loads(written.object.raw), list(written.warnings)
            except PilotageError as error:
                answer, warnings = status_of(error), []
            found.append([told(answer, namespace, json.dumps(case)), warnings])
        return found


def readable(answers: list[Any]) -> list[Any]:
    """Refusals by code, message and causes: what people and clients look at."""
    return [[_shortened(answer), warnings] for answer, warnings in answers]


def _shortened(answer: Any) -> Any:
    if answer.get("kind") != "Status" and "metadata" in answer:
        return answer
    causes = answer.get("causes") or (answer.get("details") or {}).get("causes", [])
    return {"code": answer.get("code"), "message": answer.get("message"), "causes": causes}


def unordered(answers: list[Any]) -> list[Any]:
    """Go walks maps in any order, so problems that are several come in any order."""
    return [[_sorted(answer), warnings] for answer, warnings in answers]


def _sorted(answer: Any) -> Any:
    causes = [{**cause, "message": _brief(cause["message"])} for cause in answer.get("causes", ())]
    if not causes:
        return answer
    message = _brief(answer["message"])
    if len(causes) > 1:
        message = message.partition(" is invalid: ")[0]
    return {
        **answer,
        "causes": sorted(causes, key=lambda cause: (cause["field"], cause["message"])),
        "message": message,
    }


def _brief(message: str) -> str:
    """Without whole objects, which the server prints as it holds them in memory, and without differences of two."""
    whole = r'Invalid value: (?:\{(?:"labels"|"metadata"|"Volumes").*\}|"\{.*\}"): '
    return re.sub(whole, "Invalid value: <object>: ", message.partition("\n@@")[0], flags=re.DOTALL)


def marked(case: dict[str, Any]) -> Any:
    """A difference that has gone fails, so the list stays true."""
    reason = DIFFERENCES.get(case["title"])
    marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
    return pytest.param(case, id=case["title"], marks=marks)


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
async def test_the_embedded_api_answers_as_kube_apiserver(case: dict[str, Any]):
    """Stored, filled and managed, or refused, in the server's words."""
    assert unordered(RECORDED[case["title"]]) == unordered(readable(await embedded_answers(case)))


@pytest.fixture(scope="module")
def ask_server(real_api: RealApi) -> Callable[[dict[str, Any]], list[Any]]:
    server = Server(real_api)
    return lambda case: server.answers(case, f"case-of-{CASES.index(case)}-kinds")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_a_real_server_still_answers_so(ask_server: Callable[..., list[Any]], case: dict[str, Any]):
    """The answers that the embedded API is held to are a server's."""
    answers = ask_server(case)
    if IS_RECORDING:
        RECORDED[case["title"]] = readable(answers)
        kept = {
            title: RECORDED[title]
            for title in sorted(RECORDED)
            if any(title == each["title"] for each in CASES)
        }
        RECORDED_IN.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    assert unordered(RECORDED[case["title"]]) == unordered(readable(answers))
