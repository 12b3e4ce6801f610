"""`pilotage gate keygen`, `verify`, `yank`, `unyank` and `rollback`, as a person at a terminal has them."""

from __future__ import annotations

import asyncio
import stat

import msgspec
import pytest

from pilotage.api import core, crd
from pilotage.api.gate import DEFINITIONS, GATE, PLATFORM_LABEL, PROMOTION, PromotionSpec
from pilotage.app import instance
from pilotage.app.gate.keys import instance_key
from pilotage.gate.promotion.registrypromoter import RegistryPromoter
from pilotage.images.disk.layout import OciLayout
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded.store import EmbeddedStore

from ..gate.promotionrig import (  # noqa: TID252 -- tests are no package
    KEY,
    VERIFIED,
    order_of,
    push_operator,
)

PLATFORM = "aro-hcp"


async def _furnish(directory, source):
    """A gate that promoted two images into the layout of the instance."""
    layout = OciLayout(instance.layout_path(directory), create=True)
    promoter = RegistryPromoter(lambda _reference: source, lambda _reference: layout, instance_key(directory))
    digests = []
    async with await EmbeddedStore.open(instance.store_path(directory), SystemClock()) as store:
        await store.create(
            core.NAMESPACE,
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gates"}},
            manager="test",
        )
        for definition in DEFINITIONS:
            await store.create(core.CUSTOM_RESOURCE_DEFINITION, crd.manifest(definition), manager="test")
        await store.create(GATE, _gate(), manager="test")
        for day, name in enumerate(("one", "two")):
            index = await push_operator(source, name=name)
            order = order_of(index.digest, aliases=(f"{PLATFORM}-latest",))
            await promoter.promote(order)
            await promoter.move_aliases(order, index.digest)
            spec = PromotionSpec(
                PLATFORM,
                index.digest,
                VERIFIED,
                order.tag,
                f"run-{name}",
                f"2026-06-{11 + day}T07:00:00Z",
                aliases=order.aliases,
            )
            await store.create(PROMOTION, _promotion(order.tag, spec), manager="test")
            digests.append(index.digest)
    return digests


def _gate():
    return {
        "apiVersion": GATE.api_version,
        "kind": "Gate",
        "metadata": {"namespace": "gates", "name": PLATFORM},
        "spec": {
            "platform": PLATFORM,
            "displayName": "ARO HCP",
            "verifiedRepository": VERIFIED,
            "owners": ["hcp-team"],
            "jobs": [{"name": "e2e-azure"}],
        },
    }


def _promotion(name, spec):
    return {
        "apiVersion": PROMOTION.api_version,
        "kind": "Promotion",
        "metadata": {"namespace": "gates", "name": name, "labels": {PLATFORM_LABEL: PLATFORM}},
        "spec": msgspec.to_builtins(spec),
    }


@pytest.fixture
def gated(user, monkeypatch):
    """The digests of an instance whose gate promoted two images; it is the one that commands find."""
    directory = user / "instance"
    directory.mkdir()
    monkeypatch.setenv("PILOTAGE_DATA_DIR", str(directory))
    return asyncio.run(_furnish(directory, OciLayout(user / "source", create=True)))


def verified(cli, image=f"{VERIFIED}:{PLATFORM}-latest", key="instance/gate.pub", *more):
    return cli("gate", "verify", image, "--platform", PLATFORM, "--key", key, "--offline", *more)


def test_keys_are_made_once(cli, user):
    """The private one is its owner's; a second run refuses to replace them."""
    made = cli("gate", "keygen", "cosign", "--type", "ed25519", "-o", "json")

    assert ("ed25519", "cosign.key", "cosign.pub") == tuple(
        made.json()[name] for name in ("type", "private", "public")
    )
    assert 0o600 == stat.S_IMODE((user / "cosign.key").stat().st_mode)
    again = cli("gate", "keygen", "cosign")
    assert (2, "KeyExists" in again.err) == (again.code, True)
    assert "PRIVATE" not in made.out + again.out + again.err


def test_a_promoted_image_is_accepted(cli, gated):
    """By alias, by canonical tag and by digest; as text and as JSON."""
    _, newest = gated
    for name in (f":{PLATFORM}-latest", f":{PLATFORM}-{newest[7:]}", f"@{newest}"):
        ran = verified(cli, f"{VERIFIED}{name}")
        assert (0, True) == (ran.code, "accepted: passed the gate of aro-hcp" in ran.out), ran
    document = verified(cli, f"{VERIFIED}@{newest}", "instance/gate.pub", "-o", "json").json()
    assert ("Verification", True, "accepted", newest) == tuple(
        document[name] for name in ("kind", "accepted", "code", "digest")
    )
    assert {"accepted", "other-predicate"} == {each["code"] for each in document["attestations"]}


