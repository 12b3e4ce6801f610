"""The registry client against CNCF distribution, the server behind most registries."""

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.source import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST, Descriptor

pytestmark = pytest.mark.registry


async def stream(raw, size=64 << 10):
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


async def collect(chunks):
    return b"".join([chunk async for chunk in chunks])


async def push(client, reference, image, tag=""):
    for descriptor, raw in image.blobs.values():
        await client.put_blob(reference, descriptor, stream(raw))
    await client.put_manifest(reference, image.manifest, tag)


@pytest.fixture
def client(real_registry, open_client):
    return open_client(real_registry.host)


async def test_pushed_image_comes_back_byte_for_byte(client, real_registry, sample):
    """What was pushed is pulled again with the same bytes, media types and digests."""
    reference = real_registry.reference("team/app:v1")
    await push(client, reference, sample, "v1")

    found = await client.resolve(reference)

    assert found == sample.manifest.descriptor()
    assert sample.manifest == await client.manifest(reference, found.digest)
    for descriptor, raw in sample.blobs.values():
        assert raw == await collect(client.blob(reference, descriptor))


async def test_digest_reference_resolves_to_itself(client, real_registry, sample):
    """A reference by digest needs no tag."""
    reference = real_registry.reference("team/app")
    await push(client, reference, sample)

    found = await client.resolve(reference.at(sample.manifest.digest))

    assert sample.manifest.descriptor() == found


async def test_large_blob_is_streamed_up_and_down(client, real_registry, make_image):
    """A blob above the size of one request arrives whole."""
    image = make_image("big", layer=bytes(range(256)) * 4096 * 9)
    reference = real_registry.reference("team/big:v1")

    await push(client, reference, image, "v1")

    descriptor = image.manifest.image().layers[0]
    assert descriptor.size > 4 << 20
    assert image.blobs[descriptor.digest][1] == await collect(client.blob(reference, descriptor))


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
async def test_lists_and_indexes_are_kept(client, real_registry, make_image, make_index, media_type):
    """Both kinds of multi-architecture documents are stored after their children and read back."""
    images = [make_image("amd"), make_image("arm")]
    index = make_index(*images, media_type=media_type)
    reference = real_registry.reference("team/multi:v1")
    for image in images:
        await push(client, reference, image)
    await client.put_manifest(reference, index, "v1")

    found = await client.resolve(reference)

    assert media_type == found.media_type
    assert index == await client.manifest(reference, found.digest)


async def test_blob_is_mounted_from_another_repository(client, real_registry, sample):
    """A blob that another repository holds is taken over without sending it."""
    source, target = real_registry.reference("team/one"), real_registry.reference("team/two")
    await push(client, source, sample)
    descriptor = sample.manifest.image().layers[0]

    assert not await client.has_blob(target, descriptor.digest)
    assert await client.mount_blob(target, descriptor, source)
    assert await client.has_blob(target, descriptor.digest)


async def test_mount_of_an_unknown_blob_says_no(client, real_registry):
    """A mount that is not possible is an answer, and leaves no upload behind."""
    unknown = Descriptor("application/octet-stream", f"sha256:{'0' * 64}", 5)

    mounted = await client.mount_blob(
        real_registry.reference("team/two"), unknown, real_registry.reference("team/one")
    )

    assert mounted is False
    # The server writes a hash state again after it dropped the session; the session's data is what must be gone.
    assert not list((real_registry.root / "docker").rglob("_uploads/*/data"))
    assert not list((real_registry.root / "docker").rglob("_uploads/*/startedat"))


async def test_presence_of_manifests(client, real_registry, sample):
    """has_manifest tells what is there from what is not."""
    reference = real_registry.reference("team/app")
    await push(client, reference, sample)

    assert await client.has_manifest(reference, sample.manifest.digest)
    assert not await client.has_manifest(reference, f"sha256:{'0' * 64}")


async def test_wrong_content_is_not_stored(client, real_registry):
    """Bytes that do not hash to the descriptor never become a blob."""
    reference = real_registry.reference("team/app")
    promised = Descriptor("application/octet-stream", f"sha256:{'1' * 64}", 4)

    with pytest.raises(ImageError) as caught:
        await client.put_blob(reference, promised, stream(b"lies"))

    assert "ContentIntegrity" == caught.value.code
    assert not await client.has_blob(reference, promised.digest)


async def test_referrers_are_kept_under_the_fallback_tag(client, real_registry, sample, make_image):
    """Where the server has no referrers API the list lives in an index under sha256-<hex>, and grows."""
    reference = real_registry.reference("team/app")
    await push(client, reference, sample, "v1")
    subject = sample.manifest.descriptor()
    signature, report = (make_image(name, subject=subject) for name in ("signature", "report"))
    assert () == await client.referrers(reference, subject.digest)

    await push(client, reference, signature)
    await push(client, reference, report)
    await push(client, reference, report)

    listed = await client.referrers(reference, subject.digest)
    assert [signature.manifest.digest, report.manifest.digest] == [item.digest for item in listed]
    assert {"org.example.kind": "signature"} == listed[0].annotations
    assert signature.manifest.image().config.media_type == listed[0].artifact_type
    index = await client.resolve(reference.tagged(subject.digest.replace(":", "-")))
    assert OCI_INDEX == index.media_type


async def test_tags_are_listed_in_order(client, real_registry, sample):
    """All tags come, sorted; this server lists them in the order of its directory."""
    reference = real_registry.reference("team/app")
    await push(client, reference, sample)
    tags = [f"v{number:04d}" for number in range(30)]
    for tag in tags:
        await client.put_manifest(reference, sample.manifest, tag)

    assert tuple(tags) == await client.tags(reference)


async def test_unknown_tag_and_repository(client, real_registry, sample):
    """What is not there is NotFound, with the reference in the message."""
    await push(client, real_registry.reference("team/app"), sample, "v1")

    for name in ("team/app:v2", "team/none:v1"):
        with pytest.raises(ImageError, match=name) as caught:
            await client.resolve(real_registry.reference(name))
        assert "NotFound" == caught.value.code
    with pytest.raises(ImageError) as caught:
        await client.tags(real_registry.reference("team/none"))
    assert "NotFound" == caught.value.code


async def test_basic_authentication(start_registry, open_client, sample):
    """A registry with htpasswd lets the right password read and write, and nobody else."""
    registry = start_registry(password=True)
    reference = registry.reference("team/app:v1")
    friend = open_client(registry.host, credentials=registry.credentials())
    await push(friend, reference, sample, "v1")

    assert sample.manifest.descriptor() == await friend.resolve(reference)
    for stranger, who in ((registry.credentials("wrong"), f'"{registry.host}"'), (None, "anonymous")):
        with pytest.raises(ImageError) as caught:
            await open_client(registry.host, credentials=stranger).resolve(reference)
        assert "Unauthorized" == caught.value.code
        assert "team/app" in caught.value.message
        assert who in caught.value.message


async def test_early_stop_transfers_less(client, real_registry, make_image):
    """Whoever stops after the first chunk does not wait for the rest, and the client goes on working."""
    image = make_image("big", layer=bytes(8 << 20))
    reference = real_registry.reference("team/big:v1")
    await push(client, reference, image, "v1")

    chunks = client.blob(reference, image.manifest.image().layers[0])
    first = await anext(chunks)
    await chunks.aclose()

    assert 0 < len(first) < 8 << 20
    assert OCI_MANIFEST == (await client.resolve(reference)).media_type
