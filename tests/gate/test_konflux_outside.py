"""The steps against what is really outside: an API server over HTTPS, a Prow and a chat on loopback, files and exit codes."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilotage.api.core import CONFIG_MAP, NAMESPACE
from pilotage.api.gate import GATE_RUN, GateRun, LedgerEvent
from pilotage.api.konflux import KEEP_SNAPSHOT_ANNOTATION, RUN_LABEL, SNAPSHOT
from pilotage.api.meta import ObjectKey
from pilotage.apiserver import kubeconfig
from pilotage.apiserver.server import serving
from pilotage.gate.konflux import configmapledger
from pilotage.gate.konflux.labeller import Labeller
from pilotage.gate.konflux.names import names_of
from pilotage.gate.prow.gangway import GangwayRunner, ProwSettings
from pilotage.gate.prow.wire import Wire
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.steps.closing import Closing, notify
from pilotage.gate.steps.e2e import run_e2e
from pilotage.gate.steps.nightly import trigger_all
from pilotage.gate.steps.place import place_at
from pilotage.gate.telling.sinks import SlackSink
from pilotage.gate.ticks.tick import TickRequest, make_tick
from pilotage.runtime.clock import SystemClock
from pilotage.store.base import ConflictError, NotFoundError
from pilotage.store.cluster import ClusterSettings, ClusterStore, read_kubeconfig
from pilotage.store.embedded import EmbeddedStore
from pilotage.world.chat import Chat
from pilotage.world.prow import Playbook
from pilotage.world.prow.server import Prow

from .konfluxrig import (
    NIGHT,
    SLOT,
    TENANT,
    Jumping,
    Tenant,
    definition_map,
    definition_of,
    furnish,
    made_snapshot,
)
from .nightrig import DEFINITION
from .test_konflux_steps import Pipeline

LIMIT = 60.0


async def test_a_night_over_https_with_a_prow_and_a_chat(tmp_path: Path) -> None:
    """The cluster client, the client of Prow and the webhook, with the files that Secrets are: promoted, and told."""
    clock = Jumping(SLOT)
    token, address = tmp_path / "token", tmp_path / "url"
    token.write_text("sesame\n")
    wire = Wire()
    async with (
        await EmbeddedStore.open(None, clock, is_strict=True) as embedded,
        serving(embedded) as api,
        Prow(Playbook(), clock, tokens=frozenset({"sesame"})) as prow,
        Chat(clock) as chat,
    ):
        await furnish(embedded, definition_map())
        kubeconfig.write(tmp_path / "kubeconfig", api.address, api.identity)
        tenant = Tenant(embedded, clock, ("aro-hcp",))
        address.write_text(chat.webhook("gate"))
        settings = ClusterSettings(rate=0)
        async with ClusterStore(read_kubeconfig(tmp_path / "kubeconfig"), settings) as cluster:
            place = place_at(cluster, clock, TENANT)
            pipeline = Pipeline(tenant, Playbook())
            pipeline.place = place
            await trigger_all(place, NIGHT)
            pipeline.name = tenant.integration.started[0][1]
            pipeline.results |= (await pipeline.extract()).results
            runner = GangwayRunner(ProwSettings(prow.url, prow.url, prow.url, token), wire)
            gate, deadline = await place.gate("aro-hcp"), clock.now() + timedelta(hours=5)
            end = await run_e2e(place, pipeline.results["run"], gate, runner, Pacer(clock), deadline)
            assert 0 == end.code, end.says
            assert 0 == (await pipeline.evaluate()).code
            assert 0 == await pipeline.release(), pipeline.released
            closing = Closing("aro-hcp", "Succeeded", pipeline.name, namespace=TENANT)
            sink = SlackSink("slack-webhook/url", address, wire)
            await notify(place, closing, sink, clock.now() + timedelta(minutes=25))
        (message,) = chat.messages
        assert "image promoted" in message.text
        assert ((), 2) == (prow.duplicates, len(prow.starts))
    await wire.close()


# -- a real kube-apiserver ----------------------------------------------------------------------------------------------


@pytest.fixture
async def cluster(real_api: Any) -> AsyncIterator[ClusterStore]:
    """A namespace with a Gate and a Snapshot; nothing of an earlier test."""
    if not real_api.is_ours:
        pytest.skip("writes definitions; needs a cluster that nobody else uses")
    async with ClusterStore(read_kubeconfig(real_api.kubeconfig), ClusterSettings(rate=0)) as store:
        definition = definition_of(SNAPSHOT)
        key = ObjectKey("", definition["metadata"]["name"])
        try:
            await store.get(DEFINITION, key)
        except NotFoundError:
            await store.apply(DEFINITION, key, definition, manager="test", force=True)
        async with asyncio.timeout(LIMIT):
            while not await is_served(store):
                await asyncio.sleep(0.05)
        await store.apply(NAMESPACE, ObjectKey("", TENANT), {}, manager="test")
        for kind in (CONFIG_MAP, SNAPSHOT):
            for item in (await store.list(kind, TENANT)).items:
                if item.meta.name != "kube-root-ca.crt":
                    await store.delete(kind, item.key)
        await store.create(CONFIG_MAP, definition_map(), manager="gitops")
        manifest = made_snapshot()
        for name in ("uid", "creationTimestamp", "generation"):
            manifest["metadata"].pop(name)
        await store.create(SNAPSHOT, manifest, manager="konflux")
        yield store


async def is_served(store: ClusterStore) -> bool:
    try:
        await store.create(SNAPSHOT, {"metadata": {"namespace": "default", "name": "probe"}}, manager="test")
    except Exception:  # noqa: BLE001 -- whatever it says while the definition is on its way
        return False
    await store.delete(SNAPSHOT, ObjectKey("default", "probe"))
    return True


async def planned(store: ClusterStore) -> tuple[Any, str]:
    place = place_at(store, SystemClock(), TENANT)
    gate = await place.gate("aro-hcp")
    outcome = await make_tick(place.store, gate, TENANT, TickRequest(id="night"), place.clock.now())
    assert "start" == outcome.action, outcome
    await place.settled(outcome.run, gate)
    return place, outcome.run


async def test_a_real_server_keeps_the_ledger_as_ours_does(cluster: ClusterStore) -> None:
    """Versions are preconditions, a run that is gone stays gone, and what was written is read again."""
    place, name = await planned(cluster)
    stale = await place.run(name)
    written = await place.ledger.write(stale, stale.status, LedgerEvent("", "Noted", "first"))

    with pytest.raises(ConflictError):
        await place.ledger.write(stale, stale.status, LedgerEvent("", "Noted", "second"))

    assert ["first"] == [each.message for each in written.status.events if each.type == "Noted"]
    assert f"gate-{name}" in [each.meta.name for each in (await cluster.list(CONFIG_MAP, TENANT)).items]
    await place.store.delete(GATE_RUN, place.key(name))
    with pytest.raises(NotFoundError):
        await place.ledger.write(written, written.status, LedgerEvent("", "Noted", "third"))
    assert () == (await place.store.list(GATE_RUN, TENANT)).items


async def test_a_real_server_takes_the_label_only_onto_what_was_seen(cluster: ClusterStore) -> None:
    """Label and annotation in one write; a Snapshot that changed is a conflict, and one that is gone is not made again."""
    place, name = await planned(cluster)
    labeller = Labeller(cluster, place.ledger, place.clock, "test")
    (seen,) = (await cluster.list(SNAPSHOT, TENANT)).items
    scenario = names_of("aro-hcp").scenario

    await labeller._patch(seen, scenario)

    (found,) = (await cluster.list(SNAPSHOT, TENANT)).items
    assert (scenario, True) == (found.labels[RUN_LABEL], KEEP_SNAPSHOT_ANNOTATION in found.annotations)
    with pytest.raises(ConflictError):
        await labeller._patch(seen, "another")
    await cluster.delete(SNAPSHOT, found.key)
    with pytest.raises(ConflictError):
        await labeller._patch(found, scenario)
    assert () == (await cluster.list(SNAPSHOT, TENANT)).items
    assert name


async def test_a_run_of_many_events_fits_into_a_config_map(
    cluster: ClusterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest events about jobs are folded, and counted; attempts and the events of the run stay."""
    place, name = await planned(cluster)
    monkeypatch.setattr(configmapledger, "LARGEST", 40_000)
    for _ in range(6):
        entry = await place.run(name)
        events = [LedgerEvent("", "JobNotFoundYet", "x" * 50, "e2e-azure", 1) for _ in range(100)]
        await place.ledger.write(entry, entry.status, *events)

    run: GateRun = (await place.run(name)).run
    folded, *_ = run.status.events
    jobs = sum(each.type == "JobNotFoundYet" for each in run.status.events)
    size = len(json.dumps((await cluster.get(CONFIG_MAP, place.key(f"gate-{name}"))).value()["data"]))
    assert ("Folded", 600 - jobs) == (folded.type, int(folded.message.split()[0]))
    assert "RunPlanned" in [each.type for each in run.status.events]
    assert size < 60_000
    assert 2 == len(run.status.jobs)
