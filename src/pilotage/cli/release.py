"""`pilotage release`: everything about release payloads. One module for each verb or pair of verbs.

releaseinfo      info, components        releasetext       a release as people read it
releasediff      diff                    releasedifftext   a difference as people read it
releasefind      find                    releaseextract    extract
releasemirror    mirror, mirror-check    releaseexplain    explain
releasenew       new
"""

from __future__ import annotations

import typer

from pilotage.cli import (
    releasediff,
    releaseexplain,
    releaseextract,
    releasefind,
    releaseinfo,
    releasemirror,
    releasenew,
)

__all__ = ["release"]

release = typer.Typer(
    name="release",
    help="Look into, compare, build and mirror release payloads.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
release.command("info", short_help="Show what is in release payloads.")(releaseinfo.info)
release.command("components", short_help="List the components of a release.")(releaseinfo.components)
release.command("diff", short_help="Compare two releases.")(releasediff.diff)
release.command("extract", short_help="Take files out of a release.")(releaseextract.extract)
release.command("mirror", short_help="Copy a release and every image that it names.")(releasemirror.mirror)
release.command("mirror-check", short_help="Check that a release is within reach of a cluster.")(
    releasemirror.mirror_check
)
release.command("explain", short_help="Trace how a reference is resolved.")(releaseexplain.explain)
release.command("new", short_help="Build a release payload.")(releasenew.new)
release.command("find", short_help="Find the releases that ship an image.")(releasefind.find)
