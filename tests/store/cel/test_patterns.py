"""Patterns: RE2 syntax and meaning, with the words of Go for what is not valid."""

import re

import pytest

from pilotage.store.cel.regex import PatternError, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "my-name", True),
        (r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "my-name-", False),
        (r"a|b", "xxb", True),
        (r"^(?:a|b){2,3}$", "abab", False),
        (r"^(?:ab){2,}$", "ababab", True),
        (r"x{0}y", "y", True),
        (r"^$", "", True),
        (r"^$", "\n", False),
        (r"(?m)^b$", "a\nb\nc", True),
        (r"a.c", "a\nc", False),
        (r"(?s)a.c", "a\nc", True),
        (r"(?i)straSSe", "STRASSE", True),
        (r"(?i)k", "\u212a", True),
        (r"(?i:a)b", "Ab", True),
        (r"(?i:a)b", "AB", False),
        (r"\bword\b", "a word here", True),
        (r"\bword\b", "swords", False),
        (r"\Bord\B", "swords", True),
        (r"\Aab\z", "ab", True),
        (r"[^a]", "\n", True),
        (r"[[:alpha:]_]+\d", "x_9", True),
        (r"^[[:^digit:]]$", "5", False),
        (r"[\d-z]", "-", True),
        (r"[]a]", "]", True),
        (r"^[a\]]+$", "a]", True),
        (r"\p{Lu}", "aÉ", True),
        (r"\pN", "५", True),
        (r"^\P{L}$", "x", False),
        (r"\x41\x{1F600}", "A😀", True),
        (r"\101", "A", True),
        (r"\Qa.b\E+", "a.bbb", True),
        (r"^日本.$", "日本語", True),
        (r"a{,2}", "a{,2}", True),
        (r"(|a)*b", "aab", True),
        (r"(?P<year>\d{4})-(?<month>\d\d)", "2026-11", True),
        (r"\d", "५", False),
        (r"\s", "\u00a0", False),
    ],
)
def test_a_pattern_matches(pattern: str, text: str, expected: bool) -> None:
    """Anywhere in the text unless it is anchored."""
    assert compile_pattern(pattern).matches(text) is expected


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("[", "missing closing ]: `[`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("(a", "missing closing ): `(a`"),
        ("a)", "unexpected ): `a)`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        ("(a{100}){100}", "invalid repeat count: `{100}`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
        ("\\y", "invalid escape sequence: `\\y`"),
        ("\\8", "invalid escape sequence: `\\8`"),
        ("[a-\\d]", "invalid escape sequence: `\\d`"),
        ("\\pX", "invalid character class range: `\\pX`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
    ],
)
def test_an_invalid_pattern_says_why(pattern: str, problem: str) -> None:
    """In the words of Go's package, as recorded from it."""
    with pytest.raises(PatternError, match=re.escape(f"error parsing regexp: {problem}")):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a|ab", "xab", "a"),
        ("ab|a", "xab", "ab"),
        ("a*?", "aaa", ""),
        ("a+?", "aaa", "a"),
        ("a+", "baaa", "aaa"),
        ("(?U)a+", "aaa", "a"),
        ("[0-9]+$", "12a34", "34"),
        ("x", "abc", None),
    ],
)
def test_the_leftmost_preferred_match_is_found(pattern: str, text: str, expected: str | None) -> None:
    """The earliest match; of those, the one whose alternatives stand first."""
    place = compile_pattern(pattern).find(text)
    assert (text[slice(*place)] if place else None) == expected


def test_all_matches_are_found_in_turn() -> None:
    """Without overlaps, and without an empty match right behind another match."""
    assert compile_pattern("[0-9]*").find_all("12 3") == ["12", "3"]
    assert compile_pattern("").find_all("ab") == ["", "", ""]
    assert compile_pattern("a").find_all("aaa", 2) == ["a", "a"]
    assert compile_pattern("b*").find_all("abb") == ["", "bb"]
