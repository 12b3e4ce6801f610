"""What the tests of the faces stand on: the program in this process and as real processes, and a settled sample world.

Every test has a home of its own, so that no running instance, cache or credential of anybody else is found. Processes are
waited for by what they say or by what can be seen, up to a deadline that is only met when something is broken.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pilotage.cli import program

from .management import management  # noqa: F401 -- a fixture for every folder: that server with definitions and namespaces
from .realapi import real_api  # noqa: F401 -- a fixture for every folder: a real kube-apiserver, started when asked for

DEADLINE = 60.0  # seconds
MAIN = (sys.executable, "-c", "from pilotage.cli import main; main()")


class Ran(NamedTuple):
    """What became of one command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Running:
    """A process of the program whose lines are read as they come."""

    def __init__(self, arguments: tuple[object, ...], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [*MAIN, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self.out: list[bytes] = []
        self.err: list[bytes] = []
        self._lines: dict[str, queue.Queue[bytes]] = {"out": queue.Queue(), "err": queue.Queue()}
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self.process.stdout), ("err", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def line(self, stream: str = "out") -> bytes:
        """The next line that was not asked for yet; empty at the end of the stream."""
        return self._lines[stream].get(timeout=DEADLINE)

    def wait_for(self, text: str, stream: str = "err") -> str:
        """Read on to the next line with `text`."""
        while line := self.line(stream):
            if text in line.decode():
                return line.decode()
        raise AssertionError(f"ended without saying {text!r}: {b''.join(self.err).decode()}")

    def send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def end(self, number: signal.Signals | None = None) -> Ran:
        """Send a signal, or close its input, and wait until it is gone."""
        if number is not None:
            self.process.send_signal(number)
        self.process.stdin.close()
        code = self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        self.process.stdout.close()
        self.process.stderr.close()
        return Ran(code, b"".join(self.out).decode(), b"".join(self.err).decode())

    def _read(self, name: str, stream: Any) -> None:
        kept = getattr(self, name)
        for line in stream:
            kept.append(line)
            self._lines[name].put(line)
        self._lines[name].put(b"")


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user who has nothing yet; it is also where commands run."""
    directory = tmp_path / "user"
    directory.mkdir()
    for name in ("PILOTAGE_DATA_DIR", "PILOTAGE_CACHE_DIR", "PILOTAGE_DEBUG", "REGISTRY_AUTH_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory / "run"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def cli(
    user: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """Run one command in this process: `cli("get", "hc", stdin="...")`."""

    def run(*arguments: object, stdin: str | bytes = b"") -> Ran:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsys.readouterr()
        code = program.run([str(each) for each in arguments])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def start(user: Path) -> Iterator[Callable[..., Running]]:
    """Start the program as a process; what still runs at the end of the test is killed."""
    with contextlib.ExitStack() as stack:

        def run(*arguments: object) -> Running:
            running = Running(arguments, dict(os.environ))
            stack.callback(_bury, running)
            return running

        yield run


def _bury(running: Running) -> None:
    if running.process.poll() is None:
        running.process.kill()
    if not running.process.stdout.closed:
        running.end()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Ask until the answer is as wished, and give it; the last answer is shown when the deadline passes."""

    def ask(question: Callable[[], Any], is_wished: Callable[[Any], bool] = bool) -> Any:
        deadline = time.monotonic() + DEADLINE
        while not is_wished(answer := question()):
            assert time.monotonic() < deadline, f"never came true; last seen: {answer}"
            time.sleep(0.01)
        return answer

    return ask


@pytest.fixture(scope="session")
def _settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("world") / "data"
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(directory.parent / "run")}
    command = [*MAIN, "up", "--until-settled", "--data-dir", str(directory)]
    ran = subprocess.run(command, check=False, capture_output=True, env=environment, timeout=DEADLINE)
    assert ran.returncode == 0, ran.stderr.decode()
    return directory


@pytest.fixture
def world(_settled: Path, tmp_path: Path) -> Path:
    """The data directory of a settled sample world that nobody runs, free to change."""
    return Path(shutil.copytree(_settled, tmp_path / "world"))
