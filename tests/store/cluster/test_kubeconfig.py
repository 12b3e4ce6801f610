"""Which cluster, and as whom: kubeconfig files, their merge, every way to log in, and what is said when one is wrong."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from pilotage.api import yaml
from pilotage.api.errors import InputError
from pilotage.store.cluster import Access, find_access, read_kubeconfig
from pilotage.store.cluster.access import Impersonation
from pilotage.store.cluster.plugins import PluginLogin

SECRET = "s3cr3t-of-a-test"
SERVER = "https://api.example.org:6443"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def config(path: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None, **context: str) -> Path:
    """A file with one context of the given user and cluster."""
    value = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "clusters": [{"name": "east", "cluster": {"server": SERVER, **(cluster or {})}}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "prod", "context": {"cluster": "east", "user": "me", **context}}],
    }
    return write(path, yaml.dump(value))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def authorization(access: Access) -> str:
    proof = await access.login.proof()
    return proof.authorization.reveal_text() if proof.authorization else ""


def problems(path: Path, context: str = "") -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        read_kubeconfig(path, context)
    assert caught.value.code == "KubeconfigInvalid"
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__dict__)
    return caught.value.messages


async def test_the_current_context(tmp_path: Path):
    """The current context gives server, token and namespace."""
    access = read_kubeconfig(config(tmp_path / "config", {"token": SECRET}, namespace="fleet"))
    assert (access.server, access.namespace) == (SERVER, "fleet")
    assert access.source == f'{tmp_path / "config"}: context "prod"'
    assert await authorization(access) == f"Bearer {SECRET}"


MERGED_FIRST = """
clusters:
- name: east
  cluster: {server: 'https://first'}
users:
- name: red
  user: {username: first}
contexts:
- name: one
  context: {cluster: east, user: red}
- name: two
  context: {cluster: west, user: blue}
"""
MERGED_SECOND = """
current-context: two
clusters:
- name: east
  cluster: {server: 'https://second'}
- name: west
  cluster: {server: 'https://west', certificate-authority: ca.crt}
users:
- name: red
  user: {username: second, password: x}
- name: blue
  user: {token: blue}
contexts: null
"""


async def test_files_are_merged_as_kubectl_merges_them(tmp_path: Path):
    """Of `KUBECONFIG` the first file that has an entry gives it whole; missing files are passed over; paths are the file's."""
    first = write(tmp_path / "first", MERGED_FIRST)
    second = write(tmp_path / "sub" / "second", MERGED_SECOND)
    write(tmp_path / "sub" / "ca.crt", "certificate")
    environment = {"KUBECONFIG": os.pathsep.join([str(tmp_path / "none"), "", str(first), str(second)])}
    access = find_access(environment=environment)
    assert (access.server, access.trust.authorities) == ("https://west", b"certificate")
    assert await authorization(access) == "Bearer blue"
    access = find_access(context="one", environment=environment)
    assert access.server == "https://first"
    assert await authorization(access) == f"Basic {encoded('first:')}"


def test_an_option_goes_before_the_environment(tmp_path: Path):
    """`--kubeconfig` names the only file, and it must exist; otherwise `KUBECONFIG`, otherwise `~/.kube/config`."""
    chosen = config(tmp_path / "chosen", {}, {"server": "https://chosen"})
    listed = config(tmp_path / "listed", {}, {"server": "https://listed"})
    config(tmp_path / "home" / ".kube" / "config", {}, {"server": "https://home"})
    environment = {"KUBECONFIG": str(listed), "HOME": str(tmp_path / "home")}
    assert find_access(str(chosen), environment=environment).server == "https://chosen"
    assert find_access(environment=environment).server == "https://listed"
    assert find_access(environment={"HOME": str(tmp_path / "home")}).server == "https://home"
    with pytest.raises(InputError, match="no such file"):
        find_access(str(tmp_path / "absent"), environment=environment)


def test_no_cluster_is_told_with_what_to_do(tmp_path: Path):
    """Without any file, and outside a pod, the error names the files looked for."""
    with pytest.raises(InputError, match=r"\.kube/config does not exist") as caught:
        find_access(environment={"HOME": str(tmp_path)})
    assert caught.value.code == "NoCluster"
    assert "KUBECONFIG" in caught.value.hint


PAIR = {"client-certificate-data": encoded("crt"), "client-key-data": encoded("key")}


