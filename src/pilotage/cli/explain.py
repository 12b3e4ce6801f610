"""`pilotage explain`: a decision with every rule considered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ImageAccess, ObjectSource, with_access, with_source
from pilotage.cli.output import Output, OutputOption, emit, say
from pilotage.cli.sources import NamespaceOption

if TYPE_CHECKING:
    from pilotage.app.explain import Explained

__all__ = ["explain"]

OK, NO_ANSWER = 0, 1


@with_source
@with_access
def explain(
    topic: Annotated[str, typer.Argument(help="What to explain: cpo-image.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(help="NAME or NAMESPACE/NAME; all objects without one.", metavar="[NAME]..."),
    ] = None,
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
    access: ImageAccess,
) -> None:
    """Show a decision and every rule that was considered, from manifests, a must-gather, stdin, a cluster, or an
    instance.

    Nothing is changed. With -f or a cluster, images are read from their registries unless --offline; a fact that cannot be seen is
    named, never guessed.

    Exit codes: 0 every object has an answer, 1 some have none, 2 wrong use.

    Example: pilotage explain cpo-image -f must-gather/ --offline
    """
    raise typer.Exit(asyncio.run(_explain(topic, tuple(names or ()), namespace, source, access, output)))


async def _explain(
    name: str,
    names: tuple[str, ...],
    namespace: str,
    source: ObjectSource,
    access: ImageAccess,
    output: Output,
) -> int:
    from pilotage.app import explain, rooms
    from pilotage.app.services import open_services
    from pilotage.decision.render import findings_text

    topic = rooms.topic(name)
    async with open_services(source, access) as opened:
        keys = await explain.keys_of(topic, opened.services, names, namespace)
        answers = await explain.explain(topic, opened.services, keys)
    if opened.findings:
        say(findings_text(opened.findings))
    if not answers:
        say(f"there is no {topic.kind.kind} in {opened.name}")
    document = {
        "apiVersion": "pilotage.dev/v1",
        "kind": "Explanation",
        "topic": topic.name,
        "items": [explain.described(topic, answer) for answer in answers],
    }
    emit(document, output, "\n\n".join(explain.told(topic, answer) for answer in answers))
    return NO_ANSWER if any(_is_open(answer) for answer in answers) else OK


def _is_open(answer: Explained) -> bool:
    return answer.decision.rule is None
