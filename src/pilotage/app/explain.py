"""Observe, decide, and stop: what `pilotage explain` shows for one object or for all of a kind."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from pilotage.api.errors import InputError, PilotageError
from pilotage.api.meta import ObjectKey
from pilotage.decision.findings import error
from pilotage.decision.render import decision_json, decision_text
from pilotage.decision.rules import Decision
from pilotage.room import Services, Topic

__all__ = ["Explained", "described", "explain", "keys_of", "told"]

_LISTED = 20  # names in a hint: more than that is not read


class Explained(msgspec.Struct, frozen=True):
    """The decision about one object, and the facts that it was made from."""

    key: ObjectKey
    facts: Any
    decision: Decision[Any]


async def explain(
    topic: Topic[Any, Any], services: Services, keys: tuple[ObjectKey, ...]
) -> tuple[Explained, ...]:
    """One answer for each key, in order; what cannot be observed is an answer about that object alone."""
    return tuple([await _explain(topic, services, key) for key in keys])


async def keys_of(
    topic: Topic[Any, Any], services: Services, names: tuple[str, ...], namespace: str
) -> tuple[ObjectKey, ...]:
    """The objects that are meant: `NAMESPACE/NAME`, or a `NAME` that stands in one namespace only; all without names.

    Raises InputError `NotFound` naming every object that is not there, `Ambiguous` when all that is wrong are names that
    stand in several namespaces.
    """
    present = [item.key for item in (await services.objects.list(topic.kind, namespace)).items]
    if not names:
        return tuple(present)
    found, problems, code = [], [], "Ambiguous"
    for name in dict.fromkeys(names):
        wanted_namespace, _, wanted = name.rpartition("/")
        fitting = [key for key in present if key.name == wanted and wanted_namespace in ("", key.namespace)]
        if len(fitting) == 1:
            found += fitting
        elif fitting:
            problems.append(
                f"{topic.kind.kind} {name} stands in {', '.join(key.namespace for key in fitting)}: say NAMESPACE/{name}"
            )
        else:
            code = "NotFound"
            problems.append(f"{topic.kind.kind} {name} is not there")
    if problems:
        raise InputError(code, "; ".join(problems), messages=tuple(problems), hint=_there_is(present, names))
    return tuple(dict.fromkeys(found))


def _there_is(present: Sequence[ObjectKey], names: Iterable[str]) -> str:
    """What could have been meant: everything when that is little, else what is close to the names."""
    texts = [str(key) for key in present]
    if len(texts) <= _LISTED:
        return f"there is: {', '.join(texts) or 'none'}"
    by_name = {key.name: str(key) for key in present}
    close = [
        by_name[match]
        for name in names
        for match in difflib.get_close_matches(name.rpartition("/")[2], by_name, n=3)
    ]
    meant = f"; did you mean {', '.join(dict.fromkeys(close))}?" if close else ""
    return f"there are {len(texts)}{meant}"


def described(topic: Topic[Any, Any], answer: Explained) -> dict[str, Any]:
    """The answer for a program."""
    if answer.facts is None:
        return decision_json(answer.decision, topic.value_name)
    return topic.describe(answer.facts, answer.decision)


def told(topic: Topic[Any, Any], answer: Explained) -> str:
    """The answer for a person."""
    details = topic.details(answer.facts, answer.decision) if answer.facts is not None else ()
    return decision_text(answer.decision, topic.value_name, details)


async def _explain(topic: Topic[Any, Any], services: Services, key: ObjectKey) -> Explained:
    try:
        facts = await topic.observe(services, key)
    except PilotageError as problem:
        finding = error(problem.code, problem.message, subject=str(key), hint=problem.hint)
        return Explained(key, None, Decision(topic.name, str(key), None, None, (), (), finding))
    return Explained(key, facts, topic.decide(facts))
