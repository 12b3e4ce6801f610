"""A real cluster as a store: the client port over the HTTP API of a kube-apiserver.

    kubeconfig, incluster   where is the cluster, and who are we?       -> `Access`
    credentials, plugins    what proves it, now                         certificates   TLS both ways
    requests                a verb as a value: path, query, body        transport      connections, retries, pace
    bodies                  lists and watch lines taken apart           status         refusals as our errors
    discovery               which kinds are served, under which names
    client                  `ClusterStore`, the face

Bytes in, bytes out: of an object only the header is decoded, so ten thousand of them are listed in a fraction of a second.
The HTTP library is imported with the first request.
"""

from pilotage.store.cluster.access import Access
from pilotage.store.cluster.client import ClusterSettings, ClusterStore, ServerVersion
from pilotage.store.cluster.kubeconfig import find_access, read_kubeconfig

__all__ = [
    "Access",
    "ClusterSettings",
    "ClusterStore",
    "ServerVersion",
    "find_access",
    "read_kubeconfig",
]
