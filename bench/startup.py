"""How long until a person at a terminal has the answer? Whole processes, from start to end.

(a) `pilotage --help`. (b) `pilotage explain cpo-image` of one cluster out of a must-gather of 5 MB, offline. Limits are reported, not
asserted: 250 ms is where a command stops to feel immediate, 500 ms is what a look into a dump may cost.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pilotage.api import yaml

__all__ = ["run"]

ROUNDS = 15
HELP_LIMIT_MS, EXPLAIN_LIMIT_MS = 250, 500
IMAGE = "hypershift.openshift.io/control-plane-operator-image"
LABELS = "hypershift.openshift.io/control-plane-operator-image-labels"
MAIN = (sys.executable, "-c", "from pilotage.cli import main; main()")


def run() -> dict[str, Any]:
    """Medians and ranges in milliseconds, each with its limit; `bare_python` is what the interpreter itself takes."""
    with tempfile.TemporaryDirectory(prefix="pilotage-bench-") as folder:
        dumps = {form: _dump(Path(folder), form) for form in ("json", "yaml")}
        explain = ("explain", "cpo-image", "clusters/cluster-150", "--offline", "-f")
        return {
            "rounds": ROUNDS,
            "bare_python": _milliseconds((sys.executable, "-c", "")),
            "help": _milliseconds((*MAIN, "--help"), HELP_LIMIT_MS),
            "explain": {
                form: {"bytes": path.stat().st_size}
                | _milliseconds((*MAIN, *explain, str(path)), EXPLAIN_LIMIT_MS)
                for form, path in dumps.items()
            },
        }


def _milliseconds(command: Sequence[str], limit: float | None = None) -> dict[str, Any]:
    taken, worked = [], []
    for _ in range(ROUNDS):
        began, cpu = time.perf_counter(), _cpu_seconds()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append((time.perf_counter() - began) * 1000)
        worked.append((_cpu_seconds() - cpu) * 1000)
    median = statistics.median(taken)
    result: dict[str, Any] = {
        "median_ms": round(median, 1),
        "range_ms": [round(min(taken), 1), round(max(taken), 1)],
        "cpu_ms": round(statistics.median(worked), 1),
    }
    return result if limit is None else result | {"limit_ms": limit, "within": median <= limit}


def _cpu_seconds() -> float:
    """Of all processes that ended; on a busy machine the better figure."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _dump(folder: Path, form: str) -> Path:
    """Pinned clusters with managed fields as a server gives them, 5 MB in either form (JSON indented, as `oc get` prints it)."""
    items = [_cluster(number) for number in range(320 if form == "json" else 540)]
    listed = {"apiVersion": "hypershift.openshift.io/v1beta1", "kind": "HostedClusterList", "items": items}
    path = folder / f"hostedclusters.{form}"
    path.write_text(json.dumps(listed, indent=2) if form == "json" else yaml.dump(listed))
    return path


def _cluster(number: int) -> dict[str, Any]:
    fields = {f"f:field{index}": {".": {}, f"k:{index}": {"f:value": {}}} for index in range(70)}
    condition = {"status": "True", "reason": "AsExpected", "lastTransitionTime": "2026-05-20T04:35:16Z"}
    return {
        "apiVersion": "hypershift.openshift.io/v1beta1",
        "kind": "HostedCluster",
        "metadata": {
            "name": f"cluster-{number}",
            "namespace": "clusters",
            "annotations": {IMAGE: f"quay.example.com/cpo@sha256:{number:064x}", LABELS: "a=b"},
            "managedFields": [
                {"manager": "hypershift-operator", "fieldsType": "FieldsV1", "fieldsV1": fields}
            ],
        },
        "spec": {"platform": {"type": "AWS"}, "release": {"image": "quay.example.com/release:4.20.3"}},
        "status": {
            "conditions": [
                {"type": f"Condition{index}", "message": "as expected " * 8, **condition}
                for index in range(14)
            ]
        },
    }
