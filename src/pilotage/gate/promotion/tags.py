"""Under which tags does a digest stand in the verified repository?

The canonical tag holds the whole digest, so it can never name another image and is never moved. A digest is written
`sha256:...`, and a tag must not hold a colon, so the tag takes its hexadecimal part. Aliases are for people: they are mutable and
move only after the canonical tag is there.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Guard, Passes, Refuses, Rule, Verdict, first_match

__all__ = ["QUESTION", "RULES", "TagRequest", "Tags", "is_platform", "tags_of"]

QUESTION: Final = "gate-tag"

_PLATFORM: Final = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
_RESERVED: Final = ("latest", "sha256", "sha512")
_DIGEST: Final = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([0-9a-f]+)")
_SHA256: Final = re.compile(r"sha256:([0-9a-f]{64})")
_GIT_SHA: Final = re.compile(r"[0-9a-f]{40}")
_SHORT: Final = 7  # digits of a short commit


class TagRequest(msgspec.Struct, frozen=True):
    """`git_sha` is the commit of the image, empty when it is not known; only a whole one gives aliases."""

    platform: str
    digest: str
    git_sha: str = ""


class Tags(msgspec.Struct, frozen=True):
    """The immutable tag, and the mutable ones: latest, then commit, then short commit."""

    tag: str
    aliases: tuple[str, ...]


def tags_of(request: TagRequest) -> Decision[Tags]:
    """The tags, or the error whose code says why there are none."""
    never = error("bad-digest", "no rule decided", subject=request.platform)
    return first_match(QUESTION, request.platform, RULES, request, otherwise=never)


def is_platform(name: str) -> bool:
    """May a managed service be called this? At most 20 characters, so that every derived name fits into a label."""
    return _PLATFORM.fullmatch(name) is not None


def good_platform(request: TagRequest) -> Verdict[Tags]:
    """The platform is not 1 to 20 lower-case letters, digits and inner dashes, beginning with a letter."""
    return _unless(is_platform(request.platform), "bad-platform", f'"{request.platform}" is no platform')


def free_platform(request: TagRequest) -> Verdict[Tags]:
    """The platform is a name that tags of other meaning begin with: `latest`, `sha256`, `sha512`, `...-latest`."""
    is_reserved = request.platform in _RESERVED or request.platform.endswith("-latest")
    return _unless(not is_reserved, "reserved-platform", f'"{request.platform}" is reserved')


def known_algorithm(request: TagRequest) -> Verdict[Tags]:
    """The digest is well-formed, but not of sha256."""
    found = _DIGEST.fullmatch(request.digest)
    is_other = found is not None and found[1] != "sha256"
    return _unless(not is_other, "unsupported-algorithm", f'"{request.digest}" is not of sha256')


def good_digest(request: TagRequest) -> Verdict[Tags]:
    """The digest is not `sha256:` with 64 lower-case hexadecimal digits."""
    is_good = _SHA256.fullmatch(request.digest) is not None
    return _unless(is_good, "bad-digest", f'"{request.digest}" is no sha256 digest')


def canonical(request: TagRequest) -> Verdict[Tags]:
    """`<platform>-` and the 64 digits."""
    found = _SHA256.fullmatch(request.digest)
    if found is None:
        return Passes("there is no digest")
    commits = (request.git_sha, request.git_sha[:_SHORT]) if _GIT_SHA.fullmatch(request.git_sha) else ()
    aliases = tuple(f"{request.platform}-{name}" for name in ("latest", *commits))
    return Applies(Tags(f"{request.platform}-{found[1]}", aliases), "made of platform and digest")


RULES: tuple[Rule[TagRequest, Tags], ...] = (
    Guard("bad-platform", good_platform),
    Guard("reserved-platform", free_platform),
    Guard("unsupported-algorithm", known_algorithm),
    Guard("bad-digest", good_digest),
    Rule("canonical", canonical),
)
"""Each guard is named after the code with which it ends the decision; the platform is judged before the digest."""


def _unless(is_fine: bool, code: str, problem: str) -> Verdict[Tags]:
    return Passes("no fault of this kind") if is_fine else Refuses(error(code, problem))
