"""A real cluster, opened as the user named it: as `kubectl` would with the same options, through the environment's proxy."""

from __future__ import annotations

import os

import msgspec

from pilotage.images.registry.proxies import proxy_for
from pilotage.store.cluster import Access, ClusterSettings, ClusterStore, find_access

__all__ = ["ClusterChoice", "open_cluster"]


class ClusterChoice(msgspec.Struct, frozen=True):
    """What the user named; an empty `kubeconfig` is `$KUBECONFIG`, `~/.kube/config`, or the service account of this pod."""

    kubeconfig: str = ""
    context: str = ""

    def access(self) -> Access:
        """Raises InputError `NoCluster`, `KubeconfigInvalid`."""
        return find_access(self.kubeconfig, self.context)


def open_cluster(access: Access, settings: ClusterSettings | None = None) -> ClusterStore:
    """Nothing is sent yet. Close it, or use it as a context."""
    return ClusterStore(access, settings, proxy_for=lambda address: proxy_for(address, os.environ))
