"""Which kind is meant? One that we know, or one that the place we look at serves: any name that kubectl would take.

Kinds that we know are found without asking. Others by plural, singular, kind or short name, each also with `.group` or
`.version.group`; where several groups have the name, the core group wins, then the order of discovery, as for kubectl.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from pilotage.api import kinds
from pilotage.api.errors import InputError
from pilotage.api.meta import Kind
from pilotage.store.base import Reader
from pilotage.store.dump import DumpStore

__all__ = ["find_kind"]


class _Served(Protocol):
    """A kind in one version, and the name of one."""

    @property
    def kind(self) -> Kind: ...

    @property
    def singular(self) -> str: ...


@runtime_checkable
class _Discovering(Protocol):
    """A store that can say what it serves."""

    async def kinds(self) -> Sequence[_Served]: ...


async def find_kind(reader: Reader, name: str) -> Kind:
    """Raises InputError `UnknownKind` with what is close, and what the store raises."""
    try:
        return kinds.find(name)
    except InputError as unknown:
        by_name: dict[str, Kind] = {}
        for kind, singular in await _served(reader):
            for each in _names(kind, singular):
                by_name.setdefault(each, kind)
        wanted = name.lower()
        if wanted in by_name:
            return by_name[wanted]
        told = {each: kind.resource for each, kind in by_name.items()}
        told |= {each: kind.plural for kind in kinds.KNOWN for each in kinds.names_of(kind)}
        close = dict.fromkeys(
            told[match] for match in difflib.get_close_matches(wanted, told, n=3, cutoff=0.6)
        )
        meant = f"; did you mean {', '.join(close)}?" if close else ""
        raise InputError(
            "UnknownKind", f'there is no kind called "{name}"{meant}', hint=unknown.hint
        ) from None


async def _served(reader: Reader) -> list[tuple[Kind, str]]:
    if isinstance(reader, DumpStore):
        found = dict.fromkeys(kinds.of_object(item) for item in reader.objects())
        return [(kind, kind.kind.lower()) for kind in found]
    if isinstance(reader, _Discovering):
        return [(each.kind, each.singular) for each in await reader.kinds()]
    return []


def _names(kind: Kind, singular: str) -> Iterable[str]:
    short = (kind.plural, singular, kind.kind.lower(), *kind.short_names)
    for name in short:
        yield name
        if kind.group:
            yield f"{name}.{kind.group}"
            yield f"{name}.{kind.version}.{kind.group}"
