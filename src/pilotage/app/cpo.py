"""What `pilotage cpo` and `pilotage overrides` call: previews, labels, lint, and the care of the override table."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.meta import ObjectKey
from pilotage.app.images import ImageAccess, opened
from pilotage.app.tables import read_table
from pilotage.controlplane import imagelint
from pilotage.controlplane.facts import Switch
from pilotage.controlplane.fleet import Change, Preview, preview_fleet
from pilotage.controlplane.imagelint import InspectedImage, RowResult
from pilotage.controlplane.labels import CAPABILITIES
from pilotage.controlplane.overrides import OverrideTable
from pilotage.controlplane.preview import EFFECTS, ClusterChange
from pilotage.decision.render import table
from pilotage.decision.rules import Decision
from pilotage.images import reference
from pilotage.images.errors import ImageError
from pilotage.images.inspect import inspect_image
from pilotage.images.layers import executables
from pilotage.room import Services

__all__ = [
    "LabelRow",
    "PreviewRequest",
    "labels",
    "lint_image",
    "preview",
    "preview_json",
    "preview_text",
]


class PreviewRequest(msgspec.Struct, frozen=True):
    """What the user wants to compare; None keeps what is there. `releases` are `NS/NAME=IMAGE`."""

    from_image: str | None = None
    to_image: str | None = None
    overrides_from: Path | None = None
    overrides_to: Path | None = None
    switch: str | None = None
    releases: tuple[str, ...] = ()
    fail_on: tuple[str, ...] = ()
    namespace: str = ""


class LabelRow(msgspec.Struct, frozen=True):
    label: str
    present: bool
    effect: str


async def preview(services: Services, request: PreviewRequest) -> Preview:
    """Raises InputError for options that say nothing, or say it wrong; ImageError for an operator image that is not there."""
    _check(request)
    await _check_images(services, request)
    table = _table(request.overrides_from)
    before = Change(operator_image=request.from_image, overrides=table)
    after = Change(
        operator_image=request.to_image or request.from_image,
        overrides=_table(request.overrides_to) if request.overrides_to else table,
        switch=cast("Switch | None", request.switch),
        releases=dict(_release(text) for text in request.releases),
    )
    return await preview_fleet(services, after, request.fail_on, request.namespace, before=before)


def preview_json(found: Preview) -> dict[str, Any]:
    """The versioned machine form."""
    return {
        "apiVersion": "pilotage.dev/v1",
        "kind": "Preview",
        "clusters": {change.subject: _change_json(change) for change in found.fleet.clusters},
        "totals": dict(found.fleet.totals),
        "failing": list(found.fleet.failing),
        "unreadable": dict(found.unreadable),
    }


def preview_text(found: Preview) -> str:
    """A paragraph for each cluster whose image changes, then those whose image stays, then the totals."""
    parts = [_change_text(change) for change in found.fleet.clusters if change.changed]
    staying: dict[tuple[str, ...], list[str]] = {}
    for change in found.fleet.clusters:
        if not change.changed:
            staying.setdefault(change.effects, []).append(change.subject)
    parts += [
        f"image stays ({len(names)}): {', '.join(names)}\n  effects: {', '.join(effects) or 'none'}"
        for effects, names in staying.items()
    ]
    parts += [f"cannot be read: {name}: {why}" for name, why in found.unreadable.items()]
    if found.fleet.totals:
        rows = [[str(count), effect, EFFECTS[effect]] for effect, count in found.fleet.totals.items()]
        parts.append(table(["CLUSTERS", "EFFECT", "WHAT IT MEANS"], rows))
    if found.fleet.failing:
        parts.append(f"would hurt: {', '.join(found.fleet.failing)}")
    return "\n\n".join(parts)


async def labels(image: str, access: ImageAccess) -> tuple[LabelRow, ...]:
    """Every capability label, whether the image carries it, and what that means."""
    async with opened(access) as images:
        source, reference = await images.open(image)
        found = (await inspect_image(source, reference)).labels
    return tuple(
        LabelRow(each.label, each.label in found, each.effect(each.label in found)) for each in CAPABILITIES
    )


async def lint_image(image: str, role: str, access: ImageAccess) -> tuple[RowResult, ...]:
    """Look into the image and check it against what a control plane operator needs."""
    roles: tuple[imagelint.Role, ...] = get_args(imagelint.Role)
    if role not in roles:
        raise InputError(
            "UnknownRole", f'"{role}" is no role of an image', hint=f"one of: {', '.join(roles)}"
        )
    async with opened(access) as images:
        source, reference = await images.open(image)
        info = await inspect_image(source, reference)
        found: dict[str, set[str]] = {}
        for path in imagelint.FILES:
            check = await executables.has_executable(source, reference, path)
            for architecture in check.present:
                found.setdefault(architecture, set()).add(path)
            for architecture in check.missing:
                found.setdefault(architecture, set())
    inspected = InspectedImage(
        {architecture: frozenset(paths) for architecture, paths in found.items()},
        info.labels,
        architectures_needed=frozenset({"amd64", "arm64"}),
    )
    return imagelint.lint_image(inspected, role)


def _table(path: Path | None) -> OverrideTable | None:
    return read_table(path).table if path else None


def _check(request: PreviewRequest) -> None:
    problems = []
    if (
        request.to_image is None
        and request.overrides_to is None
        and request.switch is None
        and not request.releases
    ):
        problems.append("say what changes: --to, --overrides-to, --operator-image-for-cpo or --release")
    if request.switch is not None and request.switch not in get_args(Switch):
        problems.append(f'--operator-image-for-cpo "{request.switch}": one of {", ".join(get_args(Switch))}')
    strangers = sorted(set(request.fail_on) - set(EFFECTS))
    if strangers:
        problems.append(f"--fail-on {', '.join(strangers)}: one of {', '.join(EFFECTS)}")
    problems += [
        f'--release "{text}" is not NS/NAME=IMAGE' for text in request.releases if not _is_release(text)
    ]
    if problems:
        raise InputError("InvalidOption", problems[0], messages=tuple(problems))


async def _check_images(services: Services, request: PreviewRequest) -> None:
    """A mistyped image would look like one without the binary, and the preview would be about something else.

    Whether an image is there that cannot be asked for stays unknown, as in the decision itself.
    """
    for text in filter(None, (request.from_image, request.to_image)):
        try:
            await services.images.resolve(reference.parse(text))
        except ImageError as error:
            if error.code in ("NotFound", "InvalidReference"):
                raise


def _is_release(text: str) -> bool:
    name, equals, image = text.partition("=")
    return bool(equals and image and all(name.partition("/")[::2]))


def _release(text: str) -> tuple[ObjectKey, str]:
    name, _, image = text.partition("=")
    namespace, _, cluster = name.partition("/")
    return ObjectKey(namespace, cluster), image


def _change_json(change: ClusterChange) -> dict[str, Any]:
    return {
        "from": _side_json(change.before),
        "to": _side_json(change.after),
        "changed": change.changed,
        "effects": list(change.effects),
        "labels": msgspec.to_builtins(change.labels),
        "nodePools": list(change.node_pools),
        "whyNodes": change.why_nodes or None,
        "unknown": list(change.unknown),
    }


def _side_json(decision: Decision[str]) -> dict[str, Any]:
    rule = decision.rule or f"error:{decision.error.code if decision.error else 'Unknown'}"
    return {"image": decision.value, "rule": rule, "reason": decision.reason}


def _change_text(change: ClusterChange) -> str:
    lines = [change.subject, f"  from  {_side_text(change.before)}", f"  to    {_side_text(change.after)}"]
    if change.node_pools:
        lines.append(f"  nodes roll: {', '.join(change.node_pools)}: {change.why_nodes}")
    lines += [f"  label {each.change}: {each.label}: {each.effect}" for each in change.labels]
    lines.append(f"  effects: {', '.join(change.effects) or 'none'}")
    if change.unknown:
        lines.append(f"  not known: {', '.join(change.unknown)}")
    return "\n".join(lines)


def _side_text(decision: Decision[str]) -> str:
    if decision.value is not None:
        return f"{decision.value} ({decision.rule})"
    return f"{decision.error.code if decision.error else 'not known'}: {decision.reason}"
