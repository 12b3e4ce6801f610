"""`pilotage run` and `pilotage deployment` on a real kube-apiserver: takeover, stop, health, rights, and what is missing."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from pilotage.api import kinds, manifest
from pilotage.api.core import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, EVENT, LEASE, SECRET
from pilotage.api.errors import PilotageError, RemoteError
from pilotage.api.hypershift import CPO_IMAGE_ANNOTATION, HOSTED_CLUSTER
from pilotage.api.meta import ObjectKey
from pilotage.api.pilotage import CONTROL_PLANE_IMAGE, CONTROL_PLANE_SETTINGS
from pilotage.store.base import NotFoundError
from pilotage.store.cluster import ClusterStore, read_kubeconfig

QUICK = ("--lease-duration", 3, "--renew-deadline", 2, "--retry-period", 0.3)
LEASE_KEY = ObjectKey("pilotage", "pilotage")
ACCOUNT = "system:serviceaccount:pilotage:pilotage"
MANY = 40


def command(kubeconfig: Path, *more: object) -> tuple[object, ...]:
    listen = () if "--listen" in more else ("--listen", "127.0.0.1:0")
    return ("run", "--kubeconfig", kubeconfig, "--lease-namespace", "pilotage", *listen, *QUICK, *more)


def ask(address: str) -> tuple[int, str]:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode()


def served_at(running: Any) -> str:
    return running.wait_for("serving").split()[-1]


def put_cluster(management: Any, name: str, namespace: str = "clusters") -> None:
    """One whose image is said by an annotation: no registry is asked."""
    annotations = {CPO_IMAGE_ANNOTATION: f"quay.example.com/hypershift/operator@sha256:{'a' * 64}",
                   f"{CPO_IMAGE_ANNOTATION}-labels": "a=b"}  # fmt: skip
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    spec = {"platform": {"type": "AWS"}, "release": {"image": "quay.example.com/openshift/release:4.20.3"}}
    management.put(HOSTED_CLUSTER, name, namespace, metadata=metadata, spec=spec)


def settled(management: Any, eventually: Any, count: int) -> dict[str, Any]:
    """Every cluster has its record and its condition."""
    eventually(
        lambda: sum(bool(each.get("status")) for each in management.values(HOSTED_CLUSTER).values()),
        lambda decided: decided == count,
    )
    return management.records()


def test_a_killed_leader_is_followed_and_nothing_is_done_twice(management, start, eventually) -> None:
    """Killed in the middle of forty clusters, it leaves the rest to the stand-by; what was done is not written again."""
    for number in range(MANY):
        put_cluster(management, f"c{number:02}")
    first = start(*command(management.kubeconfig, "--identity", "first"))
    first.wait_for("first leads")
    second = start(*command(management.kubeconfig, "--identity", "second"))
    second.wait_for("serving")
    while "status" not in first.wait_for(HOSTED_CLUSTER.resource):
        pass
    first.end(signal.SIGKILL)
    killed = time.monotonic()
    done = {
        name: item["metadata"]["resourceVersion"]
        for name, item in management.values(HOSTED_CLUSTER).items()
        if item.get("status")
    }
    assert 0 < len(done) < MANY
    second.wait_for("second leads")
    assert time.monotonic() - killed < 15
    settled(management, eventually, MANY)
    after = management.values(HOSTED_CLUSTER)
    assert done == {name: after[name]["metadata"]["resourceVersion"] for name in done}
    assert {1} == {item["metadata"]["generation"] for item in management.values(CONTROL_PLANE_IMAGE).values()}
    events = list(management.values(EVENT, "clusters").values())
    assert (MANY, {1}) == (len(events), {event["count"] for event in events})
    lease = management.find(LEASE, LEASE_KEY)["spec"]
    assert ("second", 1) == (lease["holderIdentity"], lease["leaseTransitions"])
    put_cluster(management, "later")
    settled(management, eventually, MANY + 1)
    assert second.end(signal.SIGTERM).code == 0


def test_a_stop_hands_over_at_once(management, start, eventually) -> None:
    """SIGTERM ends with 0 and frees the Lease; the other one need not wait until it runs out."""
    first = start(*command(management.kubeconfig, "--identity", "first"))
    first.wait_for("first leads")
    second = start(*command(management.kubeconfig, "--identity", "second", "--lease-duration", 600))
    second.wait_for("serving")
    ran = first.end(signal.SIGTERM)
    assert (0, "stopped") == (ran.code, ran.err.splitlines()[-1])
    second.wait_for("second leads")
    put_cluster(management, "a")
    settled(management, eventually, 1)
    assert second.end(signal.SIGINT).code == 0


def test_a_leader_whose_lease_is_taken_stops_acting_and_stands_by(management, start, eventually) -> None:
    """Somebody else's name in the Lease ends the term; when that promise is over it leads again, with fresh caches."""
    running = start(*command(management.kubeconfig, "--identity", "first"))
    running.wait_for("first leads")
    now = "2026-01-01T00:00:00.000000Z"
    stolen = {"holderIdentity": "thief", "leaseDurationSeconds": 1, "acquireTime": now, "renewTime": now}
    management.put(LEASE, "pilotage", "pilotage", spec=stolen)
    running.wait_for("lost by first")
    running.wait_for("first leads")
    put_cluster(management, "a")
    settled(management, eventually, 1)
    assert running.end(signal.SIGTERM).code == 0


