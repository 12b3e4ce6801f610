"""What a client is told: recorded answers of kube-apiserver, held against the embedded API, and against a real one where there is one."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import aiohttp

from pilotage.api import yaml

from .conversing import Answered, Client, read_kubeconfig, served, trusting

CASES = yaml.load((Path(__file__).parent / "cases" / "answers.yaml").read_text())
GROUP = "answers.example.com"
DEFINITION = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{GROUP}"


async def test_the_embedded_api_answers_as_recorded() -> None:
    """Every refusal has the server's code, reason, message and details; every success its code and kind."""
    async with served() as api:
        assert await differences(api.client) == []


async def test_a_real_server_still_answers_so(real_api: Any) -> None:
    """The record is true."""
    server, authority, token = read_kubeconfig(real_api.kubeconfig)
    context = trusting(authority)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), trust_env=False) as session:
        client = Client(session, server, token)
        try:
            found = await differences(client)
        finally:
            await client.ask("DELETE", DEFINITION)
        assert found == []


async def differences(client: Client) -> list[str]:
    """Hold the conversation; every case whose answer is another."""
    namespace = f"talk-{uuid.uuid4().hex[:8]}"
    await client.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    found = []
    for case in CASES:
        if case.get("wait"):
            await established(client, namespace)
            continue
        method, path = case["request"].replace("{ns}", namespace).split(" ", 1)
        body = case.get("body")
        headers = {
            name: case[key]
            for key, name in (("sends", "Content-Type"), ("accepts", "Accept"), ("agent", "User-Agent"))
            if key in case
        }
        sent = body.replace("{ns}", namespace).encode() if body is not None else None
        answer = await client.ask(method, path, sent, headers)
        problem = difference(case, answer, namespace)
        if problem:
            found.append(f"{case['case']}: {problem}")
    return found


def difference(case: dict[str, Any], answer: Answered, namespace: str) -> str:
    if answer.code != case["code"]:
        return f"{answer.code} for {case['code']}: {answer.text[:300]}"
    if "text" in case and answer.text != case["text"]:
        return f"said {answer.text!r}"
    value = read(answer.text)
    if "kind" in case and f"{value.get('apiVersion')} {value.get('kind')}" != case["kind"]:
        return f"is {value.get('apiVersion')} {value.get('kind')}"
    if "warning" in case and answer.headers.get("Warning") != case["warning"]:
        return f"warns {answer.headers.get('Warning')!r}"
    for name in ("message", "reason", "details"):
        wanted = json.dumps(case[name]).replace("{ns}", namespace) if name in case else None
        if wanted is not None and value.get(name) != json.loads(wanted):
            return f"{name} is {value.get(name)!r}"
    return ""


def read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {}


async def established(client: Client, namespace: str) -> None:
    """Both versions of the new kind are served."""
    async with asyncio.timeout(30):
        for version in ("v1", "v1beta1"):
            path = f"/apis/{GROUP}/{version}/namespaces/{namespace}/widgets"
            while (await client.ask("GET", path)).code != 200:
                await asyncio.sleep(0.05)
