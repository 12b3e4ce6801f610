"""Is an object what its schema asks for? All problems, with the paths and the words of kube-apiserver.

The checks of one value run in a fixed order: type, combinations (anyOf, oneOf, allOf, not), text, format, number, list,
enum, map. When no branch of a combination holds, the problems of the branch that came closest are told; "closest" counts
the checks that passed, and that count (`matches`) is what every check here returns.

On an update, a fault in a value that did not change is tolerated ("ratcheting"): values are followed from the old to the
new object by name and, in keyed lists, by key; within combinations nothing is tolerated.

Follows `k8s.io/kube-openapi/pkg/validation/validate` and apiextensions-apiserver's `pkg/apiserver/validation`. The API server
visits the fields of a map in no particular order; here it is the order of the object.
"""

from __future__ import annotations

from typing import Any, Final

from pilotage.store.schema import problems
from pilotage.store.schema.compiled import Checks, Choices, Node
from pilotage.store.schema.gotext import is_integer, json_text, json_type, quoted
from pilotage.store.schema.limits import is_whole, number_faults
from pilotage.store.schema.problems import Problem
from pilotage.store.schema.sameness import correlated, identical, unchanged

__all__ = ["validate", "validate_update"]


class _Unknown:
    """There is no old value to compare with."""


_UNKNOWN: Final = _Unknown()
_TYPE_META = frozenset({"apiVersion", "kind"})


def validate(node: Node, value: Any, at: str = "") -> tuple[Problem, ...]:
    """The problems of a new value; `at` is the field that holds it, such as `status`, when it is not a whole object."""
    walk = _Walk(at)
    walk.check(node, value, "", _UNKNOWN)
    return problems.unique(walk.found)


def validate_update(node: Node, value: Any, old: Any, at: str = "") -> tuple[Problem, ...]:
    """The problems of a changed value, without those that stand in what did not change."""
    walk = _Walk(at)
    walk.check(node, value, "", old)
    return problems.unique(walk.found)


