"""Nothing hangs, nothing fills the memory: whatever a definition asks for ends in time, with a clear error."""

import threading
import time
from typing import Any

import pytest

from pilotage.store.cel import CompileError, CostLimitError, Environment, compile_rules
from pilotage.store.cel.types import INT, STRING, list_of

SECONDS = 10.0
"""Far more than any of these take, far less than they would take without limits."""


def within_time(source: str, **variables: Any) -> None:
    types = {name: list_of(INT) if isinstance(value, list) else STRING for name, value in variables.items()}
    program = Environment(types).compile(source)
    started = time.monotonic()
    with pytest.raises(CostLimitError, match="actual cost limit exceeded"):
        program.evaluate(variables)
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize(
    "source",
    [
        "n.all(x, n.all(y, n.all(z, x + y + z >= 0)))",
        "n.map(x, n.map(y, n.map(z, x))).size() > 0",
        "n.exists(x, n.exists(y, n.exists(z, x + y + z < 0)))",
        "n.filter(x, n.filter(y, n.filter(z, true).size() > 0).size() > 0).size() > 0",
        "n.transformList(i, v, n.transformList(j, w, n.transformList(k, u, u))).size() > 0",
        "n.exists_one(x, n.exists_one(y, n.exists_one(z, false)))",
    ],
)
def test_loops_in_loops_end(source: str) -> None:
    """120 elements, three loops deep: 1.7 million turns."""
    within_time(source, n=list(range(120)))


@pytest.mark.parametrize(
    "source",
    [
        "s.replace('', s).size() > 0",
        "[s, s].join(s.replace('', s)).size() > 0",
        "n.map(x, s).join(s).size() > 0",
        "lists.range(100000).map(x, s).join('').size() > 0",
    ],
)
def test_texts_do_not_explode(source: str) -> None:
    """A function that multiplies its input is stopped before it does."""
    within_time(source, s="x" * 200_000, n=list(range(2000)))


def test_lists_do_not_explode() -> None:
    """Doubling a list again and again is stopped."""
    doubled = "n"
    for step in range(40):
        doubled = f"optional.of({doubled}).optMap(v{step}, v{step} + v{step}).value()"
    within_time(f"{doubled}.size() > 0", n=list(range(1000)))


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a*)*b", "^(a|aa)+$", "(.*)*x$", "(x+x+)+y"])
def test_patterns_take_linear_time(pattern: str) -> None:
    """What hangs an engine that backtracks is answered at once."""
    program = Environment({"s": STRING}).compile(f"s.matches('{pattern}') || true")
    started = time.monotonic()

    assert program.evaluate({"s": "a" * 5000 + "!"})[0] is True
    assert time.monotonic() - started < SECONDS


def test_patterns_with_too_many_states_end() -> None:
    """A pattern whose states double with its length is stopped by the work it takes."""
    source = "s.matches('(a|b)*a" + "(a|b)" * 40 + "$')"
    text = "".join("ab"[(place * place // 7) % 2] for place in range(200_000))
    within_time(source, s=text)


def test_a_fault_names_the_rule_that_was_too_expensive() -> None:
    """The limit of a rule stops the object's other rules, too: the answer must come."""
    items = {"type": "array", "items": {"type": "integer"}}
    rule = "self.n.all(x, self.n.all(y, self.n.all(z, x + y + z >= 0)))"
    schema = {
        "type": "object",
        "properties": {"n": items},
        "x-kubernetes-validations": [{"rule": rule}, {"rule": "false"}],
    }

    found = compile_rules(schema).check({"n": list(range(120))})

    assert [str(fault) for fault in found] == [
        (
            "<nil>: Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation rules "
            f"will be run due to call cost exceeds limit for rule: {rule}"
        )
    ]


def test_the_budget_of_an_object_is_shared_by_its_rules() -> None:
    """Many rules that are affordable alone may not be together."""
    item = {"type": "string", "x-kubernetes-validations": [{"rule": "self.matches('^a+$')"}]}
    schema = {"type": "object", "properties": {"s": {"type": "array", "items": item}}}
    rules = compile_rules(schema)
    value = {"s": ["a" * 100] * 50}

    assert rules.check(value) == []
    assert [str(fault) for fault in rules.check(value, budget=500)] == [
        (
            's[41]: Invalid value: "string": validation failed due to running out of cost budget, '
            "no further validation rules will be run"
        )
    ]


@pytest.mark.parametrize(
    "source",
    [
        "(" * 500 + "1" + ")" * 500,
        "[" * 500 + "]" * 500,
        "-" * 3 + "(" * 300,
        "1" + "+1" * 5000,
        "a" * 200_000,
    ],
)
def test_hostile_sources_are_refused(source: str) -> None:
    """Depth and length of an expression are bounded."""
    with pytest.raises((CompileError, Exception), match=r"limit|mismatched|deeply|recursion"):
        Environment({}).compile(source)


def test_threads_share_programs() -> None:
    """One compiled rule, many threads: every one gets its own answer."""
    program = Environment({"n": list_of(INT)}).compile("n.map(x, x * 2).filter(x, x % 3 == 0).sum()")
    wrong: list[int] = []

    def work(offset: int) -> None:
        numbers = list(range(offset, offset + 50))
        expected = sum(2 * number for number in numbers if 2 * number % 3 == 0)
        found = {program.evaluate({"n": numbers})[0] for _ in range(50)}
        wrong.extend(found - {expected})

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
