"""The simulated Prow: jobs live by their script, and gangway answers as gangway does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from pilotage.gate.runs.jobkeys import IMAGE_ENV, job_labels
from pilotage.runtime.clock import ManualClock
from pilotage.world.prow import Line, Playbook, Prow, Script, flaky
from pilotage.world.prow.book import JobBook
from pilotage.world.prow.server import Limit

NOW = datetime(2026, 6, 11, 3, 15, tzinfo=UTC)
REFS = {"org": "openshift", "repo": "hypershift", "base_ref": "main", "base_sha": "a" * 40}


class Client:
    """Speaks plain HTTP to it, without any of the gate's own code."""

    def __init__(self, prow: Prow, session: aiohttp.ClientSession) -> None:
        self.prow, self.session = prow, session

    async def create(self, job_name: str = "job", **more) -> tuple[int, dict]:
        body = {"job_name": job_name, "job_execution_type": "1", **more}
        async with self.session.post(f"{self.prow.url}/v1/executions", json=body) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, dict]:
        async with self.session.get(f"{self.prow.url}{path}") as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else {"text": await answer.text()}

    async def status(self, name: str):
        return (await self.get(f"/v1/executions/{name}"))[1].get("job_status")


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as made:
        yield made


def one(**script) -> Playbook:
    return Playbook((Line(Script(**script)),))


@pytest.mark.parametrize(
    ("ending", "last"),
    [
        ("success", "SUCCESS"),
        ("failure", "FAILURE"),
        ("aborted", "ABORTED"),
        ("error", "ERROR"),
        ("hang", "PENDING"),
    ],
)
async def test_a_job_goes_through_its_life(session, ending, last):
    """Scheduling, triggered, pending, and its end."""
    clock = ManualClock(NOW)
    async with Prow(one(ending=ending, scheduling=5, triggered=10, duration=100), clock) as prow:
        client = Client(prow, session)
        name = (await client.create())[1]["id"]
        seen = []
        for seconds in (0, 5, 10, 99, 1):
            clock.advance(seconds)
            seen.append(await client.status(name))
    assert ["SCHEDULING", "TRIGGERED", "PENDING", "PENDING", last] == seen


async def test_a_flaky_job_fails_once(session):
    """By the attempt that its label names."""
    clock = ManualClock(NOW)
    async with Prow(Playbook(flaky("job", Script(duration=10))), clock) as prow:
        client = Client(prow, session)
        names = []
        for attempt in (1, 2):
            options = {"labels": dict(job_labels("aro-hcp", "run", "job", attempt))}
            names.append((await client.create(pod_spec_options=options))[1]["id"])
        clock.advance(100)
        assert ["FAILURE", "SUCCESS"] == [await client.status(name) for name in names]


async def test_scripts_are_chosen_by_digest_and_start(session):
    """The first line that fits is played."""
    bad = f"sha256:{'bad0' * 16}"
    lines = (
        Line(Script("failure", duration=1), digest=bad),
        Line(Script("error", duration=1), "e2e-*", start=2),
    )
    clock = ManualClock(NOW)
    async with Prow(Playbook(lines, Script(duration=1)), clock) as prow:
        client = Client(prow, session)
        names = [
            (await client.create("e2e-aks", pod_spec_options={"envs": {IMAGE_ENV: f"x@{digest}"}}))[1]["id"]
            for digest in (bad, "sha256:good", "sha256:good")
        ]
        clock.advance(100)
        assert ["FAILURE", "SUCCESS", "ERROR"] == [await client.status(name) for name in names]
    assert [1, 1, 2] == [start.number for start in prow.starts]


async def test_a_job_is_collected_and_its_files_stay(session):
    """Get fails with 500 for ever; the bucket still knows."""
    clock = ManualClock(NOW)
    async with Prow(one(duration=10, forgotten_after=100), clock) as prow:
        client = Client(prow, session)
        name = (await client.create())[1]["id"]
        clock.advance(50)
        path = (await client.get(f"/v1/executions/{name}"))[1]["job_url"].removeprefix(f"{prow.url}/view/gs")
        clock.advance(100)
        status, body = await client.get(f"/v1/executions/{name}")
        assert (500, 2, True) == (status, body["code"], "not found" in body["message"])
        assert {"job_execution": []} == (await client.get("/v1/executions?job_name=job"))[1]
        assert 404 == (await client.get(f"/prowjob?prowjob={name}"))[0]
        assert (200, True) == ((found := await client.get(f"{path}/finished.json"))[0], found[1]["passed"])


