"""Reading through mirrors: the order, what moves on, what is remembered, and the error when none delivers."""

import logging

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.mirrors import Mirrors
from pilotage.images.overrides import Overrides
from pilotage.images.reference import parse
from pilotage.images.registry.mirrored import Availability, MirroredSource
from pilotage.images.resolver import Resolver


async def collect(chunks):
    return b"".join([chunk async for chunk in chunks])


def layer_of(image):
    descriptor = image.manifest.image().layers[0]
    return descriptor, image.blobs[descriptor.digest][1]


class Scene:
    """A source and one mirror of it, both misbehaving on demand, and what was reported."""

    def __init__(self, source, mirror, client, time):
        self.source, self.mirror, self.client, self.time = source, mirror, client, time
        self.reports = []
        self.reference = source.reference("team/app:v1")
        self.images = self.through(Mirrors.of_map({f"{source.host}/team": [f"{mirror.host}/copy"]}))

    def through(self, mirrors, overrides=None):
        return MirroredSource(
            self.client,
            Resolver("direct-fetch", mirrors=mirrors, overrides=overrides),
            availability=Availability(self.time.pace),
            report=self.reports.append,
        )


@pytest.fixture
def scene(misbehaving, mirror, open_client, time, sample):
    misbehaving.add("team/app", sample, "v1")
    return Scene(misbehaving, mirror, open_client(misbehaving.host, mirror.host), time)


async def test_mirror_comes_first(scene, sample):
    """What the mirror has is not asked from the source."""
    scene.mirror.add("copy/app", sample, "v1")
    descriptor, raw = layer_of(sample)

    found = await scene.images.resolve(scene.reference)
    assert sample.manifest == await scene.images.manifest(scene.reference, found.digest)
    assert raw == await collect(scene.images.blob(scene.reference, descriptor))

    assert not scene.source.requests


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_failing_mirror_is_followed_by_the_source(scene, sample, status):
    """No access, no content and no service at the mirror all move on."""
    scene.mirror.fault("HEAD", "/manifests/", status, forever=True)
    scene.mirror.fault("GET", "/blobs/", status, forever=True)
    descriptor, raw = layer_of(sample)

    assert sample.manifest.descriptor() == await scene.images.resolve(scene.reference)
    assert raw == await collect(scene.images.blob(scene.reference, descriptor))
    assert not scene.reports


async def test_dead_mirror_is_followed_by_the_source(scene, sample):
    """A mirror that does not answer moves on."""
    await scene.mirror.stop()

    assert sample.manifest.descriptor() == await scene.images.resolve(scene.reference)


async def test_mirror_without_tls_is_followed_by_the_source(scene, sample, open_client):
    """A TLS failure moves on."""
    scene.client = open_client(scene.source.host)
    images = scene.through(Mirrors.of_map({scene.source.host: [scene.mirror.host]}))

    assert sample.manifest.descriptor() == await images.resolve(scene.reference)
    assert not scene.mirror.requests


async def test_wrong_content_moves_on_and_is_reported(scene, sample):
    """A mirror with other bytes is passed by, and somebody is told."""
    scene.mirror.add("copy/app", sample, "v1")
    headers = {"Content-Type": sample.manifest.media_type}
    scene.mirror.fault("GET", "/manifests/", scene.mirror.answering(200, headers, b"{}"))

    found = await scene.images.manifest(scene.reference, sample.manifest.digest)

    assert sample.manifest == found
    (finding,) = scene.reports
    assert "ContentIntegrity" == finding.code
    assert f"{scene.mirror.host}/copy/app:v1" == finding.subject
    assert sample.manifest.digest in finding.message


async def test_report_goes_to_the_log_by_default(scene, sample, caplog):
    """Without somebody to tell, the log is told."""
    scene.images = MirroredSource(
        scene.client,
        Resolver("direct-fetch", mirrors=Mirrors.of_map({scene.source.host: [scene.mirror.host]})),
    )
    scene.mirror.fault("GET", "/manifests/", scene.mirror.answering(200, {}, b"{}"))

    with caplog.at_level(logging.WARNING):
        await scene.images.manifest(scene.reference, sample.manifest.digest)

    assert sample.manifest.digest in caplog.text


