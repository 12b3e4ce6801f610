"""Every driver of jobs behind the one port: commands on this machine, a service over HTTP, a Prow in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from pilotage.api.errors import InputError
from pilotage.gate.prow.execrunner import ExecJob, ExecRunner
from pilotage.gate.prow.executions import read_execution, read_executions, read_finished, read_prowjob
from pilotage.gate.prow.gangway import GangwayRunner, ProwSettings
from pilotage.gate.prow.gangwaystatus import classify, read_reply
from pilotage.gate.prow.httprunner import HttpRunner
from pilotage.gate.prow.jobrunner import JobRequest, JobRunner
from pilotage.gate.prow.wire import Wire
from pilotage.gate.runs.jobkeys import IMAGE_ENV, job_labels
from pilotage.runtime.clock import ManualClock
from pilotage.world.loopback import LoopbackServer, new_application
from pilotage.world.prow import Line, Playbook, Prow, Script
from pilotage.world.prow.inprocess import InProcessRunner

NOW = datetime(2026, 6, 11, 3, 15, tzinfo=UTC)
LABELS = job_labels("aro-hcp", "0123456789abcdef", "job", 1)
REQUEST = JobRequest("job", envs={IMAGE_ENV: "x@sha256:ab"}, labels=LABELS)
ENDED = ("SUCCESS", "FAILURE", "ERROR", "ABORTED")


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    made = Wire()
    yield made
    await made.close()


def commands(tmp_path, script: str) -> ExecRunner:
    return ExecRunner((ExecJob("job", ("/bin/sh", "-c", script)),), tmp_path / "jobs")


async def ended(jobs: JobRunner, name: str):
    """Its execution, when it has ended."""
    async with asyncio.timeout(30):
        while (seen := read_execution((await jobs.get(name)).body)).status not in ENDED:
            await asyncio.sleep(0.01)
    return seen


# -- commands on this machine


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (f'test "${IMAGE_ENV}" = x@sha256:ab', "SUCCESS"),
        ("exit 1", "FAILURE"),
        ("exit 75", "ERROR"),
        ("exec /no/such/program", "ERROR"),
        ("kill -TERM $$", "ABORTED"),
        ('test -z "$SECRET_OF_OURS"', "SUCCESS"),
    ],
)
async def test_a_command_ends(tmp_path, monkeypatch, script, status):
    """Its exit code is its result; our own variables stay ours."""
    monkeypatch.setenv("SECRET_OF_OURS", "hush")
    jobs = commands(tmp_path, script)
    created = read_execution((await jobs.create(REQUEST)).body)
    seen = await ended(jobs, created.id)
    assert (status, "job") == (seen.status, seen.job)
    assert seen.created is not None
    assert seen.completed is not None
    finished = read_finished((await jobs.artifact(seen.url, "finished.json")).body)
    assert (status == "SUCCESS", status) == (finished.passed, finished.result)
    assert LABELS == read_prowjob((await jobs.prowjob(created.id)).body).labels
    assert [created.id] == [each.id for each in read_executions((await jobs.list("job")).body, "job")]


async def test_a_start_that_is_repeated_is_the_same_start(tmp_path):
    """The key of the job is its id, so a lost reply costs nothing."""
    jobs = commands(tmp_path, f"echo x >> {tmp_path}/count")
    first = read_execution((await jobs.create(REQUEST)).body)
    await ended(jobs, first.id)
    again = commands(tmp_path, f"echo x >> {tmp_path}/count")
    assert first.id == read_execution((await again.create(REQUEST)).body).id
    assert "x\n" == (tmp_path / "count").read_text()


async def test_a_command_outlives_the_process_that_started_it(tmp_path):
    """It is pending while it holds its lock, and its end is read by whoever comes next."""
    gate = tmp_path / "gate"
    jobs = commands(tmp_path, f"while [ ! -e {gate} ]; do sleep 0.01; done")
    created = read_execution((await jobs.create(REQUEST)).body)
    await jobs.close()
    other = commands(tmp_path, "")
    assert "PENDING" == read_execution((await other.get(created.id)).body).status
    assert 404 == (await other.artifact(created.url, "finished.json")).status
    gate.touch()
    assert "SUCCESS" == (await ended(other, created.id)).status


async def test_a_command_that_was_cut_off_is_aborted(tmp_path):
    """No end was written, and nobody holds the lock: the machine went down."""
    jobs = commands(tmp_path, "exit 0")
    created = read_execution((await jobs.create(REQUEST)).body)
    await ended(jobs, created.id)
    (tmp_path / "jobs" / created.id / "exit").unlink()
    assert "ABORTED" == read_execution((await jobs.get(created.id)).body).status


async def test_a_start_that_was_cut_off_before_the_command_is_made_good(tmp_path):
    """A directory without a command is no job."""
    jobs = commands(tmp_path, "exit 0")
    name = LABELS["gate.pilotage.dev/job-key"]
    (tmp_path / "jobs" / name).mkdir(parents=True)
    created = read_execution((await jobs.create(REQUEST)).body)
    assert name == created.id
    assert "SUCCESS" == (await ended(jobs, name)).status


async def test_what_is_not_there_is_said_as_gangway_says_it(tmp_path):
    """So it is judged by the same rules."""
    jobs = commands(tmp_path, "exit 0")
    unknown = await jobs.create(JobRequest("other"))
    missing = await jobs.get("../../etc/passwd")
    assert "job-not-found" == classify(read_reply("create", unknown.status, unknown.body)).value.class_
    assert "gone" == classify(read_reply("get", missing.status, missing.body)).value.class_
    assert () == read_executions((await jobs.list("job")).body, "job")
    assert 404 == (await jobs.artifact("file:///etc/passwd", "finished.json")).status
    assert 404 == (await jobs.prowjob("x")).status


async def test_a_directory_that_cannot_be_written_is_no_start(tmp_path):
    """Surely nothing runs."""
    (tmp_path / "jobs").write_text("in the way")
    reply = await commands(tmp_path, "exit 0").create(REQUEST)
    assert (0, False) == (reply.status, reply.was_sent)


async def test_two_who_start_the_same_job_at_once_start_it_once(tmp_path):
    """One claims the directory."""
    jobs = commands(tmp_path, f"echo x >> {tmp_path}/count")
    replies = await asyncio.gather(*(jobs.create(REQUEST) for _ in range(8)))
    assert {LABELS["gate.pilotage.dev/job-key"]} == {
        found.id for reply in replies if (found := read_execution(reply.body)) is not None
    }
    await ended(jobs, LABELS["gate.pilotage.dev/job-key"])
    assert "x\n" == (tmp_path / "count").read_text()


# -- a service over HTTP


class Service(LoopbackServer):
    """A test system of somebody else."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, dict] = {}

    def application(self) -> web.Application:
        application = new_application()
        application.router.add_post("/api/jobs", self._create)
        application.router.add_get("/api/jobs", self._list)
        application.router.add_get("/api/jobs/{id}", self._get)
        application.router.add_get("/api/jobs/{id}/finished.json", self._finished)
        return application

    async def _create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        name = request.headers["Idempotency-Key"]
        labels = asked["pod_spec_options"]["labels"]
        job = {"id": name, "job_name": asked["job_name"], "job_status": "PENDING", "labels": labels}
        self.jobs.setdefault(name, job | {"job_url": f"https://elsewhere.example.com/{name}"})
        return web.json_response(self.jobs[name], status=202)

    async def _list(self, request: web.Request) -> web.Response:
        wanted = request.query["job_name"]
        found = [job for job in self.jobs.values() if job["job_name"] == wanted]
        return web.json_response({"job_execution": found})

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self.jobs[request.match_info["id"]])

    async def _finished(self, request: web.Request) -> web.Response:
        return web.json_response({"passed": True, "result": "SUCCESS"})


