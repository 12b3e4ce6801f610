"""A real kube-apiserver for tests that only a real one can prove: fixture `real_api`.

Taken is the first of: the cluster of `PILOTAGE_TEST_KUBECONFIG`; the binaries in `KUBEBUILDER_ASSETS`; those that
`tools/apiserver/build.sh` left in its cache. When there is none, the tests that ask for it are skipped, visibly.
Each worker of pytest-xdist that needs one starts its own, on ephemeral ports of loopback.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilotage" / "apiserver"
"""Of the developer: looked up before any test moves its home."""
TOOL = Path(__file__).parents[1] / "tools" / "apiserver"
SOURCES = ("main.go", "kubectl/main.go", "go.mod", "go.sum")
TOKEN = "admin-of-a-test"
START_LIMIT = 90.0
STOP_LIMIT = 10.0
ATTEMPTS = 3  # a free port may be taken by somebody else before the server binds it


@dataclass
class RealApi:
    """A kube-apiserver. `kubeconfig` has the contexts `token`, `certificate` and `nobody`, when it is ours.

    `etcd` is the address of its etcd, empty for a cluster that was given to us.
    """

    kubeconfig: Path
    etcd: str = ""
    folder: Path | None = None
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def is_ours(self) -> bool:
        return self.folder is not None

    def compact(self, version: str) -> None:
        """Make etcd forget what was before a version; of Leases the server keeps no cache that would still know."""
        body = json.dumps({"revision": version, "physical": True}).encode()
        request = urllib.request.Request(f"{self.etcd}/v3/kv/compaction", body)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            answer.read()


@pytest.fixture(scope="session")
def real_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    given = os.environ.get("PILOTAGE_TEST_KUBECONFIG")
    if given:
        yield RealApi(Path(given))
        return
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no kube-apiserver: run tools/apiserver/build.sh, or set KUBEBUILDER_ASSETS")
    if shutil.which("openssl") is None:
        pytest.skip("no openssl: a kube-apiserver needs keys")
    for attempt in range(ATTEMPTS):
        api = RealApi(Path(), folder=tmp_path_factory.mktemp("real-api"))
        try:
            _start(api, binaries)
            break
        except RuntimeError:
            _stop(api)
            if attempt == ATTEMPTS - 1:
                raise
    try:
        yield api
    finally:
        _stop(api)


def _binaries() -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        folders: Sequence[Path] = (Path(assets),)
    else:
        folders = built()
    whole = [
        folder
        for folder in folders
        if all(os.access(folder / name, os.X_OK) for name in ("etcd", "kube-apiserver"))
    ]
    return whole[-1] if whole else None


def built() -> Sequence[Path]:
    """What `tools/apiserver/build.sh` made of its sources as they are now: directories with etcd, kube-apiserver, kubectl."""
    sources = b"".join((TOOL / name).read_bytes() for name in SOURCES)
    return sorted(CACHE.glob(f"{hashlib.sha256(sources).hexdigest()[:16]}-*"))


def _start(api: RealApi, binaries: Path) -> None:
    """Raises RuntimeError with the end of a log when one of the two does not come up."""
    folder = api.folder
    assert folder is not None
    client_port, peer_port, secure_port = _free_ports(3)
    api.etcd = f"http://127.0.0.1:{client_port}"
    peer = f"http://127.0.0.1:{peer_port}"
    _run(api, "etcd", [
        str(binaries / "etcd"), "--data-dir", str(folder / "data"), "--unsafe-no-fsync", "--log-level", "error",
        "--listen-client-urls", api.etcd, "--advertise-client-urls", api.etcd,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
    ])  # fmt: skip
    _make_key(folder / "accounts.key")
    _make_client_certificate(folder / "admin.crt", folder / "admin.key")
    (folder / "tokens.csv").write_text(
        f'{TOKEN},admin,admin,"system:masters"\nnobody-of-a-test,nobody,nobody\n'
    )
    _run(api, "kube-apiserver", [
        str(binaries / "kube-apiserver"), "--etcd-servers", api.etcd, "--cert-dir", str(folder),
        "--bind-address", "127.0.0.1", "--secure-port", str(secure_port),
        "--authorization-mode", "RBAC", "--token-auth-file", str(folder / "tokens.csv"),
        "--client-ca-file", str(folder / "admin.crt"),
        "--service-account-issuer", "https://127.0.0.1", "--service-cluster-ip-range", "10.0.0.0/24",
        "--service-account-key-file", str(folder / "accounts.key"),
        "--service-account-signing-key-file", str(folder / "accounts.key"),
        "--disable-admission-plugins", "ServiceAccount", "--allow-privileged",
        "--watch-cache-sizes", "leases.coordination.k8s.io#0",
    ])  # fmt: skip
    server = f"https://127.0.0.1:{secure_port}"
    _wait_until_ready(api, server)
    api.kubeconfig = folder / "kubeconfig"
    api.kubeconfig.write_text(json.dumps(_kubeconfig(server)))


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _run(api: RealApi, name: str, command: list[str]) -> None:
    assert api.folder is not None
    with (api.folder / f"{name}.log").open("wb") as log:
        api.processes.append(
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=api.folder)
        )


def _make_key(path: Path) -> None:
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path))


def _make_client_certificate(certificate: Path, key: Path) -> None:
    """Signed by itself: the server is told to believe it."""
    _openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/O=system:masters/CN=certified-admin", "-addext", "extendedKeyUsage=clientAuth",
        "-out", str(certificate), "-keyout", str(key),
    )  # fmt: skip


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def _wait_until_ready(api: RealApi, server: str) -> None:
    """Until it says so itself and its own namespaces are there."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting)
    )
    deadline = time.monotonic() + START_LIMIT
    for path in ("/readyz", "/api/v1/namespaces/default"):
        request = urllib.request.Request(server + path, headers={"Authorization": f"Bearer {TOKEN}"})
        while True:
            with contextlib.suppress(OSError), opener.open(request, timeout=5) as answer:
                if answer.status == 200:
                    break
            dead = [each for each in api.processes if each.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise RuntimeError(f"no kube-apiserver came up:\n{_logs(api)}")
            time.sleep(0.05)


def _logs(api: RealApi) -> str:
    assert api.folder is not None
    return "\n".join(
        f"--- {path}\n{path.read_text(errors='replace')[-2000:]}" for path in sorted(api.folder.glob("*.log"))
    )


def _kubeconfig(server: str) -> dict[str, object]:
    """Relative paths: whoever copies the folder has everything."""
    users = {
        "token": {"token": TOKEN},
        "certificate": {"client-certificate": "admin.crt", "client-key": "admin.key"},
        "nobody": {"token": "nobody-of-a-test"},
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "token",
        "clusters": [
            {"name": "test", "cluster": {"server": server, "certificate-authority": "apiserver.crt"}}
        ],
        "users": [{"name": name, "user": user} for name, user in users.items()],
        "contexts": [{"name": name, "context": {"cluster": "test", "user": name}} for name in users],
    }


def _stop(api: RealApi) -> None:
    """The server before its store. The logs stay in pytest's folder."""
    for process in reversed(api.processes):
        process.terminate()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    api.processes.clear()
