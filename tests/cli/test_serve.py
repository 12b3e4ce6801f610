"""`pilotage serve`: a gate for one machine, on a Prow that nobody simulates inside the process."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilotage.runtime.clock import SystemClock
from pilotage.world.prow import Playbook, Prow
from pilotage.world.snapshots import builds, snapshot

TOKEN = "a-token-that-must-not-be-shown"  # a credential of the test's own server

GATE = """
apiVersion: gate.pilotage.dev/v1alpha1
kind: Gate
metadata: {namespace: gates, name: aro-hcp}
spec:
  platform: aro-hcp
  displayName: ARO HCP
  verifiedRepository: registry.example.org/verified/operator
  owners: [hcp]
  jobs: [{name: periodic-e2e-azure}, {name: periodic-e2e-upgrade}]
"""


@pytest.fixture
def prow() -> Iterator[Prow]:
    """A Prow in a thread of its own, as far from the process under test as a real one."""
    loop = asyncio.new_event_loop()
    server = Prow(Playbook(), SystemClock(), tokens=frozenset({TOKEN}))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        yield server
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def outside(user: Path, prow: Prow) -> tuple[str, ...]:
    """The arguments that name the outside."""
    (user / "token").write_text(TOKEN)
    return ("--gangway", prow.url, "--deck", prow.url, "--artifacts", prow.url, "--gangway-token", "token")


def furnish(cli, user: Path) -> None:
    """One gate, and a Snapshot of an hour ago."""
    (user / "gate.yaml").write_text(GATE)
    now = datetime.now(UTC)
    (made, *_) = builds(now - timedelta(hours=2), 0.05, spoiled=0.0, per_day=100.0)
    (user / "snapshot.json").write_text(json.dumps(snapshot(made)))
    for name in ("gates", "crt-redhat-acm-tenant"):
        manifest = f'{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{name}"}}}}'
        assert 0 == cli("apply", "-f", "-", "--data-dir", "d", stdin=manifest).code
    for file in ("gate.yaml", "snapshot.json"):
        ran = cli("apply", "-f", file, "--data-dir", "d", "--with-status")
        assert 0 == ran.code, ran.err


def test_a_night_by_hand_survives_a_kill(cli, start, user: Path, prow: Prow, outside, eventually) -> None:
    """Triggered jobs run on the named Prow with the image by digest; killed and started again, none is started twice."""
    running = start("serve", "--data-dir", "d", *outside)
    running.wait_for("running in")
    furnish(cli, user)
    ran = cli("gate", "trigger", "aro-hcp", "--data-dir", "d")
    assert 0 == ran.code, ran.err
    eventually(lambda: len(prow.starts), lambda count: count == 2)
    running.end(signal.SIGKILL)

    again = start("serve", "--data-dir", "d", *outside)
    again.wait_for("running in")
    eventually(
        lambda: cli("get", "gateruns", "--data-dir", "d", "-o", "json").json()["items"],
        lambda runs: runs and runs[0]["status"].get("state") == "testing",
    )
    ran = again.end(signal.SIGTERM)

    assert (0, 2, ()) == (ran.code, len(prow.starts), prow.duplicates)
    assert {"periodic-e2e-azure", "periodic-e2e-upgrade"} == {made.job for made in prow.starts}
    assert TOKEN not in ran.out + ran.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--gangway-rate", "often"), "BadRate"),
        (("--slack", "team"), "BadChannel"),
        (("--slack", "a=x", "--slack", "a=y"), "BadChannel"),
        (("--gangway", "ftp://prow"), "BadAddress"),
    ],
)
def test_an_outside_that_cannot_be_is_refused(cli, arguments, code) -> None:
    """One clear error, before anything runs."""
    ran = cli("serve", "--data-dir", "d", *arguments)

    assert 2 == ran.code
    assert f"error: {code}: " in ran.err


def test_prometheus_reads_the_figures_of_the_gate(
    cli, start, user: Path, prow: Prow, outside, eventually
) -> None:
    """With --listen the process tells how it is alive, its gates, and how Prow was asked."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = start("serve", "--data-dir", "d", "--listen", f"127.0.0.1:{port}", *outside)
    running.wait_for("running in")
    furnish(cli, user)
    assert 0 == cli("gate", "trigger", "aro-hcp", "--data-dir", "d").code
    eventually(lambda: len(prow.starts), lambda count: count == 2)

    def read(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.read().decode()

    assert "ok\n" == read("/livez")
    eventually(
        lambda: read("/metrics"), lambda text: 'pilotage_gate_gangway_requests_total{code="200"} 2' in text
    )
    assert 0 == running.end(signal.SIGTERM).code
