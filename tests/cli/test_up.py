"""`pilotage up`: what it shows, how it stops, and what it says of a directory that cannot be used."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilotage.api import yaml

SAMPLE = {
    "clusters/agent-pinned": "annotation",
    "clusters/aws-cautious": "payload",
    "clusters/aws-prod-east": "payload",
    "clusters/aws-proxied": "operator-image",
    "clusters/aws-stage": "operator-image",
    "clusters/azure-prod-west": "override",
    "clusters/gcp-typo": "error: ReleaseLookupFailed",
    "clusters/kubevirt-lab": "operator-image",
    "clusters/openstack-lab": "operator-fallback",
    "clusters/powervs-emptied": "error: EmptyImageAnnotation",
}


def test_every_sample_cluster_is_shown_with_rule_and_reason(cli) -> None:
    """A table with one row for each cluster; progress and events are on stderr."""
    ran = cli("up", "--until-settled")
    heading, *rows = ran.out.partition("Control plane operator images\n")[2].splitlines()

    assert 0 == ran.code
    assert ["CLUSTER", "PLATFORM", "VERSION", "RULE", "IMAGE", "WHY"] == heading.split()
    assert list(SAMPLE) == [row.split()[0] for row in rows]
    for row, rule in zip(rows, SAMPLE.values(), strict=True):
        assert f"   {rule}   " in row
        assert row[heading.index("WHY") :].strip()
    assert "starting controllers" in ran.err


def test_a_night_at_the_gate_is_shown(cli) -> None:
    """Of two platforms one is promoted with its attestation, one stopped with a reason."""
    records = cli("up", "-o", "json").json()["boards"]["Nights at the gate"]
    ended = {record["platform"]: (record["state"], record["verdict"], record["jobs"]) for record in records}
    promoted, stopped = records

    assert {"aro-hcp": ("promoted", "passed", "4/4"), "rosa-hcp": ("failed", "failed", "2/2")} == ended
    assert f"aro-hcp-{promoted['digest'][7:]}" == promoted["tag"]
    assert promoted["attestation"].startswith("sha256:")
    assert ("", "failed: required-failed (periodic-rosa-hcp-e2e-upgrade)") == (stopped["tag"], stopped["why"])


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_the_result_is_one_document(cli, output: str) -> None:
    """-o json and -o yaml print one versioned document on stdout, and nothing else."""
    ran = cli("up", "-o", output)
    document = ran.json() if output == "json" else yaml.load(ran.out)
    records = {record["cluster"]: record for record in document["boards"]["Control plane operator images"]}

    assert (0, "pilotage.dev/v1") == (ran.code, document["apiVersion"])
    assert SAMPLE == {name: record["outcome"] for name, record in records.items()}
    assert all(record["message"] and record["reason"] for record in records.values())
    assert {"True", "False"} == {record["resolved"] for record in records.values()}
    assert ["OverrideShadowsOperatorImage"] == records["clusters/azure-prod-west"]["warnings"]


def test_the_state_of_a_run_without_a_directory_is_gone_afterwards(cli, user, monkeypatch) -> None:
    """Nothing stays in the temporary directory, and no other command finds an instance."""
    temporary = user / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    assert 0 == cli("up", "--until-settled").code
    assert [] == list(temporary.iterdir())
    assert "NoInstance: no instance is running here" in cli("get", "hc").err


def test_what_did_not_settle_in_time_is_named(cli) -> None:
    """With no time at all the clusters still to be decided are listed, and the code is 3."""
    ran = cli("up", "--until-settled", "--timeout", "0")

    assert 3 == ran.code
    assert "error: NotSettled: still moving after 0 s: " in ran.err
    assert ran.out.startswith("Nights at the gate\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(start, cli, user: Path, number: signal.Signals) -> None:
    """SIGINT and SIGTERM end it with 0 and without a complaint; the objects are there afterwards."""
    running = start("up", "--data-dir", user / "d")
    running.wait_for("running in")
    running.wait_for("clusters/powervs-emptied", "out")
    ran = running.end(number)

    assert 0 == ran.code
    assert "rror" not in ran.err.replace("clusters/gcp-typo: Warning", "").replace("Traceback", "error")
    assert 10 == len(cli("get", "hc", "--data-dir", user / "d", "-o", "json").json()["items"])
    assert "NoInstance" in cli("get", "hc").err


def test_a_signal_during_the_start_stops_it_cleanly(start, user: Path) -> None:
    """Stopped while images are built, it ends with 0 and shows nothing half."""
    running = start("up", "--data-dir", user / "d")
    running.wait_for("building")

    assert (0, "") == running.end(signal.SIGTERM)[:2]


def test_to_be_stopped_is_not_to_be_settled(start, user: Path) -> None:
    """Who asked for a settled world and stopped it gets 130, not 0."""
    running = start("up", "--until-settled", "--data-dir", user / "d")
    running.wait_for("building")
    ran = running.end(signal.SIGINT)

    assert (130, "") == ran[:2]
    assert "stopped before everything settled" in ran.err


@pytest.mark.parametrize("second", [(), ("--until-settled",), ("-o", "json")])
def test_one_instance_at_a_time_runs_on_a_directory(start, cli, world: Path, second) -> None:
    """The second is refused in one sentence that names the first; the first goes on, and after it the next may run."""
    first = start("up", "--data-dir", world)
    first.wait_for("running in")
    refused = cli("up", "--data-dir", world, *second)

    assert (3, "") == refused[:2]
    assert f"StoreBusy: {world}: an instance runs here already (process {first.process.pid})" in refused.err
    assert 10 == len(cli("get", "hc", "-o", "json").json()["items"])
    assert 0 == first.end(signal.SIGTERM).code
    assert 0 == cli("up", "--data-dir", world, "--until-settled").code


def test_a_killed_instance_leaves_no_lock_and_is_not_found(start, cli, world: Path) -> None:
    """After kill -9 another one may run at once; other commands do not talk to the dead."""
    first = start("up", "--data-dir", world)
    first.wait_for("running in")
    assert -signal.SIGKILL == first.end(signal.SIGKILL).code

    assert "NoInstance" in cli("get", "hc").err
    assert 0 == cli("up", "--data-dir", world, "--until-settled").code


def test_commands_talk_to_the_instance_that_was_started_last(start, cli, world: Path, user: Path) -> None:
    """Two instances on two directories; when the newer one stops, the older one is found again."""
    older = start("up", "--data-dir", world)
    older.wait_for("running in")
    newer = start("up", "--data-dir", user / "new")
    newer.wait_for("running in")
    cli("delete", "hc", "clusters/aws-stage", "--data-dir", world)

    assert 10 == len(cli("get", "hc", "-o", "json").json()["items"])
    newer.end(signal.SIGTERM)
    assert 9 == len(cli("get", "hc", "-o", "json").json()["items"])


@pytest.mark.parametrize(
    ("make", "code", "exit_code"),
    [
        (lambda place: place.write_text("a file"), "UnusableDirectory", 2),
        (lambda place: place.symlink_to("/dev/null/nowhere"), "UnusableDirectory", 2),
        (lambda place: place.symlink_to(place), "UnusableDirectory", 2),
        (lambda place: _folder(place, "lock"), "UnusableDirectory", 2),
        (lambda place: _file(place, "store.sqlite"), "NotAStore", 2),
        (lambda place: _folder(place, "store.sqlite"), "StoreFailed", 3),
        (lambda place: _file(place, "registry"), "DirectoryFailed", 3),
        (lambda place: _file(place, "registry/index.json"), "UnsupportedManifest", 2),
    ],
)
def test_a_directory_that_cannot_be_used_gives_one_clear_error(cli, user, make, code, exit_code) -> None:
    """The directory is named, nothing is called a bug, and nothing is built beside what is not ours."""
    make(user / "place")
    ran = cli("up", "--until-settled", "--data-dir", "place")

    assert (exit_code, "") == ran[:2]
    assert 1 == ran.err.count("error: ")
    assert ran.err.startswith(f"error: {code}: ")
    assert "place" in ran.err
    assert "Internal" not in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_gives_one_clear_error(cli, user) -> None:
    """The system's reason is told."""
    (user / "place").mkdir(mode=0o500)
    ran = cli("up", "--until-settled", "--data-dir", "place")

    assert 2 == ran.code
    assert "error: UnusableDirectory: place: cannot be used as data directory: Permission denied" in ran.err


