"""`pilotage gate`: may this operator image be promoted, and for which platforms? One module for each verb or pair of verbs.

lint      lint        plan      plan
render    render      onboard   onboard
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import typer

from pilotage.cli.gate import lint, onboard, plan, render

__all__ = ["VERBS", "gate"]

gate = typer.Typer(
    name="gate",
    help="Verify operator images for each platform, and promote what passed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

VERBS: Final[Mapping[str, tuple[Callable[..., Any], str]]] = {
    "lint": (lint.lint, "Find what is wrong with a Gate, or with what is applied."),
    "plan": (plan.plan, "Show jobs, cost, finish time and objects before anything is spent."),
    "render": (render.render, "Write what Konflux needs to run a gate, or check it."),
    "onboard": (onboard.onboard, "Check that the first night of a platform can begin."),
}
"""In the order of the help page."""

for _name, (_verb, _help) in VERBS.items():
    gate.command(_name, short_help=_help)(_verb)
