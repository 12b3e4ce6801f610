"""A real cluster, opened as the user named it: as `kubectl` would with the same options, through the environment's proxy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pilotage.store.cluster import Access, ClusterSettings, ClusterStore

__all__ = ["ClusterChoice", "open_cluster"]


class ClusterChoice(msgspec.Struct, frozen=True):
    """What the user named; an empty `kubeconfig` is `$KUBECONFIG`, `~/.kube/config`, or the service account of this pod."""

    kubeconfig: str = ""
    context: str = ""

    def access(self) -> Access:
        """Raises InputError `NoCluster`, `KubeconfigInvalid`."""
        from pilotage.store.cluster import find_access  # noqa: PLC0415 -- start-up time: most commands reach no cluster

        return find_access(self.kubeconfig, self.context)


def open_cluster(access: Access, settings: ClusterSettings | None = None) -> ClusterStore:
    """Nothing is sent yet. Close it, or use it as a context."""
    from pilotage.images.registry.proxies import proxy_for  # noqa: PLC0415 -- as above
    from pilotage.store.cluster import ClusterStore  # noqa: PLC0415 -- as above

    return ClusterStore(access, settings, proxy_for=lambda address: proxy_for(address, os.environ))
