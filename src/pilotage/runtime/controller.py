"""What a system declares: which kind it looks after, what else wakes it, and how it reconciles one key.

A reconcile is level-triggered: it is told a key, never an event. It observes what it needs, decides, and *returns* what
should be done as a plan; the loop performs it. So a controller only reads, and what it would do can be asked without
doing it: `(await controller.reconcile(key)).plan`.

What a reconcile raises says who acts next:

    InputError, RefusedError     the user: reported, not retried until the object, or what it watches, changes
    LaterError                   nobody: again after its delay
    RemoteError and the like     the outside (exit code 3): again with back-off
    anything else                us: logged with its trace, again with back-off

Declarations only, cheap to import; `loop` and `runner` make them move.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.decision.actions import Plan

__all__ = ["Controller", "Naming", "Reconcile", "Result", "Watch"]


class Result(msgspec.Struct, frozen=True):
    """What a reconcile asks for.

    `plan` is performed, in order. `requeue_after` (seconds) is a second look that something pending depends on: the
    system has not settled before it. `resync_after` is a look just in case, in the background; it holds nothing up.
    """

    plan: Plan = ()
    requeue_after: float | None = None
    resync_after: float | None = None


Reconcile = Callable[[ObjectKey], Awaitable[Result]]


class Naming(msgspec.Struct, frozen=True):
    """Objects of `kind` say by `names`, which must be pure, which objects of another kind matter."""

    kind: Kind
    names: Callable[[Object], Iterable[ObjectKey]]


class Watch(msgspec.Struct, frozen=True):
    """Another kind that matters: `map` names the keys to look at again when such an object changes.

    It is called with the object before and with the object after the change, so a reference that moves wakes both ends.
    With `named_by` only the objects that are named there are followed, and rights for those suffice.
    """

    kind: Kind
    map: Callable[[Object], Iterable[ObjectKey]]
    named_by: Naming | None = None


class Controller(msgspec.Struct, frozen=True):
    """`deadline` is in seconds, for one reconcile with its plan. `resync`, in seconds, is the default `resync_after`."""

    name: str
    kind: Kind
    reconcile: Reconcile
    watches: tuple[Watch, ...] = ()
    workers: int = 1
    deadline: float = 60.0
    resync: float | None = None
