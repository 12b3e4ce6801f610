"""An object of a built-in kind, read as the API server reads it into a Go struct, and written back as it writes one.

So a field of another type is an error in the words of Go's JSON decoder; a field that no struct has is told and lost; a null says
nothing; what is empty disappears where its field says so, and appears where it does not (`resources: {}`); times and quantities
are rewritten in their one form. What the server fills in (`builtindefaults`) is filled in on the way. Which fields there are, `builtintypes` knows. Metadata of the object itself
is read before by `metafields`, which does the same for any kind.

A reader is made of each type when the first object needs it, and kept.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any, Literal, NamedTuple

from pilotage.api.meta import Kind
from pilotage.store.schema.builtindefaults import defaults_of
from pilotage.store.schema.builtintypes import go_types
from pilotage.store.schema.gotext import json_text
from pilotage.store.schema.metafields import MetadataError, read_micro_time, read_time
from pilotage.store.schema.quantities import QuantityError, canonical

__all__ = ["DecodingError", "blank", "first_status", "read_object"]


class DecodingError(ValueError):
    """A field has a type that its struct cannot hold; the text is Go's.

    `converting` is what the server says when it does not read text, but turns values into structs.
    """

    def __init__(self, text: str, converting: str = "") -> None:
        super().__init__(text)
        self.converting = converting or text


_Place = tuple["_Place", str | int, str, str] | None
"""The way down: what is above; a field, key or index; how errors name a field, and the struct that has it (empty for the others)."""
_Read = Callable[[Any, _Place, list[str]], Any]
_RESOURCES = "k8s.io/api/core/v1.ResourceList"
_ROOT_META = frozenset({"apiVersion", "kind", "metadata"})
_INTEGERS = {
    "int": (-(2**63), 2**63 - 1),
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}


class _Type(NamedTuple):
    """`read` answers None for a null. `zero` is what is written for a value that was never set. `when_empty` tells what Go's
    `omitempty` leaves out: of a pointer only null, of a struct nothing.
    """

    read: _Read
    zero: Callable[[], Any]
    when_empty: Literal["nothing", "null", "empty"] = "empty"
    struct: _Struct | None = None
    container: Callable[[], Any] | None = None

    def bare(self) -> Any:
        """The zero value, of a list or a map an empty one."""
        return self.zero() if self.container is None else self.container()


class _Field(NamedTuple):
    type: _Type
    omits: Literal["nothing", "null", "empty", "zero"]
    shown: str


def read_object(kind: Kind, value: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The object as its struct holds it, and the paths of fields that the struct does not have; metadata is left alone.

    Raises DecodingError, and KeyError for a kind that is not built in.
    """
    unknown: list[str] = []
    struct = _struct(go_types().roots[f"{kind.api_version} {kind.kind}"])
    return struct.read_fields(value, None, unknown, _ROOT_META), unknown


@cache
def blank(kind: Kind) -> Mapping[str, Any]:
    """An object in which nobody set anything and nothing is filled in, without its metadata. Not to be changed."""
    empty = _struct(go_types().roots[f"{kind.api_version} {kind.kind}"]).empty()
    return {name: child for name, child in empty.items() if name not in _ROOT_META}


def first_status(kind: Kind) -> Any:
    """The status before anybody wrote one, filled in; None when it is not even there."""
    return _struct(go_types().roots[f"{kind.api_version} {kind.kind}"]).zero().get("status")


def _refused(value: Any, place: _Place, go_type: str, *, wants_number: bool = False) -> DecodingError:
    shown = _shown(value, wants_number=wants_number)
    names: list[str] = []
    struct = ""
    while place is not None:
        place, _, name, owner = place
        if owner:
            names.append(name)
            struct = struct or owner
    printed, converting = _printed(go_type), _unconverted(value, go_type)
    if not names:
        return DecodingError(f"json: cannot unmarshal {shown} into Go value of type {printed}", converting)
    field = f"{struct}.{'.'.join(reversed(names))}"
    return DecodingError(
        f"json: cannot unmarshal {shown} into Go struct field {field} of type {printed}", converting
    )


_KINDS = {"bool": "bool", "float64": "float64", "int32": "int32", "int64": "int64", "string": "string"}
_VALUES = {bool: "bool", dict: "map", float: "float64", int: "int64", list: "slice", str: "string"}


def _unconverted(value: Any, go_type: str) -> str:
    known = go_types()
    form = known.named.get(go_type) or go_type
    found = _VALUES.get(type(value), "string")
    if go_type in known.structs:
        return f"cannot restore struct from: {found}"
    if form.startswith(("[]", "map[")):
        return f"cannot restore {'slice' if form.startswith('[]') else 'map'} from {found}"
    return f"unrecognized type: {_KINDS.get(form, form)}"


