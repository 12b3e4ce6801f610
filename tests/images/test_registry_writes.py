"""Writing to a registry: presence, mounts, uploads, manifests, and what is left when it fails."""

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.source import Descriptor, Manifest

BIG = bytes(range(256)) * 4096 * 6


async def stream(raw, size=64 << 10):
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


@pytest.fixture
def client(misbehaving, open_client):
    return open_client(misbehaving.host)


@pytest.fixture
def reference(misbehaving):
    return misbehaving.reference("team/app")


def layer_of(image):
    descriptor = image.manifest.image().layers[0]
    return descriptor, image.blobs[descriptor.digest][1]


async def test_small_blob_takes_two_requests(client, misbehaving, reference, sample):
    """POST opens the session, PUT sends and closes; the relative Location and its query are kept."""
    descriptor, raw = layer_of(sample)

    await client.put_blob(reference, descriptor, stream(raw))

    assert raw == misbehaving.blobs[descriptor.digest]
    assert ["POST", "PUT"] == [item.method for item in misbehaving.requests if "/blobs/" in item.path]


async def test_large_blob_is_one_stream(client, misbehaving, reference, make_image):
    """A large blob is sent in one PATCH with its length, and closed by a PUT."""
    descriptor, raw = layer_of(make_image(layer=BIG))

    await client.put_blob(reference, descriptor, stream(raw))

    assert raw == misbehaving.blobs[descriptor.digest]
    uploads = [item for item in misbehaving.requests if "/blobs/" in item.path]
    assert ["POST", "PATCH", "PUT"] == [item.method for item in uploads]
    assert str(len(raw)) == uploads[1].headers["Content-Length"]


async def test_empty_blob(client, misbehaving, reference, make_image):
    """A blob of no bytes is a blob."""
    descriptor, _ = layer_of(make_image(layer=b""))

    await client.put_blob(reference, descriptor, stream(b""))

    assert b"" == misbehaving.blobs[descriptor.digest]


@pytest.mark.parametrize("status", [429, 503])
async def test_busy_registry_is_given_the_small_blob_again(client, misbehaving, reference, sample, status):
    """Every step of a small upload is repeated when the registry is busy."""
    descriptor, raw = layer_of(sample)
    misbehaving.fault("POST", "/uploads/", status)
    misbehaving.fault("PUT", "/uploads/", status)

    await client.put_blob(reference, descriptor, stream(raw))

    assert raw == misbehaving.blobs[descriptor.digest]


async def test_lost_answer_of_the_last_step_is_no_failure(client, misbehaving, reference, sample):
    """The PUT was done and its answer was lost: the repeated PUT finds no session, but the blob is there."""
    descriptor, raw = layer_of(sample)

    async def store_and_fail(_request):
        misbehaving.blobs[descriptor.digest] = raw
        return await misbehaving.answering(502)(_request)

    misbehaving.fault("PUT", "/uploads/", store_and_fail, 404)

    await client.put_blob(reference, descriptor, stream(raw))

    assert 2 == misbehaving.count("PUT", "/uploads/")


@pytest.mark.parametrize("layer", [b"small" * 100, BIG], ids=["small", "large"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: raw[:-1] + b"\7", id="one byte differs"),
        pytest.param(lambda raw: raw[:-1], id="one byte is missing"),
        pytest.param(lambda raw: raw + b"\7", id="one byte more"),
    ],
)
async def test_wrong_content_is_never_committed(client, misbehaving, reference, make_image, layer, change):
    """Content that is not what the descriptor says is ContentIntegrity with both digests; nothing is stored."""
    descriptor, raw = layer_of(make_image(layer=layer))

    with pytest.raises(ImageError) as caught:
        await client.put_blob(reference, descriptor, stream(change(raw)))

    assert "ContentIntegrity" == caught.value.code
    assert caught.value.message.count("sha256:") == 2
    assert not misbehaving.blobs
    assert 0 == misbehaving.count("PUT", "/uploads/")


@pytest.mark.parametrize("layer", [b"small" * 100, BIG], ids=["small", "large"])
async def test_error_of_the_content_comes_through(client, misbehaving, reference, make_image, layer):
    """When reading the content fails, that error is raised, and the session is given back."""
    descriptor, raw = layer_of(make_image(layer=layer))

    async def broken():
        yield raw[:100]
        raise ImageError("NotFound", "the source lost it")

    with pytest.raises(ImageError, match="the source lost it") as caught:
        await client.put_blob(reference, descriptor, broken())

    assert "NotFound" == caught.value.code
    assert len(misbehaving.cancelled) == len(misbehaving.uploads)


async def test_refused_upload(client, misbehaving, reference, sample):
    """A registry that does not want the blob is quoted, and the session is given back."""
    descriptor, raw = layer_of(sample)

    async def too_large(_request):
        return misbehaving.refusal(413, "TOO_LARGE", message="the quota of team is used up")

    misbehaving.fault("PUT", "/uploads/", too_large)

    with pytest.raises(ImageError, match=r"413 \(TOO_LARGE: the quota of team is used up") as caught:
        await client.put_blob(reference, descriptor, stream(raw))

    assert "RegistryRefused" == caught.value.code
    assert ["session-0"] == misbehaving.cancelled