@pytest.mark.parametrize(
    ("user", "header", "pair"),
    [
        pytest.param({}, "", None, id="nobody"),
        pytest.param({"token": SECRET}, f"Bearer {SECRET}", None, id="token"),
        pytest.param({"username": "u", "password": "p"}, f"Basic {encoded('u:p')}", None, id="password"),
        pytest.param({"tokenFile": "token"}, "Bearer from-file", None, id="token file"),
        pytest.param(
            {"token": "old", "tokenFile": "token"},
            "Bearer from-file",
            None,
            id="the file goes before the token",
        ),
        pytest.param(
            {"token": "old", "tokenFile": "none"}, "Bearer old", None, id="the token stands in for its file"
        ),
        pytest.param(
            {"auth-provider": {"name": "oidc", "config": {"id-token": SECRET, "refresh-token": "x"}}},
            f"Bearer {SECRET}",
            None,
            id="what an auth-provider left behind",
        ),
        pytest.param(PAIR, "", (b"crt", b"key"), id="certificate in the file"),
        pytest.param(
            {"client-certificate": "my.crt", "client-key": "my.key"},
            "",
            (b"CRT", b"KEY"),
            id="certificate in files",
        ),
        pytest.param(
            {"client-certificate": "my.crt", **PAIR}, "", (b"crt", b"key"), id="data goes before the file"
        ),
        pytest.param({**PAIR, "token": "t"}, "Bearer t", (b"crt", b"key"), id="certificate and token"),
    ],
)
async def test_ways_to_log_in(
    tmp_path: Path, user: dict[str, Any], header: str, pair: tuple[bytes, bytes] | None
):
    """Each way to log in gives its proof, and no repr shows it."""
    for name, content in (("token", "from-file\n"), ("my.crt", "CRT"), ("my.key", "KEY")):
        write(tmp_path / name, content)
    access = read_kubeconfig(config(tmp_path / "config", user))
    proof = await access.login.proof()
    assert await authorization(access) == header
    found = proof.key_pair and (proof.key_pair.certificate, proof.key_pair.key.reveal())
    assert found == pair
    for text in (repr(access), repr(proof), repr(access.login)):
        assert SECRET not in text
        assert "KEY" not in text


def test_cluster_fields(tmp_path: Path):
    """CA data, server name, proxy, compression and impersonation are taken over."""
    cluster = {
        "server": SERVER + "/k8s/clusters/c-1/",
        "certificate-authority-data": encoded("CA"),
        "certificate-authority": "is-not-read",
        "tls-server-name": "inner.example.org",
        "proxy-url": f"http://me:{SECRET}@proxy.example.org:3128",
        "disable-compression": True,
    }
    user = {
        "as": "ops",
        "as-uid": "7",
        "as-groups": ["a", "b"],
        "as-user-extra": {"scopes": ["x", "y"]},
        "unknown-field": 1,
    }
    access = read_kubeconfig(config(tmp_path / "config", user, cluster))
    assert access.server == SERVER + "/k8s/clusters/c-1"
    assert access.trust.authorities == b"CA"
    assert access.trust.server_name == "inner.example.org"
    assert access.proxy is not None
    assert access.proxy.reveal_text() == f"http://me:{SECRET}@proxy.example.org:3128"
    assert not access.is_compressed
    assert access.impersonation == Impersonation("ops", "7", ("a", "b"), {"scopes": ("x", "y")})
    assert SECRET not in repr(access)


def test_defaults(tmp_path: Path):
    """A file that says little: the namespace is `default`, the certificate is verified, answers are compressed."""
    access = read_kubeconfig(config(tmp_path / "config", {}))
    assert access.namespace == "default"
    assert access.trust.is_verified
    assert access.is_compressed
    assert access.proxy is None
    assert access.impersonation is None
    insecure = config(tmp_path / "insecure", {}, {"insecure-skip-tls-verify": True})
    assert not read_kubeconfig(insecure).trust.is_verified


EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "get-token", "interactiveMode": "Never"}


