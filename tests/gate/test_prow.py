"""The client of gangway, deck and artifacts: against a Prow that plays a script, and against sockets that misbehave."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from pilotage.api.errors import InputError
from pilotage.gate.prow.executions import (
    artifact_path,
    read_execution,
    read_executions,
    read_finished,
    read_prowjob,
)
from pilotage.gate.prow.gangway import GangwayRunner, ProwSettings, execution_body
from pilotage.gate.prow.jobrunner import JobRequest, JobRunner, Pull, Refs
from pilotage.gate.prow.wire import Wire, WireSettings, read_secret, retry_after
from pilotage.gate.runs.jobkeys import IMAGE_ENV, JOB_KEY_LABEL, job_labels
from pilotage.runtime.clock import ManualClock
from pilotage.world.prow import Line, Playbook, Prow, Script

from .sockets import raw_server, resets, says, stalls, stalls_in_the_body

JOB = "periodic-ci-openshift-hypershift-release-4.22-periodics-e2e-azure-aks-ovn-conformance"
DIGEST = f"sha256:{'ab' * 32}"
LABELS = job_labels("aro-hcp", "0123456789abcdef", JOB, 1)
REQUEST = JobRequest(JOB, envs={IMAGE_ENV: f"quay.io/x/y@{DIGEST}"}, labels=LABELS)
NOW = datetime(2026, 6, 11, 3, 15, tzinfo=UTC)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    made = Wire(WireSettings(timeout=30, connect_timeout=10, body_limit=10_000))
    yield made
    await made.close()


def runner(wire: Wire, url: str, **settings) -> GangwayRunner:
    return GangwayRunner(ProwSettings(gangway=url, deck=url, artifacts=url, **settings), wire)


# -- the protocol


async def test_a_job_is_started_watched_and_its_files_read(wire):
    """Create, get, list, ProwJob and artifacts of one job, from trigger to its end."""
    clock = ManualClock(NOW)
    async with Prow(Playbook((Line(Script(duration=600.0)),)), clock) as prow:
        jobs: JobRunner = runner(wire, prow.url)
        created = read_execution((await jobs.create(REQUEST)).body)
        assert (JOB, "TRIGGERED", "") == (created.job, created.status, created.url)

        clock.advance(10)
        early = read_execution((await jobs.get(created.id)).body)
        assert ("TRIGGERED", "", NOW, None) == (early.status, early.url, early.created, early.completed)

        clock.advance(1000)
        late = read_execution((await jobs.get(created.id)).body)
        assert "SUCCESS" == late.status
        assert (late.completed - late.created).total_seconds() == 630

        assert [created.id] == [each.id for each in read_executions((await jobs.list(JOB)).body, JOB)]
        seen = read_prowjob((await jobs.prowjob(created.id)).body)
        assert (created.id, JOB, "success") == (seen.id, seen.job, seen.state)
        assert LABELS[JOB_KEY_LABEL] == seen.labels[JOB_KEY_LABEL]
        kept = read_prowjob((await jobs.artifact(late.url, "prowjob.json")).body)
        assert seen.labels == kept.labels
        end = read_finished((await jobs.artifact(late.url, "finished.json")).body)
        assert (True, "SUCCESS") == (end.passed, end.result)
        assert DIGEST == prow.starts[0].digest


async def test_the_list_leaves_out_jobs_that_share_the_cut_name(wire):
    """Lists compare the first 63 characters; the whole name is compared here."""
    async with Prow(Playbook(), ManualClock(NOW)) as prow:
        jobs = runner(wire, prow.url)
        for job in (JOB, f"{JOB}-serial", "periodic-other"):
            assert 200 == (await jobs.create(JobRequest(job))).status
        reply = await jobs.list(JOB)
        assert 2 == len(json.loads(reply.body)["job_execution"])
        assert [JOB] == [each.job for each in read_executions(reply.body, JOB)]


async def test_a_job_that_does_not_exist_is_a_500_that_says_so(wire):
    """Gangway answers plain errors as 500."""
    async with Prow(Playbook(jobs=("known-*",)), ManualClock(NOW)) as prow:
        jobs = runner(wire, prow.url)
        unknown = await jobs.create(REQUEST)
        gone = await jobs.get("no-such-id")
    assert (500, True) == (unknown.status, "failed to find associated periodic job" in unknown.body)
    assert (500, True) == (gone.status, "not found" in gone.body)


async def test_the_token_file_is_read_for_every_request(wire, tmp_path):
    """A rotated token is used at once; a file that is missing or empty is a refused credential, and nothing is sent."""
    token = tmp_path / "token"
    async with Prow(Playbook(), ManualClock(NOW), tokens=frozenset({"one", "two"})) as prow:
        jobs = runner(wire, prow.url, token_file=token)
        missing = await jobs.create(REQUEST)
        token.write_text("one\n")
        assert 200 == (await jobs.create(REQUEST)).status
        prow.tokens.remove("one")
        assert 401 == (await jobs.get("x")).status
        token.write_text("two\n")
        assert 500 == (await jobs.get("x")).status
        token.write_text("  \n")
        empty = await jobs.get("x")
        assert 1 == len(prow.starts)
    assert (401, False) == (missing.status, missing.was_sent)
    assert (401, False) == (empty.status, empty.was_sent)
    assert "No such file" in missing.cause


async def test_deck_and_artifacts_get_no_token(wire, tmp_path):
    """Only gangway is trusted with the credential."""
    token = tmp_path / "token"
    token.write_text("hush")
    heads: list[bytes] = []
    server = await asyncio.start_server(
        lambda reader, writer: _keep_head(heads, reader, writer), "127.0.0.1", 0
    )
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    jobs = runner(wire, url, token_file=token)
    await jobs.get("1")
    await jobs.prowjob("1")
    await jobs.artifact("https://prow.example.com/view/gs/bucket/logs/job/1", "finished.json")
    server.close()
    await server.wait_closed()
    assert [True, False, False] == [b"Bearer hush" in head for head in heads]
    assert heads[2].startswith(b"GET /bucket/logs/job/1/finished.json ")


async def _keep_head(heads, reader, writer):
    heads.append(await reader.readuntil(b"\r\n\r\n"))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    await writer.drain()
    writer.close()


async def test_too_many_requests_say_when_to_come_back(wire):
    """The sixth of six requests at once is a 429 with `Retry-After`."""
    from pilotage.world.prow.server import Limit

    async with Prow(Playbook(), ManualClock(NOW), limit=Limit(9, 5)) as prow:
        jobs = runner(wire, prow.url)
        replies = [await jobs.create(REQUEST) for _ in range(6)]
    assert [200] * 5 + [429] == [reply.status for reply in replies]
    assert 7.0 == replies[5].retry_after


# -- peers that misbehave


@pytest.mark.parametrize(
    "how", ["reset", "truncated", "stalled", "no-id", "not-json", "unavailable", "refused"]
)
async def test_a_job_can_be_made_although_its_reply_is_lost(how):
    """Whatever becomes of the reply, it is a value; and the job runs, but for the one that was refused."""
    short = Wire(WireSettings(timeout=0.3 if how == "stalled" else 30))
    async with Prow(Playbook((Line(Script(create=how)),)), ManualClock(NOW)) as prow:
        reply = await runner(short, prow.url).create(REQUEST)
        await short.close()
        assert (how != "refused") == bool(prow.starts)
    assert {"no-id": 200, "not-json": 200, "unavailable": 503}.get(how, 0) == reply.status
    assert reply.was_sent
    assert bool(reply.cause) == (reply.status == 0)


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (resets, "the connection"),
        (says(), "closed before the answer"),
        (says(b"SSH-2.0-OpenSSH_9.6\r\n"), "not HTTP"),
        (says(HEAD + b"Content-Length: 100\r\n\r\n{"), "before the end of the body"),
        (says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}"), "before the end of the body"),
        (says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"), ""),
        (says(HEAD + b"Content-Length: many\r\n\r\n{}"), "not HTTP"),
        (says(HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n"), "not HTTP"),
        (says(HEAD + b"Content-Length: 20000\r\n\r\n" + b"x" * 20_000), "larger than 10000 bytes"),
        (says(HEAD + b"Content-Len"), "closed before the answer"),
    ],
)
async def test_a_broken_answer_is_class_zero(wire, act, cause):
    """No exception leaves the client, and the cause names no address."""
    async with raw_server(act) as url:
        reply = await runner(wire, url).create(REQUEST)
    assert (0, "", True) == (reply.status, reply.body, reply.was_sent)
    assert cause in reply.cause
    assert "127.0.0.1" not in reply.cause


@pytest.mark.parametrize("act", [stalls, stalls_in_the_body])
async def test_a_silent_peer_is_given_up(act):
    """A request has a time of its own."""
    short = Wire(WireSettings(timeout=0.3))
    async with raw_server(act) as url:
        reply = await runner(short, url).get("1")
    await short.close()
    assert (0, "no whole answer in time", True) == (reply.status, reply.cause, reply.was_sent)


async def test_a_refused_connection_was_never_sent(wire):
    """Nobody listens: surely nothing was started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        reply = await runner(wire, f"http://127.0.0.1:{taken.getsockname()[1]}").create(REQUEST)
    assert (0, False) == (reply.status, reply.was_sent)
    assert "cannot connect" in reply.cause


