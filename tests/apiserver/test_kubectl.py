"""kubectl, an old one and today's, against the embedded API: what people type every day, on built-in and custom kinds.

The old one is the system's: Debian's `kubernetes-client` is 1.20, which knows OpenAPI v2 in protobuf and no other. Today's is built by
`tools/apiserver/build.sh`; it sends protobuf and reads OpenAPI v3.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from ..realapi import built  # noqa: TID252 -- tests are no package
from . import served
from .serving import served_api

pytestmark = pytest.mark.kubectl

DEADLINE = 60.0
NUMBERS = itertools.count()
WIDGET = {
    "apiVersion": "shown.example.com/v1",
    "kind": "Widget",
    "metadata": {"name": "one", "labels": {"app": "one"}},
    "spec": {"color": "red", "replicas": 3, "items": [{"name": "x", "value": "1"}]},
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]},
        },
    },
}


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Kubectl:
    """One kubectl, in one namespace of a server."""

    def __init__(self, binary: Path, kubeconfig: Path, home: Path) -> None:
        self.binary = binary
        self.kubeconfig = kubeconfig
        self.home = home
        self.namespace = ""

    def run(self, *arguments: str, given: object = None, code: int | None = 0, **environment: str) -> Ran:
        """Run to the end; `given` is a manifest for `-f -`. With a `code` of None any end will do."""
        ran = subprocess.run(
            self.command(*arguments),
            input=yaml.safe_dump(given) if given is not None else None,
            stdin=None if given is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
            env=self.environment(**environment),
        )
        told = Ran(ran.returncode, ran.stdout, ran.stderr)
        assert code in (None, told.code), f"{' '.join(arguments)}: {told}"
        return told

    def command(self, *arguments: str) -> list[str]:
        chosen = [f"--namespace={self.namespace}"] if self.namespace else []
        return [str(self.binary), f"--kubeconfig={self.kubeconfig}", *chosen, *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        """Its own home: what it keeps of servers is not shared, and no proxy stands between."""
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        return {**kept, "HOME": str(self.home), "TMPDIR": str(self.home), **more}

    def json(self, *arguments: str) -> object:
        return json.loads(self.run(*arguments, "-o", "json").out)

    @property
    def is_old(self) -> bool:
        told = json.loads(self.run("version", "--client", "-o", "json").out)["clientVersion"]
        return int(told["minor"].rstrip("+")) < 30


def binaries() -> dict[str, Path | None]:
    """The system's kubectl and ours, by the age that they have where this is tested for good."""
    ours = [folder / "kubectl" for folder in built() if os.access(folder / "kubectl", os.X_OK)]
    system = os.environ.get("PILOTAGE_TEST_KUBECTL") or shutil.which("kubectl")
    return {"system": Path(system) if system else None, "built": ours[-1] if ours else None}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with served_api(tmp_path_factory.mktemp("kubectl")) as kubeconfig:
        yield kubeconfig


@pytest.fixture(scope="module", params=["system", "built"])
def binary(request: pytest.FixtureRequest) -> Path:
    found = binaries()[request.param]
    if found is None:
        pytest.skip(
            "no kubectl: install kubernetes-client"
            if request.param == "system"
            else "no kubectl: run tools/apiserver/build.sh"
        )
    return found


