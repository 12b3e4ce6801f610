"""Promotion by digest: whole, under the right tag, attested once, whatever happens in between."""

import shutil
import subprocess

import msgspec
import pytest

from pilotage.api.errors import InputError, RemoteError
from pilotage.api.gate import Exemption, PolicySettings
from pilotage.gate.promotion.attestation import find_signed
from pilotage.gate.promotion.keys import SigningKey
from pilotage.gate.promotion.registrypromoter import RegistryPromoter
from pilotage.gate.promotion.statements import TEST_RESULT, VERIFICATION_SUMMARY
from pilotage.gate.promotion.verifiedrepository import TagConflictError
from pilotage.gate.promotion.verifying import verify
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.reference import parse

from .promotionrig import (
    EVALUATED,
    HERE,
    KEY,
    NOW,
    REVISION,
    VERIFIED,
    gate_of,
    order_of,
    push_cosign_signature,
    push_operator,
    run_of,
)

THERE = parse(VERIFIED)
OTHER = SigningKey.generate()


class Deadly(OciLayout):
    """A layout whose process dies around the write of a number: before it, or after it."""

    def __init__(self, directory, moments=None):
        super().__init__(directory, create=True)
        self.moments = moments

    def _spend(self):
        if self.moments is not None:
            self.moments -= 1
            if self.moments < 0:
                raise PowerCut

    async def put_blob(self, reference, descriptor, content):
        self._spend()
        await super().put_blob(reference, descriptor, content)
        self._spend()

    async def put_manifest(self, reference, manifest, tag=""):
        self._spend()
        await super().put_manifest(reference, manifest, tag)
        self._spend()


class PowerCut(BaseException):
    """The process is gone."""


def promoter(source, target, key=KEY):
    return RegistryPromoter(lambda _reference: source, lambda _reference: target, key)


@pytest.fixture
def source(tmp_path):
    return OciLayout(tmp_path / "source", create=True)


@pytest.fixture
def target(tmp_path):
    return OciLayout(tmp_path / "target", create=True)


async def named(target, repository=THERE):
    return {
        tag: (await target.resolve(repository.tagged(tag))).digest for tag in await target.tags(repository)
    }


async def test_the_tested_digest_gets_the_tag_of_its_platform(source, target):
    """The index arrives byte for byte under the canonical tag; aliases wait for the commit."""
    index = await push_operator(source)
    order = order_of(index.digest)

    await promoter(source, target).promote(order)

    assert {f"aro-hcp-{index.digest[7:]}": index.digest} == await named(target)
    assert index == await target.manifest(THERE, index.digest)


async def test_aliases_follow(source, target):
    """Latest, commit and short commit name the image once they are told to."""
    index = await push_operator(source)
    order = order_of(index.digest)
    at_work = promoter(source, target)
    await at_work.promote(order)

    await at_work.move_aliases(order, index.digest)

    aliases = {"aro-hcp-latest", f"aro-hcp-{REVISION}", f"aro-hcp-{REVISION[:7]}"}
    assert {*aliases, order.tag} == (await named(target)).keys()


async def test_going_back_moves_latest_alone(source, target):
    """A tag that is named after a commit never names the image of another commit."""
    old, new = [await push_operator(source, name=name) for name in ("old", "new")]
    at_work = promoter(source, target)
    for index in (old, new):
        await at_work.promote(order_of(index.digest))
    order = order_of(new.digest, before=old.digest)
    await at_work.move_aliases(order, new.digest)

    await at_work.move_aliases(order, old.digest)

    tags = await named(target)
    assert (old.digest, new.digest) == (tags["aro-hcp-latest"], tags[f"aro-hcp-{REVISION}"])


async def test_signatures_travel_with_the_image(source, target):
    """The tags of cosign and what refers to the image are there as well, for the index and for its images."""
    index = await push_operator(source)
    child = index.index().manifests[0]
    await push_cosign_signature(source, HERE, index.digest, OTHER)
    await push_cosign_signature(source, HERE, child.digest, OTHER)

    await promoter(source, target).promote(order_of(index.digest))

    tags = await named(target)
    assert {f"{each.replace(':', '-')}.sig" for each in (index.digest, child.digest)} <= tags.keys()