async def test_unsupported_content_does_not_move_on(scene, sample):
    """An answer that is understood and no image is the answer; another candidate has the same."""
    scene.mirror.fault("HEAD", "/manifests/", scene.mirror.answering(200, {
        "Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "Docker-Content-Digest": sample.manifest.digest,
    }, b"x"))  # fmt: skip

    with pytest.raises(ImageError) as caught:
        await scene.images.resolve(scene.reference)

    assert "UnsupportedManifest" == caught.value.code


async def test_error_lists_every_candidate_in_order(scene):
    """When none delivers, one error names each with its own cause; NotFound needs all to agree."""
    scene.mirror.fault("HEAD", "/manifests/", 403, forever=True)
    reference = scene.source.reference("team/none:v1")

    with pytest.raises(ImageError) as caught:
        await scene.images.resolve(reference)

    error = caught.value
    mirrored = f"{scene.mirror.host}/copy/none:v1"
    assert "Unauthorized" == error.code
    assert str(reference) == error.reference
    assert [mirrored, str(reference)] == [attempt.candidate for attempt in error.resolved]
    assert "403" in error.resolved[0].cause
    assert "404" in error.resolved[1].cause
    assert error.message.startswith(f"failed to resolve {reference}: 2 candidates tried: {mirrored} (")
    assert all(attempt.cause in error.message for attempt in error.resolved)


async def test_missing_everywhere_is_not_found(scene):
    """NotFound names every candidate."""
    with pytest.raises(ImageError) as caught:
        await scene.images.resolve(scene.source.reference("team/none:v1"))

    assert "NotFound" == caught.value.code
    assert f"{scene.mirror.host}/copy/none:v1" in caught.value.message
    assert f"{scene.source.host}/team/none:v1" in caught.value.message


async def test_error_names_the_override(scene, sample):
    """When an override led astray, the error says which one."""
    images = scene.through(Mirrors(), Overrides.parse(f"quay.io/team={scene.mirror.host}/elsewhere"))

    with pytest.raises(ImageError, match=r"override of quay\.io/team applies") as caught:
        await images.resolve(parse("quay.io/team/app:v1"))

    assert f"{scene.mirror.host}/elsewhere/app:v1" in caught.value.message


# -- what is remembered ----------------------------------------------------------------------------------------------


async def test_failed_mirror_is_passed_over_for_a_minute(scene, sample):
    """The second read does not ask the mirror; a minute later it is asked again."""
    await scene.images.resolve(scene.reference)
    asked = len(scene.mirror.requests)

    scene.time.elapsed += 59
    await scene.images.resolve(scene.reference)
    assert asked == len(scene.mirror.requests)

    scene.time.elapsed += 2
    scene.mirror.add("copy/app", sample, "v1")
    sources = len(scene.source.requests)
    await scene.images.resolve(scene.reference)
    assert asked < len(scene.mirror.requests)
    assert sources == len(scene.source.requests)


async def test_change_of_mirrors_clears_what_was_remembered(scene):
    """`forget` for the mirror's registry lets it be asked at once; for another name it does not."""
    await scene.images.resolve(scene.reference)
    asked = len(scene.mirror.requests)

    scene.images.forget("quay.io")
    await scene.images.resolve(scene.reference)
    assert asked == len(scene.mirror.requests)

    scene.images.forget(scene.mirror.host)
    await scene.images.resolve(scene.reference)
    assert asked < len(scene.mirror.requests)


async def test_last_candidate_is_always_asked(scene):
    """A tag that was missing a second ago and was pushed since is found: the source is never passed over."""
    reference = scene.source.reference("team/late:v1")
    with pytest.raises(ImageError):
        await scene.images.resolve(reference)
    _, manifest = next(iter(scene.source.manifests.items()))
    scene.source.manifests["team/late", "v1"] = manifest

    assert (await scene.images.resolve(reference)).digest


async def test_passed_over_candidate_stands_in_the_error(scene):
    """A mirror that was not tried is listed with what it failed with before."""
    reference = scene.source.reference("team/none:v1")
    for _ in range(2):
        with pytest.raises(ImageError) as caught:
            await scene.images.resolve(reference)

    assert "not tried, it failed within the last minute" in caught.value.resolved[0].cause
    assert "404" in caught.value.resolved[0].cause