@pytest.fixture(scope="module")
def prepared(binary: Path, server: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """With the definitions of our cases; what it learned of the server is kept for all tests."""
    tool = Kubectl(binary, server, tmp_path_factory.mktemp("home"))
    tool.run("apply", "--server-side", "--force-conflicts", "-f", str(served.CASES / "definitions.yaml"))
    tool.run("wait", "--for=condition=Established", "crd/widgets.shown.example.com", "--timeout=30s")
    return tool


@pytest.fixture
def kubectl(prepared: Kubectl) -> Kubectl:
    """In a namespace of its own."""
    tool = Kubectl(prepared.binary, prepared.kubeconfig, prepared.home)
    name = f"test{next(NUMBERS)}"
    tool.run("create", "namespace", name)
    tool.namespace = name
    return tool


def test_version(kubectl: Kubectl):
    """Client and server understand each other."""
    told = json.loads(kubectl.run("version", "-o", "json").out)
    assert "36" == told["serverVersion"]["minor"]


def test_api_resources(kubectl: Kubectl):
    """Built-in kinds and defined ones are listed, with short names and categories."""
    lines = kubectl.run("api-resources", "--no-headers").out.splitlines()
    assert any(line.split()[:2] == ["widgets", "wd"] for line in lines)
    assert any(line.split()[:2] == ["deployments", "deploy"] for line in lines)
    geared = kubectl.run(
        "api-resources", "--namespaced=true", "--api-group=shown.example.com", "-o", "name"
    ).out
    assert ["widgets.shown.example.com"] == geared.split()


@pytest.mark.parametrize("manifest", [WIDGET, DEPLOYMENT], ids=["custom", "built-in"])
@pytest.mark.parametrize("way", [[], ["--server-side"]], ids=["client", "server"])
def test_apply(kubectl: Kubectl, manifest: dict[str, object], way: list[str]):
    """Applied once it is created, twice it is unchanged, changed it is configured."""
    said = [kubectl.run("apply", *way, "-f", "-", given=manifest).out.split()[-1] for _ in range(2)]
    assert said == (["serverside-applied"] * 2 if way else ["created", "unchanged"])
    changed = {**manifest, "metadata": {**manifest["metadata"], "labels": {"new": "label"}}}
    ended = kubectl.run("apply", *way, "-f", "-", given=changed).out.split()[-1]
    assert ended == ("serverside-applied" if way else "configured")
    kind = str(manifest["kind"])
    assert {"new": "label"} == kubectl.json("get", kind, str(manifest["metadata"]["name"]))["metadata"][
        "labels"
    ]


def test_apply_merges_lists_by_their_keys(kubectl: Kubectl):
    """A client-side apply removes the container that it dropped, and keeps the one that somebody else added."""
    kubectl.run("apply", "-f", "-", given=DEPLOYMENT)
    added = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "c:1"}]}}}}
    kubectl.run("patch", "deployment", "web", "--type=strategic", "-p", json.dumps(added))
    fewer = json.loads(json.dumps(DEPLOYMENT))
    del fewer["spec"]["template"]["spec"]["containers"][1]
    kubectl.run("apply", "-f", "-", given=fewer)
    names = kubectl.run(
        "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[*].name}"
    ).out
    assert {"a", "c"} == set(names.split())


def test_apply_of_what_another_manager_owns(kubectl: Kubectl):
    """A server-side apply that conflicts is refused, with the manager's name, until it is forced."""
    kubectl.run("apply", "--server-side", "--field-manager=first", "-f", "-", given=WIDGET)
    other = {**WIDGET, "spec": {**WIDGET["spec"], "color": "blue"}}
    second = ["apply", "--server-side", "--field-manager=second", "-f", "-"]
    refused = kubectl.run(*second, given=other, code=1)
    assert 'conflict with "first": .spec.color' in refused.err
    kubectl.run(*second, "--force-conflicts", given=other)
    assert "blue" == kubectl.run("get", "widget", "one", "-o", "jsonpath={.spec.color}").out


def test_unknown_fields_are_refused(kubectl: Kubectl):
    """A typo is told before anything is stored, by the client or by the server."""
    typo = {**WIDGET, "spec": {"color": "red", "replica": 3}}
    assert "replica" in kubectl.run("apply", "-f", "-", given=typo, code=1).err
    assert "NotFound" in kubectl.run("get", "widget", "one", code=1).err


