"""The functions of the Kubernetes environment, one module per library.

`FUNCTIONS` is what rules of custom resource definitions may call on a 1.36 API server: the standard functions, the
strings, lists, sets and two-variable comprehension extensions, optionals, and the Kubernetes libraries. The authorizer
is not among them: rules of definitions cannot reach it. `TYPES` are the names of types.
"""

from __future__ import annotations

from collections.abc import Mapping

from pilotage.store.cel.declarations import Functions, combined
from pilotage.store.cel.library import (
    conversions,
    formats,
    lists,
    network,
    operators,
    optionals,
    quantities,
    regexes,
    semvers,
    strings,
    times,
    urls,
)
from pilotage.store.cel.types import (
    BOOL,
    BYTES,
    CIDR,
    DOUBLE,
    DURATION,
    INT,
    IP,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Type,
    list_of,
    map_of,
    optional_of,
    param,
)

__all__ = ["FUNCTIONS", "TYPES"]

FUNCTIONS: Functions = combined(
    [
        operators.FUNCTIONS,
        conversions.FUNCTIONS,
        times.FUNCTIONS,
        strings.FUNCTIONS,
        regexes.FUNCTIONS,
        lists.FUNCTIONS,
        optionals.FUNCTIONS,
        urls.FUNCTIONS,
        quantities.FUNCTIONS,
        network.FUNCTIONS,
        formats.FUNCTIONS,
        semvers.FUNCTIONS,
    ]
)

TYPES: Mapping[str, Type] = {
    # Names of JSON types that an API server knows when it checks, and does not know when it evaluates.
    "duration": Type("error", "duration"),
    "timestamp": Type("error", "timestamp"),
} | {
    type_.name: type_
    for type_ in (
        BOOL,
        BYTES,
        CIDR,
        DOUBLE,
        DURATION,
        INT,
        IP,
        NULL,
        STRING,
        TIMESTAMP,
        TYPE,
        UINT,
        list_of(param("A")),
        map_of(param("A"), param("B")),
        optional_of(param("V")),
    )
}