async def test_a_service_runs_a_job(wire, tmp_path):
    """Accepted is created; a repeated start is the same one; files come from the service itself."""
    token = tmp_path / "token"
    async with Service() as service:
        jobs: JobRunner = HttpRunner(f"{service.url}/api/jobs/", wire, token)
        assert 401 == (await jobs.create(REQUEST)).status
        token.write_text("t")
        replies = [await jobs.create(REQUEST) for _ in range(2)]
        assert [200, 200] == [reply.status for reply in replies]
        created = read_execution(replies[0].body)
        assert created.id == read_execution(replies[1].body).id
        assert "PENDING" == read_execution((await jobs.get(created.id)).body).status
        assert LABELS == read_prowjob((await jobs.prowjob(created.id)).body).labels
        assert 1 == len(read_executions((await jobs.list("job")).body, "job"))
        assert read_finished((await jobs.artifact(created.url, "finished.json")).body).passed


def test_the_address_of_a_service_must_be_http():
    """And carries no credential."""
    with pytest.raises(InputError, match="job service"):
        HttpRunner("https://user:pw@host/", Wire())


# -- a Prow in this process


@pytest.mark.parametrize(
    "create", ["ok", "reset", "truncated", "no-id", "not-json", "unavailable", "refused"]
)
async def test_the_prow_in_process_is_the_prow_over_http(wire, create):
    """The same playbook gives the same replies, but for addresses and the words of a broken connection."""
    playbook = Playbook(
        (Line(Script(create=create, duration=60, forgotten_after=1000), "job"),), jobs=("job",)
    )
    clocks = ManualClock(NOW), ManualClock(NOW)
    async with Prow(playbook, clocks[0]) as prow:
        remote = GangwayRunner(ProwSettings(prow.url, prow.url, prow.url), wire)
        local = InProcessRunner(playbook, clocks[1])
        told = []
        for jobs, clock, book in ((remote, clocks[0], prow.book), (local, clocks[1], local.book)):
            seen: list[object] = [classified("create", await jobs.create(REQUEST))]
            seen.append(classified("create", await jobs.create(JobRequest("other"))))
            for seconds in (0, 20, 30, 60, 1000):
                clock.advance(seconds)
                for start in book.starts:
                    reply = await jobs.get(start.id)
                    url = (read_execution(reply.body) or read_execution('{"id": 1}')).url
                    seen.append(classified("get", reply))
                    seen.append(read_finished((await jobs.artifact(url, "finished.json")).body))
                    seen.append((found := read_prowjob((await jobs.prowjob(start.id)).body)) and found.labels)
                seen.append([each.status for each in read_executions((await jobs.list("job")).body, "job")])
            told.append(seen)
    assert told[0] == told[1]
    assert (create != "refused") == bool(prow.starts)


def classified(operation, reply):
    return classify(read_reply(operation, reply.status, reply.body)).value


async def test_a_prow_in_process_can_be_down():
    """Then surely nothing starts."""
    jobs: JobRunner = InProcessRunner(Playbook(), ManualClock(NOW))
    jobs.is_down = True
    reply = await jobs.create(REQUEST)
    assert (0, False) == (reply.status, reply.was_sent)
    assert {0} == {(await call("x")).status for call in (jobs.get, jobs.list, jobs.prowjob)}
    await jobs.close()
