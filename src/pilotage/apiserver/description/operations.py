"""What can be done with a kind: every address, and every method at it, with parameters and answers.

kubectl looks here before it sends: whether a PATCH of a kind takes `dryRun` and `fieldValidation` tells it whether the server can do
that at all. Names of operations are those of kube-apiserver, since generated clients name their methods after them.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pilotage.apiserver.description.types import DELETE_OPTIONS, PATCH, SCALE, STATUS, type_names
from pilotage.store.embedded.kinds import ServedKind

__all__ = ["PARAMETERS", "Address", "Operation", "Parameter", "addresses", "tag", "text_of"]


class Parameter(msgspec.Struct, frozen=True):
    """`key` is by what the OpenAPI v2 document of kube-apiserver shares it; empty where it is written out each time."""

    name: str
    type: str
    text: str
    key: str = ""
    place: str = "query"


def _shared(*parameters: Parameter) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in parameters}


PARAMETERS = _shared(
    Parameter(
        "allowWatchBookmarks", "boolean", "Send now and then how far a quiet watch has come.", "HC2hJt-J"
    ),
    Parameter("continue", "string", "The token that the page before ended with.", "QfD61s0i"),
    Parameter("dryRun", "string", "With `All`, everything is checked and nothing is stored."),
    Parameter("fieldManager", "string", "Who makes the change; an apply must say it.", "Qy4HdaTW"),
    Parameter("fieldSelector", "string", "Only objects with these values in fields.", "xIcQKXFG"),
    Parameter("fieldValidation", "string", "Unknown and doubled fields: `Strict`, `Warn` or `Ignore`."),
    Parameter("force", "boolean", "An apply takes fields over from other managers.", "tOGGb0Yi"),
    Parameter("gracePeriodSeconds", "integer", "Accepted; nothing runs here that needs it.", "-K5HaBOS"),
    Parameter("labelSelector", "string", "Only objects with these labels.", "5Zw57w4C"),
    Parameter("limit", "integer", "At most so many objects in one answer.", "1NfNmdNH"),
    Parameter("name", "string", "The name of the object.", place="path"),
    Parameter("namespace", "string", "The namespace of the object.", "vgWSWtn3", place="path"),
    Parameter("orphanDependents", "boolean", "Deprecated: use propagationPolicy.", "uRB25kX5"),
    Parameter("pretty", "string", "With `true`, the answer is indented.", "tJGM1-ng"),
    Parameter(
        "propagationPolicy", "string", "Of dependents: `Orphan`, `Background` or `Foreground`.", "6jk3prlO"
    ),
    Parameter(
        "resourceVersion", "string", "The state of things to answer from, or to watch from.", "5WAnf1kx"
    ),
    Parameter("resourceVersionMatch", "string", "`Exact` or `NotOlderThan`.", "t8XhRHeC"),
    Parameter("sendInitialEvents", "boolean", "A watch begins with what is there.", "rLXlEK_k"),
    Parameter("timeoutSeconds", "integer", "How long to list or to watch at most.", "yvYezaOC"),
    Parameter("watch", "boolean", "Stream changes instead of a list.", "XNNPZGbK"),
)

_LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_STRATEGIC = "application/strategic-merge-patch+json"


class Operation(msgspec.Struct, frozen=True):
    """`answers` is by status code the type of the answer; `body` is the type of what is sent, if anything."""

    method: str
    action: str
    identifier: str
    text: str
    parameters: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    body: str = ""
    media: tuple[str, ...] = ()
    is_list: bool = False


class Address(msgspec.Struct, frozen=True):
    path: str
    parameters: tuple[str, ...]
    operations: tuple[Operation, ...]


_TEXTS = {"200": "OK", "201": "Created", "202": "Accepted", "401": "Unauthorized"}


def text_of(code: str) -> str:
    return _TEXTS[code]


def addresses(kind: ServedKind) -> Iterator[Address]:
    """Every address of the kind; none for a kind of which no types are known."""
    names = type_names(kind)
    if names is not None:
        yield from _Operations(kind, *names).addresses()


def tag(kind: ServedKind) -> str:
    """Under what the operations of a group and version are grouped: `rbacAuthorization_v1`."""
    words = _words(kind)
    return f"{words[0]}{''.join(map(_capital, words[1:]))}_{kind.kind.version}"


def _words(kind: ServedKind) -> list[str]:
    return (
        kind.kind.group.removesuffix(".k8s.io").replace("-", ".").split(".") if kind.kind.group else ["core"]
    )


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]


class _Operations:
    def __init__(self, kind: ServedKind, type_: str, list_type: str) -> None:
        self.kind = kind
        self.type = type_
        self.list_type = list_type
        self.place = "".join(map(_capital, [*_words(kind), kind.kind.version]))
        self.scope = "Namespaced" if kind.kind.namespaced else ""

    def addresses(self) -> Iterator[Address]:
        kind = self.kind.kind
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        where: tuple[str, ...] = ()
        base = f"{root}/{kind.plural}"
        if kind.namespaced:
            if "list" in self.kind.verbs:
                yield Address(base, ("pretty",), (self._list("", "ForAllNamespaces"),))
            base, where = f"{root}/namespaces/{{namespace}}/{kind.plural}", ("namespace",)
        yield Address(base, (*where, "pretty"), tuple(self._collection()))
        where = ("name", *where, "pretty")
        one = tuple(self._object())
        if one:
            yield Address(f"{base}/{{name}}", where, one)
        for name in sorted(self.kind.subresources):
            type_ = SCALE if name == "scale" else self.type
            operations = self._changes(_capital(name), type_, f"{name} of the specified {kind.kind}")
            if name == "finalize":
                operations = [each for each in operations if each.method == "put"]
            yield Address(f"{base}/{{name}}/{name}", where, tuple(operations))

    def _collection(self) -> Iterator[Operation]:
        kind = self.kind.kind.kind
        if "list" in self.kind.verbs:
            yield self._list(self.scope, "")
        if "create" in self.kind.verbs:
            answers = tuple((code, self.type) for code in ("200", "201", "202"))
            yield Operation(
                "post", "post", self._name("create", kind), f"create a {kind}", _WRITE, answers, self.type
            )
        if "deletecollection" in self.kind.verbs:
            yield Operation(
                "delete",
                "deletecollection",
                f"delete{self.place}Collection{self.scope}{kind}",
                f"delete collection of {kind}",
                tuple(sorted({*_LIST, *_DELETE} - {"allowWatchBookmarks", "watch"})),
                (("200", STATUS),),
                DELETE_OPTIONS,
            )

    def _list(self, scope: str, suffix: str) -> Operation:
        kind = self.kind.kind.kind
        return Operation(
            "get",
            "list",
            f"list{self.place}{scope}{kind}{suffix}",
            f"list objects of kind {kind}",
            _LIST,
            (("200", self.list_type),),
            is_list=True,
        )

    def _object(self) -> Iterator[Operation]:
        kind = self.kind.kind.kind
        for operation in self._changes("", self.type, f"the specified {kind}"):
            if {"get": "get", "put": "update", "patch": "patch"}[operation.method] in self.kind.verbs:
                yield operation
        if "delete" in self.kind.verbs:
            answers = (("200", STATUS), ("202", STATUS))
            yield Operation(
                "delete",
                "delete",
                self._name("delete", kind),
                f"delete a {kind}",
                _DELETE,
                answers,
                DELETE_OPTIONS,
            )

    def _changes(self, suffix: str, type_: str, what: str) -> list[Operation]:
        """Read, replace and patch an object or a subresource."""
        named = f"{self.kind.kind.kind}{suffix}"
        media = _PATCHES if self.kind.is_custom else (*_PATCHES[:2], _STRATEGIC, *_PATCHES[2:])
        # kube-apiserver says of a patch that it may create; of one of a custom resource it does not say so.
        patched = ("200",) if self.kind.is_custom else ("200", "201")
        return [
            Operation(
                "get", "get", self._name("read", named), f"read {what}", self._read(), (("200", type_),)
            ),
            Operation(
                "put",
                "put",
                self._name("replace", named),
                f"replace {what}",
                _WRITE,
                (("200", type_), ("201", type_)),
                type_,
            ),
            Operation(
                "patch",
                "patch",
                self._name("patch", named),
                f"partially update {what}",
                (*_WRITE, "force"),
                tuple((code, type_) for code in patched),
                PATCH,
                media,
            ),
        ]

    def _read(self) -> tuple[str, ...]:
        return ("resourceVersion",) if self.kind.is_custom else ()

    def _name(self, verb: str, what: str) -> str:
        return f"{verb}{self.place}{self.scope}{what}"
