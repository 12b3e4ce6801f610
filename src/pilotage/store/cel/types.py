"""The types of expressions, and when one may stand for another.

Types are what the checker computes with: `list(int)`, `map(string, dyn)`, `optional_type(T)`, objects with fields. A type
parameter stands for a type that is not known yet; `Bindings` holds what has been found out about them. Whether a type is
assignable to another follows the CEL language definition as API servers implement it, null and dyn included.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ANY",
    "BOOL",
    "BYTES",
    "CIDR",
    "DOUBLE",
    "DURATION",
    "DYN",
    "ERROR",
    "FORMAT",
    "INT",
    "IP",
    "NULL",
    "QUANTITY",
    "SEMVER",
    "STRING",
    "TIMESTAMP",
    "TYPE",
    "UINT",
    "URL",
    "Bindings",
    "Field",
    "Type",
    "function_text",
    "is_dyn",
    "list_of",
    "map_of",
    "object_type",
    "optional_of",
    "param",
    "type_of",
    "unwrapped",
]


class Field:
    """A field of an object: its property name in JSON and its type."""

    __slots__ = ("property", "type")

    def __init__(self, property_: str, type_: Type) -> None:
        self.property = property_
        self.type = type_


class Type:
    """A type; equal when kind, name and parameters are. `fields` belongs to objects with a schema."""

    __slots__ = ("_hash", "fields", "kind", "name", "params")

    def __init__(
        self,
        kind: str,
        name: str = "",
        params: tuple[Type, ...] = (),
        fields: Mapping[str, Field] | None = None,
    ) -> None:
        self.kind = kind
        self.name = name or kind
        self.params = params
        self.fields = fields
        self._hash = hash((kind, self.name, params))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Type)
            and self._hash == other._hash
            and self.kind == other.kind
            and self.name == other.name
            and self.params == other.params
        )

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        """As messages show it."""
        shown = _SHOWN.get(self.kind)
        if shown is not None:
            return shown
        if not self.params:
            return self.name
        return f"{self.name}({', '.join(map(str, self.params))})"

    def __repr__(self) -> str:
        return f"<{self}>"


_SHOWN = {"duration": "duration", "timestamp": "timestamp", "null": "null", "error": "!error!", "any": "any"}

ANY = Type("any")
BOOL = Type("bool")
BYTES = Type("bytes")
DOUBLE = Type("double")
DURATION = Type("duration", "google.protobuf.Duration")
DYN = Type("dyn")
ERROR = Type("error")
INT = Type("int")
NULL = Type("null", "null_type")
STRING = Type("string")
TIMESTAMP = Type("timestamp", "google.protobuf.Timestamp")
TYPE = Type("type")
UINT = Type("uint")

CIDR = Type("opaque", "net.CIDR")
FORMAT = Type("struct", "kubernetes.NamedFormat")
IP = Type("opaque", "net.IP")
QUANTITY = Type("struct", "kubernetes.Quantity")
SEMVER = Type("struct", "kubernetes.Semver")
URL = Type("struct", "kubernetes.URL")


def list_of(element: Type) -> Type:
    return Type("list", "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", "map", (key, value))


def optional_of(value: Type) -> Type:
    return Type("opaque", "optional_type", (value,))


def type_of(value: Type) -> Type:
    return Type("type", "type", (value,))


def param(name: str) -> Type:
    return Type("param", name)


def object_type(name: str, fields: Mapping[str, Field]) -> Type:
    return Type("struct", name, (), fields)


def is_dyn(type_: Type) -> bool:
    return type_.kind in {"dyn", "any"}


def unwrapped(type_: Type) -> tuple[Type, bool]:
    """What an optional holds, and whether it was one."""
    if type_.kind == "opaque" and type_.name == "optional_type":
        return type_.params[0], True
    return type_, False


def function_text(args: list[Type], *, member: bool) -> str:
    """`(int, string)`, or `list(int).(string)` for a method."""
    shown = [str(arg) for arg in args]
    if member:
        return f"{shown[0]}.({', '.join(shown[1:])})"
    return f"({', '.join(shown)})"


_NULLABLE = frozenset(["opaque", "struct", "any", "duration", "timestamp"])
_BY_PARTS = frozenset(["opaque", "list", "map"])


class Bindings:
    """What type parameters stand for. `assign` and `assign_all` change nothing when they fail."""

    __slots__ = ("_bound", "_fresh")

    def __init__(self) -> None:
        self._bound: dict[Type, Type] = {}
        self._fresh = 0

    def fresh(self) -> Type:
        self._fresh += 1
        return param(f"_var{self._fresh - 1}")

    def assign(self, value: Type, to: Type) -> bool:
        """May a `value` stand where a `to` is wanted?"""
        return self.assign_all([value], [to])

    def assign_all(self, values: list[Type], to: list[Type]) -> bool:
        before = self._bound
        self._bound = dict(before)
        if len(values) == len(to) and all(map(self._assignable, values, to)):
            return True
        self._bound = before
        return False

    def resolved(self, type_: Type, *, unknown_as_dyn: bool = False) -> Type:
        """`type_` with everything that is known put in; what is unknown stays, or becomes dyn."""
        bound = self._bound.get(type_)
        if bound is not None:
            return self.resolved(bound, unknown_as_dyn=unknown_as_dyn)
        if type_.kind == "param":
            return DYN if unknown_as_dyn else type_
        if not type_.params:
            return type_
        params = tuple(self.resolved(each, unknown_as_dyn=unknown_as_dyn) for each in type_.params)
        return type_ if params == type_.params else Type(type_.kind, type_.name, params)

    def _assignable(self, one: Type, two: Type) -> bool:
        if two.kind == "param":
            valid, known = self._binds(one, two)
            if valid:
                return True
            if known:
                return False
        if one.kind == "param":
            return self._binds(two, one)[0]
        if is_dyn(one) or is_dyn(two) or "error" in {one.kind, two.kind}:
            return True
        if "null" in {one.kind, two.kind}:
            other = two if one.kind == "null" else one
            return other.kind == "null" or other.kind in _NULLABLE
        if one.kind != two.kind:
            return False
        if one.kind == "type":
            return True
        if one.kind in _BY_PARTS:
            return (
                one.name == two.name
                and len(one.params) == len(two.params)
                and all(map(self._assignable, one.params, two.params))
            )
        return one == two

    def _binds(self, type_: Type, parameter: Type) -> tuple[bool, bool]:
        """Whether `parameter` may stand for `type_`, and whether it already stood for something."""
        if type_ == parameter:
            return True, True
        bound = self._bound.get(parameter)
        if bound is not None:
            if type_ == bound:
                return True, True
            if not self._assignable(type_, bound):
                return False, True
            general = type_ if less_specific(type_, bound) else bound
            if self._absent(parameter, general):
                self._bound[parameter] = general
            return True, True
        if not self._absent(parameter, type_):
            return False, False
        self._bound[parameter] = type_
        return True, False

    def _absent(self, parameter: Type, within: Type) -> bool:
        """The occurs check: a parameter must not stand for a type that contains it."""
        if parameter == within:
            return False
        if within.kind == "param":
            bound = self._bound.get(within)
            return bound is None or self._absent(parameter, bound)
        return all(self._absent(parameter, each) for each in within.params)


def less_specific(one: Type, two: Type) -> bool:
    """Whether `one` says no more than `two`."""
    if is_dyn(one) or one.kind == "param":
        return True
    if is_dyn(two) or two.kind == "param" or one.kind != two.kind:
        return False
    if one.kind in _BY_PARTS:
        return (
            one.name == two.name
            and len(one.params) == len(two.params)
            and all(map(less_specific, one.params, two.params))
        )
    return one.kind == "type" or one == two
