"""`pilotage gate yank`, `unyank` and `rollback`: a person's word about a promoted image."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pilotage.cli.access import ImageAccess, with_access
from pilotage.cli.output import Output, OutputOption, emit

if TYPE_CHECKING:
    from pilotage.gate.promotion.withdrawal import Withdrawn

__all__ = ["rollback", "unyank", "yank"]

PlatformArgument = Annotated[
    str, typer.Argument(help="The platform of the gate, such as aro-hcp.", metavar="PLATFORM")
]
ImageArgument = Annotated[
    str,
    typer.Argument(help="A digest, a canonical tag, or the first digits of a digest.", metavar="IMAGE"),
]
ToOption = Annotated[
    str, typer.Option("--to", metavar="IMAGE", help="A digest, a canonical tag, or the first digits.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why. Consumers are shown it.")]
ByOption = Annotated[str, typer.Option("--by", help="Who does it. [default: the user of this machine]")]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="FILE", help="The private key of the gate. [default: that of the instance]"
    ),
]
NamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", help="Of the Gate, when several are called so.")
]


@with_access
def yank(
    platform: PlatformArgument,
    image: ImageArgument,
    reason: ReasonOption,
    by: ByOption = "",
    key: KeyOption = None,
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Take an image back: `verify` refuses it with the reason, the aliases move on, it is never promoted again.

    The canonical tag stays. Repeated after a failure it goes on where it stopped.

    Exit codes: 0 done, 2 wrong use, 3 store or registry failed.

    Example: pilotage gate yank aro-hcp 4f2d1c09 --reason "loses volumes on resize, OCPBUGS-4711"
    """
    _run("yank", platform, image, reason, by, key, namespace, output, access)


@with_access
def unyank(
    platform: PlatformArgument,
    image: ImageArgument,
    reason: ReasonOption,
    by: ByOption = "",
    key: KeyOption = None,
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Give a yanked image back: `verify` accepts it, and the aliases return unless they went elsewhere since.

    Exit codes: 0 done, 2 wrong use, 3 store or registry failed.

    Example: pilotage gate unyank aro-hcp 4f2d1c09 --reason "it was the storage array"
    """
    _run("unyank", platform, image, reason, by, key, namespace, output, access)


@with_access
def rollback(
    platform: PlatformArgument,
    to: ToOption,
    reason: ReasonOption,
    by: ByOption = "",
    key: KeyOption = None,
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Let PLATFORM-latest name an image that was promoted before, until the next promotion. Nothing untested is ever named.

    Exit codes: 0 done, 1 its canonical tag names something else, 2 wrong use, 3 store or registry failed.

    Example: pilotage gate rollback aro-hcp --to 9a0b3c71 --reason "watch the new one for a day"
    """
    _run("rollback", platform, to, reason, by, key, namespace, output, access)


def _run(
    action: Literal["yank", "unyank", "rollback"],
    platform: str,
    image: str,
    reason: str,
    by: str,
    key: Path | None,
    namespace: str,
    output: Output,
    access: ImageAccess,
) -> None:
    from pilotage.app.gate.withdrawing import Order, withdraw

    order = Order(
        action=action,
        platform=platform,
        image=image,
        by=by or getpass.getuser(),
        reason=reason,
        namespace=namespace,
        key=key,
    )
    done = asyncio.run(withdraw(order, access))
    emit(_document(done), output, _text(done))


def _document(done: Withdrawn) -> dict[str, Any]:
    return {
        "apiVersion": "pilotage.dev/v1",
        "kind": "Withdrawal",
        "action": done.action,
        "platform": done.platform,
        "digest": done.digest,
        "repository": done.repository,
        "by": done.by,
        "reason": done.reason,
        "at": done.at,
        "statement": done.statement or None,
        "aliases": [
            {"alias": each.alias, "digest": each.digest, "moved": each.moved} for each in done.aliases
        ],
    }


def _text(done: Withdrawn) -> str:
    told = {"yank": "yanked", "unyank": "given back", "rollback": "rolled back to"}[done.action]
    lines = [f"{done.platform}: {told} {done.digest}", f"  by {done.by} at {done.at}: {done.reason}"]
    if done.statement:
        lines.append(f"  signed {done.statement}")
    for each in done.aliases:
        how = "now names" if each.moved else "still names"
        lines.append(f"  {each.alias} {how} {each.digest or 'nothing'}")
    return "\n".join(lines)
