"""What Prow says of a job, read from the bodies of gangway, deck and artifacts.

Every reader takes whatever text came and answers None when it is not what it should be; nothing a server sends can raise.
`create_time` and `completion_time` are absent until they are known. Fields are named as in `pkg/gangway/gangway.proto` of
kubernetes-sigs/prow; the names in camel case, which its JSON form may have instead, are read too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from pilotage.api.errors import PilotageError
from pilotage.api.yaml import load
from pilotage.gate.instants import read_instant

__all__ = [
    "Execution",
    "Finished",
    "ProwJob",
    "artifact_path",
    "read_execution",
    "read_executions",
    "read_finished",
    "read_prowjob",
]

_VIEW: Final = ("/view/gs/", "/view/gcs/")


class Execution(msgspec.Struct, frozen=True):
    """One execution. `status` is as it came (a name, a number, None); `url` is empty until the job was scheduled."""

    id: str
    job: str = ""
    status: Any = None
    url: str = ""
    created: datetime | None = None
    completed: datetime | None = None


class ProwJob(msgspec.Struct, frozen=True):
    """The part of a ProwJob that says whose it is. `job` is its full name."""

    id: str
    job: str = ""
    labels: Mapping[str, str] = {}
    state: str = ""
    url: str = ""


class Finished(msgspec.Struct, frozen=True):
    """`finished.json`: `passed` is None when the file does not say; `result` is Prow's word (`SUCCESS`, `FAILURE`, ...)."""

    passed: bool | None = None
    result: str = ""


def read_execution(body: str) -> Execution | None:
    """The body of a create or a get."""
    return _execution(_json_object(body))


def read_executions(body: str, job: str) -> tuple[Execution, ...] | None:
    """The body of a list, without the executions of other jobs: the list is by a cut name. None when it is no list."""
    value = _json_object(body)
    if value is None:
        return None
    items = value.get("job_execution", value.get("jobExecution", []))
    if not isinstance(items, list):
        return None
    found = (_execution(item) for item in items)
    return tuple(each for each in found if each is not None and each.job == job)


def read_prowjob(body: str) -> ProwJob | None:
    """A ProwJob in YAML (deck) or JSON (artifact)."""
    try:
        value = load(body)
    except PilotageError:
        return None
    if not isinstance(value, dict) or value.get("kind", "ProwJob") != "ProwJob":
        return None
    metadata, spec, status = (_mapping(value.get(key)) for key in ("metadata", "spec", "status"))
    name = _text(metadata.get("name"))
    if not name:
        return None
    labels = {key: text for key, text in _mapping(metadata.get("labels")).items() if isinstance(text, str)}
    return ProwJob(name, _text(spec.get("job")), labels, _text(status.get("state")), _text(status.get("url")))


def read_finished(body: str) -> Finished | None:
    value = _json_object(body)
    if value is None or not ("result" in value or "passed" in value):
        return None
    passed = value.get("passed")
    return Finished(passed if isinstance(passed, bool) else None, _text(value.get("result")))


def artifact_path(job_url: str) -> str:
    """`bucket/logs/job/build` of a job's page, empty when there is none. The host of the page is not trusted."""
    try:
        path = urlsplit(job_url).path
    except ValueError:
        return ""
    for view in _VIEW:
        head, found, tail = path.partition(view)
        parts = tail.strip("/").split("/")
        if found and not head and all(part not in ("", ".", "..") for part in parts):
            return "/".join(parts)
    return ""


def _execution(value: Any) -> Execution | None:
    if not isinstance(value, dict):
        return None
    name = value.get("id")
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        return None
    return Execution(
        id=str(name),
        job=_text(_either(value, "job_name", "jobName")),
        status=_either(value, "job_status", "jobStatus"),
        url=_text(_either(value, "job_url", "jobUrl")),
        created=read_instant(_either(value, "create_time", "createTime")),
        completed=read_instant(_either(value, "completion_time", "completionTime")),
    )


def _json_object(body: str) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _either(value: Mapping[str, Any], name: str, other: str) -> Any:
    return value.get(name, value.get(other))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
