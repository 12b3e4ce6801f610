"""`pilotage release`: everything about release payloads. One module for each verb or pair of verbs.

releaseinfo      info, components      releasetext       a release as people read it
releasediff      diff                  releasedifftext   a difference as people read it
releaseextract   extract               releasemirror     mirror, mirror-check, explain
releasenew       new
"""

from __future__ import annotations

import typer

from pilotage.cli import releasediff, releaseexplain, releaseextract, releaseinfo, releasemirror, releasenew

__all__ = ["release"]

release = typer.Typer(
    name="release",
    help="Look into, compare, build and mirror release payloads.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
release.command("info")(releaseinfo.info)
release.command("components")(releaseinfo.components)
release.command("diff")(releasediff.diff)
release.command("extract")(releaseextract.extract)
release.command("mirror")(releasemirror.mirror)
release.command("mirror-check")(releasemirror.mirror_check)
release.command("explain")(releaseexplain.explain)
release.command("new")(releasenew.new)