async def test_signatures_of_the_verified_repository_stay(source, target):
    """Somebody signed the promoted image there: the next platform's promotion does not take that away."""
    index = await push_operator(source)
    await push_cosign_signature(source, HERE, index.digest, OTHER)
    await promoter(source, target).promote(order_of(index.digest))
    ours = await push_cosign_signature(target, THERE, index.digest, KEY)

    await promoter(source, target).promote(order_of(index.digest, "rosa-hcp"))

    assert ours.digest == (await named(target))[f"{index.digest.replace(':', '-')}.sig"]


async def test_a_new_signature_of_the_source_arrives(source, target):
    """Signed once more at the source: what is there already is among what arrives, so nothing is lost."""
    index = await push_operator(source)
    await promoter(source, target).promote(order_of(index.digest))
    await push_cosign_signature(source, HERE, index.digest, OTHER)

    await promoter(source, target).promote(order_of(index.digest, "rosa-hcp"))

    assert f"{index.digest.replace(':', '-')}.sig" in await named(target)


async def test_two_statements_are_attached(source, target):
    """The jobs, and the summary that names them; both signed, both about the index."""
    index = await push_operator(source)

    digest = await promoter(source, target).promote(order_of(index.digest))

    image = THERE.at(index.digest)
    jobs = await find_signed(target, image, KEY.public, lambda each: each.predicate_type == TEST_RESULT)
    summary = await find_signed(
        target, image, KEY.public, lambda each: each.predicate_type == VERIFICATION_SUMMARY
    )
    assert digest == summary[0]
    assert f"sha256:{summary[1].predicate['inputAttestations'][0]['digest']['sha256']}" == jobs[0]
    assert 2 == len(await target.referrers(THERE, index.digest))


async def test_promoting_again_changes_nothing(source, target):
    """The same order a second time: no tag, no attestation more."""
    index = await push_operator(source)
    order = order_of(index.digest)
    first = await promoter(source, target).promote(order)
    before = {path: path.stat().st_mtime_ns for path in target.directory.rglob("*") if path.is_file()}

    again = await promoter(source, target).promote(order)

    assert first == again
    assert before.keys() == {path for path in target.directory.rglob("*") if path.is_file()}


async def test_a_late_informing_job_makes_no_second_attestation(source, target):
    """The run was attested; what informing jobs did since does not attest it again."""
    index = await push_operator(source)
    order = order_of(index.digest)
    first = await promoter(source, target).promote(order)
    status = order.run.status
    slow = msgspec.structs.replace(status.jobs[2], attempts=())
    later = run_of(index.digest, jobs=(*status.jobs[:2], slow))

    again = await promoter(source, target).promote(order_of(index.digest, run=later))

    assert (first, 2) == (again, len(await target.referrers(THERE, index.digest)))


async def test_what_another_key_signed_is_not_ours(source, target):
    """A statement that somebody else attached about the same run does not stand for ours."""
    index = await push_operator(source)
    order = order_of(index.digest)
    await promoter(source, target, OTHER).promote(order)

    await promoter(source, target).promote(order)

    assert (await verify(target, THERE.at(index.digest), "aro-hcp", KEY.public, NOW)).is_accepted
    assert 4 == len(await target.referrers(THERE, index.digest))


async def test_platforms_share_the_image(source, target):
    """A second platform adds its tag and its attestations, and touches nothing of the first."""
    index = await push_operator(source)
    for platform in ("aro-hcp", "rosa-hcp"):
        await promoter(source, target).promote(order_of(index.digest, platform))

    hexadecimal = index.digest[7:]
    assert {f"aro-hcp-{hexadecimal}", f"rosa-hcp-{hexadecimal}"} == (await named(target)).keys()
    for platform in ("aro-hcp", "rosa-hcp"):
        assert (await verify(target, THERE.at(index.digest), platform, KEY.public, NOW)).is_accepted


async def test_a_taken_tag_is_never_overwritten(source, target):
    """The canonical tag names another digest: the promotion stops, and the tag stays as it is."""
    index = await push_operator(source)
    order = order_of(index.digest)
    other = await push_operator(target, THERE, "other")
    await target.put_manifest(THERE, other, order.tag)

    with pytest.raises(TagConflictError, match=other.digest) as caught:
        await promoter(source, target).promote(order)

    assert ("TagConflict", 1) == (caught.value.code, caught.value.exit_code)
    assert other.digest == (await named(target))[order.tag]
    assert () == tuple(await target.referrers(THERE, index.digest))