@pytest.mark.parametrize(
    ("user", "cluster", "expected"),
    [
        pytest.param({"token": 7}, {}, ["Expected `str`, got `int` - at `$.users[0].user.token`"], id="type"),
        pytest.param({"token": SECRET + "\n x"}, {}, ["token: holds no token"], id="token of two lines"),
        pytest.param(
            {"client-key-data": encoded(SECRET)}, {}, ["client-certificate: is not set"], id="half a pair"
        ),
        pytest.param({"client-certificate": "a"}, {}, ["client-key: is not set"], id="the other half"),
        pytest.param(
            {"client-certificate-data": "%%", "client-key-data": encoded("k")},
            {},
            ["client-certificate-data: is not base64", "client-certificate: is not set"],
            id="not base64",
        ),
        pytest.param(
            {"token": SECRET, "username": "u"},
            {},
            ["token and username: are more than one way to log in"],
            id="two ways",
        ),
        pytest.param({"as-groups": ["g"]}, {}, ["as: is not set"], id="groups of nobody"),
        pytest.param(
            {"auth-provider": {"name": "gcp"}},
            {},
            ["auth-provider: gcp has no id-token"],
            id="empty provider",
        ),
        pytest.param({"exec": {**EXEC, "command": ""}}, {}, ["exec.command: is not set"], id="no command"),
        pytest.param(
            {"exec": {**EXEC, "apiVersion": "client.authentication.k8s.io/v1alpha1"}},
            {},
            ["exec.apiVersion: must be client.authentication.k8s.io/v1 or"],
            id="old plugin",
        ),
        pytest.param(
            {"exec": {**EXEC, "interactiveMode": "Always"}},
            {},
            ["exec.interactiveMode: is Always"],
            id="talkative",
        ),
        pytest.param({}, {"server": ""}, ["server: is not set"], id="no server"),
        pytest.param({}, {"server": "ftp://x"}, ["server: is no http:// or https:// address"], id="ftp"),
        pytest.param({}, {"server": "https://x:y"}, ["server: is no http:// or"], id="port"),
        pytest.param(
            {}, {"server": f"https://u:{SECRET}@x"}, ["server: holds a user name"], id="user in address"
        ),
        pytest.param({}, {"proxy-url": f"socks5://u:{SECRET}@x"}, ["proxy-url: must be http://"], id="socks"),
        pytest.param({}, {"certificate-authority": "none.crt"}, ["none.crt: No such file"], id="no CA file"),
        pytest.param(
            {},
            {"certificate-authority-data": encoded("x"), "insecure-skip-tls-verify": True},
            ["insecure-skip-tls-verify: contradicts"],
            id="verified and not",
        ),
        pytest.param(
            {"token": SECRET},
            {"server": "http://10.0.0.1"},
            ["server: is plain HTTP"],
            id="token over plain HTTP",
        ),
        pytest.param(
            {"token": SECRET, "username": "u", "client-key-data": "k"},
            {"server": "", "proxy-url": "x"},
            [
                "server: is not set",
                "more than one way",
                "client-key-data: is not base64",
                "proxy-url: must be",
            ],
            id="all problems at once",
        ),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], expected: list[str]
):
    """Every problem is told at once, with file, entry and field, and without the secret."""
    path = config(tmp_path / "config", user, cluster)
    found = problems(path)
    assert len(found) == len(expected)
    assert all(message.startswith(str(path)) for message in found)
    for text in expected:
        assert any(text in message for message in found), (text, found)


def test_a_token_to_this_machine_may_go_plain(tmp_path: Path):
    """`kubectl proxy` and test servers speak plain HTTP on loopback."""
    path = config(tmp_path / "config", {"token": "t"}, {"server": "http://127.0.0.1:8001"})
    assert read_kubeconfig(path).server == "http://127.0.0.1:8001"


def test_contexts_that_do_not_fit(tmp_path: Path):
    """A context that is not there, or names what is not there, is told with what there is."""
    path = config(tmp_path / "config", {}, cluster=None)
    assert problems(path, "test")[0].endswith('there is no context "test"; contexts there: prod')
    dangling = "current-context: prod\ncontexts: [{name: prod, context: {cluster: west, user: you}}]\n"
    path = write(tmp_path / "dangling", dangling)
    found = problems(path)
    assert [message.partition('"prod": ')[2] for message in found] == [
        'cluster: "west" is not defined',
        'user: "you" is not defined',
    ]
    path = write(tmp_path / "none", "contexts: []\n")
    assert problems(path)[0].endswith("current-context: is not set; contexts there: none")


def test_broken_files(tmp_path: Path):
    """A file that is no YAML, or names an entry twice, is told by name; all files are looked at."""
    twice = write(tmp_path / "twice", "users:\n- name: a\n- name: a\n- name: b\n")
    broken = write(tmp_path / "broken", f"users: [{{token: {SECRET}\n")
    with pytest.raises(InputError) as caught:
        find_access(environment={"KUBECONFIG": f"{twice}{os.pathsep}{broken}"})
    assert caught.value.messages[0] == f"{twice}: two users are called a"
    assert caught.value.messages[1].startswith(f"{broken}: document 1, line")
    assert SECRET not in str(caught.value)


def test_a_plugin_is_told_of_its_cluster_when_it_asks(tmp_path: Path):
    """`provideClusterInfo` hands over server, CA and the extension that is meant for the plugin."""
    cluster = {
        "certificate-authority-data": encoded("CA"),
        "extensions": [
            {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}},
            {"name": "other", "extension": {"no": 1}},
        ],
    }
    asked = read_kubeconfig(config(tmp_path / "a", {"exec": {**EXEC, "provideClusterInfo": True}}, cluster))
    assert isinstance(asked.login, PluginLogin)
    assert asked.login._plugin.cluster == {
        "server": SERVER,
        "certificate-authority-data": encoded("CA"),
        "config": {"audience": "x"},
    }
    silent = read_kubeconfig(config(tmp_path / "b", {"exec": EXEC}, cluster))
    assert isinstance(silent.login, PluginLogin)
    assert silent.login._plugin.cluster is None
