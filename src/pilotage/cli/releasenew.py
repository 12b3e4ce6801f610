"""`pilotage release new`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from pilotage.cli.access import ImageAccess, report, with_release_access
from pilotage.cli.output import Output, OutputOption, emit
from pilotage.cli.progress import counting

if TYPE_CHECKING:
    from pilotage.app.releasenew import Built, Order

__all__ = ["new"]


@with_release_access
def new(
    version: Annotated[str, typer.Option("--version", help="The version of the release.")],
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="REF|oci:DIR:NAME", help="Where to store it; its tag, else the version."
        ),
    ],
    component: Annotated[
        list[str] | None,
        typer.Option(
            "--component", metavar="NAME=PULLSPEC", help="A component to add or replace. Repeatable."
        ),
    ] = None,
    from_release: Annotated[
        str, typer.Option("--from-release", metavar="REF", help="The release to start from.")
    ] = "",
    manifests: Annotated[
        list[str] | None,
        typer.Option("--manifests", metavar="NAME=DIR", help="The manifests of a component. Repeatable."),
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            "--base",
            metavar="REF",
            help="The image below. [default: cluster-version-operator; scratch is none]",
        ),
    ] = "",
    platform: Annotated[
        list[str] | None,
        typer.Option("--platform", metavar="OS/ARCH", help="For these, not those of the base. Repeatable."),
    ] = None,
    previous: Annotated[
        list[str] | None,
        typer.Option("--previous", help="A version that may update to this one. Repeatable."),
    ] = None,
    following: Annotated[
        list[str] | None, typer.Option("--next", help="A version that this one may update to. Repeatable.")
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            "--metadata", metavar="KEY=VALUE", help="For release-metadata; JSON or text. Repeatable."
        ),
    ] = None,
    created: Annotated[
        str, typer.Option("--created", help="RFC 3339. [default: $SOURCE_DATE_EPOCH, or now]")
    ] = "",
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Build a release payload, from components or from another release with some of them replaced.

    Components are pinned to the digest that they have now. The same input with the same --created gives the same digest.

    Exit codes: 0 built, 2 wrong use, or something does not fit together, 3 something could not be read or written.

    Example: pilotage release new --from-release quay.example.com/openshift/release:4.20.3-multi --version 4.20.4-0.hotfix
    --component hypershift=quay.example.com/hypershift/control-plane-operator:4.20.3-hotfix --to oci:hotfix:4.20.4
    """
    from pilotage.app.releasenew import Order

    if not component and not from_release:
        raise typer.BadParameter("name components with --component, or a release with --from-release")
    order = Order(
        version,
        to,
        _pairs("--component", component or ()),
        {name: Path(path) for name, path in _pairs("--manifests", manifests or ()).items()},
        from_release,
        base,
        tuple(platform or ()),
        tuple(previous or ()),
        tuple(following or ()),
        {key: _value(text) for key, text in _pairs("--metadata", metadata or ()).items()},
        created,
    )
    found = asyncio.run(_new(order, access))
    emit(_document(found), output, _text(found))


async def _new(order: Order, access: ImageAccess) -> Built:
    from pilotage.app import releasenew
    from pilotage.app.images import opened

    async with opened(access, report) as images:
        with counting("reading components", len(order.components)) as tick:
            return await releasenew.build(images, order, tick)


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, _, value = text.partition("=")
        if not name or not value:
            raise typer.BadParameter(f"{option} {text}: write NAME=VALUE")
        if name in found:
            raise typer.BadParameter(f"{option} {name}: given twice")
        found[name] = value
    return found


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _document(found: Built) -> dict[str, Any]:
    return {
        "apiVersion": "pilotage.dev/v1",
        "kind": "ReleaseBuilt",
        "image": str(found.destination),
        "digest": found.manifest.digest,
        "pullSpec": found.pull_spec,
        "version": found.release.version,
        "created": found.release.created,
        "components": len(found.release.components),
        "replaced": list(found.replaced),
        "isMultiArch": found.manifest.is_index,
    }


def _text(found: Built) -> str:
    from pilotage.cli.releasetext import fields

    known = [
        ("Built", f"{found.release.version} with {len(found.release.components)} components"),
        ("Image", str(found.destination)),
        ("Digest", found.manifest.digest),
    ]
    if found.replaced:
        known.append(("Replaced", ", ".join(found.replaced)))
    return fields(known)
