"""Proofs that change: token files, credential plugins, the service account of a pod."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pilotage.api.errors import InputError, PilotageError, RemoteError
from pilotage.store.cluster import find_access, incluster
from pilotage.store.cluster.access import Proof
from pilotage.store.cluster.certificates import tls_context
from pilotage.store.cluster.credentials import FileLogin, Files
from pilotage.store.cluster.incluster import in_cluster_access
from pilotage.store.cluster.plugins import Plugin, PluginLogin

V1 = "client.authentication.k8s.io/v1"
SECRET = "s3cr3t-of-a-test"


def shown(proof: Proof) -> str:
    assert proof.authorization is not None
    return proof.authorization.reveal_text()


# -- files


async def test_a_token_file_is_read_again_each_minute(tmp_path: Path, time: Any):
    """A token that is replaced is noticed after a minute, not at every request."""
    path = tmp_path / "token"
    path.write_text("one\n")
    login = FileLogin(Files(token=path), Proof(), "test", time)
    assert shown(await login.proof()) == "Bearer one"
    path.write_text("two\n")
    time.elapsed = 59
    assert shown(await login.proof()) == "Bearer one"
    time.elapsed = 60
    assert shown(await login.proof()) == "Bearer two"


async def test_a_refused_token_is_read_again_at_once(tmp_path: Path, time: Any):
    """After a 401 the file is read at once; the same token again is no other proof."""
    path = tmp_path / "token"
    path.write_text("one")
    login = FileLogin(Files(token=path), Proof(), "test", time)
    refused = await login.proof()
    assert await login.renew(refused) is None
    path.write_text("two")
    renewed = await login.renew(refused)
    assert renewed is not None
    assert shown(renewed) == shown(await login.proof()) == "Bearer two"


@pytest.mark.parametrize("content", ["", None], ids=["empty", "absent"])
async def test_a_file_that_cannot_be_read_leaves_the_last_proof(
    tmp_path: Path, time: Any, caplog: pytest.LogCaptureFixture, content: str | None
):
    """Files are replaced under us: until there is a new token the old one is sent, with a warning."""
    path = tmp_path / "token"
    path.write_text("one")
    login = FileLogin(Files(token=path), Proof(), "test", time)
    await login.proof()
    path.unlink()
    if content is not None:
        path.write_text(content)
    time.elapsed = 60
    with caplog.at_level(logging.WARNING):
        assert shown(await login.proof()) == "Bearer one"
    assert str(path) in caplog.text
    assert "one;" not in caplog.text


async def test_a_token_file_that_never_was(tmp_path: Path, time: Any):
    """Without a first token there is nothing to send, and the error names the file."""
    login = FileLogin(Files(token=tmp_path / "token"), Proof(), "test", time)
    with pytest.raises(InputError, match=r"test: .*token: No such file"):
        await login.proof()


# -- plugins

PLUGIN = """
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "runs").open("a") as runs:
    runs.write(json.dumps({"info": json.loads(os.environ["KUBERNETES_EXEC_INFO"]), "args": sys.argv[1:],
                           "extra": os.environ.get("EXTRA"), "stdin": sys.stdin.read()}) + "\\n")
