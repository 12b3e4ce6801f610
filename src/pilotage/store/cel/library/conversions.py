"""Conversions between types: `int()`, `string()`, `duration()`, `type()`, `dyn()` and the like."""

from __future__ import annotations

import math
import re
from typing import Any

from pilotage.store.cel.declarations import Functions, function
from pilotage.store.cel.library import times
from pilotage.store.cel.library.costs import passes
from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    param,
    type_of,
)
from pilotage.store.cel.values import (
    Duration,
    Timestamp,
    TypeValue,
    UInt,
    float_text,
    int_in_range,
    type_name,
    uint_in_range,
)

__all__ = ["CONVERSIONS", "FUNCTIONS"]

_A = param("A")
_TRUE = frozenset(["1", "t", "T", "TRUE", "true", "True"])
_FALSE = frozenset(["0", "f", "F", "FALSE", "false", "False"])
_DECIMAL = re.compile(r"[+-]?([0-9]+(_?[0-9]+)*\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SPECIAL = re.compile(r"[+-]?(inf|infinity|nan)", re.IGNORECASE)


def _same(value: Any) -> Any:
    return value


def _failed(source: str, wanted: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{source}' to '{wanted}'")


def _bool_from_text(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise _failed("string", "bool")


def _int_from_text(text: str) -> int:
    if re.fullmatch(r"[+-]?[0-9]+", text):
        value = int(text) if len(text) < 32 else 2**64
        if -(2**63) <= value < 2**63:
            return value
    raise _failed("string", "int")


def _uint_from_text(text: str) -> UInt:
    if re.fullmatch(r"[0-9]+", text) and len(text) < 32 and int(text) < 2**64:
        return UInt(text)
    raise _failed("string", "uint")


def _double_from_text(text: str) -> float:
    if _SPECIAL.fullmatch(text):
        return float(text)
    if _DECIMAL.fullmatch(text) and "_" not in text:
        value = float(text)
        if not math.isinf(value):
            return value
    raise _failed("string", "double")


def _int_from_double(value: float) -> int:
    if not math.isfinite(value) or not -(2.0**63) < value < 2.0**63:
        raise EvaluationError("integer overflow")
    return int(value)


def _uint_from_double(value: float) -> UInt:
    if not math.isfinite(value) or not 0 <= value < 2.0**64:
        raise EvaluationError("unsigned integer overflow")
    return UInt(int(value))


def _int_from_uint(value: int) -> int:
    return int_in_range(int(value))


def _seconds(value: Timestamp) -> int:
    return value.ns // 1_000_000_000


def _nanoseconds(value: Duration) -> int:
    return value.ns


def _text_from_bool(value: bool) -> str:
    return "true" if value else "false"


def _text_from_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None


def _duration_from_text(text: str) -> Duration:
    found = times.duration_from(text)
    if found is None:
        raise _failed("string", "google.protobuf.Duration")
    return found


def _duration_from_int(_value: int) -> Duration:
    raise _failed("int", "google.protobuf.Duration")


def _timestamp_from_text(text: str) -> Timestamp:
    found = times.timestamp_from(text)
    if found is None:
        raise _failed("string", "google.protobuf.Timestamp")
    return found


def _timestamp_from_int(value: int) -> Timestamp:
    return Timestamp(value * 1_000_000_000)


def _type(value: Any) -> TypeValue:
    return TypeValue(type_name(value))


FUNCTIONS: Functions = {
    "type": (function("type", (_A,), type_of(_A), _type),),
    "dyn": (function("to_dyn", (_A,), DYN, _same),),
    "bool": (
        function("bool_to_bool", (BOOL,), BOOL, _same),
        function("string_to_bool", (STRING,), BOOL, _bool_from_text),
    ),
    "bytes": (
        function("bytes_to_bytes", (BYTES,), BYTES, _same),
        function("string_to_bytes", (STRING,), BYTES, str.encode, cost=passes(1)),
    ),
    "double": (
        function("double_to_double", (DOUBLE,), DOUBLE, _same),
        function("int64_to_double", (INT,), DOUBLE, float),
        function("string_to_double", (STRING,), DOUBLE, _double_from_text),
        function("uint64_to_double", (UINT,), DOUBLE, float),
    ),
    "duration": (
        function("duration_to_duration", (DURATION,), DURATION, _same),
        function("int64_to_duration", (INT,), DURATION, _duration_from_int),
        function("string_to_duration", (STRING,), DURATION, _duration_from_text),
    ),
    "int": (
        function("int64_to_int64", (INT,), INT, _same),
        function("double_to_int64", (DOUBLE,), INT, _int_from_double),
        function("duration_to_int64", (DURATION,), INT, _nanoseconds),
        function("string_to_int64", (STRING,), INT, _int_from_text),
        function("timestamp_to_int64", (TIMESTAMP,), INT, _seconds),
        function("uint64_to_int64", (UINT,), INT, _int_from_uint),
    ),
    "string": (
        function("string_to_string", (STRING,), STRING, _same),
        function("bool_to_string", (BOOL,), STRING, _text_from_bool),
        function("bytes_to_string", (BYTES,), STRING, _text_from_bytes, cost=passes(1)),
        function("double_to_string", (DOUBLE,), STRING, float_text),
        function("duration_to_string", (DURATION,), STRING, str),
        function("int64_to_string", (INT,), STRING, str),
        function("timestamp_to_string", (TIMESTAMP,), STRING, times.timestamp_text),
        function("uint64_to_string", (UINT,), STRING, str),
    ),
    "timestamp": (
        function("timestamp_to_timestamp", (TIMESTAMP,), TIMESTAMP, _same),
        function("int64_to_timestamp", (INT,), TIMESTAMP, _timestamp_from_int),
        function("string_to_timestamp", (STRING,), TIMESTAMP, _timestamp_from_text),
    ),
    "uint": (
        function("uint64_to_uint64", (UINT,), UINT, _same),
        function("double_to_uint64", (DOUBLE,), UINT, _uint_from_double),
        function("int64_to_uint64", (INT,), UINT, uint_in_range),
        function("string_to_uint64", (STRING,), UINT, _uint_from_text),
    ),
}

CONVERSIONS = frozenset(FUNCTIONS)
"""Called with a constant, these are computed once, when the expression is compiled."""
