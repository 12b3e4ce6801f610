"""Where do objects come from? Files and folders, a must-gather, stdin, a real cluster, or the store of an instance.

Commands that only read get a `Reader` and cannot tell which it is. Several files become one dump; a later file wins over
an earlier one, and what was left out or stood there twice is reported as findings.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec

from pilotage.api import kinds
from pilotage.api.errors import InputError
from pilotage.app import instance
from pilotage.app.clusters import ClusterChoice, open_cluster
from pilotage.decision.findings import Finding
from pilotage.runtime.clock import SystemClock
from pilotage.store.base import Reader
from pilotage.store.dump import DumpStore, Text

__all__ = ["ObjectSource", "Opened", "open_reader", "read_dump"]


class ObjectSource(msgspec.Struct, frozen=True):
    """What the user named: `files` (`-` is stdin), a `cluster`, or else an instance (`data_dir` None: the one that runs)."""

    files: tuple[str, ...] = ()
    data_dir: Path | None = None
    is_tolerant: bool = False
    cluster: ClusterChoice | None = None


class Opened(msgspec.Struct, frozen=True):
    """A reader, what it is called, and the directory of its instance when there is one."""

    reader: Reader
    name: str
    data_dir: Path | None = None
    findings: tuple[Finding, ...] = ()


@contextlib.asynccontextmanager
async def open_reader(source: ObjectSource) -> AsyncIterator[Opened]:
    """Raises InputError for files that are no manifests (all of them at once), `NoInstance`, `NoCluster`."""
    if source.files and source.cluster is not None:
        raise InputError(
            "InvalidOption", "objects come from files (-f) or from a cluster (--kubeconfig, --context)"
        )
    if source.cluster is not None:
        access = source.cluster.access()
        async with open_cluster(access) as cluster:
            yield Opened(cluster, access.server)
        return
    if source.files:
        dump = read_dump(source.files, is_tolerant=source.is_tolerant)
        yield Opened(dump, dump.name, findings=dump.findings)
        return
    from pilotage.store.embedded.store import EmbeddedStore  # noqa: PLC0415 -- SQLite only when there is an instance

    data_dir = instance.find(source.data_dir, os.environ)
    async with await EmbeddedStore.open(instance.store_path(data_dir), SystemClock()) as store:
        yield Opened(store, str(data_dir), data_dir)


def read_dump(files: Sequence[str], *, is_tolerant: bool = False) -> DumpStore:
    """All files as one dump. Raises InputError `UnreadableDump` with every problem of every file, or `NoSuchDump`."""
    sources = [Text("stdin", sys.stdin.buffer.read()) if file == "-" else Path(file) for file in files]
    with _no_cycles():
        return DumpStore.collect(sources, kinds=kinds.KNOWN, is_tolerant=is_tolerant)


@contextlib.contextmanager
def _no_cycles() -> Iterator[None]:
    """Parsing makes trees of many small values; to look for cycles among them costs a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
