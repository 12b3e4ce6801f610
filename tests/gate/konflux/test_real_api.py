"""What is rendered, on a real kube-apiserver with the public definitions of Konflux: accepted as it is, with the rights that it says.

Unknown and misplaced fields are refused (`fieldValidation: Strict`). Rights are asked of the server's own authorizer. Admission policies are
tried by acting as the trigger. Snapshot has no public definition; a shapeless one stands for it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from pilotage.api import kinds, konflux, yaml
from pilotage.api.core import CONFIG_MAP, NAMESPACE, SECRET
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.app.gate.given import Given
from pilotage.app.gate.onboarding import verify
from pilotage.app.gate.rendering import check_objects, rendered
from pilotage.gate.instants import read_instant
from pilotage.gate.konflux.files import files_of, objects_of
from pilotage.store.cluster import ClusterSettings, ClusterStore, read_kubeconfig

from .rendering import PINS, gate, target

CRDS = Path(__file__).parents[3].parent / "shared" / "data" / "crds"
FILES = ("integrationtestscenarios", "releaseplans", "releaseplanadmissions", "releases", "componentgroups")
DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
REVIEW = Kind("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False)
TENANT, MANAGED = "crt-redhat-acm-tenant", "rhtap-releng-tenant"
DIGEST = f"sha256:{'c0' * 32}"
LIMIT = 60.0

pytestmark = pytest.mark.shared_data

LEDGER = {"get", "list", "create", "patch"}
RIGHTS = {
    "nightly-promotion-sa": {"snapshots": {"get", "list", "watch", "patch"}, "configmaps": LEDGER},
    "gate-runner": {"configmaps": LEDGER},
    "gate-releaser": {
        "releases": {"get", "list", "watch", "create"},
        "snapshots": {"get"},
        "configmaps": LEDGER,
    },
    "gate-notifier": {"configmaps": LEDGER, "releases": {"get", "list"}},
    "gate-stale": {"releases": {"get", "list"}, "snapshots": {"get", "list"}, "configmaps": LEDGER},
}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
RESOURCES = {
    "snapshots": "appstudio.redhat.com",
    "releases": "appstudio.redhat.com",
    "releaseplans": "appstudio.redhat.com",
    "integrationtestscenarios": "appstudio.redhat.com",
    "pipelineruns": "tekton.dev",
    "configmaps": "",
    "secrets": "",
    "serviceaccounts": "",
    "roles": "rbac.authorization.k8s.io",
    "cronjobs": "batch",
}


@pytest.fixture
async def cluster(real_api: Any) -> AsyncIterator[ClusterStore]:
    """The definitions, the two namespaces, and everything that is rendered for one platform."""
    if not CRDS.is_dir():
        pytest.skip("the public data set is not beside this checkout")
    if not real_api.is_ours:
        pytest.skip("writes definitions and policies; needs a cluster that nobody else uses")
    async with ClusterStore(read_kubeconfig(real_api.kubeconfig), ClusterSettings(rate=0)) as store:
        for name in FILES:
            await define(store, yaml.load((CRDS / f"appstudio.redhat.com_{name}.yaml").read_text()))
        await define(store, shapeless(konflux.SNAPSHOT))
        for name in (TENANT, MANAGED):
            await store.apply(NAMESPACE, ObjectKey("", name), {}, manager="test")
        objects = objects_of(files_of([target()]))
        for each in objects:
            await put(store, each)
        yield store
        for each in objects:  # policies are the whole cluster's, and so in the way of other tests
            if "namespace" not in each["metadata"]:
                await store.delete(kinds.of_object(Object.of(each)), Object.of(each).key)


async def define(store: ClusterStore, manifest: dict[str, Any]) -> None:
    key = ObjectKey("", manifest["metadata"]["name"])
    await store.apply(DEFINITION, key, manifest, manager="test", force=True)
    async with asyncio.timeout(LIMIT):
        while True:
            conditions = (await store.get(DEFINITION, key)).value().get("status", {}).get("conditions") or ()
            if any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
                return
            await asyncio.sleep(0.05)


def shapeless(kind: Kind) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": kind.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": DEFINITION.api_version,
        "kind": DEFINITION.kind,
        "metadata": {"name": kind.resource},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()},
            "versions": [version],
        },
    }


async def put(store: ClusterStore, manifest: dict[str, Any]) -> None:
    item = Object.of(manifest)
    await store.apply(kinds.of_object(item), item.key, manifest, manager="gitops", force=True)


async def test_everything_is_accepted_and_nothing_drifts(cluster: ClusterStore) -> None:
    """No field is unknown to the server, and its defaults are no drift; rendering once more changes nothing."""
    files = files_of([target()])
    assert () == await check_objects(files, cluster)
    kinds_seen = {each["kind"] for each in objects_of(files)}
    assert {"IntegrationTestScenario", "ReleasePlan", "ReleasePlanAdmission", "CronJob"} <= kinds_seen


async def test_drift_is_told_by_object_and_field(cluster: ClusterStore) -> None:
    """What somebody changed by hand, removed, or left behind."""
    plan = ObjectKey(TENANT, "hypershift-operator-ho-release-gate-aro-hcp")
    patch = {
        "metadata": {"labels": {konflux.AUTO_RELEASE_LABEL: "true"}},
        "spec": {"releaseGracePeriodDays": 7},
    }
    await cluster.apply(konflux.RELEASE_PLAN, plan, patch, manager="somebody", force=True)
    await cluster.delete(
        konflux.INTEGRATION_TEST_SCENARIO, ObjectKey(TENANT, "hypershift-ho-release-gate-aro-hcp")
    )
    old = {
        "metadata": {
            "labels": {
                "app.kubernetes.io/managed-by": "pilotage-gate",
                "gate.pilotage.dev/platform": "aro-hcp",
            }
        }
    }
    await cluster.apply(CONFIG_MAP, ObjectKey(TENANT, "left-behind"), old, manager="somebody")
    try:
        found = {
            (each.subject, each.state, each.field)
            for each in await check_objects(files_of([target()]), cluster)
        }
        assert {
            (f"ReleasePlan {plan}", "differs", f'metadata.labels["{konflux.AUTO_RELEASE_LABEL}"]'),
            (f"ReleasePlan {plan}", "differs", "spec.releaseGracePeriodDays"),
            (f"IntegrationTestScenario {TENANT}/hypershift-ho-release-gate-aro-hcp", "missing", ""),
            (f"ConfigMap {TENANT}/left-behind", "surplus", ""),
        } == found
    finally:
        await cluster.delete(CONFIG_MAP, ObjectKey(TENANT, "left-behind"))


async def test_every_account_has_its_rights_and_no_other(cluster: ClusterStore) -> None:
    """Asked of the server's authorizer: every verb on every resource that matters, in and outside the namespace."""

    async def may(account: str, verb: str, resource: str, namespace: str) -> bool:
        attributes = {
            "group": RESOURCES[resource],
            "resource": resource,
            "verb": verb,
            "namespace": namespace,
        }
        user = f"system:serviceaccount:{TENANT}:{account}"
        manifest = {
            "apiVersion": REVIEW.api_version,
            "kind": REVIEW.kind,
            "spec": {"user": user, "resourceAttributes": attributes},
        }
        return bool((await cluster.create(REVIEW, manifest, manager="test")).value()["status"]["allowed"])

    for account, rights in RIGHTS.items():
        async with asyncio.timeout(LIMIT):  # the authorizer learns of new bindings a moment later
            while not await may(account, "get", "configmaps", TENANT):
                await asyncio.sleep(0.05)
        for resource in RESOURCES:
            allowed = {verb for verb in VERBS if await may(account, verb, resource, TENANT)}
            assert rights.get(resource, set()) == allowed, f"{account} {resource}"
        assert not await may(account, "get", "configmaps", MANAGED)


