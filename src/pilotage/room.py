"""The record by which a system tells `app` about itself.

A new system appears in `explain`, `decide`, `get`, `up` and the reference docs by adding its record to
`app.rooms`; no other module changes. Everything a record names is cheap to import: adapters are reached through the
`Services` that `app` hands in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from pilotage.api.meta import Kind, ObjectKey
from pilotage.decision.actions import Plan
from pilotage.decision.questions import Question
from pilotage.decision.rules import Decision, Rule
from pilotage.images.source import ImageSource
from pilotage.runtime.clock import Clock
from pilotage.runtime.controller import Controller
from pilotage.store.base import Reader

__all__ = ["Board", "Room", "Services", "Topic"]

F = TypeVar("F")
V = TypeVar("V")


class Services(msgspec.Struct, frozen=True):
    """What the outside offers to `observe`: objects, images, time. All of it can be a dump, a layout and a fixed clock.

    `images_with` gives the same images as they are read with a pull secret, which it takes as a dockerconfigjson document;
    None where access does not matter. It raises ImageError `PullSecretInvalid`, and gives equal documents one source.
    """

    objects: Reader
    images: ImageSource
    clock: Clock
    images_with: Callable[[bytes], ImageSource] | None = None


class Topic(msgspec.Struct, Generic[F, V], frozen=True):
    """A decision about objects of one kind: `pilotage explain NAME` observes, decides and stops.

    `observe` gathers facts for one object; `decide` is pure; `plan` turns the answer into actions. `rules` is the
    precedence that `decide` walks, for the reference docs. `value_name` is what the value is called (`image`);
    `describe` gives the whole answer for a program, `details` further lines for a person, as (name, text).
    """

    name: str
    summary: str
    kind: Kind
    rules: tuple[Rule[F, V], ...]
    observe: Callable[[Services, ObjectKey], Awaitable[F]]
    decide: Callable[[F], Decision[V]]
    plan: Callable[[F, Decision[V]], Plan]
    value_name: str
    describe: Callable[[F, Decision[V]], dict[str, Any]]
    details: Callable[[F, Decision[V]], tuple[tuple[str, str], ...]] = lambda _facts, _decision: ()


class Board(msgspec.Struct, frozen=True):
    """What `pilotage up` shows of a system: one record for each object, of which a person sees the `columns`.

    `records` reads the present state; a column is a heading and the key of the record that stands below it.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    records: Callable[[Reader], Awaitable[tuple[dict[str, Any], ...]]]


class Room(msgspec.Struct, frozen=True):
    """One system. `controllers` builds its controllers; `kinds` are those it serves, reads or writes.

    `codes` gives, for the reference docs, every stable code under a title (`errors`, `warnings`, `conditions`) and its
    meaning in one sentence.
    """

    name: str
    summary: str
    kinds: tuple[Kind, ...] = ()
    topics: tuple[Topic[Any, Any], ...] = ()
    questions: tuple[Question[Any, Any], ...] = ()
    boards: tuple[Board, ...] = ()
    codes: Mapping[str, Mapping[str, str]] = {}
    controllers: Callable[[Services], tuple[Controller, ...]] = lambda _services: ()