async def test_statuses_may_be_numbers_or_unknown(session):
    """As some proxies write enums, and as a newer Prow might."""
    clock = ManualClock(NOW)
    async with Prow(one(uses_numbers=True, says="WAITING", duration=10), clock) as prow:
        client = Client(prow, session)
        name = (await client.create())[1]["id"]
        seen = [await client.status(name)]
        clock.advance(35)
        seen.append(await client.status(name))
        clock.advance(35)
        seen.append(await client.status(name))
    assert [7, "WAITING", 3] == seen


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"job_name": ""}, 400, "job_name"),
        ({"job_execution_type": "0"}, 400, "unsupported"),
        ({"job_execution_type": "4", "refs": REFS}, 500, "unsupported"),
        ({"refs": {"org": "o"}}, 400, "periodic jobs cannot"),
        ({"job_execution_type": "3"}, 400, "gitRefs must be defined"),
        ({"pod_spec_options": {"envs": {"A": ""}}}, 400, "environment variable"),
        ({"pod_spec_options": {"labels": {"a": "x" * 64}}}, 400, "invalid label"),
        ({"job_name": "nobody"}, 500, 'failed to find associated periodic job "nobody"'),
    ],
)
async def test_gangway_refuses(session, body, status, text):
    """What it validates is 400, what it finds later is 500; nothing is started."""
    async with Prow(Playbook(jobs=("job",)), ManualClock(NOW)) as prow:
        found = await Client(prow, session).create(**{"job_name": "job", **body})
        assert (status, []) == (found[0], prow.starts)
        assert text in found[1]["message"]


async def test_duplicates_are_counted(session):
    """Two starts with the same labels are one too many."""
    async with Prow(Playbook(), ManualClock(NOW)) as prow:
        client = Client(prow, session)
        for attempt in (1, 2, 1):
            await client.create(pod_spec_options={"labels": {"attempt": str(attempt)}})
        await client.create()
        await client.create()
    assert [prow.starts[2].id] == [start.id for start in prow.duplicates]


async def test_the_ingress_counts_requests_by_the_clock(session):
    """Nine a minute, five at once; it says when to come back, if it does."""
    clock = ManualClock(NOW)
    async with Prow(Playbook(), clock, limit=Limit(9, 5)) as prow:
        client = Client(prow, session)

        async def statuses(count: int) -> list[int]:
            return [(await client.get("/v1/executions"))[0] for _ in range(count)]

        assert [200] * 5 + [429] == await statuses(6)
        clock.advance(7)
        assert [200, 429] == await statuses(2)
        clock.advance(3600)
        assert [200] * 5 + [429] == await statuses(6)
    assert {("GET", 200): 11, ("GET", 429): 3} == dict(prow.answers)


async def test_tokens_expire(session):
    """One that was taken out is refused."""
    async with Prow(Playbook(), ManualClock(NOW), tokens=frozenset({"old", "new"})) as prow:
        headers = {"Authorization": "Bearer old"}
        statuses = []
        for tokens in ({"old", "new"}, {"new"}):
            prow.tokens = tokens
            async with session.get(f"{prow.url}/v1/executions", headers=headers) as answer:
                statuses.append(answer.status)
    assert [200, 401] == statuses


async def test_a_face_that_is_down_is_503(session):
    """Each of the three on its own."""
    async with Prow(Playbook(), ManualClock(NOW)) as prow:
        client = Client(prow, session)
        prow.down = {"deck"}
        assert 503 == (await client.get("/prowjob?prowjob=x"))[0]
        assert 200 == (await client.get("/v1/executions"))[0]


async def test_a_list_by_a_long_name_is_an_error(session):
    """Labels are compared, and no label is that long."""
    async with Prow(Playbook(), ManualClock(NOW)) as prow:
        client = Client(prow, session)
        await client.create("j" * 80)
        assert 500 == (await client.get(f"/v1/executions?job_name={'j' * 80}"))[0]
        assert 1 == len((await client.get(f"/v1/executions?job_name={'j' * 63}"))[1]["job_execution"])


async def test_a_night_takes_no_time(session):
    """A hundred nights of twelve jobs are the same hundred nights each time."""

    async def play() -> list[tuple[str, datetime]]:
        clock = ManualClock(NOW)
        async with Prow(one(duration=3600), clock) as prow:
            client = Client(prow, session)
            for _ in range(10):
                for number in range(12):
                    await client.create(f"job-{number}")
                clock.advance(timedelta(days=1).total_seconds())
            assert "SUCCESS" == await client.status(prow.starts[-1].id)
            return [(start.id, start.at) for start in prow.starts]

    assert (first := await play()) == await play()
    assert 120 == len({name for name, _ in first})


def test_a_journal_keeps_the_jobs_of_a_prow_that_was_stopped(tmp_path):
    """Started again on the same journal it knows every job, goes on counting, and survives half a line."""
    clock, journal = ManualClock(), tmp_path / "prow.jsonl"
    asked = {"job_name": "periodic-e2e", "job_execution_type": "1"}
    first = JobBook(Playbook(), clock, str, journal)
    made = first.create(asked).value["id"]
    with journal.open("ab") as file:
        file.write(b'\n{"id": "half')

    second = JobBook(Playbook(), clock, str, journal)
    again = second.create(asked).value["id"]

    assert 200 == second.get(made).status
    assert made != again
    assert [made, again] == [start.id for start in JobBook(Playbook(), clock, str, journal).starts]