class Impersonator:
    """Acts as an account, through the admin's right to do so."""

    def __init__(self, real_api: Any, session: aiohttp.ClientSession, account: str) -> None:
        config = yaml.load(real_api.kubeconfig.read_text())
        self._server = config["clusters"][0]["cluster"]["server"]
        self._session = session
        token = next(each["user"]["token"] for each in config["users"] if each["name"] == "token")
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Impersonate-User": f"system:serviceaccount:{TENANT}:{account}",
            "Content-Type": "application/merge-patch+json",
        }

    async def patch(self, path: str, body: dict[str, Any], query: str = "") -> int:
        url = f"{self._server}{path}{query}"
        async with self._session.patch(url, data=msgspec.json.encode(body), headers=self._headers) as answer:
            await answer.read()
            return answer.status


async def test_the_trigger_changes_only_its_label_and_two_annotations(
    cluster: ClusterStore, real_api: Any
) -> None:
    """The right to patch Snapshots is the right to trigger them, and no more, where the policy is applied."""
    await put(cluster, snapshot("policed"))
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    connector = aiohttp.TCPConnector(ssl=unverified)
    async with aiohttp.ClientSession(connector=connector) as session:
        trigger = Impersonator(real_api, session, "nightly-promotion-sa")
        path = f"/apis/appstudio.redhat.com/v1alpha1/namespaces/{TENANT}/snapshots/policed"
        forbidden: tuple[dict[str, Any], ...] = (
            {"spec": {"application": "another"}},
            {"metadata": {"labels": {konflux.COMPONENT_LABEL: "another"}}},
            {"metadata": {"labels": {konflux.COMPONENT_LABEL: None}}},
            {"metadata": {"annotations": {konflux.STATUS_ANNOTATION: "[]"}}},
            {"metadata": {"finalizers": ["example.com/mine"]}},
        )
        deadline = time.monotonic() + LIMIT
        while (
            await trigger.patch(path, forbidden[0], "?dryRun=All") == 200
        ):  # the server learns of policies a moment later
            assert time.monotonic() < deadline, "the policy never came into force"
            await asyncio.sleep(0.1)
        for body in forbidden:
            assert 422 == await trigger.patch(path, body), body
        allowed = {
            "labels": {konflux.RUN_LABEL: "hypershift-ho-release-gate-aro-hcp"},
            "annotations": {konflux.KEEP_SNAPSHOT_ANNOTATION: "72h"},
        }
        assert 200 == await trigger.patch(path, {"metadata": allowed})
        assert 200 == await trigger.patch(path, {"metadata": {"labels": {konflux.RUN_LABEL: None}}})
        await cluster.apply(CONFIG_MAP, ObjectKey(TENANT, "somebodys"), {"data": {}}, manager="test")
        await cluster.apply(CONFIG_MAP, ObjectKey(TENANT, "gate-aro-hcp-run"), {"data": {}}, manager="test")
        maps = f"/api/v1/namespaces/{TENANT}/configmaps"
        assert 422 == await trigger.patch(f"{maps}/somebodys", {"data": {"a": "b"}})
        assert 200 == await trigger.patch(f"{maps}/gate-aro-hcp-run", {"data": {"a": "b"}})
        await cluster.apply(CONFIG_MAP, ObjectKey(TENANT, "gate-note-1"), {"data": {}}, manager="test")
        for account in ("gate-notifier", "gate-stale"):
            teller = Impersonator(real_api, session, account)
            assert 422 == await teller.patch(f"{maps}/gate-aro-hcp-run", {"data": {"verdict": "passed"}})
            assert 200 == await teller.patch(f"{maps}/gate-note-1", {"data": {"told": "yes"}})


