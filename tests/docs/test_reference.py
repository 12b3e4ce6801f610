"""The reference pages are those of the code, and every code that is said stands in them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer

import pilotage
from pilotage.app import rooms
from pilotage.app.codes import CODES
from pilotage.cli import program
from pilotage.images import errors

ROOT = Path(__file__).parents[2]
SOURCE = Path(pilotage.__file__).parent
SAID = re.compile(r'(?:[A-Za-z]*Error|error|warning)\(\s*"([A-Z][a-z]+[A-Za-z]+)"')
COMMON = {code for group in CODES.values() for code in group}


def test_generated_pages_match_the_code() -> None:
    """`make docs` was run after the last change that a page shows."""
    checked = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr[:4000]


def test_every_code_is_on_the_page() -> None:
    """Codes of every room, of images, and of the rooms that they share."""
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    of_rooms = {code for room in rooms.rooms() for group in room.codes.values() for code in group}
    missing = [code for code in sorted(of_rooms | COMMON | set(errors.CODES)) if f"`{code}`" not in page]
    assert missing == []


def test_every_shared_code_that_is_said_is_documented() -> None:
    """A new code without a sentence fails here; so does a sentence whose code is gone."""
    shared = ("api", "app", "cli", "decision", "images", "runtime", "store", "world")
    texts = [
        path.read_text()
        for room in shared
        for path in (SOURCE / room).rglob("*.py")
        if path.name != "codes.py"
    ]
    said = {code for text in texts for code in SAID.findall(text)}
    of_rooms = {code for room in rooms.rooms() for group in room.codes.values() for code in group}
    assert len(said) > 25
    assert sorted(said - COMMON - set(errors.CODES) - of_rooms) == []
    assert [
        code for code in sorted(COMMON) if not any(re.search(rf"\b{code}\b", text) for text in texts)
    ] == []


def test_every_decision_is_on_the_page() -> None:
    """What `decide --list` names has a section, with a page of conventions beside it."""
    page = (ROOT / "docs" / "reference" / "decisions.md").read_text()
    assert [name for name in rooms.questions() if f"\n## `{name}`\n" not in page] == []
    assert (ROOT / "docs" / "reference" / "decide.md").is_file()


def test_every_command_has_an_example_and_its_parameters_a_sentence() -> None:
    """A help page that only repeats names helps nobody."""
    poor = []
    for path, command in _leaves(typer.main.get_command(program.build()), "pilotage"):
        if "Example: " not in (command.help or ""):
            poor.append(f"{path}: no example")
        poor += [f"{path}: {each.name}" for each in command.params if not getattr(each, "help", None)]
    assert poor == []


def _leaves(command: object, path: str) -> list[tuple[str, typer.core.TyperCommand]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [(path, command)]  # type: ignore[list-item]
    return [leaf for name, child in children.items() for leaf in _leaves(child, f"{path} {name}")]
