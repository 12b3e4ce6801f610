"""RE2 patterns: what they match, what is refused and in which words, and that none can take for ever."""

import time

import pytest

from pilotage.store.schema.patterns import PatternError, matcher

NESTED = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("b", "abc", True),
        ("^a$", "a\n", False),
        (r"\d", "१", False),
        (r"(?i)^ABC$", "abc", True),
        (r"(?i)^[a-c]+$", "AbC", True),
        (r"^(?s:.)$", "\n", True),
        ("^.$", "\n", False),
        ("(?m)^b$", "a\nb\nc", True),
        (r"\bfoo\b", "a foo.", True),
        (r"\Bfoo", "afoo", True),
        (r"^\Qa.b\E$", "a.b", True),
        (r"^\x41\x{1F600}\101$", "A😀A", True),
        ("^[[:alpha:]_]+$", "ab_", True),
        ("^[^[:digit:]]$", "5", False),
        (r"^\p{Lu}\P{L}$", "É5", True),
        ("^a{2}$", "aa", True),
        ("^a{,2}$", "a{,2}", True),
        ("^(a|b|)$", "", True),
        ("^[]a]$", "]", True),
        ("^[a-]$", "-", True),
        (NESTED, "a.b-c.d", True),
        (NESTED, "a..b", False),
        (r"^(a+)+$", "aaa", True),
        (r"^(a|b)*c?(d+e*)+$", "ababdde", True),
        (r"(^|,)(x+)*(y+)*z+$", "q,xxyz", True),
        (r"(\bfoo\b\s*)+$", "foo foo", True),
    ],
)
def test_a_pattern_matches_what_re2_matches(pattern, text, expected):
    """Anywhere in the text, with the meaning that RE2 gives each construct."""
    assert matcher(pattern)(text) is expected


@pytest.mark.parametrize(
    ("pattern", "refusal"),
    [
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<=a)", "invalid named capture: `(?<=a)`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a++", "invalid nested repetition operator: `++`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("(a", "missing closing ): `(a`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("(a{100}){100}", "invalid repeat count: `{100}`"),
        ("\\", "trailing backslash at end of expression: ``"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\pX", r"invalid character class range: `\pX`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
    ],
)
def test_what_re2_refuses_is_refused_in_its_words(pattern, refusal):
    """Look-around, stacked repeats, unbalanced brackets."""
    with pytest.raises(PatternError) as refused:
        matcher(pattern)
    assert f"error parsing regexp: {refusal}" == str(refused.value)


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a|aa)+$", r"^(a*)*b$", r"^a*a*a*a*b$", r"(x+x+)+y"])
def test_no_pattern_takes_for_ever(pattern):
    """Where backtracking would need the age of the universe, the automaton needs a moment."""
    start = time.process_time()
    assert not matcher(pattern)("a" * 5000 + "!" + "x" * 5000)
    assert time.process_time() - start < 5
