"""Write, or check, the pages that are made: commands, decisions, rules, codes and kinds from the code; the list of choices.

python tools/reference.py --write    rewrite them below docs
python tools/reference.py --check    exit 1 and show the difference when a page is stale
"""

from __future__ import annotations

import difflib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import typer

from pilotage.api import kinds
from pilotage.app import rooms
from pilotage.app.codes import CODES
from pilotage.cli import program
from pilotage.decision import questions
from pilotage.decision.rules import Rule
from pilotage.images import errors

DOCS = Path(__file__).parent.parent / "docs"
NOTE = "<!-- Made from the code by `make docs`. Change the code, not this page. -->\n"
SHARED_FROM = 4
"""An option that so many commands have, with the same words, is described once at the top of the page."""


def pages() -> dict[str, str]:
    """Path below `docs` to text of every generated page."""
    return {
        "reference/commands.md": commands_page(),
        "reference/decisions.md": decisions_page(),
        "reference/rules.md": rules_page(),
        "reference/errors.md": errors_page(),
        "reference/kinds.md": kinds_page(),
        "decisions/README.md": choices_page(),
    }


class Parameter(NamedTuple):
    """An argument (`names` is empty) or an option of a command, as a person writes it."""

    names: str
    value: str
    help: str
    default: str
    is_required: bool
    is_multiple: bool


def commands_page() -> str:
    commands = dict(leaves(typer.main.get_command(program.build()), "pilotage"))
    options = {
        path: [each for each in parameters(command) if each.names] for path, command in commands.items()
    }
    counted = Counter(option for each in options.values() for option in each)
    shared = [option for option, count in counted.items() if count >= SHARED_FROM]
    lines = [
        NOTE,
        "# Commands",
        "",
        "Results go to stdout, talk goes to stderr. Exit codes, unless a command says otherwise: 0 ok · 1 the answer is no ·",
        "2 wrong use · 3 something outside failed · 4 our bug · 130 interrupted.",
        "",
        *(f"- [`{path}`](#{path.replace(' ', '-')})" for path in commands),
        "",
        "## Options of many commands",
        "",
        *_table(("Option", "Meaning"), (_option_row(option) for option in shared)),
        "",
    ]
    for path, command in commands.items():
        own = [option for option in options[path] if option not in shared]
        common = [option for option in options[path] if option in shared]
        lines += [f"## `{path}`", "", "```", usage(path, command), "```", "", *_prose(command.help or ""), ""]
        arguments = [each for each in parameters(command) if not each.names]
        rows = [(f"`{each.value}`", _cell(each.help)) for each in arguments] + [
            _option_row(each) for each in own
        ]
        if rows:
            lines += [*_table(("Argument or option", "Meaning"), rows), ""]
        if common:
            names = (option.names.split(", ")[0] for option in common)
            lines += [f"Also: {', '.join(f'`{name}`' for name in names)}.", ""]
    return "\n".join(lines)


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its path, in the order of the help."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from leaves(child, f"{path} {name}")


def parameters(command: Any) -> list[Parameter]:
    return [_parameter(each) for each in command.params if not each.hidden and each.name != "help"]


def usage(path: str, command: Any) -> str:
    arguments = [each.value for each in parameters(command) if not each.names]
    return " ".join([path, "[OPTIONS]", *arguments])


def _parameter(given: Any) -> Parameter:
    is_option = given.opts[0].startswith("-")
    annotation = given.type_descriptor.annotation
    choices = "|".join(str(each.value) for each in annotation) if _is_enum(annotation) else ""
    if isinstance(annotation, type) and issubclass(annotation, Path) and not given.metavar:
        choices = "PATH" if is_option else ""
    value = (
        given.metavar or choices or ("" if is_option and given.is_flag else given.name.rstrip("_").upper())
    )
    if not is_option and not given.required and not value.startswith("["):
        value = f"[{value}]"
    default = given.default.value if isinstance(given.default, Enum) else given.default
    shown = "" if default in (None, "", False, ()) or "[default:" in (given.help or "") else str(default)
    names = ", ".join(given.opts) if is_option else ""
    return Parameter(names, value, given.help or "", shown, given.required, bool(given.multiple))


