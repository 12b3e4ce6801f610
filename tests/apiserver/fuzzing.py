"""Requests that no client means: paths, queries, headers and bodies that are nearly right, and some that never were.

Everything begins with something valid, for what is far from valid is refused by the first check that it meets.
"""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import yaml
from hypothesis import strategies as st

from pilotage.apiserver.options import Query
from pilotage.apiserver.requests import Request

from . import served

DEFINITIONS = served.definitions()
KINDS = [kind.kind for kind in served.kinds()]
WIRE = [b64decode(case["body"]) for case in yaml.safe_load((served.CASES / "wire.yaml").read_text())]
TABLES = yaml.safe_load((served.CASES / "tables.yaml").read_text())
NAMES = ("kept", "new", "web", "default", "a.b")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW")
MEDIA = (
    "",
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/json; charset=utf-8",
    "text/html",
)

texts = st.text(max_size=12) | st.sampled_from(
    ("", "/", "a/b", "é", "\0", "x" * 300, "-", "$patch", "__proto__")
)
numbers = (
    st.integers() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
)  # JSON knows no others
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


# Where


def _address(kind: Any, namespace: str, name: str, door: str) -> str:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace and kind.namespaced else ""
    steps = [kind.plural, *(quote(step, safe="") for step in (name, door) if step)]
    return f"{root}{middle}/{'/'.join(steps)}"


objects = st.builds(
    _address,
    st.sampled_from(KINDS),
    st.sampled_from(("default", "default", "tables", "nowhere", "", "%00")),
    st.sampled_from(("", *NAMES)) | texts,
    st.sampled_from(("", "", "", "status", "scale", "finalize", "log", "eviction")),
)
documents = st.sampled_from(
    (
        "/",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/apps",
        "/apis/apps/v1",
        "/apis/apps/v2",
        "/version",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/apis/apps/v1",
        "/openapi/v3/nowhere",
        "/healthz/store",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    )
)
strange = st.lists(
    st.sampled_from(("api", "apis", "v1", "apps", "namespaces", "pods", "..", "")) | texts, max_size=8
).map(lambda steps: "/" + "/".join(quote(step, safe="%") for step in steps))
paths = objects | objects | objects | documents | strange


# How


