"""What `pilotage gate render` does: write the tree of a gate, or say how what stands or lives elsewhere differs from it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from pilotage.api import kinds, yaml
from pilotage.api.errors import InputError, PilotageError
from pilotage.api.gate import PLATFORM_LABEL
from pilotage.api.meta import Kind, Object
from pilotage.app.gate.given import Given
from pilotage.gate.konflux.comparison import Drift, drift_of
from pilotage.gate.konflux.files import File, files_of
from pilotage.gate.konflux.scenario import PIPELINE_FILE, RUN_FILE
from pilotage.gate.konflux.target import MANAGED_BY, Pins, Target
from pilotage.store.base import NotFoundError, Reader

__all__ = ["Written", "check_files", "check_objects", "pins_of", "rendered", "write"]

State = Literal["written", "unchanged"]
_MANAGED: Final = {"app.kubernetes.io/managed-by": MANAGED_BY}
_UNSEEN: Final = frozenset({"Forbidden", "KindNotServed"})


class Written(msgspec.Struct, frozen=True):
    path: str
    state: State


def pins_of(directory: Path | None, image: str, url: str, revision: str) -> Pins:
    """What was named, else what stands in the tree already, else zeros. Raises InputError `NotPinned` for what is no pin."""
    known = _standing(directory) if directory else Pins()
    pins = Pins(image or known.image, url or known.url, revision or known.revision)
    if pins.problems:
        raise InputError(
            "NotPinned",
            "; ".join(pins.problems),
            hint="a tag or a branch could move between two tasks of one run",
            messages=pins.problems,
        )
    return pins


def _standing(directory: Path) -> Pins:
    """The pins of an earlier rendering. A file that is not ours, or is gone, says nothing."""
    image, params = "", {}
    try:
        pipeline: Any = yaml.load((directory / "repo" / PIPELINE_FILE).read_text())
        run: Any = yaml.load((directory / "repo" / RUN_FILE).read_text())
        image = str(pipeline["spec"]["tasks"][0]["taskSpec"]["steps"][0]["image"])
        params = {each["name"]: str(each["value"]) for each in run["spec"]["pipelineRef"]["params"]}
    except (OSError, PilotageError, KeyError, IndexError, TypeError):
        return Pins()
    found = Pins(image, params.get("url", Pins().url), params.get("revision", Pins().revision))
    return Pins() if found.problems else found


def rendered(given: Given, platforms: Sequence[str], pins: Pins) -> tuple[File, ...]:
    """Raises InputError as `files_of`, and `MatrixMissing`."""
    # A matrix that another platform lacks is its own business.
    wanted = set(platforms)
    targets = [
        Target(
            gate,
            pins,
            given.matrix_of(gate)
            if not wanted or gate.spec.platform in wanted
            else given.matrices.get(gate.spec.matrix_ref.name if gate.spec.matrix_ref else ""),
        )
        for gate in given.gates
    ]
    return files_of(targets, platforms)


def write(files: Iterable[File], directory: Path) -> tuple[Written, ...]:
    """Each file at once or not at all; one that is as it should be is not touched."""
    done = []
    for file in files:
        path = directory / file.path
        content = file.text.encode()
        if path.is_file() and path.read_bytes() == content:
            done.append(Written(file.path, "unchanged"))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as temporary:
            temporary.write(content)
        Path(temporary.name).chmod(0o644)
        Path(temporary.name).replace(path)
        done.append(Written(file.path, "written"))
    return tuple(done)


def check_files(files: Iterable[File], directory: Path) -> tuple[Drift, ...]:
    """What another rendering into the directory would change, file by file and line by line."""
    found = []
    for file in files:
        path = directory / file.path
        if not path.is_file():
            found.append(Drift(file.path, "missing"))
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if text == file.text:
            continue
        want, have = file.text.splitlines(), text.splitlines()
        line = next(
            (at for at, (a, b) in enumerate(zip(want, have, strict=False)) if a != b),
            min(len(want), len(have)),
        )
        found.append(Drift(file.path, "differs", f"line {line + 1}", _at(want, line), _at(have, line)))
    return tuple(found)


def _at(lines: Sequence[str], position: int) -> str:
    return lines[position].strip() if position < len(lines) else ""


async def check_objects(files: Sequence[File], reader: Reader) -> tuple[Drift, ...]:
    """How objects of a cluster or a dump differ; what may not be seen is said to be not seen."""
    found: list[Drift] = []
    wanted = [(Object.of(each), file.is_optional) for file in files for each in file.objects]
    for item, is_optional in wanted:
        drifts = await _compared(item, reader)
        if not is_optional or all(each.state == "differs" for each in drifts):
            found += drifts
    platforms = {file.platform for file in files if file.platform}
    return (*found, *await _surplus([item for item, _ in wanted], platforms, reader))


async def _compared(item: Object, reader: Reader) -> tuple[Drift, ...]:
    try:
        live = (await reader.get(kinds.of_object(item), item.key)).value()
    except NotFoundError:
        return drift_of(str(item), item.value(), None)
    except PilotageError as error:
        if error.code not in _UNSEEN:
            raise
        return (Drift(str(item), "not seen", found=error.message),)
    return drift_of(str(item), item.value(), live)


async def _surplus(wanted: Sequence[Object], platforms: set[str], reader: Reader) -> list[Drift]:
    """Objects that an earlier rendering made for these platforms."""
    known = {(item.kind, item.key) for item in wanted}
    found = []
    for kind, namespace in _places(wanted):
        try:
            items = (await reader.list(kind, namespace, _MANAGED)).items
        except PilotageError as error:
            if error.code not in _UNSEEN and not isinstance(error, NotFoundError):
                raise
            continue  # said above, object by object
        found += [
            Drift(str(item), "surplus")
            for item in items
            if item.labels.get(PLATFORM_LABEL) in platforms
            and item.labels.get("gate.pilotage.dev/kind", "definition") == "definition"
            and (item.kind, item.key) not in known
        ]
    return found


def _places(wanted: Iterable[Object]) -> list[tuple[Kind, str]]:
    return sorted({(kinds.of_object(item), item.key.namespace) for item in wanted}, key=str)