async def test_refused_stream_ends_early(client, misbehaving, reference, make_image):
    """A large upload that is refused while it runs is an error with the registry's reason."""
    descriptor, raw = layer_of(make_image(layer=BIG))
    misbehaving.fault("PATCH", "/uploads/", misbehaving.answering(413))

    with pytest.raises(ImageError) as caught:
        await client.put_blob(reference, descriptor, stream(raw))

    assert caught.value.code in ("RegistryRefused", "RegistryUnreachable")
    assert descriptor.digest not in misbehaving.blobs


async def test_upload_elsewhere_goes_without_credential(
    misbehaving, mirror, sample, open_client, make_credentials
):
    """When the session lives on another host, that address speaks for itself."""
    misbehaving.auth, misbehaving.users = "basic", {"pilot": "secret-word"}
    descriptor, raw = layer_of(sample)
    mirror.uploads["one"] = bytearray()
    location = f"http://{mirror.host}/v2/store/blobs/uploads/one?_state=a%2Fb%3D%3D&part=0"
    misbehaving.fault("POST", "/uploads/", misbehaving.answering(202, {"Location": location}))
    client = open_client(
        misbehaving.host, credentials=make_credentials({misbehaving.host: ("pilot", "secret-word")})
    )

    await client.put_blob(misbehaving.reference("team/app"), descriptor, stream(raw))

    assert raw == mirror.blobs[descriptor.digest]
    assert not [item for item in mirror.requests if "Authorization" in item.headers]


async def test_presence_of_blobs(client, misbehaving, reference, sample):
    """One HEAD tells; a redirect means that the registry knows where the blob is."""
    descriptor, _ = layer_of(sample)
    assert not await client.has_blob(reference, descriptor.digest)
    misbehaving.add("team/app", sample)
    assert await client.has_blob(reference, descriptor.digest)

    misbehaving.fault("HEAD", "/blobs/", misbehaving.answering(307, {"Location": "http://unreachable.test/"}))
    assert await client.has_blob(reference, descriptor.digest)


async def test_mount_that_is_declined_leaves_no_session(client, misbehaving, reference):
    """202 means that the registry opened an upload instead; it is given back."""
    unknown = Descriptor("any", f"sha256:{'0' * 64}", 3)

    assert not await client.mount_blob(reference, unknown, misbehaving.reference("team/other"))

    assert ["session-0"] == misbehaving.cancelled


@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_mount_that_is_refused_is_no_error(client, misbehaving, reference, sample, status):
    """Without the right to read the other repository the blob is sent instead."""
    descriptor, _ = layer_of(sample)
    misbehaving.fault("POST", "/uploads/", status, forever=True)

    assert not await client.mount_blob(reference, descriptor, misbehaving.reference("team/other"))


async def test_mount_from_another_host_is_not_asked_for(client, misbehaving, mirror, reference, sample):
    """Blobs are mounted within one registry only."""
    descriptor, _ = layer_of(sample)

    assert not await client.mount_blob(reference, descriptor, mirror.reference("team/app"))
    assert not misbehaving.requests


async def test_manifest_is_stored_byte_for_byte(client, misbehaving, reference, sample):
    """The bytes and the media type arrive as they are, under digest and tag, in one request."""
    await client.put_manifest(reference, sample.manifest, "v1")

    stored = (sample.manifest.media_type, sample.manifest.raw)
    assert stored == misbehaving.manifests["team/app", "v1"]
    assert stored == misbehaving.manifests["team/app", sample.manifest.digest]
    assert 1 == misbehaving.count("PUT", "/manifests/")


async def test_wrong_manifest_is_not_sent(client, misbehaving, reference, sample):
    """A manifest whose bytes are not its digest stays here."""
    wrong = Manifest(sample.manifest.media_type, sample.manifest.digest, sample.manifest.raw + b" ")

    with pytest.raises(ImageError) as caught:
        await client.put_manifest(reference, wrong)

    assert "ContentIntegrity" == caught.value.code
    assert not misbehaving.requests


async def test_registry_that_stores_another_manifest(client, misbehaving, reference, sample):
    """A registry that rewrites manifests is found out by the digest that it answers."""
    answer = misbehaving.answering(201, {"Docker-Content-Digest": f"sha256:{'0' * 64}"})
    misbehaving.fault("PUT", "/manifests/", answer)

    with pytest.raises(ImageError, match="the registry stored sha256:000") as caught:
        await client.put_manifest(reference, sample.manifest, "v1")

    assert "ContentIntegrity" == caught.value.code


async def test_tag_comes_after_the_list_of_referrers(client, misbehaving, sample, reference, make_image):
    """A signature is stored, then listed, and tagged last."""
    misbehaving.add("team/app", sample)
    signature = make_image("signature", subject=sample.manifest.descriptor())

    await client.put_manifest(reference, signature.manifest, "sig")

    fallback = sample.manifest.digest.replace(":", "-")
    puts = [item.path.rpartition("/")[2] for item in misbehaving.requests if item.method == "PUT"]
    assert [signature.manifest.digest, fallback, "sig"] == puts


async def test_manifest_without_its_blobs(client, misbehaving, reference, sample):
    """What the registry says about a refused manifest is in the error."""

    async def refuse(_request):
        return misbehaving.refusal(400, "MANIFEST_BLOB_UNKNOWN", message="blob unknown to registry")

    misbehaving.fault("PUT", "/manifests/", refuse)

    with pytest.raises(ImageError, match="MANIFEST_BLOB_UNKNOWN: blob unknown to registry") as caught:
        await client.put_manifest(reference, sample.manifest, "v1")

    assert "RegistryRefused" == caught.value.code
