"""Clients that nobody here wrote, against the embedded API: the official Python client, kr8s, and an operator in kopf."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from . import served
from .serving import served_api

DEADLINE = 60.0
GROUP = "shown.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with served_api(tmp_path_factory.mktemp("clients")) as kubeconfig:
        yield kubeconfig


@pytest.fixture
def client(server: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[kubernetes.client.ApiClient]:
    """The official client, with our definitions there."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(str(server), client_configuration=configuration)
    with kubernetes.client.ApiClient(configuration) as client:
        extensions = kubernetes.client.ApiextensionsV1Api(client)
        for definition in served.definitions():
            try:
                extensions.create_custom_resource_definition(definition)
            except kubernetes.client.ApiException as error:
                if error.status != 409:
                    raise
        yield client


def namespace(client: kubernetes.client.ApiClient) -> str:
    made = kubernetes.client.CoreV1Api(client).create_namespace({"metadata": {"generateName": "test-"}})
    return str(made.metadata.name)


def test_typed_objects(client: kubernetes.client.ApiClient):
    """Typed objects go there and back: create, read, patch, replace, list by label, delete."""
    core, place = kubernetes.client.CoreV1Api(client), namespace(client)
    meta = kubernetes.client.V1ObjectMeta(name="c", labels={"a": "b"})
    core.create_namespaced_config_map(place, kubernetes.client.V1ConfigMap(metadata=meta, data={"k": "v"}))
    core.patch_namespaced_config_map("c", place, {"data": {"more": "x"}})
    found = core.read_namespaced_config_map("c", place)
    assert {"k": "v", "more": "x"} == found.data
    found.data = {"only": "this"}
    assert {"only": "this"} == core.replace_namespaced_config_map("c", place, found).data
    assert ["c"] == [
        each.metadata.name for each in core.list_namespaced_config_map(place, label_selector="a=b").items
    ]
    found.data = {"late": "x"}
    with pytest.raises(kubernetes.client.ApiException) as stale:
        core.replace_namespaced_config_map("c", place, found)
    assert (409, "Conflict") == (stale.value.status, json.loads(stale.value.body)["reason"])
    core.delete_namespaced_config_map("c", place)
    with pytest.raises(kubernetes.client.ApiException) as gone:
        core.read_namespaced_config_map("c", place)
    assert gone.value.status == 404


def test_pages(client: kubernetes.client.ApiClient):
    """A long list comes page by page, and is whole."""
    core, place = kubernetes.client.CoreV1Api(client), namespace(client)
    for number in range(7):
        core.create_namespaced_config_map(place, {"metadata": {"name": f"c{number}"}})
    names, token = [], None
    while True:
        page = core.list_namespaced_config_map(place, limit=3, _continue=token)
        names += [each.metadata.name for each in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert [f"c{number}" for number in range(7)] == names


def test_custom_objects(client: kubernetes.client.ApiClient):
    """Custom objects are made, refused when they break their schema, patched, scaled and given a status."""
    custom, place = kubernetes.client.CustomObjectsApi(client), namespace(client)
    where = (GROUP, "v1", place, "widgets")
    widget = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"color": "red"},
    }
    custom.create_namespaced_custom_object(*where, widget)
    with pytest.raises(kubernetes.client.ApiException) as refused:
        custom.patch_namespaced_custom_object(*where, "w", {"spec": {"color": "green"}})
    assert refused.value.status == 422
    custom.patch_namespaced_custom_object_status(*where, "w", {"status": {"replicas": 2}})
    custom.patch_namespaced_custom_object_scale(*where, "w", {"spec": {"replicas": 4}})
    found = custom.get_namespaced_custom_object(*where, "w")
    assert (4, 2) == (found["spec"]["replicas"], found["status"]["replicas"])


def test_a_watch(client: kubernetes.client.ApiClient):
    """A watch from a list's version tells of each change that its watcher waits for, once and in order."""
    core, place = kubernetes.client.CoreV1Api(client), namespace(client)
    version = core.list_namespaced_config_map(place).metadata.resource_version
    core.create_namespaced_config_map(place, {"metadata": {"name": "c"}})
    follow = {
        "ADDED": lambda: core.patch_namespaced_config_map("c", place, {"data": {"k": "v"}}),
        "MODIFIED": lambda: core.delete_namespaced_config_map("c", place),
    }
    watch = kubernetes.watch.Watch()
    seen = []
    for event in watch.stream(
        core.list_namespaced_config_map, place, resource_version=version, timeout_seconds=30
    ):
        seen.append(event["type"])
        if event["type"] == "DELETED":
            watch.stop()
        else:
            follow[event["type"]]()
    assert ["ADDED", "MODIFIED", "DELETED"] == seen


