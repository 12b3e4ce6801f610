"""Dumps: folders, must-gathers, files and pipes, read like a store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pilotage.api.errors import InputError
from pilotage.api.meta import Kind, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import NotFoundError, ReadOnlyError
from pilotage.store.dump import DumpStore, Text
from pilotage.store.embedded import EmbeddedStore

CLUSTER = Kind("hypershift.openshift.io", "v1beta1", "HostedCluster", "hostedclusters")
SETTINGS = Kind("", "v1", "ConfigMap", "configmaps")
NODE = Kind("", "v1", "Node", "nodes", namespaced=False)

MUST_GATHER = {
    "namespaces/clusters/hypershift.openshift.io/hostedclusters.yaml": """
apiVersion: hypershift.openshift.io/v1beta1
kind: HostedClusterList
items:
- apiVersion: hypershift.openshift.io/v1beta1
  kind: HostedCluster
  metadata: {name: prod, namespace: clusters, resourceVersion: "812", uid: 0-1, labels: {tier: gold}}
  spec: {pausedUntil: "true"}
  status: {version: {history: []}}
- apiVersion: hypershift.openshift.io/v1beta1
  kind: HostedCluster
  metadata: {name: dev, namespace: clusters, resourceVersion: "790", uid: 0-2}
""",
    "namespaces/clusters/core/configmaps.yaml": """
apiVersion: v1
kind: ConfigMapList
items:
- metadata: {name: overrides, namespace: clusters, resourceVersion: "9"}
  data: {a: b}
""",
    "namespaces/clusters/pods/operator-1/operator/logs/current.log": "not yaml: [",
    "cluster-scoped-resources/core/nodes/node-1.yaml": """
---
apiVersion: v1
kind: Node
metadata: {name: node-1, resourceVersion: "1000"}
""",
    "event-filter.html": "<html>",
    ".hidden.yaml": "not: [",
}


def lay(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def config_map(name: str, version: str = "", value: str = "x") -> str:
    version = f', resourceVersion: "{version}"' if version else ""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: a{version}}}\ndata: {{k: {value}}}\n"


async def test_a_must_gather_reads_like_a_store(tmp_path: Path):
    """Lists become objects, typed by their list where they do not say; other files and hidden ones are passed by."""
    dump = DumpStore.read(lay(tmp_path, MUST_GATHER))
    assert dump.findings == ()
    listing = await dump.list(CLUSTER)
    assert [str(item.key) for item in listing.items] == ["clusters/dev", "clusters/prod"]
    assert listing.resource_version == "1000"
    assert [item.meta.name for item in (await dump.list(CLUSTER, labels={"tier": "gold"})).items] == ["prod"]
    assert (await dump.list(CLUSTER, "elsewhere")).items == ()
    assert (await dump.get(SETTINGS, ObjectKey("clusters", "overrides"))).value()["data"] == {"a": "b"}
    assert (await dump.get(NODE, ObjectKey("", "node-1"))).kind == "Node"
    with pytest.raises(NotFoundError):
        await dump.get(CLUSTER, ObjectKey("clusters", "none"))


async def test_one_file_with_many_documents(tmp_path: Path):
    """A file may hold any number of documents, YAML or JSON."""
    file = tmp_path / "all.yaml"
    file.write_text("---\n".join(map(config_map, "abc")))
    assert len((await DumpStore.read(file).list(SETTINGS)).items) == 3
    text = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "j", "namespace": "a"}}'
    assert len((await DumpStore.parse(text).list(SETTINGS)).items) == 1


async def test_a_version_of_the_api_is_no_other_object():
    """An object is found in whatever version of its API it was saved."""
    dump = DumpStore.parse("apiVersion: apps/v1beta2\nkind: Deployment\nmetadata: {name: d, namespace: a}\n")
    kind = Kind("apps", "v1", "Deployment", "deployments")
    assert (await dump.get(kind, ObjectKey("a", "d"))).header.api_version == "apps/v1beta2"


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(("9", "old"), ("10", "new"), "new", id="the higher version, compared as numbers"),
        pytest.param(("10", "new"), ("9", "old"), "new", id="the higher version, also when it comes first"),
        pytest.param(("", "old"), ("", "new"), "new", id="else the later file"),
    ],
)
async def test_of_two_of_the_same_the_newer_counts(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str], kept: str
):
    """An object that stands twice is taken once, and a finding names both files."""
    lay(tmp_path, {"1.yaml": config_map("same", *first), "2.yaml": config_map("same", *second)})
    dump = DumpStore.read(tmp_path)
    assert (await dump.get(SETTINGS, ObjectKey("a", "same"))).value()["data"] == {"k": kept}
    (finding,) = dump.findings
    assert finding.code == "DuplicateObject"
    assert finding.subject == "ConfigMap a/same"
    assert "1.yaml" in finding.message
    assert "2.yaml" in finding.message


async def test_equal_copies_need_no_finding(tmp_path: Path):
    """A must-gather holds many objects twice: in a List and alone."""
    lay(tmp_path, {"1.yaml": config_map("same", "7"), "2.yaml": config_map("same", "7")})
    assert DumpStore.read(tmp_path).findings == ()


BROKEN = {
    "good.yaml": config_map("good"),
    "bad-syntax.yaml": "apiVersion: v1\nkind: ConfigMap\ndata: {a: [\n",
    "no-kind.yaml": "replicas: 1\n",
    "no-name.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: a}\n",
    "bytes.json": "\0\0",
}


async def test_all_bad_files_are_listed_at_once(tmp_path: Path):
    """One error names every file that cannot be read, and why."""
    with pytest.raises(InputError) as caught:
        DumpStore.read(lay(tmp_path, BROKEN))
    assert caught.value.code == "UnreadableDump"
    for name in BROKEN:
        assert any(name in message for message in caught.value.messages) == (name != "good.yaml")


async def test_a_tolerant_reading_goes_on(tmp_path: Path):
    """What is bad becomes findings; what is good is there."""
    dump = DumpStore.read(lay(tmp_path, BROKEN), is_tolerant=True)
    assert [str(item.key) for item in (await dump.list(SETTINGS)).items] == ["a/good"]
    assert {Path(finding.subject).name for finding in dump.findings} == set(BROKEN) - {"good.yaml"}
    assert {finding.code for finding in dump.findings} == {"UnreadableFile"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("data: {password: hunter2", id="cut off"),
        pytest.param("data:\n  password: hunter2\n  password: hunter2", id="duplicate key"),
        pytest.param("data: {b: hunter2, a: *nothing}", id="unknown alias"),
        pytest.param("metadata: {name: a, labels: {a: [hunter2]}}", id="wrong type"),
        pytest.param("data:\n\tpassword: hunter2", id="tab"),
        pytest.param('stringData: {a: "hunter2\\q"}', id="bad escape"),
    ],
)
def test_errors_hold_no_secrets(text: str):
    """Whatever is wrong with a Secret, its content is not told."""
    with pytest.raises(InputError) as caught:
        DumpStore.parse("apiVersion: v1\nkind: Secret\n" + text, "secret.yaml")
    assert "secret.yaml" in str(caught.value)
    assert "hunter2" not in "".join((str(caught.value), *caught.value.messages))


async def test_a_dump_refuses_every_write():
    """No verb writes; the error says what to do."""
    dump = DumpStore.parse(config_map("a"), "a.yaml")
    key = ObjectKey("a", "a")
    for attempt in (
        dump.create(SETTINGS, {}, manager="me"),
        dump.apply(SETTINGS, key, {}, manager="me"),
        dump.patch_status(SETTINGS, key, {}, manager="me"),
        dump.delete(SETTINGS, key),
    ):
        with pytest.raises(ReadOnlyError, match=r"the dump a\.yaml is read-only"):
            await attempt


async def test_a_watch_of_a_dump_tells_what_is_there_and_waits():
    """From version 0 the objects come as ADDED; then nothing ever happens."""
    dump = DumpStore.parse(config_map("a"))
    events = aiter(dump.watch(SETTINGS, "0"))
    assert (await anext(events)).object.meta.name == "a"
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_known_kinds_get_their_namespace():
    """A namespaced object without a namespace stands where kubectl would put it; others keep none."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: one}\n"
    dump = DumpStore.parse(text, kinds=(SETTINGS, NODE))
    assert (await dump.get(SETTINGS, ObjectKey("default", "a"))).value()["metadata"]["namespace"] == "default"
    assert (await dump.get(NODE, ObjectKey("", "one"))).meta.namespace == ""


