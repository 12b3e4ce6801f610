"""Running a pattern: an automaton over sets of program places, made as the text needs it.

The pattern becomes a program of places: consume a character of a set, go on at two places, assert something about the
surroundings, or match. `matches` follows all places at once as one state; transitions are remembered per character, so
that a text costs one dictionary look-up per character once its states are known. `find` needs to know where a match
starts and which alternative wins; it keeps the places in order of preference instead, one list per character.

Work that is not remembered is counted and bounded: a hostile pattern ends with an error. Patterns are immutable to their
users; the remembered states are only ever added to or replaced as a whole, which makes a pattern safe for threads.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pilotage.store.cel.regex.charsets import is_word
from pilotage.store.cel.regex.syntax import PatternError, Tree, parse

__all__ = ["Pattern", "TooMuchWorkError", "compile_pattern"]

_LONGEST_PROGRAM = 60_000
_MOST_TRANSITIONS = 40_000
_MOST_WORK = 3_000_000
_SET, _ANY, _SPLIT, _ASSERT, _MATCH, _JUMP = range(6)
# What stands before a place: the beginning of the text, a newline, a word character, anything else.
_BEGIN, _NEWLINE, _WORD, _OTHER = range(4)


class TooMuchWorkError(Exception):
    """The pattern needs more work on this text than is allowed."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Pattern:
    """Raises PatternError."""
    return Pattern(pattern)


class _State:
    """Places before a character, what stood before them, and the transitions known so far."""

    __slots__ = ("before", "known", "places")

    def __init__(self, places: frozenset[int], before: int) -> None:
        self.places = places
        self.before = before
        self.known: dict[str, _State | bool] = {}


