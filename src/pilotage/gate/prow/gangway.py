"""Jobs of OpenShift CI: gangway starts and shows them, deck shows whose they are, a bucket keeps what they left.

The three are different hosts with different trust. Gangway gets our token, which is read from its mounted file for every request,
so that a rotated one is used at once. Deck and the artifacts are public and get none; artifacts are found by the *path* of a
job's page below a base address of ours, so a reply cannot send us elsewhere.

Follows kubernetes-sigs/prow `pkg/gangway/gangway.proto` and `cmd/deck`. What a reply means is decided from it elsewhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from pilotage.api.errors import InputError
from pilotage.gate.prow.executions import artifact_path
from pilotage.gate.prow.jobrunner import Artifact, JobRequest, Refs, Reply
from pilotage.gate.prow.wire import Secret, Wire, read_secret
from pilotage.gate.runs.jobkeys import prow_job_label

__all__ = ["ARTIFACTS", "DECK", "GANGWAY", "GangwayRunner", "ProwSettings", "execution_body"]

GANGWAY: Final = "https://gangway-ci.apps.ci.l2s4.p1.openshiftapps.com"
DECK: Final = "https://prow.ci.openshift.org"
ARTIFACTS: Final = "https://storage.googleapis.com"

_TYPES: Final = {"periodic": "1", "postsubmit": "2", "presubmit": "3"}
_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}


class ProwSettings(msgspec.Struct, frozen=True):
    """Where Prow is. `artifacts` is what stands before `<bucket>/logs/<job>/<build>/finished.json`.

    Without a `token_file` requests to gangway carry no credential.
    """

    gangway: str = GANGWAY
    deck: str = DECK
    artifacts: str = ARTIFACTS
    token_file: Path | None = None


class GangwayRunner:
    """`jobrunner.JobRunner` on Prow. Raises InputError `BadAddress` for an address that is not HTTP."""

    def __init__(self, settings: ProwSettings, wire: Wire) -> None:
        self._gangway = _base("gangway", settings.gangway)
        self._deck = _base("deck", settings.deck)
        self._artifacts = _base("artifacts", settings.artifacts)
        self._token_file = settings.token_file
        self._wire = wire

    @property
    def host(self) -> str:
        return urlsplit(self._gangway).netloc

    async def create(self, request: JobRequest) -> Reply:
        return await self._ask("POST", "/v1/executions", json.dumps(execution_body(request)).encode())

    async def get(self, execution: str) -> Reply:
        return await self._ask("GET", f"/v1/executions/{quote(execution, safe='')}")

    async def list(self, job: str) -> Reply:
        return await self._ask("GET", f"/v1/executions?{urlencode({'job_name': prow_job_label(job)})}")

    async def prowjob(self, execution: str) -> Reply:
        return await self._wire.send("GET", f"{self._deck}/prowjob?{urlencode({'prowjob': execution})}")

    async def artifact(self, job_url: str, name: Artifact) -> Reply:
        path = artifact_path(job_url)
        if not path:
            return Reply(404, cause="the job has no page with artifacts", was_sent=False)
        return await self._wire.send("GET", f"{self._artifacts}/{quote(path, safe='/%')}/{name}", follow=True)

    async def close(self) -> None:
        await self._wire.close()

    async def _ask(self, method: str, target: str, body: bytes | None = None) -> Reply:
        """A request to gangway. A token that cannot be read is what a refused one is: 401, and nothing was sent."""
        authorization = None
        if self._token_file is not None:
            token = read_secret(self._token_file, "token")
            if isinstance(token, str):
                return Reply(401, cause=token, was_sent=False)
            authorization = Secret(f"Bearer {token.reveal()}")
        return await self._wire.send(
            method, self._gangway + target, headers=_JSON, body=body, authorization=authorization
        )


def execution_body(request: JobRequest) -> dict[str, Any]:
    """`CreateJobExecutionRequest`. What is empty is left out: a periodic must not have refs, and no variable may be empty.

    Raises InputError `BadJobRequest` listing what gangway would refuse without telling which field.
    """
    problems = [
        f"{kind} {key!r}: {'name' if not key else 'value'} is empty"
        for kind, pairs in (
            ("env", request.envs),
            ("label", request.labels),
            ("annotation", request.annotations),
        )
        for key, value in pairs.items()
        if not key or not value
    ]
    if not request.job:
        problems.append("job: name is empty")
    if (request.refs is None) != (request.type == "periodic"):
        problems.append(f"refs: a {request.type} {'has none' if request.refs else 'needs them'}")
    if problems:
        raise InputError(
            "BadJobRequest",
            f"job {request.job}: {'; '.join(problems)}",
            hint="correct the job in its Gate",
            messages=tuple(problems),
        )
    options = {
        name: dict(pairs)
        for name, pairs in (
            ("envs", request.envs),
            ("labels", request.labels),
            ("annotations", request.annotations),
        )
        if pairs
    }
    body: dict[str, Any] = {"job_name": request.job, "job_execution_type": _TYPES[request.type]}
    if request.refs is not None:
        body["refs"] = _refs(request.refs)
    if options:
        body["pod_spec_options"] = options
    return body


def _refs(refs: Refs) -> dict[str, Any]:
    value: dict[str, Any] = {
        "org": refs.org, "repo": refs.repo, "base_ref": refs.base_ref, "base_sha": refs.base_sha
    }  # fmt: skip
    if refs.pulls:
        value["pulls"] = [
            {"number": pull.number, "author": pull.author, "sha": pull.sha} for pull in refs.pulls
        ]
    return value


def _base(name: str, address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise InputError(
            "BadAddress",
            f"{name}: is no http or https address without credentials",
            hint="credentials stand in files of their own",
        )
    return address.rstrip("/")