async def test_a_dump_becomes_a_store(tmp_path: Path):
    """Loaded into an embedded store, objects keep identity, times and status, and can change."""
    dump = DumpStore.read(lay(tmp_path, MUST_GATHER))
    key = ObjectKey("clusters", "prod")
    async with await EmbeddedStore.open(None, ManualClock()) as store:
        await dump.load_into(store)
        loaded = (await store.get(CLUSTER, key)).value()
        assert loaded["metadata"]["uid"] == "0-1"
        assert loaded["status"] == {"version": {"history": []}}
        assert loaded["metadata"]["resourceVersion"] != "812"
        assert len((await store.everything()).items) == len((await dump.everything()).items)
        changed = await store.apply(
            CLUSTER, key, {"spec": {"pausedUntil": "false"}}, manager="me", force=True
        )
        assert changed.value()["spec"] == {"pausedUntil": "false"}
        assert changed.meta.uid == "0-1"


def test_a_missing_path_is_named(tmp_path: Path):
    """A path that is not there is said so, by name."""
    with pytest.raises(InputError, match="no such file or folder"):
        DumpStore.read(tmp_path / "nowhere")


async def test_several_sources_are_one_dump(tmp_path: Path):
    """Files, folders and texts are read in order: what stands in two of them is found, and all problems are told at once."""
    folder = lay(tmp_path / "folder", {"one.yaml": config_map("one")})
    file = tmp_path / "two.yaml"
    file.write_text(config_map("two") + "---\n" + config_map("one", value="later"))
    dump = DumpStore.collect((folder, file, Text("stdin", config_map("three"))))
    assert [item.meta.name for item in dump.objects()] == ["one", "three", "two"]
    assert (await dump.get(SETTINGS, ObjectKey("a", "one"))).value()["data"] == {"k": "later"}
    assert [finding.code for finding in dump.findings] == ["DuplicateObject"]
    with pytest.raises(InputError) as caught:
        DumpStore.collect((tmp_path / "nowhere", Text("stdin", "kind: [")))
    assert len(caught.value.messages) == 2