@pytest.mark.parametrize(
    ("form", "patch"),
    [
        ("merge", '{"spec":{"replicas":7}}'),
        ("json", '[{"op":"replace","path":"/spec/replicas","value":7}]'),
        ("strategic", '{"spec":{"replicas":7}}'),
    ],
)
@pytest.mark.parametrize("manifest", [WIDGET, DEPLOYMENT], ids=["custom", "built-in"])
def test_patch(kubectl: Kubectl, manifest: dict[str, object], form: str, patch: str):
    """Every form of patch that a kind takes changes it; custom resources take no strategic ones."""
    kubectl.run("create", "-f", "-", given=manifest)
    name = f"{manifest['kind']}/{manifest['metadata']['name']}".lower()
    is_taken = form != "strategic" or manifest is DEPLOYMENT
    told = kubectl.run("patch", name, f"--type={form}", "-p", patch, code=0 if is_taken else 1)
    assert ("patched" in told.out) is is_taken
    expected = "7" if is_taken else "3"
    assert expected == kubectl.run("get", name, "-o", "jsonpath={.spec.replicas}").out


@pytest.mark.parametrize("manifest", [WIDGET, DEPLOYMENT], ids=["custom", "built-in"])
def test_label_annotate_scale(kubectl: Kubectl, manifest: dict[str, object]):
    """Labels, annotations and replicas can be set, and labels be selected by."""
    kubectl.run("create", "-f", "-", given=manifest)
    name = f"{manifest['kind']}/{manifest['metadata']['name']}".lower()
    kubectl.run("label", name, "tier=gold")
    kubectl.run("annotate", name, "note=this is one")
    kubectl.run("scale", name, "--replicas=5")
    kind = str(manifest["kind"]).lower()
    (found,) = kubectl.json("get", kind, "-l", "tier in (gold, silver)")["items"]
    assert (5, "this is one") == (found["spec"]["replicas"], found["metadata"]["annotations"]["note"])


def test_edit(kubectl: Kubectl, tmp_path: Path):
    """An editor that changes the text changes the object; one that breaks it is told so and nothing changes."""
    kubectl.run("create", "-f", "-", given=WIDGET)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/color: red/color: $COLOR/" "$1"\n')
    editor.chmod(0o755)
    kubectl.run("edit", "widget", "one", KUBE_EDITOR=str(editor), COLOR="blue")
    assert "blue" == kubectl.run("get", "widget", "one", "-o", "jsonpath={.spec.color}").out
    broken = kubectl.run("edit", "widget", "one", KUBE_EDITOR="sed -i s/blue/green/", code=1)
    assert '"one" is invalid' in broken.err
    assert "blue" == kubectl.run("get", "widget", "one", "-o", "jsonpath={.spec.color}").out


def test_diff(kubectl: Kubectl):
    """A diff shows what an apply would change, and changes nothing."""
    kubectl.run("apply", "-f", "-", given=WIDGET)
    kubectl.run("diff", "-f", "-", given=WIDGET)
    changed = {**WIDGET, "spec": {**WIDGET["spec"], "replicas": 4}}
    told = kubectl.run("diff", "-f", "-", given=changed, code=1)
    assert "-  replicas: 3" in told.out
    assert "+  replicas: 4" in told.out
    assert "3" == kubectl.run("get", "widget", "one", "-o", "jsonpath={.spec.replicas}").out


def test_get_as_a_table(kubectl: Kubectl):
    """The columns are the server's, more of them with -o wide."""
    kubectl.run("create", "-f", "-", given=WIDGET)
    kubectl.run("create", "-f", "-", given=DEPLOYMENT)
    narrow = kubectl.run("get", "widgets").out.splitlines()
    assert ["NAME", "SIZE", "SINCE", "AGE", "READY", "WEIGHT"] == narrow[0].split()
    assert ["one", "3"] == narrow[1].split()[:2]
    wide = kubectl.run("get", "deploy", "-o", "wide").out.splitlines()
    assert ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"] == wide[
        0
    ].split()
    assert ["web", "0/1", "0", "0"] == wide[1].split()[:4]
    assert ["a,b", "a:1,b:1", "app=web"] == wide[1].split()[5:]
    every = kubectl.run("get", "all", "--no-headers").out
    assert "deployment.apps/web" in every
    assert "widget.shown.example.com/one" in every