def test_health_and_metrics(management, start, eventually) -> None:
    """Probes say leading or standing by; metrics have the names that dashboards of controllers know."""
    put_cluster(management, "a")
    put_cluster(management, "broken")
    management.put(CONTROL_PLANE_SETTINGS, "default", spec={"overridesEnabled": True,
        "overridesConfigMap": {"namespace": "hypershift", "name": "missing"}})  # fmt: skip
    leader = start(*command(management.kubeconfig, "--identity", "leader"))
    where = served_at(leader)
    leader.wait_for("leader leads")
    other = start(*command(management.kubeconfig))
    elsewhere = served_at(other)
    settled(management, eventually, 2)
    assert (200, "ok\n") == ask(f"{where}/livez") == ask(f"{where}/healthz")
    eventually(lambda: ask(f"{where}/readyz"), lambda answer: answer == (200, "ok: leading\n"))
    eventually(lambda: ask(f"{elsewhere}/readyz"), lambda answer: answer == (200, "ok: standing by\n"))
    found = measured(where)
    assert 1 == found["leader_election_master_status", "pilotage"]
    assert 0 == measured(elsewhere)["leader_election_master_status", "pilotage"]
    assert 2 <= found["workqueue_adds_total", "controlplane-image"]
    assert 2 <= found["workqueue_work_duration_seconds_count", "controlplane-image"]
    assert 2 == found["pilotage_informer_objects", "hostedclusters.hypershift.openshift.io"]
    assert 0 == found["pilotage_informer_objects", "configmaps"]
    assert 1 == found["pilotage_informer_synced", "configmaps"]
    assert 0 == found["pilotage_watch_restarts_total", "controlplanesettings.controlplane.pilotage.dev"]
    assert 0 == found["pilotage_reconcile_errors_total", "controlplane-image", "us"]
    assert 404 == ask(f"{where}/elsewhere")[0]


