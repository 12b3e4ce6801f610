"""Which kinds are served, in both forms of discovery, and that a real kube-apiserver says the same of them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from pilotage.apiserver import discovery
from pilotage.apiserver.accepting import wishes

from . import served
from .realrequests import Asker

KINDS = served.kinds()
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
OLD_AGGREGATED = AGGREGATED.replace("v=v2", "v=v2beta1")


def told(path: str, accept: str = "application/json") -> Any:
    answer = discovery.answer(path, accept, KINDS)
    assert answer is not None
    return json.loads(answer.body)


def test_the_versions_of_the_core_group():
    """`/api` names v1, and where clients reach this server."""
    answer = discovery.answer("/api", "", KINDS, address="127.0.0.1:6443")
    assert answer is not None
    assert {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
    } == json.loads(answer.body)


def test_groups_of_definitions_come_last():
    """Built-in groups have their fixed order; the core group is not among them."""
    names = [group["name"] for group in told("/apis")["groups"]]
    assert ["apiregistration.k8s.io", "apps", "autoscaling"] == [
        name for name in names if name in {"apps", "autoscaling", "apiregistration.k8s.io"}
    ]
    assert names[-1] == "shown.example.com"
    assert "" not in names


def test_versions_of_a_group_best_first():
    """The preferred version is the most stable one."""
    group = told("/apis/shown.example.com")
    assert ["v1", "v1beta1", "v1alpha1"] == [each["version"] for each in group["versions"]]
    assert {"groupVersion": "shown.example.com/v1", "version": "v1"} == group["preferredVersion"]


def test_resources_of_a_version():
    """A kind stands with names, verbs and categories, and its subresources behind it; scale has a kind of its own."""
    widgets, status, scale = told("/apis/shown.example.com/v1")["resources"]
    assert ("widgets", "widget", True, "Widget") == tuple(
        widgets[name] for name in ("name", "singularName", "namespaced", "kind")
    )
    assert (["wd"], ["all", "gear"]) == (widgets["shortNames"], widgets["categories"])
    assert ("widgets/status", "Widget") == (status["name"], status["kind"])
    assert ("autoscaling", "v1", "Scale") == tuple(scale[name] for name in ("group", "version", "kind"))


@pytest.mark.parametrize(
    "path",
    ["/apis/nobody.example", "/apis/shown.example.com/v9", "/api/v2"][:4],
)
def test_what_is_not_served_has_no_document(path: str):
    """Nothing is said of groups and versions without kinds."""
    assert discovery.answer(path, "", KINDS) is None


@pytest.mark.parametrize(("accept", "version"), [(AGGREGATED, "v2"), (OLD_AGGREGATED, "v2beta1")])
def test_aggregated(accept: str, version: str):
    """Everything at once, with a tag that stands for its content."""
    answer = discovery.answer("/apis", accept, KINDS)
    assert answer is not None
    assert (
        f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" == answer.content_type
    )
    assert answer.headers["Vary"] == "Accept"
    again = discovery.answer("/apis", accept, KINDS)
    assert again is not None
    assert answer.headers["ETag"] == again.headers["ETag"]
    fewer = discovery.answer("/apis", accept, KINDS[:-1])
    assert fewer is not None
    assert answer.headers["ETag"] != fewer.headers["ETag"]


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/json", f"application/json,{AGGREGATED}", AGGREGATED.replace("=v2", "=v3")],
)
def test_the_older_form_for_who_asks_for_it_first(accept: str):
    """Aggregated is only what was asked for that way."""
    assert told("/apis", accept)["kind"] == "APIGroupList"


@pytest.mark.parametrize(
    ("header", "media"),
    [
        ("", ["*/*"]),
        ("text/html;q=0.5, application/json", ["application/json", "text/html"]),
        ("application/json;q=0, a/b", ["a/b"]),
        ("nonsense, application/json;q=x, a/b", ["a/b"]),
    ],
)
def test_wishes_of_a_client(header: str, media: list[str]):
    """The best wish comes first; what is refused, or cannot be read, is left out."""
    assert media == [wish.media for wish in wishes(header)]


def test_versions_are_ranked_as_kubernetes_ranks_them():
    """Stable before beta before alpha, higher numbers first, then anything else by name."""
    ranked = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    shuffled = sorted(ranked)
    assert ranked == sorted(shuffled, key=discovery.version_rank)


# The same on a real server


def test_a_real_server_says_the_same_of_definitions(asker: Asker):
    """Of custom resources the documents are equal byte by byte."""
    for path in ("/apis/shown.example.com", "/apis/shown.example.com/v1", "/apis/shown.example.com/v1alpha1"):
        answer = discovery.answer(path, "", KINDS)
        assert answer is not None
        assert asker.ask(path).body == answer.body


def test_a_real_server_says_the_same_of_built_in_kinds(asker: Asker):
    """Of every kind that both serve, names, verbs, categories and hashes are equal, and so is their order."""
    for api_version in sorted({kind.kind.api_version for kind in served.built_in()}):
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        real, ours = asker.ask(path).json(), told(path)
        names = {each["name"] for each in ours["resources"]}
        real["resources"] = [each for each in real["resources"] if each["name"] in names]
        assert json.dumps(real) == json.dumps(ours)


def test_a_real_server_says_the_same_at_once(asker: Asker):
    """Aggregated discovery has the same groups in the same order, and the same of every kind that both serve."""
    for path in ("/api", "/apis"):
        ours = json.dumps(told(path, AGGREGATED))
        deadline = time.monotonic() + 30  # the server gathers it in its own time
        while True:
            answer = asker.ask(path, AGGREGATED)
            assert "as=APIGroupDiscoveryList" in answer.headers["Content-Type"]
            real = json.dumps(shared(answer.json(), json.loads(ours)))
            if real == ours or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        assert real == ours


def shared(real: Any, ours: Any) -> Any:
    """What the one document says of what is in the other."""
    known = {
        (group["metadata"].get("name"), version["version"], each["resource"]): {
            sub["subresource"] for sub in each.get("subresources", ())
        }
        for group in ours["items"]
        for version in group["versions"]
        for each in version["resources"]
    }
    for group in real["items"]:
        for version in group["versions"]:
            place = (group["metadata"].get("name"), version["version"])
            version["resources"] = [
                each for each in version["resources"] if (*place, each["resource"]) in known
            ]
            for each in version["resources"]:
                kept = known[(*place, each["resource"])]
                subresources = [sub for sub in each.pop("subresources", ()) if sub["subresource"] in kept]
                if subresources:
                    each["subresources"] = subresources
        group["versions"] = [version for version in group["versions"] if version["resources"]]
    real["items"] = [group for group in real["items"] if group["versions"]]
    return real
