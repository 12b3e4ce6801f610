"""The jobs of a simulated Prow: what was started, and gangway's answers about it as values.

No HTTP here: the server speaks it, and a runner in the same process does without. Answers are those of gangway: what it
validates is 400, what it finds wrong later is a plain error and hence 500, also a job or an execution that does not exist. A
list compares labels, so a name longer than a label value is an error.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from pilotage.gate.runs.jobkeys import ATTEMPT_LABEL, IMAGE_ENV, prow_job_label
from pilotage.runtime.clock import Clock
from pilotage.world.prow import jobs
from pilotage.world.prow.jobs import STATUSES, Start, state_at
from pilotage.world.prow.script import CreateReply, Playbook

__all__ = ["BUCKET", "Answer", "JobBook"]

BUCKET: Final = "test-platform-results"
_TYPES: Final = {"PERIODIC": 1, "POSTSUBMIT": 2, "PRESUBMIT": 3, "BATCH": 4}
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LONGEST_LABEL: Final = 63
_IDS: Final = uuid.UUID("6f6d7c1e-3c5e-5f0a-9d6b-0f4f4b9f2a11")
_FIRST_BUILD: Final = 1_930_000_000_000_000_000


class Answer(msgspec.Struct, frozen=True):
    """Status and JSON value; `how` says in which way the script wants a creation answered."""

    status: int
    value: Any
    how: CreateReply = "ok"


class JobBook:
    """What was started on a Prow. `base` gives the address of its pages; with a `journal` it outlives its process."""

    def __init__(
        self, playbook: Playbook, clock: Clock, base: Callable[[], str], journal: Path | None = None
    ) -> None:
        self.playbook = playbook
        self.starts: list[Start] = []
        self._clock = clock
        self._base = base
        self._journal = journal
        self._by_id: dict[str, Start] = {}
        self._by_page: dict[tuple[str, str], Start] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        if journal is not None and journal.exists():
            for line in journal.read_bytes().splitlines():
                # A line may be half a line: of a start that nobody was told of.
                with contextlib.suppress(msgspec.DecodeError):
                    self._keep(msgspec.json.decode(line, type=Start))

    @property
    def duplicates(self) -> tuple[Start, ...]:
        """Starts whose labels are those of an earlier one."""
        seen: set[tuple[tuple[str, str], ...]] = set()
        found = []
        for start in self.starts:
            key = tuple(sorted(start.labels.items()))
            if key and key in seen:
                found.append(start)
            seen.add(key)
        return tuple(found)

    def page(self, start: Start) -> str:
        """Where people look at a job."""
        return f"{self._base()}/view/gs/{BUCKET}/logs/{start.job}/{start.build}"

    def create(self, asked: Any) -> Answer:
        """Start a job. Nothing was started when the status is an error or `how` is `refused`."""
        asked = asked if isinstance(asked, dict) else {}
        problem = _invalid(asked)
        if problem:
            return _error(400, 3, problem)
        job, kind = asked["job_name"], _type(asked.get("job_execution_type"))
        if kind == "BATCH":
            return _error(500, 2, "unsupported JobExecutionType type: BATCH")
        if not self.playbook.has(job):
            return _error(500, 2, f'failed to find associated {kind.lower()} job "{job}"')
        start = self._made(asked, job, kind)
        if start.script.create == "refused":
            self._asked[job, start.digest] += 1
        else:
            self._write(start)
            self._keep(start)
        value = {
            "id": start.id, "job_name": job, "job_type": kind, "job_status": "TRIGGERED",
            "refs": asked.get("refs"), "pod_spec_options": asked.get("pod_spec_options"), "gcs_path": "",
        }  # fmt: skip
        return Answer(200, value, start.script.create)

    def get(self, name: str) -> Answer:
        start = self._find(name)
        if start is None:
            return _error(500, 2, f'prowjobs.prow.k8s.io "{name}" not found')
        return Answer(200, jobs.execution(start, self._clock.now(), self.page(start)))

    def list(self, job: str = "", status: str = "") -> Answer:
        """The executions whose label has this job, in this status; empty for any."""
        if len(job) > _LONGEST_LABEL:
            return _error(500, 13, "")
        now = self._clock.now()
        found = [
            jobs.listed(start, now)
            for start in self.starts
            if not state_at(start, now).is_forgotten
            and job in ("", prow_job_label(start.job))
            and status in ("", state_at(start, now).name, str(STATUSES[state_at(start, now).name]))
        ]
        return Answer(200, {"job_execution": found})

    def prowjob(self, name: str) -> dict[str, Any] | None:
        start = self._find(name)
        return None if start is None else jobs.prowjob(start, self._clock.now(), self.page(start))

    def artifact(self, job: str, build: str, file: str) -> dict[str, Any] | None:
        """A file that a job left; it stays when the job was collected."""
        start = self._by_page.get((job, build))
        now = self._clock.now()
        if start is None or not start.script.leaves_artifacts or not state_at(start, now).is_scheduled:
            return None
        return {
            "finished.json": jobs.finished(start, now),
            "prowjob.json": jobs.prowjob(start, now, self.page(start)),
            "started.json": {"timestamp": int(start.at.timestamp())},
        }.get(file)

    def _made(self, asked: Mapping[str, Any], job: str, kind: str) -> Start:
        options = asked.get("pod_spec_options") or {}
        labels, envs = options.get("labels") or {}, options.get("envs") or {}
        digest = envs.get(IMAGE_ENV, "").partition("@")[2]
        number = 1 + self._asked[job, digest]
        attempt = labels.get(ATTEMPT_LABEL, "")
        played = self.playbook.script(job, int(attempt) if attempt.isdigit() else number, number, digest)
        count = len(self.starts)
        return Start(
            id=str(uuid.uuid5(_IDS, str(count))),
            build=str(_FIRST_BUILD + count),
            job=job,
            type=kind,
            at=self._clock.now(),
            script=played,
            number=number,
            labels=labels,
            annotations=options.get("annotations") or {},
            envs=envs,
        )

    def _keep(self, start: Start) -> None:
        self._asked[start.job, start.digest] += 1
        self.starts.append(start)
        self._by_id[start.id] = self._by_page[start.job, start.build] = start

    def _write(self, start: Start) -> None:
        if self._journal is not None:
            with self._journal.open("ab") as file:
                file.write(b"\n" + msgspec.json.encode(start))

    def _find(self, name: str) -> Start | None:
        start = self._by_id.get(name)
        return None if start is None or state_at(start, self._clock.now()).is_forgotten else start


def _type(value: Any) -> str:
    by_number = {number: name for name, number in _TYPES.items()}
    text = str(value)
    return text if text in _TYPES else by_number.get(int(text) if text.isdigit() else 0, "")


def _invalid(asked: Mapping[str, Any]) -> str:
    """What gangway itself refuses, in its words."""
    kind, refs = _type(asked.get("job_execution_type")), asked.get("refs")
    if not isinstance(asked.get("job_name"), str) or not asked["job_name"]:
        return "job_name field cannot be empty"
    if not kind:
        return "unsupported JobExecutionType: JOB_EXECUTION_TYPE_UNSPECIFIED"
    if kind == "PERIODIC" and refs:
        return "periodic jobs cannot also have gitRefs"
    if kind != "PERIODIC" and not (
        refs and all(refs.get(key) for key in ("org", "repo", "base_ref", "base_sha"))
    ):
        return f'gitRefs must be defined for "{kind}"'
    options = asked.get("pod_spec_options") or {}
    for field, what in (("envs", "environment variable"), ("labels", "label"), ("annotations", "annotation")):
        for key, value in (options.get(field) or {}).items():
            if not key or not value:
                return f'invalid {what} key/value pair: "{key}", "{value}"'
            if field == "labels" and not _LABEL.fullmatch(value):
                return f"invalid label: the following errors found: {value}"
    return ""


def _error(status: int, code: int, message: str) -> Answer:
    return Answer(status, {"code": code, "message": message, "details": []})
