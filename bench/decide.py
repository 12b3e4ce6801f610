"""How many decisions a second come through `pilotage decide --lines`, asked through a pipe by one other process?

`batch` sends all requests at once, as a script over a file does; `turns` waits for each answer before it asks again, as a
program that talks to it does. The limit of 2000 a second for small decisions is reported, not asserted.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

__all__ = ["run"]

BATCH, TURNS, ROUNDS = 20_000, 3_000, 5
LIMIT_PER_SECOND = 2_000
COMMAND = (sys.executable, "-c", "from pilotage.cli import main; main()", "decide", "--lines")


def run() -> dict[str, Any]:
    """Medians; the start of the process is measured apart and not counted."""
    batch, turns = [], []
    for _ in range(ROUNDS):
        batch.append(BATCH / (_batch(BATCH) - _batch(1)))
        turns.append(TURNS / _turns())
    return {
        "requests": {"batch": BATCH, "turns": TURNS},
        "request_bytes": len(_request(0)),
        "rounds": ROUNDS,
        "batch_per_second": round(statistics.median(batch)),
        "turns_per_second": round(statistics.median(turns)),
        "limit_per_second": LIMIT_PER_SECOND,
        "within": statistics.median(turns) >= LIMIT_PER_SECOND,
    }


def _batch(count: int) -> float:
    """Seconds of a whole process that answers `count` requests."""
    with tempfile.TemporaryFile() as requests, tempfile.TemporaryFile() as answers:
        requests.writelines(_request(number) for number in range(count))
        requests.seek(0)
        began = time.perf_counter()
        subprocess.run(COMMAND, stdin=requests, stdout=answers, check=True)
        taken = time.perf_counter() - began
        answers.seek(0)
        _check(answers.readlines(), count)
    return taken


def _turns() -> float:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers = []
        began = 0.0
        for number in range(TURNS + 1):
            process.stdin.write(_request(number))
            process.stdin.flush()
            answers.append(process.stdout.readline())
            began = began or time.perf_counter()  # from the first answer on: the process has started
        taken = time.perf_counter() - began
        process.stdin.close()
    _check(answers, TURNS + 1)
    return taken


def _check(answers: list[bytes], count: int) -> None:
    """A fast wrong answer is no figure."""
    ids = [json.loads(answer)["id"] for answer in answers if b'"payload"' in answer]
    if ids != list(range(count)):
        raise RuntimeError("an answer is missing or wrong")


def _request(number: int) -> bytes:
    cluster = {
        "metadata": {"namespace": "clusters", "name": f"cluster-{number}"},
        "spec": {"platform": {"type": "AWS"}, "release": {"image": "quay.example.com/release:4.19.7"}},
    }
    asked = {
        "hostedClusters": [cluster],
        "payload": {
            "version": "4.19.7",
            "components": {"hypershift": f"quay.example.com/cpo@sha256:{'a' * 64}"},
        },
        "overrides": {},
        "overridesEnabled": True,
        "hoImage": f"quay.example.com/ho@sha256:{'b' * 64}",
        "hoHasCpoBinary": True,
    }
    return json.dumps({"decision": "cpo.resolve", "input": asked, "id": number}).encode() + b"\n"
