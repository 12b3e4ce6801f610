"""Taken back, given back, rolled back: signed, recorded, and the same after a crash anywhere."""

from datetime import timedelta

import msgspec
import pytest

from pilotage.api import crd
from pilotage.api.errors import InputError
from pilotage.api.gate import DEFINITIONS, GATE, PLATFORM_LABEL, PROMOTION, Gate, Promotion, PromotionSpec
from pilotage.api.meta import ObjectKey
from pilotage.gate.promotion.registrypromoter import RegistryPromoter
from pilotage.gate.promotion.verifiedrepository import TagConflictError
from pilotage.gate.promotion.verifying import verify
from pilotage.gate.promotion.withdrawal import Withdrawals
from pilotage.images.disk.layout import OciLayout
from pilotage.images.reference import parse
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import NotFoundError
from pilotage.store.embedded.store import EmbeddedStore

from .nightrig import DEFINITION, NAMESPACE, gate_manifest
from .promotionrig import KEY, NOW, VERIFIED, order_of, push_operator
from .test_promoter import Deadly, PowerCut, promoter

THERE = parse(VERIFIED)
AT = ObjectKey(NAMESPACE, "aro-hcp")
WHY = {"by": "ann", "reason": "loses volumes"}
LATEST = "aro-hcp-latest"


class House:
    """A gate with images that were promoted, oldest first, one a day."""

    def __init__(self, store, target, clock):
        self.store, self.target, self.clock = store, target, clock
        self.digests = []

    def withdrawals(self, store=None, target=None):
        target = target or self.target
        return Withdrawals(store or self.store, lambda _reference: target, KEY, self.clock)

    async def promote(self, source, name, revision):
        index = await push_operator(source, name=name)
        aliases = (LATEST, f"aro-hcp-{revision}")
        order = order_of(index.digest, repository=VERIFIED, aliases=aliases)
        at_work = promoter(source, self.target)
        await at_work.promote(order)
        await at_work.move_aliases(order, index.digest)
        spec = PromotionSpec(
            platform="aro-hcp",
            digest=index.digest,
            repository=VERIFIED,
            tag=order.tag,
            run=f"run-{name}",
            at=(NOW + timedelta(days=len(self.digests))).strftime("%Y-%m-%dT%H:%M:%SZ"),
            aliases=aliases,
        )
        manifest = {
            "apiVersion": PROMOTION.api_version,
            "kind": PROMOTION.kind,
            "metadata": {
                "namespace": NAMESPACE,
                "name": order.tag,
                "labels": {PLATFORM_LABEL: "aro-hcp"},
            },
            "spec": msgspec.to_builtins(spec),
        }
        await self.store.create(PROMOTION, manifest, manager="test")
        self.digests.append(index.digest)

    async def named(self, tag=LATEST):
        return (await self.target.resolve(THERE.tagged(tag))).digest

    async def promotion(self, digest):
        key = ObjectKey(NAMESPACE, f"aro-hcp-{digest[7:]}")
        return (await self.store.get(PROMOTION, key)).view(Promotion)

    async def yanked(self):
        return [each.digest for each in (await self.store.get(GATE, AT)).view(Gate).spec.yanked]

    async def answer(self, digest, platform="aro-hcp", now=None):
        now = now or self.clock.now()
        return await verify(self.target, THERE.at(digest), platform, KEY.public, now)

    async def state(self):
        """Everything that a withdrawal leaves, as it looks from outside."""
        tags = {tag: await self.named(tag) for tag in await self.target.tags(THERE)}
        referrers = {
            digest: sorted(each.digest for each in await self.target.referrers(THERE, digest))
            for digest in self.digests
        }
        promotions = [(await self.promotion(digest)).status for digest in self.digests]
        return tags, referrers, promotions, await self.yanked()


@pytest.fixture
async def house(tmp_path):
    """Three images: two of one commit, then one of another."""
    clock = ManualClock(NOW + timedelta(days=4))
    async with await EmbeddedStore.open(None, clock) as store:
        for definition in DEFINITIONS:
            await store.create(DEFINITION, crd.manifest(definition), manager="test")
        manifest = gate_manifest()
        manifest["spec"]["verifiedRepository"] = VERIFIED
        await store.create(GATE, manifest, manager="test")
        built = House(store, OciLayout(tmp_path / "target", create=True), clock)
        source = OciLayout(tmp_path / "source", create=True)
        for name, revision in (("one", "aaaaaaa"), ("two", "aaaaaaa"), ("three", "bbbbbbb")):
            await built.promote(source, name, revision)
        yield built


async def test_a_yanked_image_is_refused_with_the_reason(house):
    """The consumer hears who took it back and why; the canonical tag still names the image."""
    *_, newest = house.digests

    done = await house.withdrawals().yank(AT, newest, **WHY)

    answer = await house.answer(newest)
    assert (False, "revoked") == (answer.is_accepted, answer.code)
    assert "ann" in answer.reason
    assert "loses volumes" in answer.reason
    assert newest == await house.named(f"aro-hcp-{newest[7:]}")
    assert [newest] == await house.yanked()
    assert done.statement in {each.digest for each in await house.target.referrers(THERE, newest)}


