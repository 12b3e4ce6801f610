"""Write, or check, the reference pages that are made from the code: commands, decisions, rules, error codes, kinds.

python tools/reference.py --write    rewrite docs/reference
python tools/reference.py --check    exit 1 and show the difference when a page is stale
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer

from pilotage.api import kinds
from pilotage.app import rooms
from pilotage.cli import program
from pilotage.decision import questions
from pilotage.images import errors

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
NOTE = "<!-- Made from the code by `make docs`. Change the code, not this page. -->\n"


def pages() -> dict[str, str]:
    """File name to text of every generated page."""
    return {
        "commands.md": commands_page(),
        "decisions.md": decisions_page(),
        "rules.md": rules_page(),
        "errors.md": errors_page(),
        "kinds.md": kinds_page(),
    }


def commands_page() -> str:
    lines = [
        NOTE,
        "# Commands",
        "",
        "Exit codes: 0 ok · 1 the answer is no · 2 wrong use · 3 something outside failed · 4 our bug.",
        "",
    ]
    for path, command in _leaves(typer.main.get_command(program.build()), "pilotage"):
        context = typer.Context(command, info_name=path)
        lines += [f"## `{path}`", "", "```", command.get_help(context), "```", ""]
    return "\n".join(lines)


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from _leaves(child, f"{path} {name}")


def decisions_page() -> str:
    lines = [
        NOTE,
        "# Decisions",
        "",
        "What `pilotage decide` answers. The form of requests and answers is in [decide](decide.md).",
        "",
    ]
    for name, question in rooms.questions().items():
        body = questions.schema(question)
        lines += [f"## `{name}`", "", question.summary, ""]
        for side in ("input", "value"):
            lines += [f"{side.capitalize()}:", "", *_fields(body[side]), ""]
    return "\n".join(lines)


def _fields(schema: dict[str, Any]) -> list[str]:
    """The top-level keys of a schema as a list."""
    definitions = schema.get("$defs", {})
    root = definitions.get(schema.get("$ref", "").rpartition("/")[2], schema)
    required = set(root.get("required", ()))
    return [
        f"- `{name}`: {_type(field)}{'' if name in required else _default(field)}"
        for name, field in root.get("properties", {}).items()
    ]


def _default(field: dict[str, Any]) -> str:
    return f", default `{msgspec.json.encode(field.get('default')).decode()}`"


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(option) for option in field["anyOf"]))
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "$ref" in field:
        return "object"
    kind = str(field.get("type", "any JSON value"))
    if kind == "array" and isinstance(field.get("items"), dict):
        return f"list of {_type(field['items'])}"
    return kind


def rules_page() -> str:
    lines = [NOTE, "# Rules", "", "What `pilotage explain` walks: the first rule that applies decides.", ""]
    for topic in rooms.topics().values():
        lines += [f"## `{topic.name}`", "", topic.summary, "", "| # | Rule | In words |", "|---|---|---|"]
        lines += [
            f"| {'' if rule.is_guard else sum(not r.is_guard for r in topic.rules[: index + 1])} | {'(guard) ' if rule.is_guard else ''}`{rule.name}` | {rule.summary} |"
            for index, rule in enumerate(topic.rules)
        ]
        lines.append("")
    return "\n".join(lines)


def errors_page() -> str:
    lines = [
        NOTE,
        "# Error codes, warnings and conditions",
        "",
        "## Images and release payloads",
        "",
        *_codes(errors.CODES),
        "",
    ]
    for room in rooms.rooms():
        for title, codes in room.codes.items():
            lines += [f"## {room.name}: {title}", "", *_codes(dict(codes)), ""]
    return "\n".join(lines)


def _codes(codes: dict[str, str]) -> list[str]:
    return [
        "| Code | Meaning |",
        "|---|---|",
        *(f"| `{code}` | {meaning} |" for code, meaning in sorted(codes.items())),
    ]


def kinds_page() -> str:
    lines = [NOTE, "# Kinds", "", "| Kind | API version | Names | Scope |", "|---|---|---|---|"]
    for kind in kinds.KINDS:
        names = ", ".join(f"`{name}`" for name in (kind.plural, *kind.short_names))
        lines.append(
            f"| {kind.kind} | `{kind.api_version}` | {names} | {'namespace' if kind.namespaced else 'cluster'} |"
        )
    return "\n".join([*lines, ""])


def write() -> int:
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)
    return 0


def check() -> int:
    stale = 0
    for name, text in pages().items():
        path = REFERENCE / name
        present = path.read_text() if path.exists() else ""
        if present != text:
            stale = 1
            sys.stderr.writelines(
                difflib.unified_diff(
                    present.splitlines(True), text.splitlines(True), str(name), "from the code"
                )
            )
    if stale:
        print("the reference is stale: run `make docs`", file=sys.stderr)
    return stale


if __name__ == "__main__":
    sys.exit(write() if "--write" in sys.argv[1:] else check())
