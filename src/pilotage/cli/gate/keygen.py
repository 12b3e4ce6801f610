"""`pilotage gate keygen`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pilotage.cli.output import Output, OutputOption, emit

__all__ = ["keygen"]


def keygen(
    prefix: Annotated[Path, typer.Argument(help="PREFIX.key and PREFIX.pub are written.")] = Path("gate"),
    kind: Annotated[
        Literal["ecdsa-p256", "ed25519"], typer.Option("--type", help="What kind of key.")
    ] = "ecdsa-p256",
    output: OutputOption = Output.TEXT,
) -> None:
    """Make a pair of keys. The gate signs attestations with PREFIX.key; consumers verify them with PREFIX.pub.

    PREFIX.key has no password and is readable by its owner only. Nothing is overwritten.

    Exit codes: 0 made, 2 a file of that name is there already.

    Example: pilotage gate keygen cosign --type ed25519
    """
    from pilotage.app.gate.keys import make_keys

    private, public, key_id = make_keys(prefix, kind)
    document = {
        "apiVersion": "pilotage.dev/v1",
        "kind": "KeyPair",
        "private": str(private),
        "public": str(public),
        "type": kind,
        "keyId": key_id,
    }
    emit(document, output, f"{private}  keep it secret\n{public}  give it to consumers\nkey id {key_id}")
