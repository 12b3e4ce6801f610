"""A whole embedded API in a process of its own, served over HTTPS as `pilotage up` does it, but strict, as a cluster is.

Run as a program it serves until its input ends: `python serving.py FOLDER` writes FOLDER/kubeconfig.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pilotage.apiserver import kubeconfig
from pilotage.apiserver.server import serving
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded import EmbeddedStore

READY = b"ready\n"
STOP_LIMIT = 30.0


@contextmanager
def served_api(folder: Path) -> Iterator[Path]:
    """Serve until the block ends; gives the kubeconfig."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert READY == process.stdout.readline()
        yield folder / "kubeconfig"
    finally:
        process.stdin.close()
        try:
            assert 0 == process.wait(STOP_LIMIT)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


async def serve(folder: Path) -> None:
    async with (
        await EmbeddedStore.open(None, SystemClock(), is_strict=True) as store,
        serving(store) as api,
    ):
        kubeconfig.write(folder / "kubeconfig", api.address, api.identity)
        sys.stdout.buffer.write(READY)
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
