"""`pilotage release explain`: by which name, and from where."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ImageAccess, report, with_access
from pilotage.cli.output import Output, OutputOption, emit

if TYPE_CHECKING:
    from pilotage.app.releaseexplain import Explained

__all__ = ["explain"]

OK, NO = 0, 1


class Purpose(StrEnum):
    DIRECT_FETCH = "direct-fetch"
    POD_SPEC = "pod-spec"
    DATA_PLANE = "data-plane"


@with_access
def explain(
    reference: Annotated[
        str, typer.Argument(help="The reference of a release, or of any image.", metavar="REF")
    ],
    purpose: Annotated[
        Purpose, typer.Option("--for", help="What it is for: to read it here, for a pod, or for nodes.")
    ],
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Trace how a reference is resolved: overrides, mirrors, candidates in order, the credential of each, the digest.

    Overrides and mirrors reach direct fetches; overrides alone reach pod specs, where the container runtime applies mirrors;
    neither may reach the data plane, and giving them is refused.

    Exit codes: 0 resolved, 1 no candidate delivers, 2 wrong use.

    Example: pilotage release explain quay.example.com/openshift/release:4.20.3-multi --for direct-fetch --mirrors idms.yaml
    """
    from pilotage.app import releaseexplain

    found = asyncio.run(_explain(reference, purpose, access))
    emit(releaseexplain.document(found), output, _explained(found))
    raise typer.Exit(OK if found.is_answered else NO)


async def _explain(reference: str, purpose: Purpose, access: ImageAccess) -> Explained:
    from pilotage.app import releaseexplain
    from pilotage.app.images import opened

    async with opened(access, report) as images:
        return await releaseexplain.explain(images, reference, purpose.value)


def _explained(found: Explained) -> str:
    from pilotage.cli.releasetext import fields
    from pilotage.decision.render import findings_text

    resolution = found.resolution
    known = [
        ("Reference", resolution.given),
        ("Purpose", found.purpose),
        (
            "Override",
            f"{resolution.override} makes it {resolution.image}" if resolution.override else "none matches",
        ),
    ]
    if found.purpose == "direct-fetch":
        known.append(
            (
                "Mirrors",
                f"the rule for {resolution.mirrored} matches" if resolution.mirrored else "none match",
            )
        )
        known.append(("Digest", found.digest or "none: no candidate delivers it"))
    else:
        known.append(("Image", resolution.image))
        if found.purpose == "pod-spec":
            known.append(("Mirrors", "left to the container runtime of the node"))
    parts = [fields(known)]
    if found.tried:
        parts.append("Candidates, first that delivers wins:\n" + "\n".join(_tried(found)))
    if found.warnings:
        parts.append("Warnings:\n" + findings_text(found.warnings))
    return "\n\n".join(parts)


def _tried(found: Explained) -> list[str]:
    lines = []
    for each in found.tried:
        mark = "→" if each.digest else " "
        lines.append(f"  {mark} {each.candidate}")
        who = f"with the credential for {each.credential}" if each.credential else "without a credential"
        what = each.outcome or "not tried"
        where = f" from {each.place}" if each.digest else ""
        lines.append(f"      {what}{where}, {who}{'; its manifest is cached' if each.is_cached else ''}")
    return lines
