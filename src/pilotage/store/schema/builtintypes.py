"""The types of the built-in kinds, as kube-apiserver publishes them under `/openapi/v3`.

One file holds them (`data/README.md` says where it comes from); it is read when the first built-in object is written
or somebody asks for OpenAPI documents, and kept. A type has its fields under `properties`; another type stands
there as `$ref`, or inside `allOf` when something is said besides, such as a default.

Beside them stand the Go structs into which the API server decodes these kinds. They say what OpenAPI does not: what the types
are called in error messages, which fields are pointers, and which are left out when they are empty.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import orjson

from pilotage.api.meta import Kind
from pilotage.api.prepared import prepared

__all__ = ["REFERENCE", "GoTypes", "definitions", "go_types", "kubernetes_version", "root", "roots"]

REFERENCE = "#/components/schemas/"
"""What a `$ref` begins with; the name of a type follows."""

_FILE = Path(__file__).parent / "data" / "builtin_types.json.gz"
_GROUPS = "x-kubernetes-group-version-kind"


class GoTypes(msgspec.Struct, frozen=True):
    """`roots`: kinds (`apps/v1 Deployment`) to structs. `structs`: fields by name, each three words: a type; `omit` when an empty one
    is left out, `zero` when one that was never set is; the embedded struct that has the field. The last two may be empty.
    `named`: what other names stand for; `own` reads JSON by itself.
    """

    roots: Mapping[str, str]
    structs: Mapping[str, Mapping[str, str]]
    named: Mapping[str, str]


@prepared
class _File(GoTypes, frozen=True):
    version: str
    definitions: Mapping[str, dict[str, Any]]


@cache
def _file() -> _File:
    return msgspec.convert(orjson.loads(gzip.decompress(_FILE.read_bytes())), _File)


def definitions() -> Mapping[str, dict[str, Any]]:
    """OpenAPI v3 schemas by name, such as `io.k8s.api.core.v1.Pod`. Shared by all who ask: not to be changed."""
    return _file().definitions


def go_types() -> GoTypes:
    """The Go types of the built-in kinds."""
    return _file()


def kubernetes_version() -> str:
    """The release that the types are of, such as `v1.36.2`."""
    return _file().version


@cache
def roots() -> Mapping[tuple[str, str, str], str]:
    """The name of the type of each kind, by group, version and kind; lists and `Status` included."""
    return dict(_roots())


def _roots() -> Iterator[tuple[tuple[str, str, str], str]]:
    for name, schema in definitions().items():
        for told in schema.get(_GROUPS, ()):
            yield (told["group"], told["version"], told["kind"]), name


def root(kind: Kind) -> str:
    """The name of the type of a built-in kind. Raises KeyError for any other kind."""
    return roots()[kind.group, kind.version, kind.kind]