def _shown(value: Any, *, wants_number: bool) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        # Go shows a number only where it wanted another one.
        return f"number {value}" if wants_number else "number"
    return "object" if isinstance(value, dict) else "array"


def _printed(go_type: str) -> str:
    """A type as Go prints it: with the last part of its package only."""
    return re.sub(r"[\w.\-]+(?:/[\w.\-]+)*/", "", go_type)


def _path(place: _Place, last: str) -> str:
    parts = [last]
    while place is not None:
        place, step, *_ = place
        parts.append(f"[{step}]" if isinstance(step, int) else str(step))
    text = ""
    for part in reversed(parts):
        text += part if part.startswith("[") or not text else f".{part}"
    return text


# the kinds of types


class _Struct:
    """A Go struct. Its fields are worked out when the first value comes: structs contain one another in circles."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._short = name.rpartition(".")[2]
        self._fill = defaults_of(name)

    @cached_property
    def _fields(self) -> dict[str, _Field]:
        fields = {}
        for name, text in go_types().structs[self._name].items():
            go_type, empty, via = (*text.split(" "), "", "")[:3]
            type_ = _type(go_type)
            shown = f"{via}.{name}" if via else name
            fields[name] = _Field(type_, _OMITS.get(empty) or type_.when_empty, shown)
        return fields

    @cached_property
    def _always(self) -> tuple[tuple[str, Callable[[], Any]], ...]:
        """What is written, said or not."""
        return tuple(
            (name, field.type.zero) for name, field in self._fields.items() if field.omits == "nothing"
        )

    def read(self, value: Any, place: _Place, unknown: list[str]) -> Any:
        if not isinstance(value, dict):
            raise _refused(value, place, self._name)
        return self.read_fields(value, place, unknown)

    def read_fields(
        self,
        value: Mapping[str, Any],
        place: _Place,
        unknown: list[str],
        as_they_are: frozenset[str] = frozenset(),
    ) -> dict[str, Any]:
        fields = self._fields
        found: dict[str, Any] = {}
        for name, child in value.items():
            if name in as_they_are:
                found[name] = child
                continue
            field = fields.get(name)
            if field is None:
                unknown.append(_path(place, name))
                continue
            if child is None:
                continue
            read = field.type.read(child, (place, name, field.shown, self._short), unknown)
            match field.omits:
                case "empty" if not read:
                    continue
                case "zero" if read == field.type.zero():
                    continue
            found[name] = read
        for name, zero in self._always:
            if name not in found:
                found[name] = zero()
        if self._fill is not None:
            self._fill(found)
        return found

    def zero(self) -> dict[str, Any]:
        """What stands for one that nobody set."""
        found = {name: zero() for name, zero in self._always}
        if self._fill is not None:
            self._fill(found)
        return found

    def empty(self) -> dict[str, Any]:
        """The same before anything is filled in."""
        return {
            name: field.type.struct.empty() if field.type.struct is not None else field.type.bare()
            for name, field in self._fields.items()
            if field.omits == "nothing"
        }


_OMITS: Mapping[str, Literal["nothing", "zero"]] = {"": "nothing", "zero": "zero"}


@cache
def _struct(name: str) -> _Struct:
    return _Struct(name)


@cache
def _type(go_type: str) -> _Type:
    known = go_types()
    below = known.named.get(go_type)
    if below == "own":
        return _own(go_type)
    if go_type in known.structs:
        struct = _struct(go_type)
        return _Type(struct.read, struct.zero, "nothing", struct)
    if go_type.startswith("*"):
        return _Type(_type(go_type[1:]).read, _null, "null")
    return _made_of(below or go_type, go_type)


def _made_of(form: str, name: str) -> _Type:
    """A type without fields: `form` is what it is made of, `name` what errors call it."""
    if form == "[]uint8":
        return _Type(_bytes(name), _null, container=str)
    if form.startswith("[]"):
        return _Type(_list(_type(form[2:]), name), _null, container=list)
    if name == _RESOURCES:
        return _Type(_map(_Type(_amount, lambda: "0", "nothing"), name), _null, container=dict)
    if form.startswith("map["):
        return _Type(_map(_type(form.partition("]")[2]), name), _null, container=dict)
    if form == "string":
        return _Type(_text(name), str)
    if form == "bool":
        return _Type(_boolean(name), bool)
    if form in _INTEGERS:
        return _Type(_integer(form, name), int)
    return _Type(_number(name), float)


def _null() -> None:
    return None


def _text(name: str) -> _Read:
    def read(value: Any, place: _Place, _unknown: list[str]) -> Any:
        if not isinstance(value, str):
            raise _refused(value, place, name)
        return value

    return read


def _boolean(name: str) -> _Read:
    def read(value: Any, place: _Place, _unknown: list[str]) -> Any:
        if not isinstance(value, bool):
            raise _refused(value, place, name)
        return value

    return read


def _integer(form: str, name: str) -> _Read:
    low, high = _INTEGERS[form]

    def read(value: Any, place: _Place, _unknown: list[str]) -> Any:
        if type(value) is not int or not low <= value <= high:
            raise _refused(value, place, name, wants_number=True)
        return value

    return read


def _number(name: str) -> _Read:
    def read(value: Any, place: _Place, _unknown: list[str]) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _refused(value, place, name)
        return value

    return read


def _bytes(name: str) -> _Read:
    def read(value: Any, place: _Place, _unknown: list[str]) -> Any:
        if isinstance(value, list):
            return _joined(value, place)
        if not isinstance(value, str):
            raise _refused(value, place, name)
        text = value.replace("\r", "").replace("\n", "")
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise DecodingError(f"illegal base64 data at input byte {_illegal_byte(value)}") from None
        return base64.b64encode(content).decode()

    return read


def _joined(numbers: list[Any], place: _Place) -> str:
    """Bytes one by one."""
    for number in numbers:
        if type(number) is not int or not 0 <= number <= 255:
            raise _refused(number, place, "uint8", wants_number=True)
    return base64.b64encode(bytes(numbers)).decode()


def _illegal_byte(text: str) -> int:
    """Where Go's decoder stops: at the first byte of no use, or at the end of a group that is too short."""
    bad = re.search(r"[^A-Za-z0-9+/=\r\n]", text)
    if bad is not None:
        return bad.start()
    padding = text.find("=")
    if padding >= 0 and (padding % 4 < 2 or text[padding:].strip("=\r\n") or len(text) % 4 == 0):
        return padding
    if padding >= 0:
        return len(text)
    return len(text) - len(text) % 4


