"""A whole night with real registries at its end: from the slot of the schedule to an image that a consumer accepts."""

from datetime import timedelta

import pytest

from pilotage.api.gate import GATE
from pilotage.api.meta import ObjectKey
from pilotage.gate.promotion.verifying import verify
from pilotage.gate.promotion.withdrawal import Withdrawals
from pilotage.images.disk.layout import OciLayout
from pilotage.images.reference import parse
from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Playbook

from .nightrig import EVENING, NAMESPACE, gate_manifest, new_night
from .promotionrig import HERE, KEY, push_operator
from .test_night import built
from .test_promoter import Deadly, PowerCut, promoter

THERE = parse("registry.example.org/verified/operator")
PLATFORM = "aro-hcp"


@pytest.fixture
async def evening(tmp_path):
    """A Snapshot of an image that is there, a gate that wants two architectures, and an empty verified repository."""
    clock = ManualClock(EVENING)
    source = OciLayout(tmp_path / "source", create=True)
    target = OciLayout(tmp_path / "target", create=True)
    index = await push_operator(source)
    (manifest,) = built()
    for component in manifest["spec"]["components"]:
        component["containerImage"] = f"{HERE.name}@{index.digest}"
    policy = {"architectures": ["linux/amd64", "linux/arm64"], "sourceRegistries": ["quay.example.org"]}
    async with await EmbeddedStore.open(None, clock) as store:
        night = await new_night(store, clock, Playbook(), gate_manifest(policy=policy), snapshots=(manifest,))
        night.shelf = promoter(source, target)
        yield night, index.digest, source, target


async def answer(night, target, tag=f"{PLATFORM}-latest"):
    return await verify(target, THERE.tagged(tag), PLATFORM, KEY.public, night.clock.now())


async def test_a_passed_image_is_copied_attested_and_accepted(evening):
    """The consumer finds the tested digest under latest, and the run that it passed."""
    night, digest, _, target = evening

    assert await night.play()

    (run,) = await night.runs()
    found = await answer(night, target)
    assert (True, digest, run.metadata.name) == (found.is_accepted, found.digest, found.run)
    assert run.status.evaluated_at == found.at
    assert run.status.promotion.attestation_digest in {each.digest for each in found.looked}


async def test_the_policy_keeps_an_image_out(evening):
    """A platform is missing in the index: denied, told, and nothing is in the repository."""
    night, _, _, target = evening
    policy = {"architectures": ["linux/s390x"]}
    manifest = gate_manifest(policy=policy)
    await night.store.apply(GATE, ObjectKey(NAMESPACE, PLATFORM), manifest, manager="test", force=True)

    assert await night.play()

    (run,) = await night.runs()
    assert ("promotion-failed", True) == (run.status.state, "arches-complete" in run.status.message)
    assert ([], ["m6"]) == (list(await target.tags(THERE)), await night.told())


async def test_a_taken_tag_ends_the_promotion(evening):
    """Somebody else wrote the canonical tag: told, and not overwritten."""
    night, digest, _, target = evening
    other = await push_operator(target, THERE, "other")
    await target.put_manifest(THERE, other, f"{PLATFORM}-{digest[7:]}")

    assert await night.play()

    (run,) = await night.runs()
    assert ("promotion-failed", True) == (run.status.state, "it names" in run.status.message)
    assert other.digest == (await target.resolve(THERE.tagged(f"{PLATFORM}-{digest[7:]}"))).digest


async def test_killed_while_it_copies(evening):
    """Whatever write of the repository is the last one, the next process ends the night the same way."""
    night, digest, source, target = evening
    whole = night.shelf
    for moments in range(0, 60, 7):
        night.shelf = promoter(source, Deadly(target.directory, moments))
        try:
            await night.play()
        except PowerCut:
            continue
    night.shelf = whole

    assert await night.play()

    (run,) = await night.runs()
    assert ("promoted", ["m0"]) == (run.status.state, await night.told())
    assert (await answer(night, target)).is_accepted
    assert 2 == len(await target.referrers(THERE, digest))


async def test_yanked_it_is_not_promoted_again(evening):
    """The next night finds the digest yanked, and leaves it alone."""
    night, digest, _, target = evening
    assert await night.play()
    withdrawals = Withdrawals(night.store, lambda _reference: target, KEY, night.clock)

    await withdrawals.yank(ObjectKey(NAMESPACE, PLATFORM), digest, by="ann", reason="loses volumes")
    night.clock.advance(timedelta(days=1).total_seconds())
    assert await night.play()

    gate = await night.gate()
    assert ("skip", "yanked") == (gate.status.last_tick.action, gate.status.last_tick.reason)
    assert "revoked" == (await answer(night, target)).code