class _Walk:
    """One validation: what was found so far, and the field that the value stands in."""

    __slots__ = ("at", "found")

    def __init__(self, at: str) -> None:
        self.at = at
        self.found: list[Problem] = []

    def _field(self, path: str) -> str:
        """The path as a problem names it; the words of a message keep the path without `at`."""
        path = path.removeprefix(".")
        return f"{self.at}.{path}" if self.at and path else self.at or path

    def _invalid(self, path: str, value: Any, text: str) -> None:
        self.found.append(problems.invalid(self._field(path), value, text))

    def _invalid_type(self, path: str, expected: str, shown: str) -> None:
        text = f"{path} in body must be of type {expected}: {quoted(shown)}"
        self.found.append(problems.invalid_type(self._field(path), shown, text))

    def _general(self, text: str) -> None:
        """A problem that the API server hangs on no field of its own."""
        self.found.append(problems.invalid(self.at, "", text))

    def check(self, node: Node, value: Any, path: str, old: Any) -> int:
        """Check one value; `old` is what it was, `_UNKNOWN` when that cannot be said. Returns the matches."""
        mark = len(self.found)
        matches = self._absent(node, path) if value is None else self._present(node, value, path, old)
        if len(self.found) > mark and old is not _UNKNOWN and unchanged(node, value, old):
            del self.found[mark:]
        return matches

    def _absent(self, node: Node, path: str) -> int:
        fits = not node.types or node.nullable
        if not fits:
            self._invalid_type(path, node.type_text, "null")
        if node.checks is not None and node.checks.enum:
            self._not_in_enum(node.checks, None, path)
        return 1 if fits else 0

    def _present(self, node: Node, value: Any, path: str, old: Any) -> int:
        checks = node.checks
        # The combinations, the enum and the value as a whole always count.
        matches = 4
        if node.types or node.format:
            matches += 1 + self._type(node, value, path)
        if node.choices is not None:
            matches += self._choices(node.choices, value, path)
        if isinstance(value, str):
            matches += 1
            if checks is not None:
                self._text(checks, value, path)
            if node.judge is not None:
                matches += 1
                if not node.judge(value):
                    self._invalid_type(path, node.format, value)
        elif isinstance(value, dict):
            if checks is not None and checks.enum:
                self._enum(checks, value, path)
            return matches + 1 + self._map(node, value, path, old)
        elif isinstance(value, list):
            matches += 2 + self._list(node, value, path, old)
        elif not isinstance(value, bool):
            matches += 2
            if checks is not None:
                self._number(checks, value, path)
        if checks is not None and checks.enum:
            self._enum(checks, value, path)
        return matches

    def _type(self, node: Node, value: Any, path: str) -> int:
        """1 when the type fits."""
        actual = json_type(value)
        types = node.types
        if actual in types and (not node.format or actual not in {"string", "array"}):
            return 1
        fits = (
            actual in types
            or (actual == "integer" and "number" in types)
            or (actual == "number" and "integer" in types and is_whole(value))
        )
        if node.format:
            if actual in {"string", "array"}:
                # A format of texts stands in for the type: its own check follows.
                if not ("number" in types or "integer" in types):
                    return 1
            elif not fits:
                value_format = {"integer": "int64", "number": "float64"}.get(actual, "")
                if value_format != node.format:
                    self._invalid_type(path, node.format, value_format)
                    return 0
        if fits:
            return 1
        self._invalid_type(path, node.type_text, actual)
        return 0

    def _text(self, checks: Checks, value: str, path: str) -> None:
        """Only the first fault of a text is told."""
        if checks.max_length is not None and len(value) > checks.max_length:
            self.found.append(problems.too_long(self._field(path), checks.max_length))
        elif checks.min_length is not None and len(value) < checks.min_length:
            self._invalid(path, value, f"{path} in body should be at least {checks.min_length} chars long")
        elif checks.pattern_matches is not None and not checks.pattern_matches(value):
            self._invalid(path, value, f"{path} in body should match '{checks.pattern}'")

    def _number(self, checks: Checks, value: float, path: str) -> None:
        free = checks.free_integers
        if free is not None and type(value) is int and free[0] <= value <= free[1]:
            return
        number_faults(
            checks, value, path, lambda shown, text: self._invalid(path, shown, text), self._general
        )

    def _list(self, node: Node, value: list[Any], path: str, old: Any) -> int:
        matches = 0
        items = node.items
        if items is not None:
            if old is _UNKNOWN:
                for index, item in enumerate(value):
                    matches += self.check(items, item, f"{path}[{index}]", _UNKNOWN)
            else:
                for index, (item, before) in enumerate(zip(value, correlated(node, value, old), strict=True)):
                    matches += self.check(
                        items, item, f"{path}[{index}]", _UNKNOWN if before is None else before
                    )
        checks = node.checks
        if checks is not None:
            size = len(value)
            if checks.min_items is not None and size < checks.min_items:
                self._invalid(path, size, f"{path} in body should have at least {checks.min_items} items")
            if checks.max_items is not None and size > checks.max_items:
                self.found.append(problems.too_many(self._field(path), size, checks.max_items))
        return matches

    def _map(self, node: Node, value: dict[str, Any], path: str, old: Any) -> int:
        checks = node.checks
        if checks is not None:
            size = len(value)
            if checks.min_properties is not None and size < checks.min_properties:
                self._invalid(
                    path, size, f"{path} in body should have at least {checks.min_properties} properties"
                )
            if checks.max_properties is not None and size > checks.max_properties:
                self.found.append(problems.too_many(self._field(path), size, checks.max_properties))
        matches = 0
        properties, additional = node.properties, node.additional
        before = old if isinstance(old, dict) else {}
        for name, child in value.items():
            place = properties.get(name) or additional
            if place is not None:
                former = before.get(name, _UNKNOWN) if path or name not in _TYPE_META else _UNKNOWN
                matches += self.check(place, child, f"{path}.{name}" if path else name, former)
            elif node.closed:
                self._invalid(path, name, f"{path}.{name} in body is a forbidden property")
        for name in node.required:
            if name not in value:
                self.found.append(problems.required(self._field(f"{path}.{name}")))
        return matches

    def _enum(self, checks: Checks, value: Any, path: str) -> None:
        if checks.plain_enum is not None and isinstance(value, str):
            if value not in checks.plain_enum:
                self._not_in_enum(checks, value, path)
        elif not any(_equals(allowed, value) for allowed in checks.enum):
            self._not_in_enum(checks, value, path)

    def _not_in_enum(self, checks: Checks, value: Any, path: str) -> None:
        supported = (allowed if isinstance(allowed, str) else json_text(allowed) for allowed in checks.enum)
        self.found.append(problems.not_supported(self._field(path), value, supported))

    def _attempt(self, node: Node, value: Any, path: str) -> tuple[int, list[Problem]]:
        """The matches and the problems of one branch of a combination."""
        outer, self.found = self.found, []
        try:
            matches = self.check(node, value, path, _UNKNOWN)
            return matches, self.found
        finally:
            self.found = outer

    def _choices(self, choices: Choices, value: Any, path: str) -> int:
        matches = 0
        if choices.any_of:
            matches += self._any_of(choices.any_of, value, path)
        if choices.one_of:
            matches += self._one_of(choices.one_of, value, path)
        if choices.all_of:
            matches += self._all_of(choices.all_of, value, path)
        if choices.not_ is not None and not self._attempt(choices.not_, value, path)[1]:
            self._general(f"{quoted(path)} must not validate the schema (not)")
        return matches

    def _any_of(self, branches: tuple[Node, ...], value: Any, path: str) -> int:
        attempts = []
        for branch in branches:
            matches, found = self._attempt(branch, value, path)
            if not found:
                return matches
            attempts.append((matches, found))
        self._general(f"{quoted(path)} must validate at least one schema (anyOf)")
        return self._closest(attempts)

    def _one_of(self, branches: tuple[Node, ...], value: Any, path: str) -> int:
        attempts = [self._attempt(branch, value, path) for branch in branches]
        holding = [matches for matches, found in attempts if not found]
        if len(holding) == 1:
            return holding[0]
        count = f"Found {len(holding)} valid alternatives" if holding else "Found none valid"
        self._general(f"{quoted(path)} must validate one and only one schema (oneOf). {count}")
        return 0 if holding else self._closest(attempts)

    def _closest(self, attempts: list[tuple[int, list[Problem]]]) -> int:
        """Tell the problems of the branch with the most matches; the first of several."""
        matches, found = max(attempts, key=lambda attempt: attempt[0])
        self.found += found
        return matches

    def _all_of(self, branches: tuple[Node, ...], value: Any, path: str) -> int:
        total = holding = 0
        for branch in branches:
            matches, found = self._attempt(branch, value, path)
            total += matches
            holding += not found
            self.found += found
        if holding != len(branches):
            none = "" if holding else ". None validated"
            self._general(f"{quoted(path)} must validate all the schemas (allOf){none}")
        return total


def _equals(allowed: Any, value: Any) -> bool:
    """Go converts a number to the type of the allowed value first, and cuts off a fraction on the way."""
    if isinstance(value, bool) or isinstance(allowed, bool) or not isinstance(value, int | float):
        return identical(allowed, value)
    if not isinstance(allowed, int | float):
        return False
    return int(value) == allowed if is_integer(allowed) else float(value) == allowed