async def test_a_tag_that_is_stolen_meanwhile_is_noticed(source, tmp_path):
    """Somebody writes the tag right after us: what the registry says last counts."""

    class Stolen(OciLayout):
        async def put_manifest(self, reference, manifest, tag=""):
            await super().put_manifest(reference, manifest, tag)
            if tag.startswith("aro-hcp-"):
                await super().put_manifest(reference, other, tag)

    target = Stolen(tmp_path / "target", create=True)
    other = await push_operator(target, THERE, "other")
    index = await push_operator(source)

    with pytest.raises(TagConflictError):
        await promoter(source, target).promote(order_of(index.digest))


async def test_killed_at_every_write_it_ends_the_same(source, tmp_path):
    """Before and after each write of the repository: one tag, one attestation of each kind, all aliases."""
    index = await push_operator(source)
    await push_cosign_signature(source, HERE, index.digest, OTHER)
    order = order_of(index.digest)
    ends, moments = [], 0
    while True:
        directory = tmp_path / f"target-{moments}"
        deadly = promoter(source, Deadly(directory, moments))
        survived = True
        try:
            await deadly.promote(order)
            await deadly.move_aliases(order, order.digest)
        except PowerCut:
            survived = False
        whole = OciLayout(directory)
        await promoter(source, whole).promote(order)
        await promoter(source, whole).move_aliases(order, order.digest)
        referrers = sorted(each.digest for each in await whole.referrers(THERE, index.digest))
        ends.append((await named(whole), referrers))
        if survived:
            break
        moments += 1
    assert moments > 20
    assert 2 == len(ends[0][1])
    assert all(end == ends[-1] for end in ends)


async def test_a_registry_that_takes_blobs_and_refuses_the_manifest(source, misbehaving, open_client):
    """No tag, an error that says who refused, and the same order succeeds when the registry takes manifests again."""
    index = await push_operator(source)
    client = open_client(misbehaving.host)
    place = misbehaving.reference("verified/operator")
    order = order_of(index.digest, repository=str(place))
    misbehaving.fault("PUT", "/manifests/", 403, 413, 413, 413, 413)

    with pytest.raises(ImageError) as caught:
        await promoter(source, client).promote(order)

    assert 3 == caught.value.exit_code
    assert place.host in caught.value.message
    assert not any(tag.startswith("aro-hcp") for _, tag in misbehaving.manifests)
    misbehaving.faults.clear()
    await promoter(source, client).promote(order)
    assert index.digest == (await client.resolve(place.tagged(order.tag))).digest
    assert (await verify(client, place.at(index.digest), "aro-hcp", KEY.public, NOW)).is_accepted


@pytest.mark.parametrize("supports_referrers", [True, False])
async def test_registries_with_and_without_the_referrers_api(
    source, misbehaving, open_client, supports_referrers
):
    """The attestation is found by its subject, or through the list under the fallback tag."""
    misbehaving.supports_referrers = supports_referrers
    index = await push_operator(source)
    client = open_client(misbehaving.host)
    place = misbehaving.reference("verified/operator")

    await promoter(source, client).promote(order_of(index.digest, repository=str(place)))

    fallback = index.digest.replace(":", "-")
    assert supports_referrers != ((place.path, fallback) in misbehaving.manifests)
    assert (await verify(client, place.at(index.digest), "aro-hcp", KEY.public, NOW)).is_accepted


async def test_a_registry_that_is_down_is_tried_again(source, misbehaving, open_client):
    """What only fails is no refusal: the caller may repeat it."""
    index = await push_operator(source)
    order = order_of(index.digest, repository=str(misbehaving.reference("verified/operator")))
    misbehaving.fault("POST", "/blobs/uploads/", 503, forever=True)

    with pytest.raises(ImageError) as caught:
        await promoter(source, open_client(misbehaving.host)).promote(order)

    assert not isinstance(caught.value, InputError)
    assert 3 == caught.value.exit_code


async def test_a_disk_that_fails_is_tried_again(source, tmp_path):
    """A layout whose disk is full tells so, and the promotion is repeated later."""

    class Full(OciLayout):
        async def put_blob(self, reference, descriptor, content):
            raise OSError(28, "No space left on device")

    index = await push_operator(source)
    with pytest.raises(RemoteError, match="No space left"):
        await promoter(source, Full(tmp_path / "target", create=True)).promote(order_of(index.digest))


