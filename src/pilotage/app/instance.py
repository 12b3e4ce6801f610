"""Where a running `pilotage up` keeps its state, and how a command in another terminal finds it.

A data directory holds `store.sqlite` (the objects) and `registry/` (an OCI layout with the images). The running instance
writes a pointer to its directory under the user's runtime directory and removes it when it stops; a pointer whose process
is gone is ignored.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from pilotage.api.errors import InputError

__all__ = ["Instance", "announced", "find", "layout_path", "store_path"]


class Instance(msgspec.Struct, frozen=True):
    """One running `pilotage up`."""

    data_dir: str
    pid: int


def store_path(data_dir: Path) -> Path:
    return data_dir / "store.sqlite"


def layout_path(data_dir: Path) -> Path:
    return data_dir / "registry"


@contextlib.contextmanager
def announced(data_dir: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Let other commands find this process for as long as the block runs."""
    pointer = _pointer(environment)
    pointer.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=pointer.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(Instance(str(data_dir.resolve()), os.getpid())))
    Path(draft).replace(pointer)
    try:
        yield
    finally:
        current = _read(pointer)
        if current is not None and current.pid == os.getpid():
            pointer.unlink(missing_ok=True)


def find(data_dir: Path | None, environment: Mapping[str, str]) -> Path:
    """The data directory that is meant: the given one, `PILOTAGE_DATA_DIR`, or that of the running instance.

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
    running = _read(_pointer(environment))
    if running is None or not _is_alive(running.pid):
        raise InputError(
            "NoInstance",
            "no instance is running here",
            hint="start one with `pilotage up`, or name objects with -f FILE, or a directory with --data-dir DIR",
        )
    return Path(running.data_dir)


def _pointer(environment: Mapping[str, str]) -> Path:
    runtime_dir = environment.get("XDG_RUNTIME_DIR") or f"{tempfile.gettempdir()}/pilotage-{os.getuid()}"
    return Path(runtime_dir) / "pilotage" / "instance.json"


def _read(pointer: Path) -> Instance | None:
    try:
        return msgspec.json.decode(pointer.read_bytes(), type=Instance)
    except (OSError, msgspec.DecodeError):
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
