"""The metrics of the gate as they stand in a store, for a scrape or a file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pilotage.app.gate import ledgers
from pilotage.gate.health.metrics import families, text
from pilotage.store.base import Reader

__all__ = ["metrics"]


async def metrics(
    reader: Reader, now: datetime, requests: Mapping[str, int] | None = None, namespace: str = ""
) -> str:
    """The text that Prometheus reads; without a Gate only what belongs to none. `requests` are those of this process."""
    gates = await ledgers.gates_of(reader, namespace=namespace)
    letters = await ledgers.letters_of(reader, namespace)
    return text(families(gates, letters, requests or {}, now))
