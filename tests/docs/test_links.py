"""Links lead somewhere, decisions have numbers without gaps, and the changelog is in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import semver
import typer

import pilotage
from pilotage.cli import program

ROOT = Path(__file__).parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """The names under which headings of a page can be reached, as GitHub makes them."""
    text = FENCE.sub("", page.read_text())
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_resolves(page: Path) -> None:
    """Files that a page points at are there, and so are the headings in them."""
    broken = []
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        if not found.exists() or (anchor and anchor not in anchors_of(found)):
            broken.append(target)
    assert broken == []


def test_every_page_is_reachable_from_the_index() -> None:
    """Whoever starts at the index or the README comes to every page of the documentation."""
    start = [ROOT / "README.md", ROOT / "docs" / "index.md"]
    seen: set[Path] = set()
    while start:
        page = start.pop().resolve()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = (link.partition("#")[0] for link in LINK.findall(page.read_text()) if "://" not in link)
        start += [page.parent / link for link in links if link and (page.parent / link).exists()]
    unreachable = {page.resolve() for page in ROOT.glob("docs/**/*.md")} - seen
    assert sorted(str(page.relative_to(ROOT)) for page in unreachable) == []


def test_decisions_are_numbered_without_gaps() -> None:
    """A decision page is `NNNN-words.md`, its title has the number, and no number is missing or taken twice."""
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    for page, number in zip(pages, numbers, strict=True):
        text = page.read_text()
        assert text.startswith(f"# {number}. ")
        for part in ("**Context.**", "**Choice.**", "**Alternatives.**", "**Consequences.**"):
            assert part in text, f"{page.name} lacks {part}"


def test_the_changelog_is_in_order() -> None:
    """Known headings only, releases newest first, and the version that is being built is not older than the last one."""
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert releases[0] == "Unreleased"
    versions = [semver.Version.parse(release) for release in releases[1:]]
    assert versions == sorted(versions, reverse=True)
    assert all(version <= semver.Version.parse(pilotage.__version__) for version in versions)
    sections = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    entries = re.findall(r"^- .+", text, re.MULTILINE)
    assert entries
    assert len(entries) == len(set(entries))


def test_the_changelog_names_every_command() -> None:
    """What users can type is in the changelog: nobody finds a verb that was never announced."""
    text = (ROOT / "CHANGELOG.md").read_text()
    calls = [call for call in re.findall(r"`([^`]+)`", text) if call.startswith("pilotage ")]
    said = {word for call in calls for word in re.findall(r"[a-z][a-z-]*", call)}
    verbs = typer.main.get_command(program.build()).commands  # type: ignore[attr-defined]
    groups = {verb: getattr(command, "commands", {}) for verb, command in verbs.items()}
    missing = [(group, *names) for group, children in groups.items() if (names := {group, *children} - said)]
    assert missing == []