async def test_latest_moves_to_the_newest_that_is_not_yanked(house):
    """Yanked twice in a row, it moves on each time; the record says what it named afterwards."""
    one, two, three = house.digests

    await house.withdrawals().yank(AT, three, **WHY)
    assert two == await house.named()
    await house.withdrawals().yank(AT, two, **WHY)

    assert one == await house.named()
    (record,) = (await house.promotion(two)).status.withdrawals
    assert ("yank", "ann", "loses volumes", one) == (
        record.action,
        record.by,
        record.reason,
        record.replaced,
    )


async def test_the_alias_of_a_commit_never_names_another_commit(house):
    """Of two builds of a commit the other one takes its alias; without another it stays where it is."""
    one, two, three = house.digests

    await house.withdrawals().yank(AT, two, **WHY)
    await house.withdrawals().yank(AT, three, **WHY)

    assert (one, three) == (await house.named("aro-hcp-aaaaaaa"), await house.named("aro-hcp-bbbbbbb"))


async def test_yanking_an_old_image_moves_nothing(house):
    """The aliases named another image before, and still do."""
    one, _, three = house.digests

    done = await house.withdrawals().yank(AT, one, **WHY)

    assert three == await house.named()
    assert not any(each.moved for each in done.aliases)


async def test_all_of_them_yanked_leaves_latest_where_it_was(house):
    """There is nothing to move to: the alias stays, and verifying it fails."""
    for digest in house.digests:
        await house.withdrawals().yank(AT, digest, **WHY)

    assert "revoked" == (await house.answer(await house.named())).code


async def test_other_platforms_keep_the_image(house):
    """What one platform takes back is still good for another that promoted it."""
    *_, newest = house.digests
    await RegistryPromoter(lambda _r: house.target, lambda _r: house.target, KEY).promote(
        order_of(newest, "rosa-hcp", f"{VERIFIED}@{newest}")
    )

    await house.withdrawals().yank(AT, newest, **WHY)

    assert (await house.answer(newest, "rosa-hcp")).is_accepted


async def test_given_back_it_is_as_before(house):
    """Accepted again, off the list, and the aliases return; what happened stays on record."""
    *_, newest = house.digests
    await house.withdrawals().yank(AT, newest, **WHY)

    await house.withdrawals().unyank(AT, newest, by="bob", reason="it was the storage array")

    assert (await house.answer(newest)).is_accepted
    assert (newest, newest, []) == (
        await house.named(),
        await house.named("aro-hcp-bbbbbbb"),
        await house.yanked(),
    )
    status = (await house.promotion(newest)).status
    assert (False, ["yank", "unyank"]) == (status.yanked, [each.action for each in status.withdrawals])


async def test_within_one_second_the_last_word_still_wins(house):
    """Yanked, given back and yanked again while the clock stands still."""
    *_, newest = house.digests
    withdrawals = house.withdrawals()

    await withdrawals.yank(AT, newest, **WHY)
    await withdrawals.unyank(AT, newest, **WHY)
    assert (await house.answer(newest)).is_accepted
    await withdrawals.yank(AT, newest, **WHY)

    assert "revoked" == (await house.answer(newest)).code
    assert ["outdated", "outdated", "revoked"] == sorted(
        each.code for each in (await house.answer(newest)).looked if "standing" in each.predicate_type
    )


async def test_only_one_entry_leaves_the_list(house):
    """Images are given back one by one."""
    one, two, _ = house.digests
    for digest in (one, two):
        await house.withdrawals().yank(AT, digest, **WHY)

    await house.withdrawals().unyank(AT, one, **WHY)

    assert [two] == await house.yanked()


async def test_what_a_manifest_yanks_the_manifest_gives_back(house):
    """An entry that somebody wrote by hand is not ours to remove, and nothing else is done."""
    *_, newest = house.digests
    entry = {"digest": newest, "reason": "by hand", "by": "eve", "at": "2026-06-14T00:00:00Z"}
    await house.store.apply(GATE, AT, {"spec": {"yanked": [entry]}}, manager="kubectl")

    with pytest.raises(InputError) as caught:
        await house.withdrawals().unyank(AT, newest, **WHY)

    assert ("YankedByManifest", [newest]) == (caught.value.code, await house.yanked())


async def test_what_a_manifest_yanks_is_revoked_in_its_words(house):
    """`yank` finishes what somebody began by hand: the reason and the person are theirs."""
    *_, newest = house.digests
    entry = {"digest": newest, "reason": "by hand", "by": "eve", "at": "2026-06-14T00:00:00Z"}
    await house.store.apply(GATE, AT, {"spec": {"yanked": [entry]}}, manager="kubectl")

    await house.withdrawals().yank(AT, newest, **WHY)

    reason = (await house.answer(newest)).reason
    assert all(word in reason for word in ("eve", "by hand", "2026-06-14T00:00:00Z"))


