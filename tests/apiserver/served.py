"""The kinds that a store serves, with a definition that uses most of what definitions can say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pilotage.api.meta import Kind, Object
from pilotage.store.embedded.builtin import BUILT_IN
from pilotage.store.embedded.kinds import ServedKind

CASES = Path(__file__).parent / "cases"
DEFINITION = BUILT_IN["apiextensions.k8s.io", "CustomResourceDefinition"].kind
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


def definitions() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((CASES / "definitions.yaml").read_text()))


def built_in() -> list[ServedKind]:
    """The built-in kinds, as a store tells of them."""
    return [
        ServedKind(
            builtin.kind,
            builtin.singular,
            f"{builtin.kind.kind}List",
            builtin.categories,
            builtin.subresources,
            VERBS if builtin.deletes_many else tuple(verb for verb in VERBS if verb != "deletecollection"),
        )
        for builtin in BUILT_IN.values()
    ]


def custom(definition: Mapping[str, Any]) -> Iterator[ServedKind]:
    """The versions of a definition, as a store tells of them."""
    spec = definition["spec"]
    names = spec["names"]
    for index, version in enumerate(spec["versions"]):
        kind = Kind(
            spec["group"],
            version["name"],
            names["kind"],
            names["plural"],
            spec["scope"] == "Namespaced",
            tuple(names.get("shortNames", ())),
        )
        yield ServedKind(
            kind,
            names.get("singular", names["kind"].lower()),
            names.get("listKind", f"{names['kind']}List"),
            tuple(names.get("categories", ())),
            tuple(name for name in ("status", "scale") if name in version.get("subresources", {})),
            VERBS,
            is_custom=True,
            is_storage=version["storage"],
            is_preferred=index == 0,
            columns=tuple(version.get("additionalPrinterColumns", ())),
            schema=version["schema"]["openAPIV3Schema"],
        )


def kinds() -> tuple[ServedKind, ...]:
    return (*built_in(), *(kind for each in definitions() for kind in custom(each)))


def objects(version: str = "1", count: int = 1) -> Sequence[Object]:
    """The definitions as objects at some version."""
    return [
        Object.of({**each, "metadata": {**each["metadata"], "uid": "u", "resourceVersion": version}})
        for each in definitions()
        for _ in range(count)
    ]