def _is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def _option_row(option: Parameter) -> tuple[str, str]:
    remarks = [
        *(["required"] if option.is_required else []),
        *([f"default `{option.default}`"] if option.default else []),
    ]
    written = option.names + (f" {option.value}" if option.value else "")
    text = re.sub(r"\s*\[default: (.*)\]$", r" Default: \1.", option.help)
    return f"`{_cell(written)}`", _cell(text + (f" ({', '.join(remarks)})" if remarks else ""))


def _prose(text: str) -> list[str]:
    """Paragraphs; an example becomes a block that can be copied."""
    lines: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        joined = " ".join(paragraph.split())
        if joined.startswith("Example: "):
            lines += ["```sh", joined.removeprefix("Example: "), "```", ""]
        elif joined.startswith("Exit codes: "):
            lines += [f"Exit codes: {_codes_of(joined.removeprefix('Exit codes: '))}", ""]
        else:
            lines += [joined, ""]
    return lines[:-1]


def _codes_of(text: str) -> str:
    return re.sub(r"(^|, )(\d+) ", r"\1**\2** ", text)


def decisions_page() -> str:
    known = rooms.questions()
    lines = [
        NOTE,
        "# Decisions",
        "",
        "What `pilotage decide` answers. The form of requests and answers, and what holds for all of them, is in",
        "[decide](decide.md). `pilotage decide --schema NAME` prints the same as JSON Schema.",
        "",
        *_table(
            ("Decision", "Question"),
            ((f"[`{name}`](#{_anchor(name)})", each.summary) for name, each in known.items()),
        ),
        "",
    ]
    for name, question in known.items():
        body = questions.schema(question)
        lines += [f"## `{name}`", "", question.summary, ""]
        for side in ("input", "value"):
            lines += [f"**{side.capitalize()}**", "", *_fields(body[side]), ""]
        if question.rules:
            lines += ["**Rules**, the first that applies decides", "", *_rule_rows(question.rules), ""]
    return "\n".join(lines)


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-")


def _fields(schema: Mapping[str, Any]) -> list[str]:
    """The keys of a schema as a list, those of nested objects below."""
    definitions = schema.get("$defs", {})
    root = definitions.get(_target(schema), schema)
    about = [_sentence(root["description"]), ""] if "description" in root else []
    return about + list(_keys(root, definitions, ""))


def _keys(shape: Mapping[str, Any], definitions: Mapping[str, Any], indent: str) -> Iterator[str]:
    required = set(shape.get("required", ()))
    for name, field in shape.get("properties", {}).items():
        note = "" if name in required else _default(field)
        inner = [definitions[target] for target in _targets(field)]
        about = "".join(
            f": {_sentence(each['description'])}" for each in (field, *inner) if "description" in each
        )
        yield f"{indent}- `{name}`: {_type(field)}{note}{about}"
        for each in inner:
            yield from _keys(each, definitions, indent + "  ")


def _target(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _targets(field: Mapping[str, Any]) -> list[str]:
    """Every object type that a value of this field holds, however deep in lists and maps."""
    if "$ref" in field:
        return [_target(field)]
    parts = [
        *field.get("anyOf", ()),
        *(field[key] for key in ("items", "additionalProperties") if isinstance(field.get(key), dict)),
    ]
    return list(dict.fromkeys(target for part in parts for target in _targets(part)))


def _default(field: Mapping[str, Any]) -> str:
    return f", default `{msgspec.json.encode(field.get('default')).decode()}`"


def _type(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(option) for option in field["anyOf"]))
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "$ref" in field:
        return "object"
    kind = str(field.get("type", "any JSON value"))
    if kind == "array" and isinstance(field.get("items"), dict):
        return f"list of {_type(field['items'])}"
    if kind == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"map of text to {_type(field['additionalProperties'])}"
    return {"string": "text", "array": "list"}.get(kind, kind)


def _sentence(text: str) -> str:
    return " ".join(text.split())


