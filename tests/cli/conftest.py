"""The program as a user runs it: in this process, with a home of its own; sample payloads on disk, registries on loopback."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pilotage.cli import program
from pilotage.images.disk.layout import OciLayout
from pilotage.world import payloads

_SPEC = importlib.util.spec_from_file_location(
    "pilotage_test_registries", Path(__file__).parents[1] / "images" / "conftest.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
_registries = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _registries
_SPEC.loader.exec_module(_registries)

# The registries of the image tests, under their own names.
start_registry = _registries.start_registry
real_registry = _registries.real_registry
misbehaving = _registries.misbehaving
make_image = _registries.make_image


class Ran(NamedTuple):
    """What became of one command line."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Pilotage = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without credentials, cache and running instance."""
    directory = tmp_path / "home"
    directory.mkdir()
    for name, place in (
        ("HOME", "."),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_RUNTIME_DIR", "run"),
        ("DOCKER_CONFIG", "docker"),
    ):
        monkeypatch.setenv(name, str(directory / place))
    for name in ("REGISTRY_AUTH_FILE", "PILOTAGE_DATA_DIR", "PILOTAGE_CACHE_DIR", "PILOTAGE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return directory


@pytest.fixture
def pilotage(home: Path, capsys: pytest.CaptureFixture[str]) -> Pilotage:
    """Run one command line: `pilotage("release info REF -o json")`, further words as they are."""

    def run(line: str, *more: object) -> Ran:
        capsys.readouterr()
        code = program.run([*shlex.split(line), *map(str, more)])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def _samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("samples") / "registry"
    asyncio.run(payloads.build(OciLayout(directory, create=True), lambda _step: None))
    return directory


@pytest.fixture
def samples(_samples: Path, tmp_path: Path) -> Path:
    """A layout with the sample payloads 4.19, 4.20 and 5.0 and all their components, free to change."""
    return Path(shutil.copytree(_samples, tmp_path / "samples"))


@pytest.fixture
def release(samples: Path) -> Callable[[str], str]:
    """The location of a sample payload: `release("4.20.3-multi")`."""
    return lambda tag: f"oci:{samples}:quay.example.com/openshift/release:{tag}"
