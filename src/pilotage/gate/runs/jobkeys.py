"""The names by which a run and its jobs find each other again after a crash.

Prow knows no idempotency key: a request that is sent twice starts two jobs. So every job we start carries labels that say
which attempt of which job of which run it is, derived from nothing but facts that a restarted process has too. A run that is
planned again in the same slot has the same key, and so have its jobs.

Label values follow the rules of Kubernetes (at most 63 characters, alphanumeric at both ends), because kubernetes-sigs/prow
`pkg/gangway` refuses every other value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from pilotage.api.errors import InputError

__all__ = [
    "ATTEMPT_LABEL",
    "GROUP",
    "IMAGE_ENV",
    "JOB_KEY_LABEL",
    "PLATFORM_LABEL",
    "RUN_CLASS_LABEL",
    "RUN_LABEL",
    "TESTS_IMAGE_ENV",
    "job_key",
    "job_labels",
    "label_value",
    "prow_job_label",
    "run_key",
]

GROUP: Final = "gate.pilotage.dev"
PLATFORM_LABEL: Final = f"{GROUP}/platform"
RUN_LABEL: Final = f"{GROUP}/run"
JOB_KEY_LABEL: Final = f"{GROUP}/job-key"
ATTEMPT_LABEL: Final = f"{GROUP}/attempt"
RUN_CLASS_LABEL: Final = f"{GROUP}/run-class"
"""`test` on runs that rehearse, so that they never count in the history of real ones."""

IMAGE_ENV: Final = "MULTISTAGE_PARAM_OVERRIDE_OVERRIDE_HYPERSHIFT_OPERATOR_IMAGE"
"""The variable that hands the image under test, by digest, to a multi-stage job of OpenShift CI."""
TESTS_IMAGE_ENV: Final = "MULTISTAGE_PARAM_OVERRIDE_OVERRIDE_IMAGE_HYPERSHIFT_TESTS"
"""The same for the image that holds the tests, so that all jobs of a run use one."""

_KEY_LENGTH: Final = 16
_LABEL_LENGTH: Final = 63
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def run_key(platform: str, snapshot_uid: str, digest: str, trigger: str) -> str:
    """16 hexadecimal digits; `trigger` is the id of a cron slot or of a manual start."""
    return _key(platform, snapshot_uid, digest, trigger)


def job_key(run: str, job: str, attempt: int) -> str:
    """16 hexadecimal digits that mark one attempt (from 1) of one job of one run."""
    return _key(run, job, str(attempt))


def job_labels(platform: str, run: str, job: str, attempt: int, run_class: str = "") -> Mapping[str, str]:
    """The labels that a job is started with. Raises InputError `BadLabel` when a value cannot be one."""
    labels = {
        PLATFORM_LABEL: platform,
        RUN_LABEL: run,
        JOB_KEY_LABEL: job_key(run, job, attempt),
        ATTEMPT_LABEL: str(attempt),
    }
    if run_class:
        labels[RUN_CLASS_LABEL] = run_class
    bad = [f"{name}: {value!r}" for name, value in labels.items() if not _LABEL.fullmatch(value)]
    if bad:
        raise InputError(
            "BadLabel",
            f"job {job}: not a label value: {'; '.join(bad)}",
            hint="a label value has 1 to 63 letters, digits, '.', '_' or '-', and begins and ends with a letter or digit",
            messages=tuple(bad),
        )
    return labels


def label_value(text: str) -> str:
    """`text` as far as it can stand in a label: other characters become `-`, the rest is cut."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:_LABEL_LENGTH].strip("._-")


def prow_job_label(job: str) -> str:
    """What Prow writes into the label `prow.k8s.io/job`, by which executions are listed.

    A name longer than a label value is cut, and names of OpenShift CI are often longer; so a list by the whole name
    would find nothing. (`pkg/pod-utils/decorate` of kubernetes-sigs/prow.)
    """
    return job if len(job) <= _LABEL_LENGTH else job[:_LABEL_LENGTH].rstrip(".-")


def _key(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:_KEY_LENGTH]