async def test_a_certificate_of_nobody_is_class_zero(wire, tmp_path):
    """TLS that fails is a reply too, and our token did not leave."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
    ]
    command += ["2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)]
    subprocess.run([*command, "-out", str(certificate)], check=True, capture_output=True, timeout=60)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with raw_server(says(HEAD + b"Content-Length: 2\r\n\r\n{}"), tls) as url:
        reply = await runner(wire, url).create(REQUEST)
        trusting = Wire(WireSettings(ca_file=certificate))
        known = await runner(trusting, url).create(REQUEST)
        await trusting.close()
    assert (0, False) == (reply.status, reply.was_sent)
    assert reply.cause.startswith("TLS certificate verify failed")
    assert (200, "{}") == (known.status, known.body)


async def test_a_redirect_is_an_answer(wire):
    """A credential is sent to nobody but the host it is for."""
    async with raw_server(
        says(b"HTTP/1.1 302 Found\r\nLocation: http://x.invalid/\r\nContent-Length: 0\r\n\r\n")
    ) as url:
        assert 302 == (await runner(wire, url).get("1")).status


@pytest.mark.parametrize(("content", "text"), [("nothing", "holds no certificate"), (None, "No such file")])
def test_a_certificate_file_that_is_none_is_reported(tmp_path, content, text):
    """Before anything is sent: the settings are wrong, which is for the user."""
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(InputError, match=text):
        Wire(WireSettings(ca_file=path))


# -- pure parts


def test_a_request_has_only_what_is_set():
    """No refs for a periodic, no empty maps; a presubmit has its pulls."""
    assert {"job_name": "j", "job_execution_type": "1"} == execution_body(JobRequest("j"))
    refs = Refs("openshift", "hypershift", "main", "a" * 40, (Pull(7, "me", "b" * 40),))
    body = execution_body(JobRequest("j", "presubmit", refs, labels={"a": "b"}))
    assert "3" == body["job_execution_type"]
    assert [{"number": 7, "author": "me", "sha": "b" * 40}] == body["refs"]["pulls"]
    assert {"labels": {"a": "b"}} == body["pod_spec_options"]


def test_a_request_that_gangway_would_refuse_lists_every_problem():
    """All at once, and the job is named."""
    with pytest.raises(InputError, match="job j: ") as caught:
        execution_body(JobRequest("j", "postsubmit", None, {"A": ""}, {"": "x"}))
    assert 3 == len(caught.value.messages)


@pytest.mark.parametrize("address", ["ftp://x", "x", "", "https://user:pw@host", "https://"])
def test_an_address_must_be_http(address):
    """And carries no credential."""
    with pytest.raises(InputError, match="gangway") as caught:
        GangwayRunner(ProwSettings(gangway=address), Wire())
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://prow.example.com/view/gs/b/logs/j/1", "b/logs/j/1"),
        ("https://prow.example.com/view/gcs/b/logs/j/1/", "b/logs/j/1"),
        ("https://prow.example.com/view/gs/../../etc/passwd", ""),
        ("https://prow.example.com/view/gs/", ""),
        ("https://prow.example.com/other", ""),
        ("http://[::1", ""),
        ("", ""),
    ],
)
def test_artifacts_are_found_by_the_path_of_the_page(url, path):
    """Only the path counts, and it cannot climb."""
    assert path == artifact_path(url)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '{"id": ""}',
        '{"id": null}',
        '{"id": true}',
        '{"id": {}}',
        "[" * 100_000,
        "\x00",
        "<html>",
    ],
)
def test_no_body_can_hurt_a_reader(body):
    """Whatever came, the answer is None."""
    assert read_execution(body) is None
    assert read_prowjob(body) is None
    assert read_finished(body) is None


def test_fields_are_read_in_either_spelling():
    """Proto names and camel case; nanoseconds, and times without a zone."""
    snake = '{"id": 5, "job_name": "j", "job_status": 3, "create_time": "2026-06-11T03:15:00.123456789Z"}'
    camel = '{"id": "5", "jobName": "j", "jobStatus": 3, "createTime": "2026-06-11T03:15:00"}'
    assert "5" == read_execution(snake).id
    assert NOW == read_execution(camel).created
    assert NOW == read_execution(snake).created.replace(microsecond=0)
    assert () == read_executions("{}", "j")
    assert read_executions('{"job_execution": 5}', "j") is None
    assert 1 == len(read_executions(f'{{"jobExecution": [{camel}, null, 5, {{}}]}}', "j"))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("Thu, 11 Jun 2026 03:16:00 GMT", 60.0),
        ("Thu, 11 Jun 2026 03:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("9" * 400, None),
    ],
)
def test_retry_after(header, seconds):
    """Seconds or a date."""
    assert seconds == retry_after(header, NOW)


def test_a_secret_file_never_shows_its_content(tmp_path):
    """Not in a `repr`, not in the reason why it cannot be used."""
    path = tmp_path / "token"
    path.write_text("top secret")
    assert "top" not in read_secret(path, "token").replace(str(path), "")
    path.write_text("hush")
    assert "hush" not in repr(read_secret(path, "token"))
    path.write_bytes(b"\xff\xfe")
    assert "is not text" in read_secret(path, "token")


def test_the_library_is_loaded_only_when_something_is_sent():
    """Start-up time is a feature."""
    code = "import sys, pilotage.gate.prow.gangway, pilotage.gate.telling.slack, pilotage.gate.telling.sinks; print('aiohttp' in sys.modules)"
    assert (
        "False"
        == subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
    )