def snapshot(name: str) -> dict[str, Any]:
    """One that the gate takes."""
    labels = {
        konflux.APPLICATION_LABEL: "hypershift-operator",
        konflux.COMPONENT_LABEL: "hypershift-operator-main",
        konflux.EVENT_TYPE_LABEL: "push",
        konflux.TYPE_LABEL: "component",
    }
    image = f"quay.example.com/hypershift/operator@{DIGEST}"
    return {
        "apiVersion": konflux.SNAPSHOT.api_version,
        "kind": "Snapshot",
        "metadata": {"namespace": TENANT, "name": name, "labels": labels},
        "spec": {
            "application": "hypershift-operator",
            "components": [{"name": "hypershift-operator-main", "containerImage": image}],
        },
        "status": {
            "conditions": [
                {
                    "type": "AutoReleased",
                    "status": "True",
                    "reason": "AutoReleased",
                    "message": "The Snapshot was auto-released",
                }
            ]
        },
    }


async def test_onboarding_is_verified_on_the_cluster(cluster: ClusterStore) -> None:
    """Without Secrets two checks say no; with them every one says yes, and the dry trigger wrote nothing."""
    await put(cluster, snapshot("newest"))
    given = Given((gate(),))
    made = rendered(given, ["aro-hcp"], PINS)
    assert made
    # The server stamps the Snapshot with its own time, which no test decides.
    created = read_instant(
        (await cluster.get(konflux.SNAPSHOT, ObjectKey(TENANT, "newest"))).meta.creation_timestamp
    )
    assert created is not None
    before = await verify(given, "aro-hcp", cluster, created)
    assert {"secret"} == {each.name for each in before if not each.passed}, before
    for name, key in (("gangway-token", "token"), ("slack-webhook", "url")):
        await cluster.apply(
            SECRET, ObjectKey(TENANT, name), {"stringData": {key: "x"}}, manager="person", force=True
        )
    try:
        after = await verify(given, "aro-hcp", cluster, created)
        assert all(each.passed for each in after), after
        assert any(DIGEST in each.reason for each in after)
        labels = (await cluster.get(konflux.SNAPSHOT, ObjectKey(TENANT, "newest"))).labels
        assert konflux.RUN_LABEL not in labels
    finally:
        for name in ("gangway-token", "slack-webhook"):
            await cluster.delete(SECRET, ObjectKey(TENANT, name))


def test_whoever_may_see_nothing_hears_so(real_api: Any, cli: Any, user: Path) -> None:
    """What is refused is not seen, which is neither there nor missing: checks say no, a comparison ends with 3."""
    if not real_api.is_ours:
        pytest.skip("needs an account without rights")
    (user / "gate.yaml").write_text(
        yaml.dump(
            {
                "apiVersion": "gate.pilotage.dev/v1alpha1",
                "kind": "Gate",
                "metadata": {"name": "aro-hcp"},
                "spec": msgspec.to_builtins(gate().spec),
            }
        )
    )
    nobody = ("-f", "gate.yaml", "--kubeconfig", real_api.kubeconfig, "--context", "nobody")
    ran = cli("gate", "onboard", "--verify", *nobody, "-o", "json")
    assert 1 == ran.code, ran.err
    checks = {each["name"]: each for each in msgspec.json.decode(ran.out)["checks"]}
    assert ["gate"] == [name for name, each in checks.items() if each["passed"]]
    assert all(
        "cannot be seen" in checks[name]["reason"] for name in ("schedule", "secret", "scenario", "admission")
    )
    ran = cli("gate", "render", *nobody, "-o", "out", "--check", "--from", "live", "--format", "json")
    assert 3 == ran.code, ran.err
    assert {"not seen"} == {each["state"] for each in msgspec.json.decode(ran.out)["drift"]}
    assert not (user / "out").exists()
