"""Where do objects come from? Files and folders, a must-gather, stdin, a real cluster, or an instance.

An instance that runs is asked through its API, as any client would; the file of one that does not run is opened.

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
from typing import TYPE_CHECKING

import msgspec

from pilotage.api import kinds
from pilotage.api.errors import InputError
from pilotage.app import instance
from pilotage.app.clusters import ClusterChoice, open_cluster
from pilotage.decision.findings import Finding
from pilotage.runtime.clock import SystemClock
from pilotage.store.base import Reader
from pilotage.store.dump import DumpStore, Text

if TYPE_CHECKING:
    from pilotage.store.cluster import ClusterStore
    from pilotage.store.embedded.store import EmbeddedStore

__all__ = ["ObjectSource", "Opened", "open_reader", "open_store", "read_dump"]


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
    data_dir = instance.find(source.data_dir, os.environ)
    async with open_store(data_dir) as store:
        yield Opened(store, str(data_dir), data_dir)


@contextlib.asynccontextmanager
async def open_store(data_dir: Path) -> AsyncIterator[EmbeddedStore | ClusterStore]:
    """The objects of an instance: a client of its API while it runs, else its file."""
    # Start-up time: SQLite or an HTTP client, and only when there is an instance.
    if instance.is_held(data_dir) and instance.kubeconfig_path(data_dir).exists():
        from pilotage.store.cluster import ClusterSettings, ClusterStore, read_kubeconfig  # noqa: PLC0415

        # As strict as the file is when nobody runs; on loopback nobody needs to be spared.
        settings = ClusterSettings(rate=0, field_validation="Warn")
        async with ClusterStore(read_kubeconfig(instance.kubeconfig_path(data_dir)), settings) as client:
            yield client
        return
    from pilotage.store.embedded.store import EmbeddedStore  # noqa: PLC0415

    async with await EmbeddedStore.open(instance.store_path(data_dir), SystemClock()) as store:
        yield store


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
