"""Inside a pod: the service account that Kubernetes mounts into it.

Follows "Accessing the Kubernetes API from a Pod" in the Kubernetes documentation. The token is read again every minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pilotage.api.errors import InputError
from pilotage.store.cluster.access import Access, Clock, Proof, Trust
from pilotage.store.cluster.credentials import FileLogin, Files, read_bytes

__all__ = ["ACCOUNT_FOLDER", "in_cluster_access", "is_in_cluster"]

ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HOST = "KUBERNETES_SERVICE_HOST"
_PORT = "KUBERNETES_SERVICE_PORT"
_SUBJECT = "service account of this pod"


def is_in_cluster(environment: Mapping[str, str], folder: Path = ACCOUNT_FOLDER) -> bool:
    return bool(environment.get(_HOST) and environment.get(_PORT)) and (folder / "token").exists()


def in_cluster_access(environment: Mapping[str, str], clock: Clock, folder: Path = ACCOUNT_FOLDER) -> Access:
    """Raises InputError when this is no pod, or its service account is not mounted."""
    host, port = environment.get(_HOST, ""), environment.get(_PORT, "")
    if not host or not port:
        raise InputError(
            "NoCluster", f"not in a pod: {_HOST} and {_PORT} are not set", hint="give a kubeconfig"
        )
    try:
        namespace = (folder / "namespace").read_text().strip()
    except OSError:
        namespace = ""  # optional in a pod whose token was mounted by hand
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        login=FileLogin(Files(token=folder / "token"), Proof(), _SUBJECT, clock),
        source=_SUBJECT,
        trust=Trust(read_bytes(folder / "ca.crt", _SUBJECT)),
        namespace=namespace or "default",
    )