async def test_an_image_that_was_never_promoted_can_be_yanked(house):
    """It is kept from being promoted; there is nothing to sign beside."""
    digest = f"sha256:{'5' * 64}"

    done = await house.withdrawals().yank(AT, digest, **WHY)

    assert ("", [digest], ()) == (done.statement, await house.yanked(), done.aliases)


async def test_nothing_is_given_back_that_was_not_taken(house):
    """Unyank of an image that nobody yanked is wrong use."""
    with pytest.raises(InputError) as caught:
        await house.withdrawals().unyank(AT, house.digests[0], **WHY)

    assert "NotYanked" == caught.value.code


@pytest.mark.parametrize("missing", ["by", "reason"])
async def test_a_withdrawal_is_explained(house, missing):
    """Without a person and a reason nothing is done."""
    before = await house.state()

    with pytest.raises(InputError, match="must be said") as caught:
        await house.withdrawals().yank(AT, house.digests[0], **{**WHY, missing: " "})

    assert ("ReasonNeeded", before) == (caught.value.code, await house.state())


async def test_roll_back_to_an_older_image(house):
    """Latest names it, the record says what latest named before, and commits keep their aliases."""
    one, _, three = house.digests

    await house.withdrawals().rollback(AT, one, **WHY)

    (record,) = (await house.promotion(one)).status.withdrawals
    assert (one, three, "rollback", three) == (
        await house.named(),
        await house.named("aro-hcp-bbbbbbb"),
        record.action,
        record.replaced,
    )
    assert (await house.answer(one)).is_accepted


async def test_giving_back_does_not_undo_a_rollback(house):
    """Latest was sent elsewhere since the yank: there it stays."""
    one, _, three = house.digests
    await house.withdrawals().yank(AT, three, **WHY)
    house.clock.advance(60)
    await house.withdrawals().rollback(AT, one, **WHY)

    await house.withdrawals().unyank(AT, three, **WHY)

    assert one == await house.named()


@pytest.mark.parametrize(
    ("prepare", "code"), [("nothing", "NotPromoted"), ("yank", "Yanked"), ("retag", "TagConflict")]
)
async def test_no_way_back_to_what_may_not_be_used(house, prepare, code):
    """Never promoted, yanked, or under a canonical tag that names something else: latest stays where it is."""
    one, _, three = house.digests
    wanted = one
    if prepare == "nothing":
        wanted = f"sha256:{'5' * 64}"
    elif prepare == "yank":
        await house.withdrawals().yank(AT, one, **WHY)
    else:
        other = await house.target.manifest(THERE, three)
        await house.target.put_manifest(THERE, other, f"aro-hcp-{one[7:]}")

    with pytest.raises((InputError, TagConflictError)) as caught:
        await house.withdrawals().rollback(AT, wanted, **WHY)

    assert (code, three) == (caught.value.code, await house.named())


async def test_a_gate_that_is_not_there(house):
    """The platform is asked for first; nothing is written."""
    with pytest.raises(NotFoundError, match="rosa-hcp"):
        await house.withdrawals().yank(ObjectKey(NAMESPACE, "rosa-hcp"), house.digests[0], **WHY)


class Mortal:
    """The store of a process that dies around its writes."""

    def __init__(self, store, deadly):
        self._store, self._deadly = store, deadly

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if name not in ("apply", "patch_status"):
            return method

        async def write(*args, **kwargs):
            self._deadly._spend()
            result = await method(*args, **kwargs)
            self._deadly._spend()
            return result

        return write


@pytest.mark.parametrize("action", ["yank", "unyank", "rollback"])
async def test_killed_at_every_write_it_ends_the_same(house, action):
    """Repeated after a crash before or after any write of store or registry: one statement, one record, the same aliases."""
    one, _, three = house.digests
    if action == "unyank":
        await house.withdrawals().yank(AT, three, **WHY)
    if action == "rollback":
        house.clock.advance(60)
    digest = one if action == "rollback" else three
    calm, moments = None, None
    while True:
        async with await house.store.fork(house.clock) as store:
            target = _copy_of(house.target, f"fork-{moments}")
            here = House(store, target, house.clock)
            here.digests = house.digests
            survived = True
            if moments is not None:
                deadly = Deadly(target.directory, moments)
                mortal = here.withdrawals(Mortal(store, deadly), deadly)
                try:
                    await getattr(mortal, action)(AT, digest, **WHY)
                except PowerCut:
                    survived = False
            await getattr(here.withdrawals(), action)(AT, digest, **WHY)
            state = await here.state()
            calm = calm or state
            assert calm == state, f"killed at moment {moments}"
        if moments is not None and survived:
            break
        moments = 0 if moments is None else moments + 1
    assert moments >= 4


def _copy_of(layout, name):
    import shutil

    directory = layout.directory.parent / name
    shutil.copytree(layout.directory, directory)
    return OciLayout(directory)