def rules_page() -> str:
    lines = [
        NOTE,
        "# Rules",
        "",
        "What `pilotage explain` walks from top to bottom: the first rule that applies decides. A guard stands between rules",
        "and either lets the decision pass or ends it.",
        "",
    ]
    for topic in rooms.topics().values():
        lines += [f"## `{topic.name}`", "", topic.summary, "", *_rule_rows(topic.rules), ""]
    return "\n".join(lines)


def _rule_rows(rules: Sequence[Rule[Any, Any]]) -> list[str]:
    """A precedence as a table; guards are not counted."""
    numbers = [0 if rule.is_guard else 1 for rule in rules]
    rows = (
        (
            "guard" if rule.is_guard else str(sum(numbers[: index + 1])),
            f"`{rule.name}`",
            _cell(_sentence(rule.summary)),
        )
        for index, rule in enumerate(rules)
    )
    return _table(("#", "Rule", "In words"), rows)


def errors_page() -> str:
    lines = [
        NOTE,
        "# Codes",
        "",
        "Codes are stable: scripts may rely on them. Texts may get better. What an error of the command line means for the exit",
        "code is in [commands](commands.md).",
        "",
    ]
    for title, codes in {**CODES, "Images and release payloads": errors.CODES}.items():
        lines += [f"## {title}", "", *_code_rows(codes), ""]
    for room in rooms.rooms():
        for title, codes in room.codes.items():
            lines += [f"## {room.name}: {title}", "", *_code_rows(codes), ""]
    return "\n".join(lines)


def _code_rows(codes: Mapping[str, str]) -> list[str]:
    return _table(
        ("Code", "Meaning"), ((f"`{code}`", _cell(meaning)) for code, meaning in sorted(codes.items()))
    )


def kinds_page() -> str:
    rows = (
        (
            kind.kind,
            f"`{kind.api_version}`",
            ", ".join(f"`{name}`" for name in dict.fromkeys((kind.plural, *kind.short_names))),
            "namespace" if kind.namespaced else "cluster",
        )
        for kind in kinds.KNOWN
    )
    lines = [
        NOTE,
        "# Kinds",
        "",
        "Kinds that `pilotage get`, `delete` and dumps know by name. Objects of any other kind are kept as they are.",
        "",
        *_table(("Kind", "API version", "Names", "Scope"), rows),
        "",
        "## Our own kinds",
        "",
        "`pilotage crds` prints their definitions.",
        "",
    ]
    for definition in kinds.DEFINITIONS:
        (shape,), definitions = msgspec.json.schema_components([definition.view])
        root = definitions[_target(shape)]
        lines += [f"### {definition.kind.kind}", "", _sentence(root.get("description", "")), ""]
        for part in ("spec", "status"):
            field = root["properties"].get(part)
            if field:
                lines += [f"**{part}**", "", *_documented(definitions[_targets(field)[0]]), ""]
    return "\n".join(lines)


def choices_page() -> str:
    """The list of decision pages."""
    titles = {
        path.name: path.read_text().partition("\n")[0].removeprefix("# ")
        for path in sorted((DOCS / "decisions").glob("[0-9]*.md"))
    }
    return "\n".join(
        [
            NOTE,
            "# Choices",
            "",
            "One page for each choice that somebody will question: context, choice, alternatives, consequences. A page is history:",
            "when a choice changes, a new page says so and the old one links to it.",
            "",
            *(f"- [{title}]({name})" for name, title in titles.items()),
            "",
        ]
    )


def _documented(shape: Mapping[str, Any]) -> list[str]:
    rows = (
        (f"`{name}`", _type(field), _cell(_sentence(field.get("description", "")) + _unless_empty(field)))
        for name, field in shape.get("properties", {}).items()
    )
    return _table(("Field", "Type", "Meaning"), rows)


def _unless_empty(field: Mapping[str, Any]) -> str:
    return f" Default `{field['default']}`." if field.get("default") not in (None, "", [], {}, False) else ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(headings)} |",
        f"|{'---|' * len(headings)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write() -> int:
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def check() -> int:
    stale = 0
    for name, text in pages().items():
        path = DOCS / name
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