def test_get_as_a_document(kubectl: Kubectl):
    """YAML is whole; an expression picks a part."""
    kubectl.run("create", "-f", "-", given=WIDGET)
    found = yaml.safe_load(kubectl.run("get", "wd", "one", "-o", "yaml").out)
    assert WIDGET["spec"] == found["spec"]
    assert (
        "x=1"
        == kubectl.run("get", "widget/one", "-o", "jsonpath={range .spec.items[*]}{.name}={.value}{end}").out
    )


@pytest.mark.parametrize("manifest", [WIDGET, DEPLOYMENT], ids=["custom", "built-in"])
def test_describe(kubectl: Kubectl, manifest: dict[str, object]):
    """A description has name, labels and events."""
    kubectl.run("create", "-f", "-", given=manifest)
    told = kubectl.run("describe", f"{manifest['kind']}/{manifest['metadata']['name']}".lower()).out
    assert manifest["metadata"]["name"] in told
    assert "Events:" in told


def test_explain(kubectl: Kubectl):
    """Fields are explained with their types; those of a definition with its words."""
    told = kubectl.run("explain", "widget.spec").out
    assert "What is wanted." in told
    assert "color" in told
    assert "The color." in kubectl.run("explain", "widget.spec.color").out
    assert "image" in kubectl.run("explain", "pod.spec.containers").out
    assert "rollingUpdate" in kubectl.run("explain", "deployment", "--recursive").out


def test_create_from_the_command_line(kubectl: Kubectl):
    """What kubectl makes itself arrives whole, in whatever form it is sent."""
    kubectl.run("create", "configmap", "c", "--from-literal=a=b")
    kubectl.run("create", "secret", "generic", "s", "--from-literal=a=b")
    kubectl.run("create", "serviceaccount", "robot")
    kubectl.run("create", "deployment", "made", "--image=quay.io/made:1")
    kubectl.run("create", "job", "once", "--image=quay.io/made:1", "--", "true")
    kubectl.run("create", "role", "reader", "--verb=get,list", "--resource=pods")
    kubectl.run("create", "rolebinding", "reads", "--role=reader", "--user=ann")
    assert {"a": "b"} == kubectl.json("get", "configmap", "c")["data"]
    assert {"a": "Yg=="} == kubectl.json("get", "secret", "s")["data"]
    made = kubectl.json("get", "deployment", "made")["spec"]
    assert (1, "quay.io/made:1") == (made["replicas"], made["template"]["spec"]["containers"][0]["image"])
    assert ["true"] == kubectl.json("get", "job", "once")["spec"]["template"]["spec"]["containers"][0][
        "command"
    ]
    assert [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}] == kubectl.json(
        "get", "role", "reader"
    )["rules"]


def test_dry_runs(kubectl: Kubectl):
    """A dry run on the server is checked there, and leaves nothing."""
    assert "server dry run" in kubectl.run("apply", "--dry-run=server", "-f", "-", given=WIDGET).out
    bad = {**WIDGET, "spec": {"color": "green"}}
    refused = kubectl.run("create", "--dry-run=server", "-f", "-", given=bad, code=1)
    assert "Unsupported value" in refused.err
    assert "NotFound" in kubectl.run("get", "widget", "one", code=1).err


