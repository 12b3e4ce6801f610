"""`pilotage gate`: may this operator image be promoted, and for which platforms? One module for each verb or pair of verbs.

lint      lint        plan      plan
render    render      onboard   onboard
verify    verify      keygen    keygen
withdraw  yank, unyank, rollback
overview  status, history, metrics
watch     watch
explain   explain                 asking    select, where, bisect, regress, matrix
acting    trigger, retry, cancel, approve, promote, triage
settings  pause, resume, freeze, quarantine
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import typer

from pilotage.cli.gate import (
    acting,
    asking,
    explain,
    keygen,
    lint,
    onboard,
    overview,
    plan,
    render,
    settings,
    step,
    verify,
    watch,
    withdraw,
)

__all__ = ["VERBS", "gate"]

gate = typer.Typer(
    name="gate",
    help="Verify operator images for each platform, and promote what passed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

VERBS: Final[Mapping[str, tuple[Callable[..., Any], str]]] = {
    "status": (overview.status, "Show how each platform stands, and what to look at."),
    "watch": (watch.watch, "Follow the runs that are under way."),
    "history": (overview.history, "Print runs, the newest first."),
    "explain": (explain.explain, "Show every rule about a run, a Snapshot or a promotion."),
    "where": (asking.where, "Show how far a commit came on each platform."),
    "select": (asking.select, "Show which Snapshot would be tested, and why not the others."),
    "trigger": (acting.trigger, "Start a run by hand, by the same rules."),
    "retry": (acting.retry, "Test the Snapshot of a finished run again."),
    "cancel": (acting.cancel, "Stop a run."),
    "approve": (acting.approve, "Approve the promotion of a run as a second person."),
    "promote": (acting.promote, "Let the promotion of a run that passed be decided again."),
    "triage": (acting.triage, "Write down why a run was red."),
    "pause": (settings.pause, "Start no runs of a platform."),
    "resume": (settings.resume, "End a pause."),
    "freeze": (settings.freeze, "Promote nothing for a while."),
    "quarantine": (settings.quarantine, "Set a required job aside for a while."),
    "bisect": (asking.bisect, "Find the push that broke the gate."),
    "regress": (asking.regress, "Show which jobs got worse."),
    "matrix": (asking.matrix, "Show the versions that an image was tested with."),
    "metrics": (overview.metrics, "Print the figures of the gate for Prometheus."),
    "lint": (lint.lint, "Find what is wrong with a Gate, or with what is applied."),
    "plan": (plan.plan, "Show jobs, cost, finish time and objects before anything is spent."),
    "render": (render.render, "Write what Konflux needs to run a gate, or check it."),
    "onboard": (onboard.onboard, "Check that the first night of a platform can begin."),
    "verify": (verify.verify, "Check that an image was promoted for a platform."),
    "yank": (withdraw.yank, "Take a promoted image back."),
    "unyank": (withdraw.unyank, "Put an image back that was taken back."),
    "rollback": (withdraw.rollback, "Let the aliases name an earlier promotion."),
    "keygen": (keygen.keygen, "Make a key that signs promotions."),
}
"""In the order of the help page."""

for _name, (_verb, _help) in VERBS.items():
    gate.command(_name, short_help=_help)(_verb)
gate.add_typer(step.step, name="step", short_help=step.step.info.short_help)
