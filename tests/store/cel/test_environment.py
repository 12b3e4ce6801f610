"""Expressions over declared variables: what admission policies will need."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pilotage.store.cel import CompileError, Environment, EvaluationError
from pilotage.store.cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, list_of, map_of, optional_of
from pilotage.store.cel.values import Timestamp, UInt


def test_a_program_knows_its_type_and_what_it_mentions() -> None:
    """A caller can refuse an expression that is no bool, and skip one that needs no old object."""
    environment = Environment({"object": map_of(STRING, DYN), "oldObject": map_of(STRING, DYN), "count": INT})

    program = environment.compile("object.spec.replicas > count")
    assert program.type == BOOL
    assert program.mentions("count")
    assert not program.mentions("oldObject")
    assert environment.compile("[count]").type == list_of(INT)
    assert environment.compile("object.?spec").type == optional_of(DYN)


def test_a_program_counts_what_it_costs() -> None:
    """The units are those of the Kubernetes cost model: two selections, a variable, a comparison."""
    program = Environment({"object": map_of(STRING, DYN)}).compile("object.spec.replicas > 3")

    assert program.evaluate({"object": {"spec": {"replicas": 5}}}) == (True, 4)


def test_dynamic_values_are_looked_at_when_they_come() -> None:
    """An admission policy sees objects without a schema."""
    program = Environment({"object": DYN}).compile(
        "object.spec.replicas < 3 || object.metadata.name.startsWith('x')"
    )

    assert program.evaluate({"object": {"spec": {"replicas": 1}}})[0] is True
    assert program.evaluate({"object": {"metadata": {"name": "x1"}}})[0] is True
    with pytest.raises(EvaluationError, match="no such key: spec"):
        program.evaluate({"object": {"metadata": {"name": "y"}}})
    with pytest.raises(EvaluationError, match="no such overload"):
        program.evaluate({"object": {"spec": {"replicas": "many"}, "metadata": {"name": 7}}})


def test_all_problems_of_an_expression_are_told_at_once() -> None:
    """In the order of the source, each with its line and a caret; wide characters are counted once."""
    with pytest.raises(CompileError) as raised:
        Environment({"a": INT}).compile("a == '日本' &&\n\tb.c > 1")

    assert str(raised.value) == (
        "ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(int, string)'\n"
        " | a == '日本' &&\n | ..^\n"
        "ERROR: <input>:2:2: undeclared reference to 'b' (in container '')\n"
        " |  b.c > 1\n | .^"
    )


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("dyn(1) == 1.0 && 1u == dyn(1) && 2 > 1.5", True),
        ("dyn(true) == dyn(1)", False),
        ("[dyn(1), dyn(true)] == [dyn(1), dyn(1)]", False),
        ("{'a': [dyn(1), dyn({'b': null})]} == {'a': [dyn(1.0), dyn({'b': null})]}", True),
        ("dyn(9007199254740993) == 9007199254740992.0", False),
        ("double('nan') == double('nan')", False),
        ("'\\u00e9' == 'e\\u0301'", False),
        ("size('👩‍👩‍👧')", 5),
        ("b'\\xff\\x00'.size()", 2),
        ("-7 / 2 * 10 + -7 % 2", -31),
        ("timestamp('2024-02-29T23:59:60Z') == timestamp(0)", CompileError),
        ("3u - 2u", UInt(1)),
        ("duration('1h').getMinutes()", 60),
    ],
)
def test_values_compare_as_the_language_says(value_of: Callable[..., Any], source: str, value: Any) -> None:
    """Numbers across types, a bool is no number, texts by code point."""
    if value is CompileError:
        with pytest.raises(CompileError):
            value_of(source)
    else:
        assert value_of(source) == value


def test_times_keep_their_nanoseconds(value_of: Callable[..., Any]) -> None:
    """A point in time is exact, whatever offset it is written in."""
    found = value_of("t + duration('1ns')", {"t": TIMESTAMP}, t=Timestamp(1_700_000_000_123_456_789, 3600))
    assert found == Timestamp(1_700_000_000_123_456_790)


def test_nothing_heavy_is_imported() -> None:
    """The whole language is pure Python over the standard library and what every command loads anyway."""
    code = (
        "import sys; import pilotage.store.cel; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'aiohttp', 'rich', 'typer', 'google', 'sqlite3', 'yaml'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