async def test_each_credential_has_its_own_memory(scene, sample, open_client, make_credentials):
    """What one pull secret may not read says nothing about another one."""
    scene.mirror.add("copy/app", sample, "v1")
    scene.mirror.auth, scene.mirror.users = "basic", {"pilot": "secret-word"}
    availability = Availability(scene.time.pace)
    resolver = Resolver(
        "direct-fetch", mirrors=Mirrors.of_map({f"{scene.source.host}/team": [f"{scene.mirror.host}/copy"]})
    )
    friend = open_client(
        scene.source.host,
        scene.mirror.host,
        credentials=make_credentials({scene.mirror.host: ("pilot", "secret-word")}),
    )

    await MirroredSource(scene.client, resolver, availability=availability).resolve(scene.reference)
    before = len(scene.source.requests)
    await MirroredSource(friend, resolver, availability=availability).resolve(scene.reference)

    assert before == len(scene.source.requests)


def test_availability_lives_five_minutes_or_one(time):
    """A success is known for five minutes, a failure for one."""
    availability = Availability(time.pace)
    good, bad = parse("mirror.example.com/a:1"), parse("mirror.example.com/b:1")
    availability.note(good, "id", "")
    availability.note(bad, "id", "answered 404")

    assert availability.delivered(good, "id")
    assert not availability.delivered(good, "other")
    assert "answered 404" == availability.failure(bad, "id")
    time.elapsed += 61
    assert "" == availability.failure(bad, "id")
    time.elapsed += 238
    assert availability.delivered(good, "id")
    time.elapsed += 2
    assert not availability.delivered(good, "id")


# -- blobs -----------------------------------------------------------------------------------------------------------


async def test_blob_goes_on_at_the_next_candidate(scene, make_image):
    """A mirror that dies in the middle of a blob is followed by the source from that byte on."""
    image = make_image(layer=bytes(range(256)) * 2000)
    descriptor, raw = layer_of(image)
    scene.mirror.add("copy/app", image, "v1")
    scene.source.add("team/app", image, "v1")
    scene.mirror.fault("GET", "/blobs/", scene.mirror.cut_after(raw, 200_000), 503, 503, 503)

    assert raw == await collect(scene.images.blob(scene.reference, descriptor))

    ranges = [item.headers["Range"] for item in scene.source.requests if "Range" in item.headers]
    assert 1 == len(ranges)


async def test_corrupt_blob_that_was_handed_on_is_an_error(scene, sample):
    """Bytes cannot be taken back: the read fails, is reported, and the next read goes to the source."""
    descriptor, raw = layer_of(sample)
    scene.mirror.fault("GET", "/blobs/", scene.mirror.answering(200, {}, b"\7" + raw[1:]), forever=True)

    with pytest.raises(ImageError) as caught:
        await collect(scene.images.blob(scene.reference, descriptor))
    assert "ContentIntegrity" == caught.value.code
    assert 1 == len(scene.reports)

    assert raw == await collect(scene.images.blob(scene.reference, descriptor))


async def test_blob_that_is_named_wrongly_moves_on(scene, sample):
    """Wrong content that is noticed before the first byte moves on."""
    descriptor, raw = layer_of(sample)
    wrong = {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
    scene.mirror.fault("GET", "/blobs/", scene.mirror.answering(200, wrong, raw))

    assert raw == await collect(scene.images.blob(scene.reference, descriptor))
    assert 1 == len(scene.reports)


async def test_referrers_and_tags_come_through(scene, sample, make_image):
    """Signatures and tags are looked for in the same order."""
    scene.mirror.add("copy/app", sample, "v1", "v2")
    signature = make_image("signature", subject=sample.manifest.descriptor())
    scene.mirror.supports_referrers = True
    scene.mirror.add("copy/app", signature)

    listed = await scene.images.referrers(scene.reference, sample.manifest.digest)

    assert [signature.manifest.digest] == [item.digest for item in listed]
    assert ("v1", "v2") == await scene.images.tags(scene.reference)
    assert not scene.source.requests