@pytest.mark.parametrize("blocks", [2, 100])
def test_a_full_disk_is_told_and_what_is_there_is_kept(cli, user: Path, blocks: int) -> None:
    """When a file cannot grow beyond so many KiB, the error says so; with room again the same command goes on to the same end."""
    limited = ["bash", "-c", f'ulimit -f {blocks}; exec "$@"', "bash", *_command("up", "--until-settled")]
    full = subprocess.run([*limited, "--data-dir", "d"], capture_output=True, text=True, check=False)

    assert (3, "") == (full.returncode, full.stdout)
    assert "Internal" not in full.stderr
    assert "error: StoreFailed: d/store.sqlite: " in full.stderr
    again = cli("up", "--data-dir", "d", "-o", "json").json()["boards"]["Control plane operator images"]
    assert SAMPLE == {record["cluster"]: record["outcome"] for record in again}


def test_on_a_terminal_the_table_is_drawn_in_place(user: Path) -> None:
    """With a terminal for stdout the table comes with a title, every cluster in it; Ctrl-C ends it with 0."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        _command("up"), stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "200"}
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 60
    try:
        while not (
            b"EmptyImageAnnotation" in shown and b"OperatorFallback" not in shown and b"running in" in shown
        ):
            assert time.monotonic() < deadline, shown[-2000:]
            if select.select([ours], [], [], 1)[0]:
                shown += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        while process.poll() is None:  # what nobody reads would keep it from ending
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 65_536)
                except OSError:
                    break
        assert 0 == process.wait(60)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert b"Control plane operator images" in shown
    assert b"clusters/aws-stage" in shown


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from pilotage.cli import main; main()", *arguments]


def _file(place: Path, name: str) -> None:
    (place / name).parent.mkdir(parents=True)
    (place / name).write_text("nonsense")


def _folder(place: Path, name: str) -> None:
    (place / name).mkdir(parents=True)
