"""Options that several verbs share: where objects and images come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AuthfileOption",
    "CaFileOption",
    "ContextOption",
    "DataDirOption",
    "DumpOption",
    "FilesOption",
    "InsecureOption",
    "KubeconfigOption",
    "NamespaceOption",
    "OfflineOption",
    "PortOption",
    "TolerantOption",
]

FilesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filename",
        "-f",
        metavar="FILE|DIR|-",
        help="Manifests, a folder of them, a must-gather, or stdin. Repeatable.",
    ),
]
DumpOption = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        "--filename",
        "-f",
        metavar="FILE|DIR|-",
        help="Recorded objects instead of an instance: manifests, a folder of them, a must-gather, or stdin. Repeatable.",
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="The directory of an instance. [default: $PILOTAGE_DATA_DIR, or the running one]"
    ),
]
NamespaceOption = Annotated[str, typer.Option("--namespace", "-n", help="Only objects of this namespace.")]
TolerantOption = Annotated[
    bool, typer.Option("--tolerant", help="Report files that cannot be read, and go on with the others.")
]
AuthfileOption = Annotated[
    Path | None,
    typer.Option(
        "--authfile", help="Credentials for registries (dockerconfigjson). [default: as podman finds them]"
    ),
]
CaFileOption = Annotated[
    Path | None, typer.Option("--ca-file", help="Authorities to trust besides those of the system (PEM).")
]
InsecureOption = Annotated[
    list[str] | None,
    typer.Option(
        "--insecure-registry", metavar="HOST[:PORT]", help="Speak plain HTTP to this registry. Repeatable."
    ),
]
PortOption = Annotated[
    int,
    typer.Option("--port", min=0, max=65535, help="The port of the API on 127.0.0.1. [default: a free one]"),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Fail instead of touching the network.")]
KubeconfigOption = Annotated[
    str,
    typer.Option(
        "--kubeconfig",
        metavar="FILE",
        help="A real cluster, by its kubeconfig. [default with --context: $KUBECONFIG, ~/.kube/config]",
    ),
]
ContextOption = Annotated[
    str, typer.Option("--context", help="A real cluster, by a context of the kubeconfig.")
]