def test_another_key_refuses(cli, gated, user):
    """Exit code 1, and why."""
    (user / "other.pub").write_bytes(KEY.public.pem)

    ran = verified(cli, key="other.pub")

    assert (1, True) == (ran.code, "unknown-key" in ran.out)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((f"{VERIFIED}:none", "--platform", PLATFORM, "--key", "instance/gate.pub"), 3),
        ((f"{VERIFIED}:{PLATFORM}-latest", "--platform", "ARO", "--key", "instance/gate.pub"), 2),
        ((f"{VERIFIED}:{PLATFORM}-latest", "--platform", PLATFORM, "--key", "instance/gate.key"), 2),
        ((f"{VERIFIED}:{PLATFORM}-latest", "--platform", PLATFORM, "--key", "none.pub"), 2),
    ],
    ids=["no such image", "no platform", "a private key", "no key"],
)
def test_no_answer(cli, gated, arguments, code):
    """What could not be read is 3, wrong use is 2; neither looks like a refusal, and no key is shown."""
    ran = cli("gate", "verify", *arguments)

    assert code == ran.code
    assert "PRIVATE" not in ran.err + ran.out


def test_taken_back_and_given_back(cli, gated):
    """A few digits name the image; verify hears of it, and hears when it is over."""
    oldest, newest = gated

    yanked = cli("gate", "yank", PLATFORM, newest[7:19], "--reason", "loses volumes", "--by", "ann")

    assert 0 == yanked.code, yanked.err
    assert f"{PLATFORM}-latest now names {oldest}" in yanked.out
    refused = verified(cli, f"{VERIFIED}@{newest}")
    assert (1, True) == (refused.code, "taken back by ann" in refused.out)
    assert "loses volumes" in refused.out
    assert oldest in verified(cli).out

    given = cli("gate", "unyank", PLATFORM, newest, "--reason", "it was not it", "-o", "json")
    assert ("Withdrawal", "unyank", True) == (
        given.json()["kind"],
        given.json()["action"],
        given.json()["aliases"][0]["moved"],
    )
    assert 0 == verified(cli, f"{VERIFIED}@{newest}").code


def test_rolled_back(cli, gated):
    """Latest names the older one, by its canonical tag."""
    oldest, _ = gated

    ran = cli("gate", "rollback", PLATFORM, "--to", f"{PLATFORM}-{oldest[7:]}", "--reason", "watch it")

    assert 0 == ran.code, ran.err
    assert oldest in verified(cli).out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("yank", "rosa-hcp", "0123456", "--reason", "x"), "NoSuchGate"),
        (("yank", PLATFORM, "0123456", "--reason", "x"), "UnknownImage"),
        (("yank", PLATFORM, "latest", "--reason", "x"), "UnknownImage"),
        (("unyank", PLATFORM, f"sha256:{'5' * 64}", "--reason", "x"), "NotYanked"),
        (("rollback", PLATFORM, "--to", f"sha256:{'5' * 64}", "--reason", "x"), "NotPromoted"),
        (("yank", PLATFORM, f"sha256:{'5' * 64}", "--reason", " "), "ReasonNeeded"),
    ],
    ids=["no gate", "no image", "an alias", "not yanked", "not promoted", "no reason"],
)
def test_wrong_use(cli, gated, arguments, problem):
    """Exit code 2 and one error that names what is wrong."""
    ran = cli("gate", *arguments)

    assert (2, True) == (ran.code, problem in ran.err), ran


def test_without_the_key_of_the_gate_nothing_is_signed(cli, gated, user):
    """An instance without a key is not given a new one: nobody would believe what it signs."""
    _, newest = gated
    (user / "instance" / "gate.key").unlink()

    ran = cli("gate", "yank", PLATFORM, newest, "--reason", "x")

    assert (2, True, False) == (ran.code, "KeyMissing" in ran.err, (user / "instance" / "gate.key").exists())
    assert 0 == verified(cli, f"{VERIFIED}@{newest}").code


def test_the_key_of_an_instance_stays(tmp_path):
    """Made once, for its owner only; the public half is beside it, also when somebody removed it."""
    first = instance_key(tmp_path)
    (tmp_path / "gate.pub").unlink()

    again = instance_key(tmp_path)

    assert first.public == again.public
    assert again.public.pem == (tmp_path / "gate.pub").read_bytes()
    assert 0o600 == stat.S_IMODE((tmp_path / "gate.key").stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gate.key", "gate.pub"]