def measured(where: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, in the order of the alphabet."""
    status, text = ask(f"{where}/metrics")
    assert status == 200
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_missing_definition_is_named_and_waited_for(management, start, eventually) -> None:
    """KindNotServed says how to install what; the process stays, is not ready, and begins when the definition is there."""
    name = CONTROL_PLANE_SETTINGS.resource
    definition = management.find(CUSTOM_RESOURCE_DEFINITION, ObjectKey("", name))
    management.do(lambda store: store.delete(CUSTOM_RESOURCE_DEFINITION, ObjectKey("", name)))
    eventually(lambda: management.find(CUSTOM_RESOURCE_DEFINITION, ObjectKey("", name)), lambda it: not it)
    put_cluster(management, "a")
    running = start(*command(management.kubeconfig))
    where = served_at(running)
    line = running.wait_for("KindNotServed")
    assert f"{name}: install with `pilotage crds | kubectl apply -f -`" in line
    status, text = ask(f"{where}/readyz")
    assert 503 == status
    assert f"{name}: " in text
    assert 200 == ask(f"{where}/livez")[0]
    again = {key: definition[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": name}}
    management.do(lambda store: management.install(store, [again]))
    settled(management, eventually, 1)
    assert running.end(signal.SIGTERM).code == 0


def test_only_the_named_namespace_is_looked_at(management, start, eventually) -> None:
    """Clusters of other namespaces get no record."""
    put_cluster(management, "here")
    put_cluster(management, "there", "hypershift")
    running = start(*command(management.kubeconfig, "--namespace", "clusters"))
    records = eventually(management.records)
    assert ["clusters/here"] == list(records)
    put_cluster(management, "here-too")
    eventually(management.records, lambda records: len(records) == 2)
    assert running.end(signal.SIGTERM).code == 0
    assert "clusters/there" not in management.records()


def test_wrong_use_and_an_unreachable_cluster_end_at_once(pilotage, home, management, tmp_path) -> None:
    """2 for what the user said, 3 for a cluster that does not answer or an address that is taken."""
    kubeconfig = management.kubeconfig
    for line, code, text in (
        (f"run --kubeconfig {tmp_path}/none", 2, "KubeconfigInvalid"),
        (f"run --kubeconfig {kubeconfig} --context other", 2, 'there is no context "other"'),
        (f"run --kubeconfig {kubeconfig} --listen nowhere", 2, "write HOST:PORT"),
        (f"run --kubeconfig {kubeconfig} --renew-deadline 20", 2, "lease times 10, 20, 2"),
    ):
        ran = pilotage(line)
        assert code == ran.code, ran.err
        assert text in ran.err
    config = json.loads(kubeconfig.read_text())
    config["clusters"][0]["cluster"] = {"server": "https://127.0.0.1:1"}
    (tmp_path / "dead.json").write_text(json.dumps(config))
    ran = pilotage(f"run --kubeconfig {tmp_path}/dead.json")
    assert 3 == ran.code
    assert "ClusterUnreachable" in ran.err


def deploy(management: Any, pilotage: Any, *options: str) -> list[dict[str, Any]]:
    """Apply our definitions and the deployment as printed; the server accepts all of it, without warnings about fields."""
    ran = pilotage("deployment --image quay.example.com/tools/pilotage:1", *options)
    assert 0 == ran.code, ran.err
    items = manifest.load_objects(ran.out.encode(), "deployment")

    async def work(store: ClusterStore) -> None:
        for item in items:
            value = item.value()
            kind = kinds.guess(value["apiVersion"], item.kind, namespaced=bool(item.key.namespace))
            await store.apply(kind, item.key, value, manager="admin", force=True)

    management.do(work)
    return [item.value() for item in items]


def until_granted(management: Any, account: Path, eventually: Any, namespace: str = "") -> None:
    """A server takes a moment to notice new rights; until then it refuses what it will grant."""

    async def is_granted(_store: ClusterStore) -> bool:
        async with ClusterStore(read_kubeconfig(account)) as limited:
            try:
                await limited.list(CONTROL_PLANE_SETTINGS)
                await limited.list(HOSTED_CLUSTER, namespace)
                with contextlib.suppress(NotFoundError):
                    await limited.get(LEASE, LEASE_KEY)
                if not namespace:
                    await limited.list(CONFIG_MAP, "hypershift", name="cpo-overrides")
            except RemoteError as error:
                if error.code != "Forbidden":
                    raise
                return False
        return True

    eventually(lambda: management.do(is_granted))


def test_the_rights_of_the_deployment_suffice_and_are_few(
    management, pilotage, start, eventually, world, tmp_path
) -> None:
    """As its service account `run` decides the sample fleet; what it does not need is forbidden."""
    deploy(management, pilotage, "--overrides-table", "hypershift/cpo-overrides")
    account = management.acting_as(tmp_path, ACCOUNT)
    management.load_fleet()
    until_granted(management, account, eventually)
    running = start(*command(account, "--data-dir", world))
    where = served_at(running)
    settled(management, eventually, 10)
    eventually(lambda: ask(f"{where}/readyz"), lambda answer: answer == (200, "ok: leading\n"))
    assert 10 == len(management.values(EVENT, "clusters"))
    table = {"overrides.yaml": "platforms: {}"}
    management.put(CONFIG_MAP, "cpo-overrides", "hypershift", data=table)
    eventually(
        lambda: management.records()["clusters/azure-prod-west"]["rule"],
        lambda rule: rule == "operator-image",
    )
    ran = running.end(signal.SIGTERM)
    assert 0 == ran.code
    assert "orbidden" not in ran.err
    assert "" == management.find(LEASE, LEASE_KEY)["spec"]["holderIdentity"]

    one = ObjectKey("clusters", "aws-stage")
    forbidden = {
        "configmaps of others": lambda store: store.get(CONFIG_MAP, ObjectKey("clusters", "x")),
        "all configmaps": lambda store: store.list(CONFIG_MAP, "hypershift"),
        "all secrets": lambda store: store.list(SECRET, "clusters"),
        "specs of clusters": lambda store: store.apply(HOSTED_CLUSTER, one, {"spec": {}}, manager="x"),
        "deletion": lambda store: store.delete(HOSTED_CLUSTER, one),
        "deletion of records": lambda store: store.delete(CONTROL_PLANE_IMAGE, one),
        "settings": lambda store: store.apply(CONTROL_PLANE_SETTINGS, ObjectKey("", "default"), {}, manager="x"),
        "other leases": lambda store: store.get(LEASE, ObjectKey("pilotage", "other")),
        "leases elsewhere": lambda store: store.get(LEASE, ObjectKey("kube-system", "pilotage")),
    }  # fmt: skip

    async def refusals(_store: ClusterStore) -> dict[str, str]:
        told = {}
        async with ClusterStore(read_kubeconfig(account)) as limited:
            for what, request in forbidden.items():
                try:
                    await request(limited)
                except PilotageError as error:
                    told[what] = error.code
        return told

    assert dict.fromkeys(forbidden, "Forbidden") == management.do(refusals)


def test_a_deployment_for_one_namespace_grants_nothing_elsewhere(
    management, pilotage, start, eventually, tmp_path
) -> None:
    """Cluster-wide it may read the settings only; Secrets not at all when it was told so."""
    for kind in ("ClusterRole", "ClusterRoleBinding"):  # of the test before
        role = kinds.guess("rbac.authorization.k8s.io/v1", kind, namespaced=False)
        for key in (ObjectKey("", "pilotage"), ObjectKey("", "pilotage-fleet")):
            if management.find(role, key):
                management.do(lambda store, role=role, key=key: store.delete(role, key))
    items = deploy(management, pilotage, "--watch", "clusters", "--no-pull-secrets", "--replicas", "3")
    cluster_wide = [item for item in items if item["kind"] == "ClusterRole"]
    assert [["controlplanesettings"]] == [
        rule["resources"] for item in cluster_wide for rule in item["rules"]
    ]
    assert not any("secrets" in rule["resources"] for item in items for rule in item.get("rules", ()))
    made = next(item for item in items if item["kind"] == "Deployment")
    arguments = made["spec"]["template"]["spec"]["containers"][0]["args"]
    put_cluster(management, "a")
    account = management.acting_as(tmp_path, ACCOUNT)
    told = [each for each in arguments[1:] if not re.match(r"--listen|:8080", each)]
    until_granted(management, account, eventually, "clusters")
    running = start(*command(account, *told))
    settled(management, eventually, 1)
    ran = running.end(signal.SIGTERM)
    assert 0 == ran.code
    assert "orbidden" not in ran.err
    assert all(json.loads(line)["level"] for line in ran.err.splitlines() if line.startswith("{"))


def test_the_reading_verbs_read_from_a_cluster(management, pilotage) -> None:
    """get, explain and cpo see what a cluster holds; get finds kinds that only the cluster knows, by any of their names."""
    put_cluster(management, "mine")
    there = f"--kubeconfig {management.kubeconfig}"
    for name in ("hc", "hostedclusters.hypershift.openshift.io", "HostedCluster"):
        assert "mine" in pilotage(f"get {name} {there} --context token").out
    for name in ("clusterroles", "clusterrole", "ClusterRole", "clusterroles.rbac.authorization.k8s.io",
                 "clusterroles.v1.rbac.authorization.k8s.io"):  # fmt: skip
        assert "system:discovery" in pilotage(f"get {name} {there}").out
    assert "Namespace" == pilotage(f"get ns clusters {there} -o json").json()["kind"]
    assert 2 == pilotage(f"get clusterrol {there}").code
    assert "did you mean clusterroles.rbac.authorization.k8s.io" in pilotage(f"get clusterrol {there}").err
    assert "annotation present" in pilotage(f"explain cpo-image {there}").out
    assert "clusters/mine" in pilotage(f"cpo resolve {there}").out
    ran = pilotage(f"get hc -f x.yaml {there}")
    assert (2, True) == (ran.code, "InvalidOption" in ran.err)


def test_a_table_that_is_no_name_is_refused(pilotage) -> None:
    """NAMESPACE/NAME, nothing else."""
    ran = pilotage("deployment --image a --overrides-table cpo-overrides")
    assert 2 == ran.code
    assert "NAMESPACE/NAME" in ran.err


def test_the_printed_deployment_holds_what_restricted_pods_need(pilotage) -> None:
    """No root, no privileges, a read-only root, probes, limits; credentials for registries are mounted."""
    printed = pilotage("deployment --image a/b:1 --registry-secret regcred").out.encode()
    items = [item.value() for item in manifest.load_objects(printed, "deployment")]
    pod = next(item for item in items if item["kind"] == "Deployment")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == (container["securityContext"])
    assert "/livez" == container["livenessProbe"]["httpGet"]["path"]
    assert "/readyz" == container["readinessProbe"]["httpGet"]["path"]
    assert "memory" in container["resources"]["limits"]
    assert {"name": "auth", "secret": {"secretName": "regcred"}} in pod["volumes"]
