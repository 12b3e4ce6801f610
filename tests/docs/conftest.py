"""Pages and examples are run as a reader would run them: from the top of a checkout, with the sample fleet at hand."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from pilotage.cli import program

ROOT = Path(__file__).parents[2]


class Ran(NamedTuple):
    """What became of one line: its exit code, and all that it printed, in order."""

    code: int
    text: str


class Terminal:
    """A shell in a directory with `examples/`. Lines with `pilotage` run in this process, all others in a real shell."""

    def __init__(self, directory: Path, environment: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self._environment = environment

    def run(self, line: str) -> Ran:
        words = self._words(line)
        if words[:1] == ["export"]:
            name, _, value = line.removeprefix("export ").partition("=")
            self._environment.setenv(name, value.strip('"').replace("$PWD", str(self.directory)))
            return Ran(0, "")
        if words[:2] == ["make", "run"]:
            arguments = [word.removeprefix("ARGS=") for word in words[2:]]
            return self._pilotage(["up", *(part for word in arguments for part in shlex.split(word))])
        given = b""
        if words[:1] == ["echo"] and words.count("|") == 1 and "$" not in line:
            given = " ".join(words[1 : words.index("|")]).encode() + b"\n"
            words = words[words.index("|") + 1 :]
        if words[:1] == ["pilotage"] and not {"|", "&&", ";", "<", "2>"} & set(words) and "$" not in line:
            if ">" not in words:
                return self._pilotage(words[1:], given)
            ran = self._pilotage(words[1 : words.index(">")], given)
            (self.directory / words[words.index(">") + 1]).write_text(ran.text)
            return Ran(ran.code, "")
        return self._shell(line)

    def _words(self, line: str) -> list[str]:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>;&")
        lexer.whitespace_split = True
        return list(lexer)

    def _pilotage(self, arguments: list[str], given: bytes = b"") -> Ran:
        printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(given))
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                code = program.run(arguments)
        finally:
            sys.stdin = stdin
        return Ran(code, printed.buffer.getvalue().decode())  # type: ignore[attr-defined]

    def _shell(self, line: str) -> Ran:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", line],
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=60,
        )
        return Ran(done.returncode, done.stdout)


@pytest.fixture(scope="session")
def sample_fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of `pilotage up` after everything settled."""
    home = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", str(home))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert program.run(["up", "--data-dir", str(home / "fleet"), "--until-settled"]) == 0
    return home / "fleet"


@pytest.fixture
def terminal(tmp_path: Path, sample_fleet: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A fresh directory with the examples and, at `$PILOTAGE_DATA_DIR`, a copy of the sample fleet."""
    directory = tmp_path / "checkout"
    directory.mkdir()
    (directory / "examples").symlink_to(ROOT / "examples")
    shutil.copytree(sample_fleet, tmp_path / "instance")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PILOTAGE_DATA_DIR", str(tmp_path / "instance"))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    return Terminal(directory, monkeypatch)