async def test_architectures_are_compared_with_the_policy(source, target):
    """An index without a platform that the policy wants is denied, and an exemption lets it in."""
    index = await push_operator(source)
    wanted = ("linux/amd64", "linux/ppc64le")
    strict = gate_of(policy=PolicySettings(architectures=wanted))
    order = order_of(index.digest, gate=strict)

    ((point, reason),) = await promoter(source, target).denied(order, NOW)

    assert ("arches-complete", True) == (point, "missing: linux/ppc64le" in reason)
    exemption = Exemption("arches-complete", "2026-06-12T00:00:00Z", "ann", "built next week")
    spared = gate_of(policy=PolicySettings(architectures=wanted, exemptions=(exemption,)))
    assert () == await promoter(source, target).denied(order_of(index.digest, gate=spared), NOW)


@pytest.mark.parametrize(("signer", "allowed"), [(KEY, True), (OTHER, False), (None, False)])
async def test_the_policy_wants_a_signature_by_its_key(source, target, signer, allowed):
    """A cosign signature counts only when the key of the policy made it."""
    index = await push_operator(source)
    if signer is not None:
        await push_cosign_signature(source, HERE, index.digest, signer)
    gate = gate_of(policy=PolicySettings(signature_key=KEY.public.pem.decode()))

    denied = await promoter(source, target).denied(order_of(index.digest, gate=gate), NOW)

    assert allowed == (not denied)


async def test_a_signature_of_another_image_does_not_count(source, target):
    """Moved below the tag of this digest, it still names the other one."""
    index, other = await push_operator(source), await push_operator(source, name="other")
    signature = await push_cosign_signature(source, HERE, other.digest, KEY)
    await source.put_manifest(HERE, signature, f"{index.digest.replace(':', '-')}.sig")
    gate = gate_of(policy=PolicySettings(signature_key=KEY.public.pem.decode()))

    ((point, _),) = await promoter(source, target).denied(order_of(index.digest, gate=gate), NOW)

    assert "signature-present" == point


async def test_an_unusable_key_in_the_policy_is_told(source, target):
    """A Gate whose key is no key ends the promotion with the field that is wrong."""
    index = await push_operator(source)
    gate = gate_of(policy=PolicySettings(signature_key="cosign.pub"))

    with pytest.raises(InputError, match=r"Gate aro-hcp: spec\.policy\.signatureKey") as caught:
        await promoter(source, target).denied(order_of(index.digest, gate=gate), NOW)

    assert "KeyInvalid" == caught.value.code


@pytest.mark.registry
async def test_from_a_layout_to_a_real_registry(source, real_registry, open_client):
    """CNCF distribution keeps image, tags and attestations; killed in the middle or not, they are there once."""
    index = await push_operator(source)
    await push_cosign_signature(source, HERE, index.digest, OTHER)
    client = open_client(real_registry.host)
    place = real_registry.reference("verified/operator")
    order = order_of(index.digest, repository=str(place))

    first = await promoter(source, client).promote(order)
    again = await promoter(source, client).promote(order)
    await promoter(source, client).move_aliases(order, order.digest)

    assert first == again
    assert 2 == len(await client.referrers(place, index.digest))
    found = await verify(client, place.tagged("aro-hcp-latest"), "aro-hcp", KEY.public, NOW)
    assert (True, EVALUATED, order.tag) == (found.is_accepted, found.at, found.tag)


@pytest.mark.registry
async def test_within_one_registry_blobs_are_taken_over(real_registry, open_client):
    """Source and verified repository on one registry: the copy is mounted, and verifies."""
    client = open_client(real_registry.host)
    here, place = real_registry.reference("build/operator"), real_registry.reference("verified/operator")
    index = await push_operator(client, here)
    order = order_of(index.digest, image=f"{here}@{index.digest}", repository=str(place))

    await promoter(client, client).promote(order)

    assert (await verify(client, place.tagged(order.tag), "aro-hcp", KEY.public, NOW)).is_accepted


@pytest.mark.registry
@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
async def test_other_tools_see_the_tags(source, real_registry, open_client):
    """The tools of others list the canonical tag and read the image behind it."""
    index = await push_operator(source)
    place = real_registry.reference("verified/operator")
    order = order_of(index.digest, repository=str(place))
    await promoter(source, open_client(real_registry.host)).promote(order)

    listed = subprocess.run(
        ["skopeo", "list-tags", "--tls-verify=false", f"docker://{place}"], capture_output=True, check=True
    )
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{place}:{order.tag}"],
        capture_output=True,
        check=True,
    )

    assert order.tag in msgspec.json.decode(listed.stdout)["Tags"]
    assert index.raw == raw.stdout