class Pattern:
    """A compiled pattern. Raises PatternError when it is made from one that is not valid."""

    def __init__(self, pattern: str) -> None:
        self.source = pattern
        self._code: list[tuple[Any, ...]] = []
        self._emit_tree(parse(pattern))
        self._emit(_MATCH)
        self._begin = _State(frozenset([0]), _BEGIN)
        self._states: dict[tuple[frozenset[int], int], _State] = {}
        self._remembered = 0

    # Building -----------------------------------------------------------------------------------------------------

    def _emit(self, *instruction: Any) -> int:
        if len(self._code) >= _LONGEST_PROGRAM:
            raise PatternError("expression too large", self.source)
        self._code.append(instruction)
        return len(self._code) - 1

    def _emit_tree(self, tree: Tree) -> None:
        kind = tree[0]
        if kind == "set":
            self._emit(_SET, tree[1])
        elif kind == "any":
            self._emit(_ANY, tree[1])
        elif kind == "assert":
            self._emit(_ASSERT, tree[1])
        elif kind == "group":
            self._emit_tree(tree[1])
        elif kind == "cat":
            for each in tree[1]:
                self._emit_tree(each)
        elif kind == "alt":
            self._emit_alternatives(tree[1])
        elif kind == "repeat":
            self._emit_repeat(tree[1], tree[2], tree[3], greedy=tree[4])

    def _emit_alternatives(self, branches: list[Tree]) -> None:
        ends: list[int] = []
        for branch in branches[:-1]:
            split = self._emit(_SPLIT, 0, 0)
            self._emit_tree(branch)
            ends.append(self._emit(_JUMP, 0))
            self._code[split] = (_SPLIT, split + 1, len(self._code))
        self._emit_tree(branches[-1])
        for end in ends:
            self._code[end] = (_JUMP, len(self._code))

    def _emit_repeat(self, tree: Tree, low: int, high: int, *, greedy: bool) -> None:
        for _ in range(low - (high < 0 < low)):
            self._emit_tree(tree)
        if high < 0:
            self._emit_star(tree, at_least_one=low > 0, greedy=greedy)
            return
        splits: list[int] = []
        for _ in range(high - low):
            splits.append(self._emit(_SPLIT, 0, 0))
            self._emit_tree(tree)
        end = len(self._code)
        for split in splits:
            self._code[split] = (_SPLIT, split + 1, end) if greedy else (_SPLIT, end, split + 1)

    def _emit_star(self, tree: Tree, *, at_least_one: bool, greedy: bool) -> None:
        if at_least_one:
            start = len(self._code)
            self._emit_tree(tree)
            end = len(self._code) + 1
            self._emit(_SPLIT, *((start, end) if greedy else (end, start)))
            return
        split = self._emit(_SPLIT, 0, 0)
        self._emit_tree(tree)
        self._emit(_JUMP, split)
        end = len(self._code)
        self._code[split] = (_SPLIT, split + 1, end) if greedy else (_SPLIT, end, split + 1)

    # Following ----------------------------------------------------------------------------------------------------

    def _closure(self, places: Any, before: int, following: str) -> list[int]:
        """All places reachable without a character, in order of preference; assertions see both sides."""
        code = self._code
        found: list[int] = []
        seen: set[int] = set()
        stack = list(reversed(list(places)))
        while stack:
            place = stack.pop()
            if place in seen:
                continue
            seen.add(place)
            instruction = code[place]
            kind = instruction[0]
            if kind == _JUMP:
                stack.append(instruction[1])
            elif kind == _SPLIT:
                stack.append(instruction[2])
                stack.append(instruction[1])
            elif kind == _ASSERT:
                if _holds(instruction[1], before, following):
                    stack.append(place + 1)
            else:
                found.append(place)
        return found

    def _consumes(self, place: int, character: str) -> bool:
        kind, argument = self._code[place]
        if kind == _ANY:
            return argument or character != "\n"
        return character in argument

    def matches(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text. Raises TooMuchWorkError."""
        state = self._begin
        work = 0
        for character in text:
            following = state.known.get(character)
            if following is None:
                following = self._transition(state, character)
                work += len(state.places) + 1
                if work > _MOST_WORK:
                    raise TooMuchWorkError
            if following is True:
                return True
            state = following  # type: ignore[assignment]  # a transition is True or a state
        return any(self._code[place][0] == _MATCH for place in self._closure(state.places, state.before, ""))

    def _transition(self, state: _State, character: str) -> _State | bool:
        found = self._stepped(state, character)
        self._remembered += 1
        if self._remembered > _MOST_TRANSITIONS:
            # Forget everything: states in use by other threads stay whole, they are only no longer shared.
            self._remembered = 0
            self._states = {}
            self._begin = _State(self._begin.places, _BEGIN)
            state.known = {}
        state.known[character] = found
        return found

    def _stepped(self, state: _State, character: str) -> _State | bool:
        places: set[int] = set()
        for place in self._closure(state.places, state.before, character):
            if self._code[place][0] == _MATCH:
                return True
            if self._consumes(place, character):
                places.add(place + 1)
        places.add(0)  # a match may start anywhere
        key = (frozenset(places), _kind(character))
        known = self._states.get(key)
        if known is None:
            known = self._states[key] = _State(*key)
        return known

    def find(self, text: str, start: int = 0) -> tuple[int, int] | None:
        """The leftmost match from `start` on, the preferred one of those. Raises TooMuchWorkError."""
        code = self._code
        best: tuple[int, int] | None = None
        threads: list[tuple[int, int]] = []
        work = 0
        before = _kind(text[start - 1]) if start else _BEGIN
        for at in range(start, len(text) + 1):
            following = text[at : at + 1]
            if best is None:
                threads.append((0, at))
            if not threads:
                break
            stepped: list[tuple[int, int]] = []
            seen: set[int] = set()
            matched = False
            for place, began in threads:
                for reached in self._closure((place,), before, following):
                    work += 1
                    if reached in seen:
                        continue
                    seen.add(reached)
                    if code[reached][0] == _MATCH:
                        best = (began, at)
                        matched = True
                        break  # whatever comes later in the list is less preferred
                    if following and self._consumes(reached, following):
                        stepped.append((reached + 1, began))
                if matched:
                    break
            if work > _MOST_WORK:
                raise TooMuchWorkError
            threads = stepped
            before = _kind(following) if following else before
        return best

    def find_all(self, text: str, most: int = -1) -> list[str]:
        """The texts of all matches, at most `most` unless it is negative; empty matches beside another are left out."""
        found: list[str] = []
        at = 0
        last_end = -1
        while at <= len(text) and (most < 0 or len(found) < most):
            place = self.find(text, at)
            if place is None:
                break
            begin, end = place
            if end > begin or begin != last_end:
                found.append(text[begin:end])
            at = end if end > begin else end + 1
            last_end = end
        return found


def _kind(character: str) -> int:
    if character == "\n":
        return _NEWLINE
    return _WORD if is_word(character) else _OTHER


def _holds(assertion: str, before: int, following: str) -> bool:
    if assertion == "text^":
        return before == _BEGIN
    if assertion == "text$":
        return not following
    if assertion == "line^":
        return before in {_BEGIN, _NEWLINE}
    if assertion == "line$":
        return not following or following == "\n"
    boundary = (before == _WORD) != (bool(following) and is_word(following))
    return boundary if assertion == "b" else not boundary
