"""Every `console` block of the documentation is true: its commands run, end as shown, and print what is shown.

A block is what a terminal shows: `$ ` opens a command (`> ` goes on with one that ended in a backslash), the lines below
are what it prints. `…` stands for any text, alone in a line for any lines. `$ echo $?` shows an exit code other than 0.
The blocks of one page are one session. Blocks of other languages are for reading; what they call must exist.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from pilotage.cli import program

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"))
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"(?<![\w./-])pilotage ((?:[a-z][a-z-]*)(?: [a-z][a-z0-9-]*){0,2})([^`|;&()]*)")


class Step(NamedTuple):
    """One command of a page, what is shown of its output (None: nothing), and the exit code that is shown."""

    line: str
    shown: list[str] | None
    code: int


def steps_of(page: Path) -> list[Step]:
    steps: list[Step] = []
    for language, body in FENCE.findall(page.read_text()):
        if language == "console":
            steps += _steps(body.replace("\\\n> ", "").splitlines())
    return steps


def _steps(lines: list[str]) -> list[Step]:
    steps: list[Step] = []
    for line in lines:
        if line.startswith("$ "):
            steps.append(Step(line[2:], None, 0))
        else:
            last = steps.pop()
            steps.append(last._replace(shown=[*(last.shown or []), line]))
    merged: list[Step] = []
    for step in steps:
        if step.line == "echo $?":
            merged[-1] = merged[-1]._replace(code=int((step.shown or ["0"])[0]))
        else:
            merged.append(step)
    return merged


def is_shown_truly(shown: list[str], printed: str) -> bool:
    """Does `printed` have the lines of `shown`, in order? Runs of blanks count as one; `…` stands for anything."""
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pieces = [re.escape(" ".join(piece.split())) for piece in line.split("…")]
            pattern += r"[^\n]*?".join(pieces) + r"\n"
    lines = "".join(" ".join(line.split()) + "\n" for line in printed.splitlines())
    return re.fullmatch(pattern.replace("\\ [^", "\\ ?[^").replace("]*?\\ ", "]*?\\ ?"), lines) is not None


@pytest.mark.parametrize("page", [page for page in PAGES if steps_of(page)], ids=lambda page: page.stem)
def test_every_console_block_is_true(page: Path, terminal: Any) -> None:
    """Each command runs with the exit code and the output that the page shows."""
    for step in steps_of(page):
        ran = terminal.run(step.line)
        assert ran.code == step.code, f"{page.name}: $ {step.line}\n{ran.text}"
        if step.shown is not None:
            assert is_shown_truly(step.shown, ran.text), f"{page.name}: $ {step.line}\n{ran.text}"


def test_output_that_is_not_printed_is_noticed() -> None:
    """The matcher tells true output from false, or the test above would prove nothing."""
    printed = "NAME   RULE\na      payload\nb      override\n"
    assert is_shown_truly(["NAME RULE", "…", "b override"], printed)
    assert is_shown_truly(["NAME RULE", "a pay…", "b over…"], printed)
    assert is_shown_truly(["…"], printed)
    assert not is_shown_truly(["NAME RULE", "b override"], printed)
    assert not is_shown_truly(["…", "a override", "…"], printed)
    assert not is_shown_truly(["NAME RULE", "a payload"], printed)


def calls_of(page: Path) -> list[str]:
    """What a page says to type: lines of its blocks, and code within sentences."""
    text = page.read_text().replace("\\\n> ", "").replace("\\\n", "")
    blocks = [line for _, body in FENCE.findall(text) for line in body.splitlines()]
    spans = re.findall(r"`(pilotage [^`]+)`", FENCE.sub("", text))
    return [line.removeprefix("$ ") for line in (*blocks, *spans) if "pilotage " in line]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_named_exists(page: Path) -> None:
    """Verbs and options on every page are those of the program."""
    for call in calls_of(page):
        if not call.startswith(("pilotage ", "echo ", "cat ")):
            continue
        for words, rest in CALL.findall(call):
            command = find(words.split())
            options = re.findall(r"(?<=\s)(--[a-z][a-z-]*|-[a-zA-Z])(?=[\s=]|$)", rest)
            known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
            assert set(options) <= known | {"--help", "-h"}, f"{page.name}: {call}"


@cache
def commands() -> Any:
    return typer.main.get_command(program.build())


def find(words: list[str]) -> Any:
    """The command that the words begin with; a group when only that is named."""
    command = commands()
    for word in words:
        children = getattr(command, "commands", None)
        if children is None or (word not in children and command.name != "pilotage"):
            break
        assert word in children, f"there is no command {' '.join(words)}"
        command = children[word]
    return command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    """`make` is only told what the Makefile knows."""
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|[`$] ?)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert named <= targets
