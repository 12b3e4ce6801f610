"""`pilotage up` as a whole process: how soon it answers on a directory that it knows, and what it costs while nothing happens.

The start ends with the first answered HTTPS request of a client that waited for the kubeconfig. Idle is CPU and bytes written over
some seconds after everything settled, as the system counts them; a look at an idle file must not be a poll.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench._figures import held

from pilotage.runtime.clock import SystemClock
from pilotage.store.cluster import ClusterSettings, ClusterStore, read_kubeconfig

__all__ = ["run"]

ROUNDS = 5
MOST_SECONDS = 1.5
IDLE_SECONDS = 10.0
MOST_IDLE_SHARE, MOST_IDLE_BYTES = 0.005, 0
UP = (sys.executable, "-c", "from pilotage.cli import main; main()", "up", "--data-dir")


def run() -> dict[str, Any]:
    """Medians in seconds; CPU as a share of one core."""
    with tempfile.TemporaryDirectory(prefix="pilotage-bench-") as folder:
        data = Path(folder) / "data"
        subprocess.run([*UP, data, "--until-settled"], check=True, stdout=subprocess.DEVNULL)
        starts = [_start(data, idle=0) for _ in range(ROUNDS)]
        _, share, written = _start(data, idle=IDLE_SECONDS)
    return {
        "seconds_to_first_answer": held(statistics.median(each[0] for each in starts), most=MOST_SECONDS),
        "cpu_seconds_to_first_answer": statistics.median(each[1] for each in starts),
        "idle_cpu_share": held(share, most=MOST_IDLE_SHARE),
        "idle_bytes_written": held(written, most=MOST_IDLE_BYTES),
        "idle_seconds": IDLE_SECONDS,
        "rounds": ROUNDS,
    }


def _start(data: Path, idle: float) -> tuple[float, float, int]:
    """Seconds to the first answer; then CPU seconds until there, or, after a rest, the share of a core and what was written."""
    kubeconfig = data / "kubeconfig"
    began = time.perf_counter()
    with subprocess.Popen(
        [*UP, data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        try:
            while not kubeconfig.exists() or not kubeconfig.read_bytes():
                assert process.poll() is None
                time.sleep(0.005)
            asyncio.run(_ask(kubeconfig))
            seconds = time.perf_counter() - began
            if not idle:
                return seconds, _used(process.pid)[0], 0
            time.sleep(idle)  # everything settles
            cpu, written = _used(process.pid)
            time.sleep(idle)
            cpu_then, written_then = _used(process.pid)
            return seconds, (cpu_then - cpu) / idle, written_then - written
        finally:
            process.terminate()


async def _ask(kubeconfig: Path) -> None:
    access = read_kubeconfig(kubeconfig, clock=SystemClock())
    async with ClusterStore(access, ClusterSettings(rate=0)) as store:
        await store.server_version()


def _used(pid: int) -> tuple[float, int]:
    """CPU seconds and bytes sent to disks so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    counted = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(counted["write_bytes"])
