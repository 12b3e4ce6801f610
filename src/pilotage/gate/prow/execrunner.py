"""Jobs as commands on this machine: a gate for a small team, without a Prow.

Each execution has a directory of its own, named by its id: what was asked, the output of the command, and how it ended. The command
runs apart from us and writes its own end, so it survives us, and whoever starts next reads on. A lock that it inherits tells
whether it is alive: an end that was never written, by a command that nobody holds, was cut off.

The id is derived from the key of the job, so a start that is repeated is the same start. A command ends with

    0           passed
    75          the infrastructure failed (EX_TEMPFAIL of sysexits.h), not the product
    126, 127    it could not be run: infrastructure too
    129 to 159  a signal ended it: aborted
    other       failed
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import msgspec

from pilotage.gate.prow.executions import ProwJob
from pilotage.gate.prow.gangway import execution_body
from pilotage.gate.prow.jobrunner import Artifact, JobRequest, Reply
from pilotage.gate.runs.jobkeys import JOB_KEY_LABEL
from pilotage.runtime.clock import Clock, SystemClock, rfc3339

__all__ = ["ExecJob", "ExecRunner"]

_ID: Final = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
# The shell that starts the command leaves at once; the one that waits for it writes the end, whole or not at all.
_SCRIPT: Final = '( "$@" >output.log 2>&1 </dev/null; echo $? >exit.new; mv exit.new exit ) & :'
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")
_INFRASTRUCTURE: Final = frozenset({75, 126, 127})
_SIGNALS: Final = range(129, 160)


class ExecJob(msgspec.Struct, frozen=True):
    """`job` is a pattern as in a shell; `command` its program and arguments, without a shell between."""

    job: str
    command: tuple[str, ...]


class _Record(msgspec.Struct, frozen=True):
    """What is kept of a start, in `job.json`."""

    id: str
    job: str
    at: str
    labels: Mapping[str, str]
    envs: Mapping[str, str]


class ExecRunner:
    """`jobrunner.JobRunner` on this machine. `directory` is made when it is missing.

    A command gets the variables of its job and `PATH`, `HOME`, `LANG`, `TZ`, `TMPDIR` of ours: no credential reaches it by chance.
    """

    def __init__(self, jobs: tuple[ExecJob, ...], directory: Path, clock: Clock | None = None) -> None:
        self._jobs = jobs
        self._directory = directory.absolute()
        self._clock = clock or SystemClock()

    @property
    def host(self) -> str:
        return "localhost"

    async def create(self, request: JobRequest) -> Reply:
        execution_body(request)
        return await asyncio.to_thread(self._create, request)

    async def get(self, execution: str) -> Reply:
        return await asyncio.to_thread(self._get, execution)

    async def list(self, job: str) -> Reply:
        return await asyncio.to_thread(self._list, job)

    async def prowjob(self, execution: str) -> Reply:
        return await asyncio.to_thread(self._prowjob, execution)

    async def artifact(self, job_url: str, name: Artifact) -> Reply:
        return await asyncio.to_thread(self._artifact, job_url, name)

    async def close(self) -> None:
        """The commands go on."""

    def _create(self, request: JobRequest) -> Reply:
        job = next((each for each in self._jobs if fnmatchcase(request.job, each.job)), None)
        if job is None:
            return _error(f'failed to find associated command for job "{request.job}"')
        name = request.labels.get(JOB_KEY_LABEL, "")
        name = name if _ID.fullmatch(name) else uuid.uuid4().hex
        folder = self._directory / name
        record = _Record(name, request.job, rfc3339(self._clock.now()), request.labels, request.envs)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            # Whoever starts the same job at the same time waits here, and then finds it started.
            with (self._directory / ".starting").open("wb") as turn:
                fcntl.flock(turn, fcntl.LOCK_EX)
                if _claim(folder, record):
                    _start(folder, job.command, request.envs)
        except OSError as error:
            return Reply(0, cause=f"cannot start in {folder}: {error.strerror}", was_sent=False)
        return self._get(name)

    def _get(self, name: str) -> Reply:
        record = self._record(name)
        if record is None:
            return _error(f'execution "{name}" not found')
        status, ended = self._status(name)
        value: dict[str, Any] = {
            "id": name,
            "job_name": record.job,
            "job_type": "PERIODIC",
            "job_status": status,
            "job_url": (self._directory / name).as_uri(),
            "create_time": record.at,
        }
        if ended is not None:
            value["completion_time"] = rfc3339(ended)
        return _json(value)

    def _list(self, job: str) -> Reply:
        try:
            names = sorted(path.name for path in self._directory.iterdir())
        except FileNotFoundError:
            names = []
        except OSError as error:
            return Reply(0, cause=f"cannot read {self._directory}: {error.strerror}")
        records = [record for name in names if (record := self._record(name)) is not None]
        found = [
            {
                "id": each.id,
                "job_name": each.job,
                "job_type": "PERIODIC",
                "job_status": self._status(each.id)[0],
            }
            for each in records
            if each.job == job
        ]
        return _json({"job_execution": found})

    def _prowjob(self, name: str) -> Reply:
        record = self._record(name)
        if record is None:
            return Reply(404, f'execution "{name}" not found')
        shown = ProwJob(name, record.job, record.labels, self._status(name)[0].lower())
        return _json(
            {
                "kind": "ProwJob",
                "metadata": {"name": shown.id, "labels": dict(shown.labels), "creationTimestamp": record.at},
                "spec": {"job": shown.job, "type": "periodic"},
                "status": {"state": shown.state, "url": (self._directory / name).as_uri()},
            }
        )

    def _artifact(self, job_url: str, name: Artifact) -> Reply:
        execution = job_url.rpartition("/")[2]
        if job_url != (self._directory / execution).as_uri() or self._record(execution) is None:
            return Reply(404, cause="the job has no directory here", was_sent=False)
        if name == "prowjob.json":
            return self._prowjob(execution)
        status, ended = self._status(execution)
        if name == "finished.json" and ended is not None:
            return _json(
                {"timestamp": int(ended.timestamp()), "passed": status == "SUCCESS", "result": status}
            )
        return Reply(404, "not found")

    def _record(self, name: str) -> _Record | None:
        if not _ID.fullmatch(name):
            return None
        try:
            return msgspec.json.decode((self._directory / name / "job.json").read_bytes(), type=_Record)
        except (OSError, msgspec.MsgspecError):
            return None

    def _status(self, name: str) -> tuple[str, datetime | None]:
        """Its status, and when it ended."""
        folder = self._directory / name
        is_held = _is_held(folder)  # asked first: what ends in between has written its end before it lets go
        path = folder / "exit"
        try:
            code = int(path.read_text(encoding="ascii"))
            ended = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
        except (OSError, ValueError):
            return ("PENDING", None) if is_held else ("ABORTED", None)
        if code == 0:
            return "SUCCESS", ended
        if code in _INFRASTRUCTURE:
            return "ERROR", ended
        return ("ABORTED" if code in _SIGNALS else "FAILURE"), ended


def _claim(folder: Path, record: _Record) -> bool:
    """Make the directory of an execution; False when it is there already, so the job was started before."""
    try:
        folder.mkdir()
    except FileExistsError:
        if (folder / "started").exists():
            return False
        # Somebody was cut off between the directory and the command: nothing runs there.
        shutil.rmtree(folder)
        folder.mkdir()
    (folder / "job.json").write_bytes(msgspec.json.encode(record))
    return True


def _start(folder: Path, command: tuple[str, ...], envs: Mapping[str, str]) -> None:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | dict(envs)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "started").touch()
        subprocess.run(
            ["/bin/sh", "-c", _SCRIPT, "sh", *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(lock.fileno(),),
            start_new_session=True,
            check=True,
        )


def _is_held(folder: Path) -> bool:
    """Does anybody who was started there still live?"""
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _error(message: str) -> Reply:
    """As gangway would say it."""
    return Reply(500, msgspec.json.encode({"code": 2, "message": message, "details": []}).decode())


def _json(value: Mapping[str, Any]) -> Reply:
    return Reply(200, msgspec.json.encode(value).decode())
