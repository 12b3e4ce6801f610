"""What does a reply of gangway mean, and what is to be done about it?

Gangway answers an unknown job and a missing execution with HTTP 500, knows no idempotency key, and may have started a job
whose reply was lost. So the classes do not follow the status alone: `RULES`, first match wins, and whatever is not known lands
on the careful side. A creation that may have happened is looked for, never repeated blindly; a look that failed is repeated.

Follows kubernetes-sigs/prow `pkg/gangway`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match
from pilotage.gate import loosejson
from pilotage.gate.written import as_text, whole

__all__ = [
    "QUESTION",
    "RULES",
    "Answer",
    "GangwayAction",
    "GangwayReply",
    "answer_to",
    "classify",
    "job_result",
    "read_reply",
]

QUESTION: Final = "gate-gangway-reply"

GangwayAction = Literal["ok", "retry", "auth", "fail", "reconcile"]

_RESULTS: Final = {
    "JOB_EXECUTION_STATUS_UNSPECIFIED": "unknown",
    "TRIGGERED": "pending",
    "PENDING": "pending",
    "SUCCESS": "passed",
    "FAILURE": "failed",
    "ABORTED": "aborted",
    "ERROR": "infra_error",
    "SCHEDULING": "pending",
}
_BY_NUMBER: Final = tuple(_RESULTS.values())  # the enum counts from 0 in this order
_LONGEST_NUMBER: Final = 9  # digits: more cannot be a status, and need not be counted


class GangwayReply(msgspec.Struct, frozen=True):
    """One reply. `status` is 0 when none came; `text` is the body as text, `body` what it holds if that is an object."""

    operation: str
    status: int
    text: str = ""
    body: dict[str, Any] | None = None

    @property
    def is_create(self) -> bool:
        return self.operation == "create"

    @property
    def is_get(self) -> bool:
        return self.operation == "get"

    @property
    def is_client_error(self) -> bool:
        return 400 <= self.status < 500

    @property
    def is_server_error(self) -> bool:
        return 500 <= self.status < 600

    @property
    def execution(self) -> str:
        """The id of the execution as text; empty without one. Gangway writes text, a number is taken too."""
        found = (self.body or {}).get("id")
        return as_text(found) if loosejson.number(found) is not None else loosejson.text(found)


class Answer(msgspec.Struct, frozen=True):
    """`class_` names what happened. `result` is that of the job where one was read, `id` that of a created execution."""

    action: GangwayAction
    class_: str
    result: str | None = None
    id: str | None = None


def read_reply(operation: Any, status: Any, body: Any) -> GangwayReply:
    """A reply from values that nobody checked: a status that is no whole number counts as no answer."""
    value = body
    if isinstance(body, str):
        try:
            value = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            value = None
    held = value if isinstance(value, dict) else None
    return GangwayReply(loosejson.text(operation), whole(status) or 0, as_text(body), held)


def classify(reply: GangwayReply) -> Decision[Answer]:
    """What to do next, and what every rule said."""
    never = error("Undecided", "no rule decided", subject=reply.operation)
    return first_match(QUESTION, reply.operation, RULES, reply, otherwise=never)


def answer_to(reply: GangwayReply) -> Answer:
    """The answer alone. What no rule knows is an operation that we do not have."""
    return classify(reply).value or Answer("fail", "bad-request")


def job_result(status: Any) -> str:
    """The result behind a `job_status`: its name in letters of any size, its number, or the number as text.

    What is missing or not known is `unknown`: keep asking.
    """
    number = loosejson.number(status)
    if number is not None:
        return _BY_NUMBER[int(number)] if number in range(len(_BY_NUMBER)) else "unknown"
    name = loosejson.text(status)
    if name.isascii() and name.isdigit() and len(name) <= _LONGEST_NUMBER:
        return job_result(int(name))
    return _RESULTS.get(name.upper(), "unknown") if name.isascii() else "unknown"


def created(reply: GangwayReply) -> Verdict[Answer]:
    """A creation answered 200 with an id: the job is started."""
    applies = reply.is_create and reply.status == 200 and bool(reply.execution)
    return _when(applies, Answer("ok", "created", id=reply.execution), reply)


def job_not_found(reply: GangwayReply) -> Verdict[Answer]:
    """A creation answered 5xx that says there is no such job."""
    applies = reply.is_create and reply.is_server_error and "failed to find associated" in reply.text
    return _when(applies, Answer("fail", "job-not-found"), reply)


def throttled(reply: GangwayReply) -> Verdict[Answer]:
    """429: nothing was done, ask later."""
    applies = (reply.is_create or reply.is_get) and reply.status == 429
    return _when(applies, Answer("retry", "throttled"), reply)


def status(reply: GangwayReply) -> Verdict[Answer]:
    """A look answered 200 with an object: the class is the result of the job."""
    applies = reply.is_get and reply.status == 200 and reply.body is not None
    result = job_result((reply.body or {}).get("job_status"))
    return _when(applies, Answer("ok", result, result=result), reply)


def gone(reply: GangwayReply) -> Verdict[Answer]:
    """A look answered 404, or 5xx that says not found: the execution was collected, or never was."""
    says_so = reply.status == 404 or (reply.is_server_error and "not found" in reply.text)
    return _when(reply.is_get and says_so, Answer("fail", "gone"), reply)


def auth(reply: GangwayReply) -> Verdict[Answer]:
    """401 or 403: the credential does not work; the run waits for one that does."""
    return _when(reply.status in (401, 403), Answer("auth", "auth"), reply)


def bad_endpoint(reply: GangwayReply) -> Verdict[Answer]:
    """A creation answered 404: this is not the address of gangway."""
    return _when(reply.is_create and reply.status == 404, Answer("fail", "bad-endpoint"), reply)


def bad_request(reply: GangwayReply) -> Verdict[Answer]:
    """400 and every other 4xx; and an operation that is neither create nor get."""
    unknown = not (reply.is_create or reply.is_get)
    return _when(unknown or reply.is_client_error, Answer("fail", "bad-request"), reply)


def ambiguous(reply: GangwayReply) -> Verdict[Answer]:
    """Everything else that a creation may get: it may have happened, so look for it before asking again."""
    return _when(reply.is_create, Answer("reconcile", "ambiguous"), reply)


def transient(reply: GangwayReply) -> Verdict[Answer]:
    """Everything else that a look may get: look again."""
    return _when(reply.is_get, Answer("retry", "transient"), reply)


RULES: tuple[Rule[GangwayReply, Answer], ...] = (
    Rule("created", created),
    Rule("job-not-found", job_not_found),
    Rule("throttled", throttled),
    Rule("status", status),
    Rule("gone", gone),
    Rule("auth", auth),
    Rule("bad-endpoint", bad_endpoint),
    Rule("bad-request", bad_request),
    Rule("ambiguous", ambiguous),
    Rule("transient", transient),
)
"""The statuses of the rows are disjoint; the last two take what is left."""


def _when(applies: bool, answer: Answer, reply: GangwayReply) -> Verdict[Answer]:
    seen = f"{reply.operation or 'no operation'} answered {reply.status or 'nothing'}"
    return Applies(answer, seen) if applies else Passes(seen)
