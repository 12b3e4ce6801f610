"""`pilotage decide`: one decision at a time, JSON in, JSON out."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer

from pilotage.cli.output import Output, OutputOption, emit

__all__ = ["decide"]


def decide(
    name: Annotated[
        str | None,
        typer.Argument(
            help="AREA.NAME of the decision; with --lines, the FILE of requests.", metavar="[AREA.NAME]"
        ),
    ] = None,
    file: Annotated[Path | None, typer.Argument(help="The input; stdin when absent or '-'.")] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help='Answer JSON lines {"decision": …, "input": …}, in order.')
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="Name every decision.")] = False,
    schema: Annotated[
        str | None, typer.Option("--schema", metavar="NAME", help="The JSON Schemas of one decision.")
    ] = None,
    output: OutputOption = Output.JSON,
) -> None:
    """Ask one decision: JSON in, JSON out; nothing is observed, nothing is changed.

    Exit codes: 0 decided (refusals included), 2 the request is malformed or unknown, 4 our bug.

    Example: echo '{"text": "quay.io=mirror.example.org/q"}' | pilotage decide payload.mirror-text
    """
    if list_:
        _print_list(output)
    elif schema is not None:
        _print_schema(schema)
    elif lines and file is not None:
        raise typer.BadParameter("--lines reads one FILE; each line names its own decision")
    elif lines:
        raise typer.Exit(_answer_lines(Path(name) if name else None))
    elif name is None:
        raise typer.BadParameter("name a decision, or use --lines, --list or --schema")
    else:
        raise typer.Exit(_answer_one(name, file, output))


def _print_list(output: Output) -> None:
    from pilotage.app import rooms

    known = rooms.questions()
    if output is Output.YAML:
        emit({name: question.summary for name, question in known.items()}, output, "")
        return
    width = max(map(len, known))
    for name, question in known.items():
        print(f"{name:<{width}}  {question.summary}")


def _print_schema(name: str) -> None:
    from pilotage.app import decide
    from pilotage.decision import questions

    _write(msgspec.json.encode(questions.schema(decide.find(name))))


def _answer_one(name: str, file: Path | None, output: Output) -> int:
    from pilotage.api.errors import PilotageError
    from pilotage.app import decide
    from pilotage.decision import questions

    try:
        question = decide.find(name)
    except PilotageError as unknown:
        answer = decide.Answer(questions.error_answer(unknown), decide.MALFORMED_REQUEST)
    else:
        with _opened(file) as stream:
            answer = decide.decide_one(question, stream.read())
    if output is Output.JSON:
        _write(answer.text)
    else:
        value = msgspec.json.decode(answer.text)
        emit(value, output, "\n".join(_text_lines(value)))
    return answer.exit_code


def _answer_lines(file: Path | None) -> int:
    """Exit code: the worst of all answers, our bugs before malformed requests."""
    from pilotage.app import decide

    worst = decide.OK
    with _opened(file) as stream:
        for answer in decide.decide_lines(stream):
            _write(answer.text)
            worst = max(worst, answer.exit_code)
    return worst


def _opened(file: Path | None) -> Any:
    if file is None or str(file) == "-":
        return nullcontext(sys.stdin.buffer)
    from pilotage.api.errors import InputError

    try:
        opened: BinaryIO = file.open("rb")
    except OSError as error:
        raise InputError("UnreadableFile", f"{file}: {error.strerror}") from None
    return opened


def _write(text: bytes) -> None:
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


def _text_lines(value: Any, indent: str = "") -> list[str]:
    """A JSON value as indented `name: value` lines."""
    lines: list[str] = []
    items = (
        value.items()
        if isinstance(value, dict)
        else ((f"- {index}", item) for index, item in enumerate(value))
    )
    for key, item in items:
        if isinstance(item, dict | list) and item:
            lines += [f"{indent}{key}:", *_text_lines(item, indent + "  ")]
        else:
            lines.append(
                f"{indent}{key}: {item if isinstance(item, str) else msgspec.json.encode(item).decode()}"
            )
    return lines
