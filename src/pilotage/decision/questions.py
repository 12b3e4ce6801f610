"""A question is a decision that can be asked by name: JSON in, JSON out, nothing observed and nothing changed.

Every room lists its questions; `pilotage decide` and the reference docs are made from those lists. The input and the
value of a question are msgspec Structs, so their JSON Schemas are the code. The form of an answer, its error codes and
its conventions are those of the decision interface (`docs/reference/decide.md`):

- an input of another JSON type than the question says is `InvalidInput`, with *all* faults listed;
- what the decision itself refuses is an error with that decision's own code (any `PilotageError` it raises);
- anything else that escapes is `Internal`: our bug.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from pilotage.api.errors import PilotageError
from pilotage.decision import shapes
from pilotage.decision.rules import Rule

__all__ = ["Question", "answer", "error_answer", "schema"]

I = TypeVar("I")  # noqa: E741 -- input
V = TypeVar("V")


class Question(msgspec.Struct, Generic[I, V], frozen=True):
    """`name` is `area.name`; `summary` is one sentence; `decide` is the pure function that answers.

    `rules` is the precedence that it walks, if it walks one, for the reference docs.
    """

    name: str
    summary: str
    input_type: type[I]
    value_type: type[V]
    decide: Callable[[I], V]
    rules: tuple[Rule[Any, Any], ...] = ()


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    """What is encoded: exactly one of the two keys."""

    value: Any | msgspec.UnsetType = msgspec.UNSET
    error: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    id: Any | msgspec.UnsetType = msgspec.UNSET


def answer(question: Question[Any, Any], raw: bytes, request_id: Any = msgspec.UNSET) -> bytes:
    """Decide once. `raw` is the JSON text of the input; the result is the answer, without a final newline.

    Never raises: a bug is answered by an error of code `Internal`.
    """
    try:
        value = question.decide(_decode(question, raw))
        return msgspec.json.encode(_Envelope(value=value, id=request_id))
    except PilotageError as error:
        return error_answer(error, request_id)
    except Exception as error:  # noqa: BLE001 -- one bad decision never ends a batch; the answer says that it is our bug
        bug = PilotageError("Internal", f"{question.name}: {type(error).__name__}: {error}")
        return error_answer(bug, request_id)


def error_answer(error: PilotageError, request_id: Any = msgspec.UNSET) -> bytes:
    # One problem is told by the message alone; only the faults of an input are always listed.
    listed = list(error.messages) if len(error.messages) > 1 or error.code == "InvalidInput" else []
    body = {"code": error.code, "message": error.message, "messages": listed, **error.details}
    return msgspec.json.encode(_Envelope(error=body, id=request_id))


def schema(question: Question[Any, Any]) -> dict[str, Any]:
    """The JSON Schemas of input and value."""
    groups = getattr(question.input_type, "ONE_OF", ())
    either = [{"anyOf": [{"required": [name]} for name in names]} for names in groups]
    return {
        "input": msgspec.json.schema(question.input_type) | ({"allOf": either} if either else {}),
        "value": msgspec.json.schema(question.value_type),
    }


def _decode(question: Question[Any, Any], raw: bytes) -> Any:
    try:
        try:
            return msgspec.json.decode(raw, type=question.input_type)
        except msgspec.ValidationError as error:
            # The typed decoder stops at the first fault, even in front of broken JSON: read it all before judging.
            faults = shapes.faults(msgspec.json.decode(raw), question.input_type) or (str(error),)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PilotageError("InvalidJSON", f"the input of {question.name} is not JSON: {error}") from None
    raise PilotageError("InvalidInput", f"{question.name}: {'; '.join(faults)}", messages=faults)