number = len((here / "runs").read_text().splitlines())
answer = (here / "answer").read_text().replace("NUMBER", str(number))
print(answer)
sys.exit(int(os.environ.get("EXIT", "0")))
"""


class Plugins:
    """A plugin that notes how it is called and prints what the test says."""

    def __init__(self, folder: Path, time: Any) -> None:
        self.folder = folder
        self.time = time
        (folder / "plugin.py").write_text(PLUGIN)

    def answers(self, **status: Any) -> None:
        self.prints(json.dumps({"kind": "ExecCredential", "apiVersion": V1, "status": status}))

    def prints(self, text: str) -> None:
        (self.folder / "answer").write_text(text)

    def login(self, **fields: Any) -> PluginLogin:
        chosen = {
            "subject": 'config: user "me"',
            "api_version": V1,
            "command": sys.executable,
            "folder": self.folder,
            "arguments": (str(self.folder / "plugin.py"), SECRET),
            **fields,
        }
        environment: Mapping[str, str] = {"PATH": os.environ["PATH"]}
        return PluginLogin(Plugin(**chosen), environment, self.time)

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "runs").read_text().splitlines()]


@pytest.fixture
def plugins(tmp_path: Path, time: Any) -> Plugins:
    return Plugins(tmp_path, time)


async def test_a_plugin_gives_a_token(plugins: Plugins):
    """The program gets its arguments, environment and question, nothing to read, and its token is sent."""
    plugins.answers(token="t-NUMBER")
    login = plugins.login(environment={"EXTRA": "yes"}, cluster={"server": "https://x"})
    assert shown(await login.proof()) == "Bearer t-1"
    spec = {"interactive": False, "cluster": {"server": "https://x"}}
    info = {"kind": "ExecCredential", "apiVersion": V1, "spec": spec}
    assert plugins.runs == [{"info": info, "args": [SECRET], "extra": "yes", "stdin": ""}]
    assert SECRET not in repr(login._plugin)


async def test_a_plugin_runs_once_for_many(plugins: Plugins):
    """However many requests wait for it, and however many follow, one answer serves until it expires."""
    plugins.answers(token="t-NUMBER", expirationTimestamp="2026-05-20T12:10:00Z")
    login = plugins.login()
    proofs = await asyncio.gather(*(login.proof() for _ in range(20)))
    assert {shown(proof) for proof in proofs} == {"Bearer t-1"}
    plugins.time.elapsed = 599
    assert shown(await login.proof()) == "Bearer t-1"
    plugins.time.elapsed = 600
    assert shown(await login.proof()) == "Bearer t-2"


async def test_a_refused_answer_is_replaced(plugins: Plugins):
    """After a 401 the program is asked again, once for all requests that were refused."""
    plugins.answers(token="t-NUMBER")
    login = plugins.login()
    refused = await login.proof()
    renewed = await asyncio.gather(*(login.renew(refused) for _ in range(5)))
    assert {shown(proof) for proof in renewed if proof} == {"Bearer t-2"}
    assert len(plugins.runs) == 2


async def test_a_plugin_gives_a_certificate(plugins: Plugins):
    """A client certificate with its key may come instead of a token."""
    plugins.answers(clientCertificateData="CRT", clientKeyData=SECRET)
    proof = await plugins.login().proof()
    assert proof.authorization is None
    assert proof.key_pair is not None
    assert (proof.key_pair.certificate, proof.key_pair.key.reveal()) == (b"CRT", SECRET.encode())
    assert SECRET not in repr(proof)


async def test_v1beta1_still_works(plugins: Plugins):
    """Older kubeconfigs name v1beta1, and the program must answer in it."""
    old = "client.authentication.k8s.io/v1beta1"
    plugins.prints(json.dumps({"kind": "ExecCredential", "apiVersion": old, "status": {"token": "t"}}))
    assert shown(await plugins.login(api_version=old).proof()) == "Bearer t"
    with pytest.raises(
        RemoteError, match=r"did not print an ExecCredential of client\.authentication\.k8s\.io/v1$"
    ):
        await plugins.login().proof()


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", "did not print an ExecCredential"),
        (f"token: {SECRET}", "did not print an ExecCredential"),
        (
            json.dumps({"kind": "ExecCredential", "apiVersion": V1, "status": {"token": [SECRET]}}),
            "did not print",
        ),
        (json.dumps({"kind": "ExecCredential", "apiVersion": V1, "status": {}}), "neither a token nor"),
        (json.dumps({"kind": "ExecCredential", "apiVersion": V1}), "neither a token nor"),
        (
            json.dumps(
                {"kind": "ExecCredential", "apiVersion": V1, "status": {"clientCertificateData": SECRET}}
            ),
            "without its key",
        ),
        (
            json.dumps({"kind": "ExecCredential", "apiVersion": V1, "status": {"token": f"{SECRET}\nx: y"}}),
            "holds no token",
        ),
    ],
)
async def test_answers_that_are_no_credential(plugins: Plugins, answer: str, problem: str):
    """What a broken program prints is never repeated."""
    plugins.prints(answer)
    with pytest.raises(PilotageError, match=problem) as caught:
        await plugins.login().proof()
    assert SECRET not in str(caught.value)
    assert str(caught.value).startswith('config: user "me": ')


async def test_a_plugin_that_fails(plugins: Plugins):
    """The exit code is told; what it has to say went to standard error."""
    plugins.answers(token="t")
    with pytest.raises(RemoteError, match=r"the credential plugin .* failed with exit code 3"):
        await plugins.login(environment={"EXIT": "3"}).proof()


async def test_a_plugin_that_is_not_there(plugins: Plugins):
    """A missing program is the user's to install, in the words of the kubeconfig; a relative path starts at the file."""
    with pytest.raises(InputError, match=r"exec\.command: no-such-plugin is not an executable") as caught:
        await plugins.login(command="no-such-plugin", install_hint="brew install it").proof()
    assert caught.value.hint == "brew install it"
    script = plugins.folder / "bin" / "plugin"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    plugins.answers(token="t")
    assert shown(await plugins.login(command="./bin/plugin").proof()) == "Bearer t"


