"""One decision at a time, or a batch of them: the bytes of `pilotage decide`.

The form of requests and answers is the stable machine interface that `docs/reference/decide.md` fixes. Exit codes: 0
every request was decided (refusals included), 2 a request was not JSON, not an object, or named an unknown decision,
4 our bug.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pilotage.api.errors import InputError, PilotageError
from pilotage.app import rooms
from pilotage.decision import questions
from pilotage.decision.questions import Question

__all__ = ["Answer", "decide_lines", "decide_one", "find"]

OK, MALFORMED_REQUEST, OUR_BUG = 0, 2, 4


class Answer(msgspec.Struct, frozen=True):
    """The JSON text of an answer, and what it means for the exit code."""

    text: bytes
    exit_code: int


class _Request(msgspec.Struct, frozen=True, gc=False):
    """One line of a batch; `input` and `id` stay bytes until they are needed."""

    decision: Any = None
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_request_decoder = msgspec.json.Decoder(_Request)


def find(name: str) -> Question[Any, Any]:
    """Raises InputError `UnknownDecision`."""
    known = rooms.questions()
    if name not in known:
        raise InputError(
            "UnknownDecision",
            f'there is no decision called "{name}"',
            hint="pilotage decide --list shows them all",
        )
    return known[name]


def decide_one(question: Question[Any, Any], raw: bytes) -> Answer:
    """Decide the input `raw`, the JSON text of one object."""
    return _judged(questions.answer(question, raw), raw)


def decide_lines(lines: Iterable[bytes]) -> Iterator[Answer]:
    """Answer each request line in order; blank lines are skipped; a line that fails ends nothing."""
    for line in lines:
        if not line.isspace():
            yield _decide_line(line)


def _decide_line(line: bytes) -> Answer:
    try:
        request = _request_decoder.decode(line)
    except msgspec.ValidationError:
        return _refused("InvalidInput", "the request must be a JSON object")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _refused("InvalidJSON", f"the request is not JSON: {error}")
    if not _is_text(request.id):
        return _refused("InvalidJSON", "the request is not JSON: its id is not UTF-8")
    request_id = _compact(request.id)
    question = rooms.questions().get(request.decision) if isinstance(request.decision, str) else None
    if question is None:
        return _refused(
            "UnknownDecision", f"there is no decision called {_shown(request.decision)}", request_id
        )
    if request.input is msgspec.UNSET:
        # A request that was understood: its input has a fault, as an input without a required key has.
        missing = "input: required key is missing"
        fault = PilotageError("InvalidInput", f"{question.name}: {missing}", messages=(missing,))
        return Answer(questions.error_answer(fault, request_id), OK)
    return _judged(questions.answer(question, bytes(request.input), request_id), b"{")


def _judged(text: bytes, raw: bytes) -> Answer:
    """The exit code of an answer, read off the front of its text: error codes stand first."""
    if text.startswith(b'{"error":{"code":"Internal"'):
        return Answer(text, OUR_BUG)
    malformed = text.startswith(b'{"error":{"code":"InvalidJSON"')
    not_an_object = text.startswith(b'{"error":{"code":"InvalidInput"') and not raw.lstrip().startswith(b"{")
    return Answer(text, MALFORMED_REQUEST if malformed or not_an_object else OK)


def _refused(code: str, message: str, request_id: Any = msgspec.UNSET) -> Answer:
    return Answer(questions.error_answer(PilotageError(code, message), request_id), MALFORMED_REQUEST)


def _is_text(raw: msgspec.Raw | msgspec.UnsetType) -> bool:
    """Is a value that was passed over without decoding UTF-8, so that the answer may repeat it?"""
    if raw is msgspec.UNSET:
        return True
    try:
        bytes(raw).decode()
    except UnicodeDecodeError:
        return False
    return True


def _compact(raw: msgspec.Raw | msgspec.UnsetType) -> msgspec.Raw | msgspec.UnsetType:
    """The value without the white space around its parts, its numbers as they were written."""
    return raw if raw is msgspec.UNSET else msgspec.Raw(msgspec.json.format(bytes(raw), indent=-1))


def _shown(name: Any) -> str:
    return (
        f'"{name}"'
        if isinstance(name, str)
        else f"{msgspec.json.encode(name).decode()[:200]}: a decision is named by a string"
    )
