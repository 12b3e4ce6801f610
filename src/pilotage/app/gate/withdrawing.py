"""A person takes an image back, on an instance: which gate, which image, which registry and which key are meant.

The verified repository of an instance is its own image layout where that holds the repository, else a registry with the user's
credentials. An image is named by digest, by its canonical tag, or by enough of its digest that only one image of the gate begins so.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, Literal

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.gate import Gate
from pilotage.api.meta import ObjectKey
from pilotage.app import instance
from pilotage.app.gate import keys, ledgers
from pilotage.app.images import ImageAccess, Images, opened
from pilotage.app.objects import open_store
from pilotage.gate.promotion.keys import read_signing_key
from pilotage.gate.promotion.verifiedrepository import repository_of
from pilotage.gate.promotion.withdrawal import Withdrawals, Withdrawn
from pilotage.images.reference import Reference, is_digest
from pilotage.images.source import ImageTarget
from pilotage.runtime.clock import SystemClock
from pilotage.store.base import Reader

__all__ = ["Order", "withdraw"]

_PREFIX: Final = re.compile(r"(?:sha256:)?([0-9a-f]{7,64})")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks for. `key` None: the key of the instance."""

    action: Literal["yank", "unyank", "rollback"]
    platform: str
    image: str
    by: str
    reason: str
    namespace: str = ""
    key: Path | None = None


async def withdraw(order: Order, access: ImageAccess) -> Withdrawn:
    """Do it. Raises InputError (`NoInstance`, `NoSuchGate`, `UnknownImage`, `Ambiguous`, ...), and what store, registry and gate raise."""
    data_dir = instance.find(access.data_dir, os.environ)
    key = read_signing_key(order.key or _own_key(data_dir))
    async with open_store(data_dir) as store, opened(access) as images:
        gate = await ledgers.gate_of(store, order.platform, order.namespace)
        digest = await _digest(store, gate, order)
        target = await _target(images, repository_of(gate.spec.verified_repository))
        withdrawals = Withdrawals(store, lambda _reference: target, key, SystemClock())
        do = {
            "yank": withdrawals.yank,
            "unyank": withdrawals.unyank,
            "rollback": withdrawals.rollback,
        }[order.action]
        key_of_gate = ObjectKey(gate.metadata.namespace, gate.metadata.name)
        return await do(key_of_gate, digest, by=order.by, reason=order.reason)


def _own_key(data_dir: Path) -> Path:
    """Never a new one: what a key signs that no consumer has takes nothing back."""
    path = keys.signing_key_path(data_dir)
    if not path.exists():
        raise InputError(
            "KeyMissing",
            f"{data_dir}: the instance has no key of its own",
            hint="name the private key that signs the attestations with --key",
        )
    return path


async def _target(images: Images, place: Reference) -> ImageTarget:
    layout = images.layout
    return layout if layout is not None and await layout.tags(place) else images.registry


async def _digest(store: Reader, gate: Gate, order: Order) -> str:
    """The image that is meant: a whole digest may be one that was never promoted, all else must be known."""
    text = order.image.rpartition("@")[2].removeprefix(f"{order.platform}-")
    if is_digest(text) and text.startswith("sha256:"):
        return text
    written = _PREFIX.fullmatch(text)
    known = {each.spec.digest for each in await ledgers.promotions_of(store, gate)}
    known |= {each.digest for each in gate.spec.yanked}
    fitting = {each for each in known if written and each.startswith(f"sha256:{written[1]}")}
    if len(fitting) == 1:
        return fitting.pop()
    if written and len(written[1]) == 64:
        return f"sha256:{written[1]}"
    if fitting:
        raise InputError(
            "Ambiguous", f"{order.image}: several images begin so", messages=tuple(sorted(fitting))
        )
    raise InputError(
        "UnknownImage",
        f"{order.image}: no image of gate {order.platform} is called so",
        hint="name it by digest, by its canonical tag, or by at least seven digits of its digest",
    )