def _list(element: _Type, name: str) -> _Read:
    def read(value: Any, place: _Place, unknown: list[str]) -> Any:
        if not isinstance(value, list):
            raise _refused(value, place, name)
        return [
            element.zero() if child is None else element.read(child, (place, index, "", ""), unknown)
            for index, child in enumerate(value)
        ]

    return read


def _map(element: _Type, name: str) -> _Read:
    def read(value: Any, place: _Place, unknown: list[str]) -> Any:
        if not isinstance(value, dict):
            raise _refused(value, place, name)
        return {
            key: element.zero() if child is None else element.read(child, (place, key, "", ""), unknown)
            for key, child in value.items()
        }

    return read


# types that read JSON by themselves


def _own(name: str) -> _Type:
    match name.rpartition("/")[2]:
        case "v1.Time":
            return _Type(_time(read_time), _null, "nothing")
        case "v1.MicroTime":
            return _Type(_time(read_micro_time), _null, "nothing")
        case "resource.Quantity":
            return _Type(_quantity, lambda: "0", "nothing")
        case "intstr.IntOrString":
            return _Type(_integer_or_text, int, "nothing")
    return _Type(_as_it_is, _null, "nothing")


def _time(parse: Callable[[str], str]) -> _Read:
    def read(value: Any, place: _Place, _unknown: list[str]) -> Any:
        if not isinstance(value, str):
            raise _refused(value, place, "string")
        try:
            return parse(value)
        except MetadataError as error:
            raise DecodingError(str(error)) from None

    return read


def _quantity(value: Any, _place: _Place, _unknown: list[str], *, in_milli: bool = False) -> Any:
    try:
        return canonical(value if isinstance(value, str) else json_text(value), in_milli=in_milli)
    except QuantityError as error:
        raise DecodingError(str(error)) from None


def _amount(value: Any, place: _Place, unknown: list[str]) -> Any:
    return _quantity(value, place, unknown, in_milli=True)


def _integer_or_text(value: Any, place: _Place, _unknown: list[str]) -> Any:
    low, high = _INTEGERS["int32"]
    if isinstance(value, str) or (type(value) is int and low <= value <= high):
        return value
    raise _refused(value, place, "int32", wants_number=True)


def _as_it_is(value: Any, _place: _Place, _unknown: list[str]) -> Any:
    return value