def test_dynamic_discovery(client: kubernetes.client.ApiClient, tmp_path: Path):
    """The dynamic client finds kinds by discovery, and applies on the server."""
    dynamic = kubernetes.dynamic.DynamicClient(client, cache_file=str(tmp_path / "discovered"))
    widgets = dynamic.resources.get(api_version=f"{GROUP}/v1", kind="Widget")
    place = namespace(client)
    body = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"color": "red"},
    }
    widgets.server_side_apply(body, name="w", namespace=place, field_manager="test")
    assert "red" == widgets.get(name="w", namespace=place).spec.color
    assert {"widgets", "gadgets"} <= {
        each.name for each in dynamic.resources.search(group=GROUP) if "/" not in each.name
    }


def run(script: str, server: Path, tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """A script in a process of its own: these libraries keep state, and warn, as they please."""
    path = tmp_path / "script.py"
    path.write_text(script)
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.Popen(
        [sys.executable, *arguments, str(path)],
        env={**environment, "KUBECONFIG": str(server), "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


KR8S = """
import asyncio
import kr8s
from kr8s.asyncio.objects import ConfigMap, new_class

async def main():
    api = await kr8s.asyncio.api()
    assert (await api.version())["minor"] == "36"
    made = await ConfigMap({"metadata": {"name": "kr8s", "namespace": "default"}, "data": {"a": "b"}})
    await made.create()
    assert await made.exists()
    await made.patch({"data": {"c": "d"}})
    await made.label(x="y")
    found = [each async for each in api.get("configmaps", namespace="default", label_selector="x=y")]
    assert [each.name for each in found] == ["kr8s"], found
    assert dict(found[0].data) == {"a": "b", "c": "d"}, found[0].data
    Widget = new_class(kind="Widget", version="shown.example.com/v1", namespaced=True, plural="widgets", scalable=True)
    widget = await Widget({"metadata": {"name": "kr8s", "namespace": "default"}, "spec": {"color": "red"}})
    await widget.create()
    await widget.scale(3)
    await widget.refresh()
    assert widget.replicas == 3
    names = [each.name async for each in api.get("widgets.shown.example.com", namespace="default")]
    assert names == ["kr8s"], names
    await widget.delete()
    await made.delete()
    await made.wait("delete", timeout=30)
    print("done")

asyncio.run(main())
"""


def test_kr8s(client: kubernetes.client.ApiClient, server: Path, tmp_path: Path):
    """kr8s finds its way by discovery: built-in and custom objects, patches, scale, waiting."""
    process = run(KR8S, server, tmp_path)
    told, _ = process.communicate(timeout=DEADLINE)
    assert told.strip().endswith("done"), told


KOPF = """
import kopf

@kopf.on.create("shown.example.com", "v1", "widgets")
def made(spec, patch, **_):
    patch.status["replicas"] = spec.get("replicas", 0)

@kopf.on.update("shown.example.com", "v1", "widgets", field="spec.replicas")
def scaled(new, patch, **_):
    patch.status["replicas"] = new

@kopf.on.delete("shown.example.com", "v1", "widgets")
def removed(name, logger, **_):
    logger.info(f"farewell to {name}")
"""


def test_kopf(client: kubernetes.client.ApiClient, server: Path, tmp_path: Path):
    """An operator sees what is made, changed and removed, writes status, and holds its objects by a finalizer."""
    custom, place = kubernetes.client.CustomObjectsApi(client), namespace(client)
    where = (GROUP, "v1", place, "widgets")
    process = run(KOPF, server, tmp_path, "-m", "kopf", "run", "--standalone", f"--namespace={place}")
    try:
        widget = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": {"name": "w"}}
        custom.create_namespaced_custom_object(*where, {**widget, "spec": {"color": "red", "replicas": 2}})
        found = eventually(custom, where, lambda each: each.get("status", {}).get("replicas") == 2, process)
        assert found["metadata"]["finalizers"]
        custom.patch_namespaced_custom_object(*where, "w", {"spec": {"replicas": 5}})
        eventually(custom, where, lambda each: each["status"]["replicas"] == 5, process)
        custom.delete_namespaced_custom_object(*where, "w")
        eventually(custom, where, lambda each: each is None, process)
    finally:
        process.terminate()
        told, _ = process.communicate(timeout=DEADLINE)
    assert "farewell to w" in told


def eventually(custom: Any, where: tuple[str, ...], is_wished: Any, process: subprocess.Popen[str]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            found = custom.get_namespaced_custom_object(*where, "w")
        except kubernetes.client.ApiException as error:
            if error.status != 404:
                raise
            found = None
        if is_wished(found):
            return found
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline, f"never came true; last seen: {found}"
        time.sleep(0.05)
