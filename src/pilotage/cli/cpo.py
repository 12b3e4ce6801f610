"""`pilotage cpo`: the control plane operator image of hosted clusters, and what a change of it would do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ImageAccess, ObjectSource, with_access, with_source
from pilotage.cli.output import Output, OutputOption, emit, say
from pilotage.cli.sources import NamespaceOption

if TYPE_CHECKING:
    from pilotage.app.cpo import PreviewRequest

__all__ = ["cpo"]

OK, NO, WOULD_HURT = 0, 1, 2

cpo = typer.Typer(
    name="cpo",
    help="The control plane operator image of hosted clusters.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@cpo.command("resolve", short_help="Print image and rule of every hosted cluster.")
@with_source
@with_access
def resolve(
    hc: Annotated[
        list[str] | None,
        typer.Option("--hc", metavar="NS/NAME", help="Only this hosted cluster. Repeatable."),
    ] = None,
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
    access: ImageAccess,
) -> None:
    """Print the image and the rule of every hosted cluster, one line each.

    Exit codes: 0 every cluster has an image, 1 some have an error.

    Example: pilotage cpo resolve -f fleet.yaml --hc clusters/prod-1
    """
    raise typer.Exit(asyncio.run(_resolve(source, access, tuple(hc or ()), namespace, output)))


@cpo.command("preview", short_help="Show what a change does to every hosted cluster.")
@with_source
@with_access
def preview(
    to: Annotated[str, typer.Option("--to", metavar="IMAGE", help="The operator image afterwards.")] = "",
    from_: Annotated[
        str,
        typer.Option(
            "--from", metavar="IMAGE", help="The operator image before. [default: that of the settings]"
        ),
    ] = "",
    overrides_from: Annotated[
        Path | None, typer.Option("--overrides-from", help="The override table before.")
    ] = None,
    overrides_to: Annotated[
        Path | None, typer.Option("--overrides-to", help="The override table afterwards.")
    ] = None,
    switch: Annotated[
        str,
        typer.Option(
            "--operator-image-for-cpo", metavar="off|canary|on", help="The feature switch afterwards."
        ),
    ] = "",
    release: Annotated[
        list[str] | None,
        typer.Option(
            "--release", metavar="NS/NAME=IMAGE", help="Another release for one cluster. Repeatable."
        ),
    ] = None,
    fail_on: Annotated[
        str, typer.Option("--fail-on", metavar="EFFECT,...", help="Effects that make the exit code 2.")
    ] = "node-rollout,label-lost,not-pullable",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
    access: ImageAccess,
) -> None:
    """Show what a change of operator image, override table, switch or release does to every hosted cluster.

    Which clusters change image, which of them roll nodes and why, which capability labels are lost. Nothing is written.

    Exit codes: 0 nothing in --fail-on happens, 1 a cluster cannot be read, 2 something in --fail-on happens or wrong use.

    Example: pilotage cpo preview --from quay.example.com/hypershift/hypershift-operator:v1.1.0 --to
    quay.example.com/hypershift/hypershift-operator:v1.2.0
    """
    from pilotage.app.cpo import PreviewRequest

    request = PreviewRequest(
        from_image=from_ or None,
        to_image=to or None,
        overrides_from=overrides_from,
        overrides_to=overrides_to,
        switch=switch or None,
        releases=tuple(release or ()),
        fail_on=tuple(part.strip() for part in fail_on.split(",") if part.strip()),
        namespace=namespace,
    )
    raise typer.Exit(asyncio.run(_preview(source, access, request, output)))


@cpo.command("labels", short_help="Show the capability labels of an image, and their effects.")
@with_access
def labels(
    image: Annotated[str, typer.Argument(help="The image; a reference, or oci:DIR[:REF].")],
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Show which capability labels an image carries, and what each means for a cluster.

    Example: pilotage cpo labels quay.example.com/hypershift/hypershift-operator:v1.2.0
    """
    asyncio.run(_labels(image, access, output))


@cpo.command("lint-image", short_help="Check that an image can serve as control plane operator.")
@with_access
def lint_image(
    image: Annotated[str, typer.Argument(help="The image; a reference, or oci:DIR[:REF].")],
    role: Annotated[
        str, typer.Option("--role", metavar="operator|payload", help="What the image serves as.")
    ] = "operator",
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Check that an image can serve as control plane operator: files, links, labels, architectures.

    Exit codes: 0 it can, 1 it lacks something that it must have.

    Example: pilotage cpo lint-image quay.example.com/hypershift/hypershift-operator:v1.1.0
    """
    raise typer.Exit(asyncio.run(_lint_image(image, role, access, output)))


async def _resolve(
    source: ObjectSource, access: ImageAccess, names: tuple[str, ...], namespace: str, output: Output
) -> int:
    from pilotage.app import explain, rooms
    from pilotage.app.services import open_services
    from pilotage.decision.render import findings_text, table

    topic = rooms.topic("cpo-image")
    async with open_services(source, access) as opened:
        keys = await explain.keys_of(topic, opened.services, names, namespace)
        answers = await explain.explain(topic, opened.services, keys)
    if opened.findings:
        say(findings_text(opened.findings))
    described = {str(answer.key): explain.described(topic, answer) for answer in answers}
    rows = [
        [
            name,
            answer.get("version") or "",
            answer["rule"] or f"error: {(answer['error'] or answer['needs'])['code']}",
            answer["image"] or answer["reason"],
        ]
        for name, answer in described.items()
    ]
    emit(
        {"apiVersion": "pilotage.dev/v1", "clusters": described},
        output,
        table(["CLUSTER", "VERSION", "RULE", "IMAGE"], rows),
    )
    return NO if any(answer.decision.rule is None for answer in answers) else OK


async def _preview(source: ObjectSource, access: ImageAccess, request: PreviewRequest, output: Output) -> int:
    from pilotage.app import cpo
    from pilotage.app.services import open_services
    from pilotage.decision.render import findings_text

    async with open_services(source, access) as opened:
        found = await cpo.preview(opened.services, request)
    if opened.findings:
        say(findings_text(opened.findings))
    emit(cpo.preview_json(found), output, cpo.preview_text(found))
    if found.fleet.fails:
        return WOULD_HURT
    return NO if found.unreadable else OK


async def _labels(image: str, access: ImageAccess, output: Output) -> None:
    from pilotage.app import cpo
    from pilotage.decision.render import table

    rows = await cpo.labels(image, access)
    document = {
        "image": image,
        "labels": [{"label": row.label, "present": row.present, "effect": row.effect} for row in rows],
    }
    text = table(
        ["LABEL", "PRESENT", "EFFECT"],
        ([row.label, "yes" if row.present else "no", row.effect] for row in rows),
    )
    emit(document, output, text)


async def _lint_image(image: str, role: str, access: ImageAccess, output: Output) -> int:
    from pilotage.app import cpo
    from pilotage.controlplane import imagelint
    from pilotage.decision.render import table

    results = await cpo.lint_image(image, role, access)
    verdicts = {True: "pass", False: "FAIL", None: "unknown"}
    text = table(
        ["RESULT", "ITEM", "REQUIREMENT", "NEEDED BY", "DETAIL"],
        ([verdicts[row.passed], row.item, row.requirement, row.needed_by, row.detail] for row in results),
    )
    emit({"image": image, "role": role, "rows": results}, output, text)
    return OK if imagelint.passes(results) else NO