def test_delete(kubectl: Kubectl):
    """What is deleted is gone when the command ends; with a finalizer it waits for whoever holds it."""
    kubectl.run("create", "-f", "-", given=WIDGET)
    kubectl.run("create", "-f", "-", given=DEPLOYMENT)
    kubectl.run("delete", "widget/one", "deployment/web")
    assert kubectl.run("get", "widgets,deployments").out == ""
    held = {**WIDGET, "metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    kubectl.run("create", "-f", "-", given=held)
    kubectl.run("delete", "widget", "held", "--wait=false")
    assert kubectl.json("get", "widget", "held")["metadata"]["deletionTimestamp"]
    kubectl.run("patch", "widget", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert "NotFound" in kubectl.run("get", "widget", "held", code=1).err


def test_wait_for_a_condition(kubectl: Kubectl):
    """`kubectl wait` sees the condition that is set after it began to watch."""
    kubectl.run("create", "-f", "-", given=DEPLOYMENT)
    waiting = subprocess.Popen(
        kubectl.command("wait", "--for=condition=Available", "deployment/web", "--timeout=30s"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=kubectl.environment(),
    )
    condition = {"type": "Available", "status": "True", "reason": "x", "message": "x"}
    current = kubectl.json("get", "deployment", "web")
    current["status"] = {"conditions": [condition]}
    address = f"/apis/apps/v1/namespaces/{kubectl.namespace}/deployments/web/status"
    path = kubectl.home / "status.json"
    path.write_text(json.dumps(current))
    kubectl.run("replace", "--raw", address, "-f", str(path))
    out, err = waiting.communicate(timeout=DEADLINE)
    assert (0, "deployment.apps/web condition met") == (waiting.returncode, out.decode().strip()), err


def test_watch(kubectl: Kubectl):
    """`get -w` shows what is there, then every change, as rows of the same table."""
    kubectl.run("create", "-f", "-", given=WIDGET)
    with watching(kubectl, "get", "widgets", "-w", "--no-headers") as next_line:
        assert ["one", "3"] == next_line().split()[:2]
        kubectl.run("scale", "widget/one", "--replicas=8")
        assert ["one", "8"] == next_line().split()[:2]
        kubectl.run("create", "-f", "-", given={**WIDGET, "metadata": {"name": "two"}})
        assert "two" == next_line().split()[0]


class watching:  # noqa: N801 -- used as a verb
    """A kubectl that goes on; gives its lines one by one, and is ended."""

    def __init__(self, kubectl: Kubectl, *arguments: str) -> None:
        self._process = subprocess.Popen(
            kubectl.command(*arguments), stdout=subprocess.PIPE, text=True, env=kubectl.environment()
        )
        self._timer = threading.Timer(DEADLINE, self._process.kill)

    def __enter__(self) -> Callable[[], str]:
        self._timer.start()
        assert self._process.stdout is not None
        return self._process.stdout.readline

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.wait(DEADLINE)
        assert self._process.stdout is not None
        self._process.stdout.close()


def test_who_am_i(kubectl: Kubectl):
    """The server knows its user, who may do everything."""
    assert "yes" == kubectl.run("auth", "can-i", "delete", "nodes").out.strip()
    if not kubectl.is_old:
        assert "pilotage-admin" in kubectl.run("auth", "whoami").out


def test_definitions_come_and_go(kubectl: Kubectl):
    """A definition that is made can be used at once; deleted, its kind is unknown."""
    definition = next(iter(served.definitions()))
    definition = json.loads(json.dumps(definition).replace("shown.example.com", "going.example.com"))
    kubectl.run("create", "-f", "-", given=definition)
    kubectl.run("wait", "--for=condition=Established", "crd/widgets.going.example.com", "--timeout=30s")
    widget = {**WIDGET, "apiVersion": "going.example.com/v1"}
    kubectl.run("apply", "-f", "-", given=widget)
    assert "one" in kubectl.run("get", "widgets.going.example.com").out
    kubectl.run("delete", "crd", "widgets.going.example.com")
    gone = kubectl.run("get", "widgets.going.example.com", code=1)
    assert "the server" in gone.err


def test_old_versions_warn(kubectl: Kubectl):
    """A deprecated version of a kind is served, with a warning."""
    kubectl.run("create", "-f", "-", given=WIDGET)
    told = kubectl.run("get", "widgets.v1beta1.shown.example.com", "one")
    assert "deprecated" in told.err
    assert "one" in told.out