# -- pods


def pod(folder: Path) -> dict[str, str]:
    for name, content in (("token", "pod-token"), ("ca.crt", "CA"), ("namespace", "pilotage\n")):
        (folder / name).write_text(content)
    return {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


async def test_a_pod_uses_its_service_account(tmp_path: Path, time: Any, monkeypatch: pytest.MonkeyPatch):
    """Without a kubeconfig, a pod speaks to its own cluster as its service account."""
    environment = pod(tmp_path)
    access = in_cluster_access(environment, time, tmp_path)
    assert (access.server, access.namespace) == ("https://10.0.0.1:443", "pilotage")
    assert access.trust.authorities == b"CA"
    assert not access.is_compressed
    assert shown(await access.login.proof()) == "Bearer pod-token"
    (tmp_path / "token").write_text("rotated")
    time.elapsed = 61
    assert shown(await access.login.proof()) == "Bearer rotated"
    monkeypatch.setattr(incluster.is_in_cluster, "__defaults__", (tmp_path,))
    monkeypatch.setattr(incluster.in_cluster_access, "__defaults__", (tmp_path,))
    found = find_access(environment={**environment, "HOME": str(tmp_path)}, clock=time)
    assert found.source == access.source


def test_a_pod_with_ipv6(tmp_path: Path, time: Any):
    """An IPv6 address stands in brackets."""
    environment = {**pod(tmp_path), "KUBERNETES_SERVICE_HOST": "fd00::1"}
    assert in_cluster_access(environment, time, tmp_path).server == "https://[fd00::1]:443"


def test_no_pod(tmp_path: Path, time: Any):
    """Outside a pod the error says what is missing."""
    with pytest.raises(InputError, match="KUBERNETES_SERVICE_HOST"):
        in_cluster_access({}, time, tmp_path)


# -- certificates


def test_certificates_that_cannot_be_used(make_certificate: Any):
    """A CA that is none and a key that does not belong to its certificate are told without showing either."""
    from pilotage.store.cluster.access import KeyPair, Secret, Trust

    with pytest.raises(InputError, match="config: certificate-authority: holds no PEM certificate"):
        tls_context(Trust(b"not PEM"), None, "config")
    one, two = make_certificate("DNS:one"), make_certificate("DNS:two")
    mixed = KeyPair(one.certificate.read_bytes(), Secret(two.key.read_bytes()))
    with pytest.raises(InputError, match="config: client-certificate and client-key: not a PEM"):
        tls_context(Trust(), mixed, "config")
    fitting = KeyPair(one.certificate.read_bytes(), Secret(one.key.read_bytes()))
    assert tls_context(Trust(), fitting, "config").check_hostname
