"""Texts made to exhaust memory, time or the stack are refused with a clear error.

Each runs in a process of its own with 1 GiB of address space and 20 seconds of processor time: a crash, a hang or an
explosion is a failed test, not a slow one.
"""

import subprocess
import sys
import textwrap

import pytest

BOUNDS = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
from pilotage.api.errors import InputError
from pilotage.api.yaml import dump, load

def report(text):
    try:
        value = load(text)
    except InputError as error:
        print(error.code, error.message[:300])
    else:
        print("accepted", type(value).__name__)
"""

BOMB = """
lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
for level in range(1, 11):
    items = ", ".join([f"*a{level - 1}"] * 9)
    lines.append(f"a{level}: &a{level} [{items}]")
report("\\n".join(lines))
"""
WIDE = """
report("a: &a [" + "x," * 10_000 + "]\\nb: [" + "*a," * 10_000 + "]\\n")
"""
LONG_TEXT = """
report("a: &a " + "x" * 1_000_000 + "\\nb: [" + "*a," * 90_000 + "]\\n")
"""
DEEP_ALIASES = """
text = "a0: &a0 " + "[" * 300 + "]" * 300 + "\\n"
for level in range(1, 50):
    text += f"a{level}: &a{level} " + "[" * 300 + f"*a{level - 1}" + "]" * 300 + "\\n"
report(text)
"""

REFUSED = {
    "nine aliases of nine, eleven times": (BOMB, "aliases expand to more than 100000 values"),
    "ten thousand aliases of ten thousand": (WIDE, "aliases expand to more than 100000 values"),
    "many aliases of one long text": (LONG_TEXT, "aliases expand to more than"),
    "aliases that add up in depth": (DEEP_ALIASES, "nested too deep"),
    "200,000 open brackets": ("report('[' * 200_000)", "nested too deep"),
    "200,000 nested lists": ("report('[' * 200_000 + ']' * 200_000)", "nested too deep"),
    "200,000 nested flow maps": ("report('{a: ' * 200_000)", "nested too deep"),
    "200,000 nested JSON objects": ("report('{\"a\":' * 200_000 + '1' + '}' * 200_000)", "nested too deep"),
    "200,000 nested dashes": ("report('- ' * 200_000 + 'a')", "nested too deep"),
    "200,000 question marks": ("report('? ' * 200_000 + 'a')", "nested too deep"),
    "3,000 nested block maps": (
        "report(''.join(' ' * n + 'a:\\n' for n in range(3_000)))",
        "nested too deep",
    ),
    "one level beyond the limit": ("report('[' * 513 + ']' * 513)", "nested too deep"),
    "one JSON level beyond the limit": ("report('[' * 513 + '1' + ']' * 513)", "nested too deep"),
    "millions of tokens under hundreds of brackets": (
        "report('[' * 500 + 'a,' * 8_000_000 + ']' * 500)",
        "nested too deep",
    ),
    "a text of 50 MB": ("report('a: ' + 'x' * 50_000_000)", "more than the limit of 16777216"),
    "a quoted text of 50 MB": ("report('a: \"' + 'x ' * 25_000_000 + '\"')", "more than the limit"),
    "a JSON text of 200 MB": ("report('{\"a\": \"' + 'x' * 200_000_000 + '\"}')", "more than the limit"),
    "a hundred thousand %TAG directives": (
        "report(''.join(f'%TAG !a{n}! x\\n' for n in range(100_000)) + '--- a\\n')",
        "%TAG directives",
    ),
    "a million repeated keys": ("report('a: 1\\n' * 1_000_000)", "(and 20 more)"),
    "a million repeated JSON keys": (
        "report('{' + '\"a\": 1,' * 1_000_000 + '\"b\": 2}')",
        "is set twice",
    ),
    "an anchor that contains itself": ("report('&a [*a]')", "contains itself"),
}


def run(script):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BOUNDS + script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_text_is_refused_within_bounds(name):
    """One MalformedManifest that says which limit was met; the process lives."""
    script, fragment = REFUSED[name]

    result = run(script)

    assert 0 == result.returncode, result.stderr[-500:]
    assert result.stdout.startswith("MalformedManifest")
    assert fragment in result.stdout


ACCEPTED = {
    "512 nested lists": "report('[' * 511 + 'a' + ']' * 511)",
    "a JSON text of 50 MB": "report('{\"a\": \"' + 'x' * 50_000_000 + '\"}')",
    "aliases below the limit": "report('a: &a [' + 'x,' * 300 + ']\\nb: [' + '*a,' * 300 + ']\\n')",
    "a million small lists": "report('[' + '[],' * 1_000_000 + 'a]')",
    "a number of a million digits": "report('a: ' + '9' * 1_000_000)",
    "a million anchors": "report('[' + ','.join(f'&a{n} x' for n in range(500_000)) + ']')",
    "writing what is 512 deep": "dump(load('[' * 511 + 'a' + ']' * 511)); print('accepted')",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_large_but_honest_text_is_read_within_bounds(name):
    """Limits do not get in the way of what somebody could mean."""
    result = run(ACCEPTED[name])

    assert 0 == result.returncode, result.stderr[-500:]
    assert result.stdout.startswith("accepted"), result.stdout
