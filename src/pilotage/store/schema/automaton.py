"""A regular expression matched in linear time, for patterns whose backtracking could run away.

The expression becomes a nondeterministic automaton (Thompson's construction); matching follows all its states at once
and remembers the sets it met, so that a long text costs one dictionary look-up for each character. The memory of sets
is bounded: when it is full it starts afresh, as RE2 does.
"""

from __future__ import annotations

from pilotage.store.schema.regexes import Alternatives, Assertion, Characters, Node, Repeat, Sequence

__all__ = ["Automaton"]

_MAX_SETS = 2000
_WORD = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


class Automaton:
    """States are numbers. `_steps[n]` takes a character, `_jumps[n]` none, some only where an assertion holds."""

    def __init__(self, node: Node) -> None:
        self._steps: list[tuple[Characters, int] | None] = []
        self._jumps: list[list[tuple[int, str]]] = []
        self._start = self._state()
        self._final = self._build(node, self._start)
        self._sets: dict[tuple[frozenset[int], str, str], frozenset[int]] = {}

    def matches(self, text: str) -> bool:
        """Is there a match anywhere in the text?"""
        current: frozenset[int] = frozenset()
        before = ""
        for character in [*text, ""]:
            key = (current, before if before in {"", "\n"} else ("w" if before in _WORD else "x"), character)
            following = self._sets.get(key)
            if following is None:
                following = self._follow(current, before, character)
                if len(self._sets) >= _MAX_SETS:
                    self._sets.clear()
                self._sets[key] = following
            if self._final in following:
                return True
            current, before = following, character
        return False

    def _follow(self, waiting: frozenset[int], before: str, after: str) -> frozenset[int]:
        """Where `waiting` and a fresh start lead between `before` and `after`, and then over `after`.

        The set holds the final state as soon as a match ended in front of `after`.
        """
        reached = self._closure({*waiting, self._start}, before, after)
        if self._final in reached:
            return frozenset({self._final})
        code = ord(after) if after else -1
        following = set()
        for state in reached:
            step = self._steps[state]
            if step is not None and any(low <= code <= high for low, high in step[0].ranges):
                following.add(step[1])
        return frozenset(following)

    def _closure(self, states: set[int], before: str, after: str) -> set[int]:
        reached, todo = set(states), list(states)
        while todo:
            for target, condition in self._jumps[todo.pop()]:
                if target not in reached and (not condition or _holds(condition, before, after)):
                    reached.add(target)
                    todo.append(target)
        return reached

    def _state(self) -> int:
        self._steps.append(None)
        self._jumps.append([])
        return len(self._steps) - 1

    def _jump(self, source: int, target: int, condition: str = "") -> None:
        self._jumps[source].append((target, condition))

    def _build(self, node: Node, start: int) -> int:
        """Add the states of `node` behind `start`; the state where it ends."""
        if isinstance(node, Characters):
            # Its own state: `start` may have other ways out.
            taking, end = self._state(), self._state()
            self._jump(start, taking)
            self._steps[taking] = (node, end)
            after = self._state()
            self._jump(end, after)
            return after
        if isinstance(node, Assertion):
            end = self._state()
            self._jump(start, end, node.kind)
            return end
        if isinstance(node, Sequence):
            for part in node.parts:
                start = self._build(part, start)
            return start
        if isinstance(node, Alternatives):
            end = self._state()
            for option in node.options:
                self._jump(self._build(option, start), end)
            return end
        return self._repeat(node, start)

    def _repeat(self, node: Repeat, start: int) -> int:
        for _ in range(node.low):
            start = self._build(node.item, start)
        end = self._state()
        self._jump(start, end)
        if node.high is None:
            loop = self._state()
            self._jump(start, loop)
            again = self._build(node.item, loop)
            self._jump(again, loop)
            self._jump(again, end)
            return end
        for _ in range(node.high - node.low):
            start = self._build(node.item, start)
            self._jump(start, end)
        return end


def _holds(condition: str, before: str, after: str) -> bool:
    if condition == "start":
        return not before
    if condition == "end":
        return not after
    if condition == "line start":
        return before in {"", "\n"}
    if condition == "line end":
        return after in {"", "\n"}
    at_boundary = (before in _WORD) != (after in _WORD)
    return at_boundary if condition == "boundary" else not at_boundary
