"""The table of `pilotage up` on terminals of different widths."""

from __future__ import annotations

import pytest

from pilotage.cli.up import fitted

LINES = [
    ["CLUSTER", "RULE", "IMAGE", "WHY"],
    [
        "clusters/one",
        "payload",
        "quay.example.com/team/image@sha256:0123456789ab",
        "component hypershift of the payload",
    ],
]


def test_everything_is_shown_where_there_is_room() -> None:
    """A wide terminal changes nothing."""
    assert LINES == fitted(LINES, 200)


@pytest.mark.parametrize("width", range(62, 110))
def test_a_line_is_never_broken(width: int) -> None:
    """Every line fits, with two blanks after each column."""
    assert all(sum(len(cell) + 2 for cell in line) <= width for line in fitted(LINES, width))


def test_an_image_loses_its_beginning_and_a_reason_its_end() -> None:
    """What tells images apart stands at their end."""
    _, row = fitted(LINES, 90)
    assert "…/team/image@sha256:0123456789ab".endswith(row[2].lstrip("…"))
    assert row[3].rstrip("…") == LINES[1][3][: len(row[3]) - 1]
    assert row[:2] == LINES[1][:2]


def test_stubs_are_not_shown() -> None:
    """Where neither image nor reason could be read, the reason alone is left."""
    headings, row = fitted(LINES, 60)
    assert headings == ["CLUSTER", "RULE", "WHY"]
    assert row[2].startswith("component hyper")
