"""Write down the types of the built-in kinds, as a kube-apiserver tells them in its OpenAPI documents.

    python tools/builtin_types.py            start the kube-apiserver of tools/apiserver and ask it
    python tools/builtin_types.py KUBECONFIG ask the cluster of this file (its bearer token is used)

The result is src/pilotage/store/schema/data/builtin_types.json.gz, in two parts. `definitions` are the component schemas of
`/openapi/v3` that the kinds we serve lead to, without descriptions; `/openapi/v2` names the groups that share a type, which no
single document of v3 does. `structs` are the Go types behind them, as tools/apiserver/types prints them (needs Go): what
decoding and its error messages depend on, and OpenAPI does not tell.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from pilotage.store.embedded.builtin import BUILT_IN  # noqa: E402  this checkout's

TARGET = ROOT / "src" / "pilotage" / "store" / "schema" / "data" / "builtin_types.json.gz"
SHARED_STORAGE = {("events.k8s.io", "v1", "Event"), ("autoscaling", "v1", "Scale")}
"""Served beside the kinds of `BUILT_IN`."""
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
DISCOVERY = (
    "APIGroup",
    "APIGroupList",
    "APIResourceList",
    "APIVersions",
    "DeleteOptions",
    "Patch",
    "Status",
    "WatchEvent",
)
REF = "#/components/schemas/"
GROUPS = "x-kubernetes-group-version-kind"


def main() -> None:
    with _server() as api:
        documents = [
            api(entry["serverRelativeURL"]) for _, entry in sorted(api("/openapi/v3")["paths"].items())
        ]
        shared = api("/openapi/v2")["definitions"]
        version = api("/version")["gitVersion"]
    schemas: dict[str, Any] = {}
    for document in documents:
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            schemas.setdefault(name, _without_descriptions(schema))
    for name, schema in schemas.items():
        if GROUPS in shared.get(name, {}):
            schema[GROUPS] = shared[name][GROUPS]
    kept = _reachable(schemas, list(_roots(schemas)))
    content = {"version": version, "definitions": kept, **_go_types()}
    text = json.dumps(content, separators=(",", ":"), sort_keys=True)
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{TARGET.relative_to(ROOT)}: {len(kept)} types of Kubernetes {version}, {len(text)} bytes as text")


def _served() -> set[tuple[str, str, str]]:
    return SHARED_STORAGE | {
        (builtin.kind.group, builtin.kind.version, builtin.kind.kind) for builtin in BUILT_IN.values()
    }


def _go_types() -> dict[str, Any]:
    """`roots`: kind to struct; `structs`: fields with their types; `named`: what other names stand for."""
    printed = subprocess.run(
        ["go", "run", "-mod=readonly", "./types"],
        cwd=ROOT / "tools" / "apiserver",
        env={**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"},
        check=True,
        capture_output=True,
    )
    told = json.loads(printed.stdout)
    roots = {}
    for group, version, kind in _served():
        key = f"{group}/{version}".removeprefix("/") + f" {kind}"
        roots[key] = told["roots"][key]
    structs: dict[str, dict[str, str]] = {}
    named: dict[str, str] = {}
    waiting = list(roots.values())
    while waiting:
        name = waiting.pop()
        for part in filter(None, name.replace("*", "[]").replace("map[", "]").split("]")):
            part = part.removeprefix("[")  # noqa: PLW2901
            if part in told["named"] and part not in named:
                named[part] = told["named"][part]
                waiting.append(named[part])
            if part in told["structs"] and part not in structs:
                fields = told["structs"][part]["fields"]
                structs[part] = {
                    field: f"{about['type']} {about.get('empty', '')} {about.get('via', '')}".rstrip()
                    for field, about in fields.items()
                }
                waiting += [about["type"] for about in fields.values()]
    return {"roots": roots, "structs": structs, "named": named}


def _roots(schemas: Mapping[str, Any]) -> Iterator[str]:
    served = _served()
    wanted = served | {(group, version, f"{kind}List") for group, version, kind in served}
    for name, schema in schemas.items():
        is_served = any(
            (told["group"], told["version"], told["kind"]) in wanted for told in schema.get(GROUPS, ())
        )
        if is_served or name.removeprefix(META) in DISCOVERY:
            yield name


def _reachable(schemas: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    while names:
        name = names.pop()
        if name not in kept:
            kept[name] = schemas[name]
            names += _references(schemas[name])
    return kept


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, child in schema.items():
            if key == "$ref" and isinstance(child, str):
                yield child.removeprefix(REF)
            else:
                yield from _references(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from _references(child)


def _without_descriptions(schema: Any) -> Any:
    """A property may be called `description`; then it is a schema and no text."""
    if isinstance(schema, dict):
        return {
            name: _without_descriptions(child)
            for name, child in schema.items()
            if name != "description" or not isinstance(child, str)
        }
    return [_without_descriptions(child) for child in schema] if isinstance(schema, list) else schema


@contextlib.contextmanager
def _server() -> Iterator[Any]:
    """A function that answers a path with its JSON."""
    if len(sys.argv) > 1:
        yield _asker(Path(sys.argv[1]))
        return
    import realapi  # noqa: PLC0415  needs pytest, which who gives a kubeconfig may not have

    binaries = realapi._binaries()  # noqa: SLF001  the tests own how a server is started
    if binaries is None:
        sys.exit("no kube-apiserver: run tools/apiserver/build.sh, or name a kubeconfig")
    with tempfile.TemporaryDirectory() as folder:
        api = realapi.RealApi(Path(), folder=Path(folder))
        try:
            realapi._start(api, binaries)  # noqa: SLF001
            yield _asker(api.kubeconfig)
        finally:
            realapi._stop(api)  # noqa: SLF001


def _asker(kubeconfig: Path) -> Any:
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, token = config["clusters"][0]["cluster"], config["users"][0]["user"]["token"]
    trust = ssl.create_default_context(
        cafile=str(kubeconfig.parent / cluster["certificate-authority"])
        if "certificate-authority" in cluster
        else None
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )

    def ask(path: str) -> Any:
        request = urllib.request.Request(
            cluster["server"] + path,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        )
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)

    return ask


if __name__ == "__main__":
    main()
