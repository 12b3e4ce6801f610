"""Which built-in kind is shown how.

Kinds without an entry (Role, ClusterRole, LimitRange, CustomResourceDefinition) show name and creation time, as those of a
real API server do.
"""

from __future__ import annotations

from collections.abc import Mapping

from pilotage.apiserver.printing import access, cluster, networking, pods, volumes, workloads
from pilotage.apiserver.printing.ages import seconds_of
from pilotage.apiserver.printing.reading import NAME, Column, Printer, Value, at, name_of

__all__ = ["BUILT_IN", "PLAIN"]

BUILT_IN: Mapping[tuple[str, str], Printer] = {
    ("", "Pod"): pods.PODS,
    **workloads.PRINTERS,
    **networking.PRINTERS,
    **volumes.PRINTERS,
    **cluster.PRINTERS,
    **access.PRINTERS,
}
"""By group and kind."""


def _plain(value: Value, _now: float) -> list[str]:
    created = at(value, "metadata", "creationTimestamp")
    return [name_of(value), created if seconds_of(created) is not None else "0001-01-01T00:00:00Z"]


PLAIN = Printer((NAME, Column("Created At", "date")), _plain)
