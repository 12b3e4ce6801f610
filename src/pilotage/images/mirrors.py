"""Which mirrors stand in front of this source, and in which order?

A rule names a source (a host, a namespace, a repository, or `*.host` for every name below a host) and its mirrors.
Matching is on path element borders with host and port exact; of several sources that match only the most specific one
applies. ImageDigestMirrorSet and ImageContentSourcePolicy speak of references with a digest, ImageTagMirrorSet of the
others; a reference with both a tag and a digest counts as one with a digest.

Several objects may name one source. Their lists are merged so that every "x before y" of every list holds; what the
lists leave open is settled by first appearance in the concatenation, taken by kind (IDMS and ITMS before ICSP), object
name and position. So the result never depends on the order in which objects were listed. Lists that contradict each
other are concatenated instead, and that is reported.

Follows openshift/api `config/v1/types_image_digest_mirror_set.go` and `types_image_tag_mirror_set.go`, with one matcher
where openshift/hypershift has two.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any, Literal

import msgspec

from pilotage.decision.findings import Finding, warning
from pilotage.images import overrides
from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference

__all__ = ["Candidates", "MirrorSource", "Mirrors", "format_mirrors", "merge_lists", "parse_mirrors"]

Form = Literal["digest", "tag"]

_NEVER = "NeverContactSource"


class MirrorSource(msgspec.Struct, frozen=True):
    """One source with everything that is said about it, merged. `origins` are the objects that name it."""

    source: str
    mirrors: tuple[str, ...]
    contact_source: bool = True
    contradictory: bool = False
    origins: tuple[str, ...] = ()


class Candidates(msgspec.Struct, frozen=True):
    """Where to try, in order, as text; `matched` is the source that applied, None when no rule did."""

    references: tuple[str, ...]
    matched: MirrorSource | None = None
    warnings: tuple[Finding, ...] = ()


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    source: str | None = None
    mirrors: tuple[str, ...] | None = None
    mirror_source_policy: str | None = None


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    image_digest_mirrors: tuple[_Entry, ...] | None = None
    image_tag_mirrors: tuple[_Entry, ...] | None = None
    repository_digest_mirrors: tuple[_Entry, ...] | None = None


class _Meta(msgspec.Struct, frozen=True):
    name: str | None = None


class _Object(msgspec.Struct, frozen=True):
    metadata: _Meta | None = None
    spec: _Spec | None = None


class _Rule(msgspec.Struct, frozen=True, order=True):
    """One entry of one object. The fields stand in the order by which rules are sorted."""

    rank: int
    name: str
    position: int
    mirrors: tuple[str, ...]
    contact_source: bool
    source: str
    form: str
    kind: str


_KINDS: Mapping[str, tuple[int, Form]] = {
    "ImageDigestMirrorSet": (0, "digest"),
    "ImageTagMirrorSet": (0, "tag"),
    "ImageContentSourcePolicy": (1, "digest"),
}


class Mirrors:
    """All mirror rules of one cluster, or of one flag: immutable, and cheap to ask again and again."""

    __slots__ = ("_digest", "_tag")

    def __init__(
        self, digest: Mapping[str, MirrorSource] | None = None, tag: Mapping[str, MirrorSource] | None = None
    ) -> None:
        self._digest = dict(digest or {})
        self._tag = dict(tag or {})

    @classmethod
    def of_objects(cls, objects: Iterable[Mapping[str, Any]]) -> Mirrors:
        """Read ImageDigestMirrorSets, ImageTagMirrorSets and ImageContentSourcePolicies, in any order.

        Objects of other kinds are passed over. Raises ImageError `MirrorObjectInvalid` with every object that has a
        field of another type.
        """
        rules = sorted(_read_objects(objects))
        return cls(*(_merge_rules(rule for rule in rules if rule.form == form) for form in ("digest", "tag")))

    @classmethod
    def of_map(cls, mirrors: Mapping[str, Sequence[str]]) -> Mirrors:
        """A plain map of sources to mirrors, as in `OPENSHIFT_IMG_OVERRIDES`: for tags and digests alike."""
        sources = {
            _trim(source): MirrorSource(_trim(source), tuple(dict.fromkeys(map(_trim, listed))))
            for source, listed in mirrors.items()
            if source and listed
        }
        return cls(sources, sources)

    def __bool__(self) -> bool:
        return bool(self._digest or self._tag)

    @property
    def sources(self) -> tuple[MirrorSource, ...]:
        """Every source, those for digests first; sources of a plain map stand once."""
        return tuple(dict.fromkeys(chain(self._digest.values(), self._tag.values())))

    def matching(self, reference: Reference) -> tuple[MirrorSource, str] | None:
        """The most specific source that covers `reference`, and the part of its location behind that source."""
        sources = self._digest if reference.digest else self._tag
        if not sources:
            return None
        hosts = tuple(_host_forms(reference.host))
        path = f"/{reference.path}"
        end = len(path)
        while end >= 0:
            for host in hosts:
                found = sources.get(host + path[:end])
                if found is not None:
                    return found, path[end:]
            end = path.rfind("/", 0, end) if end else -1
        return None

    def candidates(self, reference: Reference) -> Candidates:
        """Mirrors in the order to try them, then the source unless a rule forbids it."""
        match = self.matching(reference)
        if match is None:
            return Candidates((str(reference),))
        source, rest = match
        mirrored = (f"{mirror}{rest}{reference.suffix}" for mirror in source.mirrors)
        own = str(reference)
        if source.contact_source:
            references = tuple(dict.fromkeys((*mirrored, own)))
        else:
            references = tuple(candidate for candidate in dict.fromkeys(mirrored) if candidate != own)
        return Candidates(references, source, _warnings(source))


def merge_lists(lists: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], bool]:
    """Merge preference lists; also says whether they contradict each other.

    Every pair of one list keeps its order in the result. What no list orders goes by first appearance in the
    concatenation. Contradicting lists give the concatenation without repetitions.
    """
    plain = tuple(dict.fromkeys(chain.from_iterable(lists)))
    if len(lists) == 1:
        return plain, False
    rank = {item: index for index, item in enumerate(plain)}
    followers: dict[str, set[str]] = {item: set() for item in plain}
    for listed in lists:
        for earlier, later in pairwise(dict.fromkeys(listed)):
            followers[earlier].add(later)
    waiting = dict.fromkeys(plain, 0)
    for later in chain.from_iterable(followers.values()):
        waiting[later] += 1
    ready = [rank[item] for item in plain if not waiting[item]]
    merged: list[str] = []
    while ready:
        item = plain[heapq.heappop(ready)]
        merged.append(item)
        for later in followers[item]:
            waiting[later] -= 1
            if not waiting[later]:
                heapq.heappush(ready, rank[later])
    return (tuple(merged), False) if len(merged) == len(plain) else (plain, True)


def parse_mirrors(text: str) -> dict[str, list[str]]:
    """Read the text form `source=mirror,...`, one entry for each mirror: declared order and repetitions are kept.

    Empty and `=` give none; entries without `=` or with an empty side are skipped.
    """
    mirrors: dict[str, list[str]] = {}
    for source, mirror in overrides.pairs(text):
        mirrors.setdefault(source, []).append(mirror)
    return mirrors


def format_mirrors(mirrors: Mapping[str, Sequence[str]]) -> str:
    """The text form: sources sorted, the mirrors of one source in their declared order."""
    entries = (f"{source}={mirror}" for source in sorted(mirrors) for mirror in mirrors[source])
    return ",".join(entries) or overrides.NONE


def _read_objects(objects: Iterable[Mapping[str, Any]]) -> list[_Rule]:
    rules: list[_Rule] = []
    faults: list[str] = []
    for value in objects:
        kind = value.get("kind")
        if not isinstance(kind, str) or kind not in _KINDS:
            continue
        try:
            rules.extend(_rules_of(kind, msgspec.convert(value, _Object)))
        except msgspec.ValidationError as error:
            faults.append(f"{kind} {_name_of(value)}: {error}")
    if faults:
        raise ImageError(
            "MirrorObjectInvalid",
            "; ".join(sorted(faults)),
            hint="correct the fields that are named; no mirror rule was read",
            messages=tuple(sorted(faults)),
        )
    return rules


def _rules_of(kind: str, value: _Object) -> Iterator[_Rule]:
    rank, form = _KINDS[kind]
    name = (value.metadata.name if value.metadata else None) or ""
    spec = value.spec or _Spec()
    listed = {
        "ImageDigestMirrorSet": spec.image_digest_mirrors,
        "ImageTagMirrorSet": spec.image_tag_mirrors,
        "ImageContentSourcePolicy": spec.repository_digest_mirrors,
    }[kind]
    for position, entry in enumerate(listed or ()):
        mirrors = tuple(trimmed for mirror in entry.mirrors or () if (trimmed := _trim(mirror)))
        source = _trim(entry.source or "")
        if source and mirrors:  # an entry without mirrors is no rule, whatever its policy says
            # An ICSP knows no policy: the source is always its last resort.
            contact = kind == "ImageContentSourcePolicy" or entry.mirror_source_policy != _NEVER
            yield _Rule(rank, name, position, mirrors, contact, source, form, kind)


def _merge_rules(rules: Iterable[_Rule]) -> dict[str, MirrorSource]:
    grouped: dict[str, list[_Rule]] = {}
    for rule in rules:
        grouped.setdefault(rule.source, []).append(rule)
    merged = {}
    for source, listed in grouped.items():
        mirrors, contradictory = merge_lists([rule.mirrors for rule in listed])
        merged[source] = MirrorSource(
            source,
            mirrors,
            all(rule.contact_source for rule in listed),
            contradictory,
            tuple(dict.fromkeys(f"{rule.kind} {rule.name}" for rule in listed)),
        )
    return merged


def _host_forms(host: str) -> Iterator[str]:
    """The host as it is, then `*.` in place of ever more leading labels: from the most specific to the least."""
    yield host
    dot = host.find(".")
    while dot >= 0:
        yield f"*{host[dot:]}"
        dot = host.find(".", dot + 1)


def _warnings(source: MirrorSource) -> tuple[Finding, ...]:
    if not source.contradictory:
        return ()
    return (
        warning(
            "MirrorOrderConflict",
            f"the mirror lists of {source.source} contradict each other ({', '.join(source.origins)}); "
            f"they are tried one list after the other: {', '.join(source.mirrors)}",
            subject=source.source,
            hint="declare the mirrors of this source in one order",
        ),
    )


def _name_of(value: Mapping[str, Any]) -> str:
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else "without a name"


def _trim(location: str) -> str:
    return location.rstrip("/")
