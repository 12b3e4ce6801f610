"""`pilotage gate verify`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.cli.access import ImageAccess, report, with_access
from pilotage.cli.output import Output, OutputOption, emit

if TYPE_CHECKING:
    from pilotage.gate.promotion.verifying import Verification

__all__ = ["verify"]

OK, NO = 0, 1


@with_access
def verify(
    image: Annotated[
        str, typer.Argument(help="A reference, oci:DIR[:NAME] or oci-archive:FILE.", metavar="IMAGE")
    ],
    platform: Annotated[str, typer.Option("--platform", metavar="PLATFORM", help="Such as aro-hcp.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The public key of the gate (PEM).")],
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Did this image pass the gate of a platform, and has nobody taken it back? Asked of the image alone, with a public key.

    Exit codes: 0 it did, 1 it did not or was yanked, 2 wrong use, 3 it could not be read.

    Example: pilotage gate verify quay.example.com/verified/hypershift-operator:aro-hcp-latest --platform aro-hcp --key gate.pub
    """
    found = asyncio.run(_verify(image, platform, key, access))
    if found.code in ("bad-platform", "bad-digest"):
        raise typer.BadParameter(found.reason)
    emit(_document(found), output, _text(found))
    raise typer.Exit(OK if found.is_accepted else NO)


async def _verify(image: str, platform: str, key: Path, access: ImageAccess) -> Verification:
    from pilotage.app.images import opened
    from pilotage.gate.promotion.keys import read_public_key
    from pilotage.gate.promotion.verifying import verify as verify_image
    from pilotage.runtime.clock import SystemClock

    public_key = read_public_key(key)
    async with opened(access, report) as images:
        source, reference = await images.open(image)
        return await verify_image(source, reference, platform, public_key, SystemClock().now())


def _document(found: Verification) -> dict[str, Any]:
    return {
        "apiVersion": "pilotage.dev/v1",
        "kind": "Verification",
        "reference": found.reference,
        "digest": found.digest,
        "platform": found.platform,
        "accepted": found.is_accepted,
        "code": found.code,
        "reason": found.reason,
        "tag": found.tag or None,
        "run": found.run or None,
        "verifiedAt": found.at or None,
        "attestations": [
            {
                "digest": each.digest,
                "predicateType": each.predicate_type or None,
                "code": each.code,
                "reason": each.reason,
                "at": each.at or None,
            }
            for each in found.looked
        ],
    }


def _text(found: Verification) -> str:
    from pilotage.cli.releasetext import fields, section
    from pilotage.decision.render import table

    known = [
        ("Image", found.reference),
        ("Digest", found.digest),
        ("Platform", found.platform),
        ("Answer", f"{found.code}: {found.reason}"),
    ]
    if found.run:
        known.append(("Run", found.run))
    parts = [fields(known)]
    if found.looked:
        rows = [
            (each.code, each.predicate_type or "unknown", each.at, each.reason, each.digest[:19])
            for each in found.looked
        ]
        parts.append(section("Attestations", table(("CODE", "PREDICATE", "AT", "REASON", "DIGEST"), rows)))
    return "\n\n".join(parts)
