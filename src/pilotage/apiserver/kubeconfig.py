"""The file that lets a client in: where the server is, whom to believe, and what proves who asks.

Whoever can read it can do everything, so it is its owner's alone from the first byte, and complete as soon as it is there.
"""

from __future__ import annotations

import os
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

from pilotage.api import yaml
from pilotage.apiserver.identity import USER, Identity

__all__ = ["document", "write"]

NAME = "pilotage"


def document(server: str, identity: Identity) -> dict[str, Any]:
    """With two ways to prove who asks: a client certificate and a token. Where both are sent, the certificate counts."""
    users = {
        USER: {"token": identity.token},
        f"{USER}-certificate": {
            "client-certificate-data": _base64(identity.client.certificate),
            "client-key-data": _base64(identity.client.key),
        },
    }
    cluster = {"server": server, "certificate-authority-data": _base64(identity.authority)}
    contexts = {NAME: USER, f"{NAME}-certificate": f"{USER}-certificate"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": name, "user": user} for name, user in users.items()],
        "contexts": [
            {"name": name, "context": {"cluster": NAME, "user": user, "namespace": "default"}}
            for name, user in contexts.items()
        ],
        "current-context": NAME,
    }


def write(path: Path, server: str, identity: Identity) -> None:
    """Instead of what may be there, in one step. Raises OSError."""
    handle, draft = tempfile.mkstemp(prefix=".kubeconfig-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(yaml.dump(document(server, identity)))
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _base64(content: bytes) -> str:
    return b64encode(content).decode()
