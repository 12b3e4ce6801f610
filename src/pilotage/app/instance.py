"""Where a running `pilotage up` keeps its state, and how a command in another terminal finds it.

A data directory holds `store.sqlite` (the objects), `registry/` (an OCI layout with the images), `lock`, and while an instance runs
`kubeconfig`, which leads to its API. One instance runs
on a directory at a time: two would decide the same clusters and write over one another. It holds the lock for as long as it
lives, and the system lets go of it however the process ends, so a crash leaves nothing to clean up.

The instance also writes a pointer to its directory under the user's runtime directory and removes it when it stops. Without
a name, other commands talk to the instance that was started last; a pointer whose process is gone is ignored.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from pilotage.api.errors import InputError
from pilotage.store.base import StoreBusyError

__all__ = [
    "Instance",
    "announced",
    "find",
    "held",
    "is_held",
    "kubeconfig_path",
    "layout_path",
    "store_path",
]


class Instance(msgspec.Struct, frozen=True):
    """One running `pilotage up` or `pilotage serve`, and the kubeconfig that leads to its API."""

    data_dir: str
    pid: int
    kubeconfig: str = ""


def store_path(data_dir: Path) -> Path:
    return data_dir / "store.sqlite"


def kubeconfig_path(data_dir: Path) -> Path:
    return data_dir / "kubeconfig"


def layout_path(data_dir: Path) -> Path:
    return data_dir / "registry"


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Be the only instance on a directory for as long as the block runs.

    Raises StoreBusyError naming the process that is there already, OSError when nothing can be written.
    """
    with (data_dir / "lock").open("a+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(20).decode(errors="replace").strip()
            raise StoreBusyError(
                f"{data_dir}: an instance runs here already" + (f" (process {holder})" if holder else ""),
                hint=f"use it: pilotage get hc --data-dir {data_dir}; or stop it; or name another directory",
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        yield


def is_held(data_dir: Path) -> bool:
    """Does an instance run on the directory?"""
    try:
        with (data_dir / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextlib.contextmanager
def announced(data_dir: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Let other commands find this process for as long as the block runs."""
    pointer = _pointers(environment) / f"{os.getpid()}.json"
    pointer.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=pointer.parent)
    with os.fdopen(handle, "wb") as file:
        place = data_dir.resolve()
        file.write(msgspec.json.encode(Instance(str(place), os.getpid(), str(kubeconfig_path(place)))))
    Path(draft).replace(pointer)
    try:
        yield
    finally:
        pointer.unlink(missing_ok=True)


def find(data_dir: Path | None, environment: Mapping[str, str]) -> Path:
    """The data directory that is meant: the given one, `PILOTAGE_DATA_DIR`, or that of the instance started last.

    Raises InputError `NoInstance` when there is none, or the directory holds no store.
    """
    named = data_dir or (
        Path(environment["PILOTAGE_DATA_DIR"]) if environment.get("PILOTAGE_DATA_DIR") else None
    )
    if named is not None:
        if not store_path(named).exists():
            raise InputError(
                "NoInstance", f"{named} holds no store", hint="start one with: pilotage up --data-dir DIR"
            )
        return named
    running = _running(environment)
    if running is None:
        raise InputError(
            "NoInstance",
            "no instance is running here",
            hint="start one with `pilotage up`, or name objects with -f FILE, or a directory with --data-dir DIR",
        )
    return Path(running.data_dir)


def _pointers(environment: Mapping[str, str]) -> Path:
    runtime_dir = environment.get("XDG_RUNTIME_DIR") or f"{tempfile.gettempdir()}/pilotage-{os.getuid()}"
    return Path(runtime_dir) / "pilotage"


def _running(environment: Mapping[str, str]) -> Instance | None:
    """The living instance that was started last."""
    found = []
    for pointer in _pointers(environment).glob("*.json"):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            status = pointer.stat()
            # Without a runtime directory of the user, pointers stand where anybody may write.
            if status.st_uid == os.getuid():
                instance = msgspec.json.decode(pointer.read_bytes(), type=Instance)
                found.append((status.st_mtime_ns, instance))
    alive = [each for each in found if _is_alive(each[1].pid)]
    return max(alive, key=lambda each: each[0])[1] if alive else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