tokens = st.one_of(
    json_values.map(lambda value: urlsafe_b64encode(json.dumps(value).encode()).decode()),
    st.builds(
        lambda rv, start: (
            urlsafe_b64encode(json.dumps({"v": "meta.k8s.io/v1", "rv": rv, "start": start}).encode())
            .decode()
            .rstrip("=")
        ),
        st.integers(-1, 40) | json_values,
        st.sampled_from(("kept\0", "default/kept\0", "")) | json_values,
    ),
    st.binary(max_size=20).map(lambda raw: urlsafe_b64encode(raw).decode()),
)
selectors = st.one_of(
    st.sampled_from(
        (
            "a=b",
            "a==b,c!=d",
            "a in (b,c)",
            "a notin ()",
            "!a",
            "a,!b",
            "a>1",
            "metadata.name=kept",
            "a in (",
            "=",
            ",",
            "a=b=c",
            "spec.nodeName!=x",
            "metadata.namespace==default",
        )
    ),
    st.text(alphabet="ab=!,() inot></.\\'\"\t", max_size=20),
    texts,
)
words = st.sampled_from(
    (
        "",
        "0",
        "1",
        "-1",
        "+3",
        "true",
        "false",
        "All",
        "Strict",
        "Warn",
        "Ignore",
        "Exact",
        "NotOlderThan",
        "Orphan",
        "Background",
        "Foreground",
        "Object",
        "None",
        "9" * 19,
        "9" * 5000,
        "1_0",
        "١",
        "m" * 200,
    )
)
values = words | words | selectors | tokens | texts | st.integers().map(str)
names = st.sampled_from(
    (
        "watch",
        "limit",
        "continue",
        "labelSelector",
        "fieldSelector",
        "resourceVersion",
        "resourceVersionMatch",
        "timeoutSeconds",
        "sendInitialEvents",
        "allowWatchBookmarks",
        "dryRun",
        "fieldManager",
        "fieldValidation",
        "force",
        "propagationPolicy",
        "orphanDependents",
        "gracePeriodSeconds",
        "pretty",
        "includeObject",
        "hash",
        "exclude",
        "verbose",
    )
)
queries = st.one_of(
    st.lists(st.tuples(names, values), max_size=4).map(lambda pairs: urlencode(pairs, errors="replace")),
    st.text(alphabet="ab=&%;+0", max_size=20),
)
accepts = st.one_of(
    st.sampled_from(
        (
            "",
            "*/*",
            "application/json",
            "application/yaml",
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,*/*;q=0.1",
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            "application/vnd.kubernetes.protobuf",
            "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
            "application/json;q=nan, text/*;q=-1, application/json;q=inf",
        )
    ),
    st.text(alphabet="aps/*;=,.qv1 ", max_size=30),
)


# What


def _type(value: Any) -> tuple[str, str]:
    return value["apiVersion"], value["kind"]


_BY_TYPE = {(kind.api_version, kind.kind): kind for kind in KINDS}


def _samples() -> list[dict[str, Any]]:
    metadata = {
        "name": "new",
        "labels": {"a": "b"},
        "annotations": {"c": "d"},
        "finalizers": ["x.example.com/y"],
    }
    plain = [
        {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": dict(metadata), "spec": {}}
        for kind in KINDS
    ]
    shown = [case["object"] for case in TABLES]
    return [each for each in (*plain, *shown, *DEFINITIONS, *DEFINITIONS) if _type(each) in _BY_TYPE]


SAMPLES = _samples()


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """A copy in which a few places hold something else, or nothing."""
    root = [json.loads(json.dumps(value))]
    for _ in range(draw(st.integers(0, 3))):
        holder: Any = root
        step: Any = 0
        for _ in range(draw(st.integers(0, 7))):
            inner = holder[step]
            if not isinstance(inner, dict | list) or not inner:
                break
            holder = inner
            step = draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        if draw(st.booleans()) or holder is root:
            holder[step] = draw(json_values)
        elif isinstance(holder, dict) and draw(st.booleans()):
            holder[draw(texts)] = holder[step]
        else:
            del holder[step]
    return root[0]


manifests = st.sampled_from(SAMPLES).flatmap(changed)
pointers = st.one_of(
    st.sampled_from(
        (
            "",
            "/",
            "/metadata",
            "/metadata/name",
            "/metadata/labels",
            "/metadata/labels/a",
            "/metadata/finalizers/-",
            "/metadata/finalizers/0",
            "/data",
            "/data/a",
            "/spec",
            "/spec/-",
            "/~2",
            "/metadata/labels/~1",
            "x",
            "/spec/versions/00",
        )
    ),
    texts,
)
operations = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "op": st.sampled_from(("add", "remove", "replace", "move", "copy", "test", "ADD")) | json_values,
            "path": pointers | json_values,
            "from": pointers | json_values,
            "value": json_values,
        },
    )
    | json_values,
    max_size=4,
)
strategic = st.dictionaries(
    st.sampled_from(
        (
            "metadata",
            "spec",
            "data",
            "$patch",
            "$retainKeys",
            "$deleteFromPrimitiveList/finalizers",
            "$setElementOrder/finalizers",
            "finalizers",
            "ownerReferences",
            "containers",
            "template",
            "ports",
        )
    ),
    st.recursive(
        json_values | st.sampled_from(("replace", "delete", "merge")),
        lambda inner: (
            st.dictionaries(
                st.sampled_from(
                    (
                        "$patch",
                        "$setElementOrder/containers",
                        "containers",
                        "name",
                        "spec",
                        "finalizers",
                        "ports",
                    )
                ),
                inner,
                max_size=3,
            )
            | st.lists(inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=3,
)
options = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(("DeleteOptions", "Pod")) | json_values,
        "apiVersion": st.just("v1") | json_values,
        "propagationPolicy": words | json_values,
        "preconditions": st.fixed_dictionaries({}, optional={"uid": json_values, "resourceVersion": words})
        | json_values,
        "dryRun": st.just(["All"]) | json_values,
        "gracePeriodSeconds": json_values,
        "orphanDependents": json_values,
    },
)
said = manifests | manifests | operations | strategic | options | json_values


def _damaged(raw: bytes, at: int, byte: int, size: int) -> bytes:
    at %= len(raw) + 1
    return raw[:at] + bytes([byte]) * size + raw[at + size :]


def _damage(bodies: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(_damaged, bodies, st.integers(0, 4000), st.integers(0, 255), st.integers(0, 3))


written: st.SearchStrategy[bytes] = said.map(lambda value: json.dumps(value).encode())
bodies: st.SearchStrategy[bytes] = st.one_of(
    written,
    written,
    said.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")),
    _damage(written),
    _damage(st.sampled_from(WIRE)),
    st.binary(max_size=60),
    st.sampled_from(
        (b"", b"null", b"{}", b"[]", b"a: &x [*x]", b"{a: b", b"--- 1\n--- 2\n", b"!!python/object:a {}")
    ),
)


def _request(method: str, path: str, query: str, accept: str, content_type: str, body: bytes) -> Request:
    return Request(
        method,
        path,
        Query(query),
        user="somebody",
        accept=accept,
        content_type=content_type,
        agent="fuzz/1",
        host="127.0.0.1",
        body=b"" if method in {"GET", "HEAD"} else body,
    )


wild = st.builds(_request, st.sampled_from(METHODS), paths, queries, accepts, st.sampled_from(MEDIA), bodies)


# Requests that a client could well mean


def _sent(method: str, form: str) -> Callable[[dict[str, Any], dict[str, Any], str, str], Request]:
    def build(sample: dict[str, Any], value: Any, query: str, media: str) -> Request:
        path = _address(
            _BY_TYPE[_type(sample)], "default", "" if method == "POST" else sample["metadata"]["name"], ""
        )
        body = json.dumps(value).encode() if media != "application/yaml" else yaml.safe_dump(value).encode()
        return _request(method, path, query, "application/json", form or media, body)

    return build


_said_as = st.sampled_from(("application/json", "application/yaml"))
_managed = (
    queries | st.just("fieldManager=me") | st.just("fieldManager=you&force=true&fieldValidation=Strict")
)


def _aimed(
    method: str, form: str, value: Callable[[Any], st.SearchStrategy[Any]]
) -> st.SearchStrategy[Request]:
    return st.sampled_from(SAMPLES).flatmap(
        lambda sample: st.builds(_sent(method, form), st.just(sample), value(sample), _managed, _said_as)
    )


creations = _aimed("POST", "", changed)
aimed: st.SearchStrategy[Request] = st.one_of(
    creations,
    _aimed("PUT", "", changed),
    _aimed("PATCH", "application/apply-patch+yaml", changed),
    _aimed("PATCH", "application/merge-patch+json", changed),
    _aimed("PATCH", "application/strategic-merge-patch+json", lambda _sample: strategic),
    _aimed("PATCH", "application/json-patch+json", lambda _sample: operations),
    _aimed("DELETE", "", lambda _sample: options),
)


def creation(sample: dict[str, Any]) -> Request:
    """The request that makes a sample."""
    return _sent("POST", "")(sample, sample, "fieldManager=me", "application/json")


PROBE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}, "data": {"a": "b"}}
KEPT = [
    {"apiVersion": "v1", "kind": kind, "metadata": {"name": "kept", "labels": {"a": "b"}}, **rest}
    for kind, rest in (
        ("ConfigMap", {"data": {"a": "b"}}),
        ("Secret", {"stringData": {"a": "b"}}),
        ("Namespace", {}),
        ("Pod", {"spec": {"containers": [{"name": "a", "image": "b"}]}}),
    )
]
definitions = st.sampled_from(DEFINITIONS).flatmap(
    lambda sample: st.builds(
        _sent("PUT", ""), st.just(sample), changed(sample), _managed, st.just("application/json")
    )
) | st.sampled_from(DEFINITIONS).map(
    lambda sample: {
        **sample,
        "metadata": {"name": f"{sample['spec']['names']['plural']}.new.example.com"},
        "spec": {**sample["spec"], "group": "new.example.com"},
    }
).flatmap(
    lambda sample: st.builds(
        _sent("POST", ""), st.just(sample), changed(sample), _managed, st.just("application/json")
    )
)
custom = st.builds(
    _request,
    st.sampled_from(("POST", "GET", "PUT", "PATCH")),
    st.sampled_from([kind for kind in KINDS if kind.group.endswith("example.com")]).flatmap(
        lambda kind: st.sampled_from(
            [_address(kind, "default", "", ""), _address(kind, "default", "", "").replace("shown.", "new.")]
        )
    ),
    queries,
    accepts,
    _said_as,
    said.map(lambda value: json.dumps(value).encode()),
)
