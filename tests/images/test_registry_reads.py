"""Reading from a registry that misbehaves: wrong bytes, broken connections, odd headers, redirects."""

import asyncio
import hashlib
import json

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.source import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MANIFEST_ACCEPT,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
)

ZERO = f"sha256:{'0' * 64}"


async def collect(chunks):
    return b"".join([chunk async for chunk in chunks])


def layer_of(image):
    descriptor = image.manifest.image().layers[0]
    return descriptor, image.blobs[descriptor.digest][1]


@pytest.fixture
def client(misbehaving, open_client):
    return open_client(misbehaving.host)


# -- resolving -------------------------------------------------------------------------------------------------------


async def test_one_head_resolves_a_tag(client, misbehaving, sample):
    """Resolving takes one greeting and one HEAD, and asks for all four kinds of manifest."""
    misbehaving.add("team/app", sample, "v1")

    assert sample.manifest.descriptor() == await client.resolve(misbehaving.reference("team/app:v1"))

    assert ["GET", "HEAD"] == [request.method for request in misbehaving.requests]
    accepted = misbehaving.requests[1].headers["Accept"]
    assert MANIFEST_ACCEPT == accepted
    assert {DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX} == set(accepted.split(", "))


async def test_a_moved_tag_resolves_to_its_new_digest(client, misbehaving, make_image):
    """Nothing about a tag is remembered."""
    for name in ("old", "new"):
        image = make_image(name)
        misbehaving.add("team/app", image, "v1")
        found = await client.resolve(misbehaving.reference("team/app:v1"))
        assert image.manifest.digest == found.digest


@pytest.mark.parametrize("status", [405, 501, 400])
async def test_get_replaces_a_head_that_is_not_supported(client, misbehaving, sample, status):
    """A registry without HEAD is asked with GET."""
    misbehaving.add("team/app", sample, "v1")
    misbehaving.fault("HEAD", "/manifests/", status)

    assert sample.manifest.descriptor() == await client.resolve(misbehaving.reference("team/app:v1"))


async def test_get_replaces_a_head_without_digest(client, misbehaving, sample):
    """Without Docker-Content-Digest the digest is computed from the bytes."""
    misbehaving.add("team/app", sample, "v1")
    misbehaving.sends_digest = False

    assert sample.manifest.descriptor() == await client.resolve(misbehaving.reference("team/app:v1"))


async def test_a_reference_without_tag_and_digest_is_refused(client, misbehaving):
    """`latest` is never assumed."""
    with pytest.raises(ImageError, match="no tag or digest specified") as caught:
        await client.resolve(misbehaving.reference("team/app"))

    assert "InvalidReference" == caught.value.code
    assert not misbehaving.requests


async def test_head_that_names_another_digest_is_refused(client, misbehaving, sample):
    """A digest reference whose HEAD answers with another digest is ContentIntegrity."""
    misbehaving.add("team/app", sample)
    misbehaving.fault(
        "HEAD", "/manifests/", misbehaving.answering(200, {"Docker-Content-Digest": ZERO}, b"x" * 9)
    )

    with pytest.raises(ImageError) as caught:
        await client.resolve(misbehaving.reference("team/app").at(sample.manifest.digest))

    assert "ContentIntegrity" == caught.value.code


# -- manifests -------------------------------------------------------------------------------------------------------


async def test_corrupt_manifest_is_refused_and_not_asked_for_again(client, misbehaving, sample):
    """Bytes that hash to something else are ContentIntegrity with both digests, after one request."""
    corrupt = sample.manifest.raw.replace(b"schemaVersion", b"SchemaVersion")
    misbehaving.add("team/app", sample)
    headers = {"Content-Type": OCI_MANIFEST}
    misbehaving.fault("GET", "/manifests/", misbehaving.answering(200, headers, corrupt), forever=True)

    with pytest.raises(ImageError) as caught:
        await client.manifest(misbehaving.reference("team/app:v1"), sample.manifest.digest)

    assert "ContentIntegrity" == caught.value.code
    assert caught.value.message.startswith("failed to read the manifest of")
    assert caught.value.message.count("sha256:") == 2
    assert sample.manifest.digest in caught.value.message
    assert 1 == misbehaving.count("GET", "/manifests/")


async def test_wrong_content_digest_header_is_refused(client, misbehaving, sample):
    """A registry that names right bytes wrongly is not believed."""
    headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": ZERO}
    misbehaving.fault("GET", "/manifests/", misbehaving.answering(200, headers, sample.manifest.raw))

    with pytest.raises(ImageError, match=ZERO) as caught:
        await client.manifest(misbehaving.reference("team/app:v1"), sample.manifest.digest)

    assert "ContentIntegrity" == caught.value.code


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
async def test_lists_and_indexes_are_read(client, misbehaving, sample, make_index, media_type):
    """Both multi-architecture documents are manifests."""
    index = make_index(sample, media_type=media_type)
    misbehaving.add_manifest("team/app", index, "v1")

    found = await client.manifest(misbehaving.reference("team/app:v1"), index.digest)

    assert index == found
    assert found.is_index
    assert "amd64" == found.index().manifests[0].platform.architecture


@pytest.mark.parametrize("content_type", ["application/json", "text/plain; charset=utf-8", ""])
async def test_vague_content_type_is_read_from_the_document(client, misbehaving, sample, content_type):
    """A proxy that serves manifests as plain JSON does not hide what they are."""
    answer = misbehaving.answering(200, {"Content-Type": content_type}, sample.manifest.raw)
    misbehaving.fault("GET", "/manifests/", answer)

    found = await client.manifest(misbehaving.reference("team/app:v1"), sample.manifest.digest)

    assert OCI_MANIFEST == found.media_type


@pytest.mark.parametrize(
    "content_type", ["application/vnd.docker.distribution.manifest.v1+prettyjws", OCI_INDEX]
)
async def test_unfitting_media_type_is_refused(client, misbehaving, sample, content_type):
    """Schema 1, and an image that is served as an index, are UnsupportedManifest with the media type."""
    answer = misbehaving.answering(200, {"Content-Type": content_type}, sample.manifest.raw)
    misbehaving.fault("GET", "/manifests/", answer)

    with pytest.raises(ImageError) as caught:
        await client.manifest(misbehaving.reference("team/app:v1"), sample.manifest.digest)

    assert "UnsupportedManifest" == caught.value.code
    assert content_type in caught.value.message


async def test_endless_manifest_is_refused(client, misbehaving, sample):
    """A manifest beyond 32 MiB is refused without keeping it."""
    answer = misbehaving.answering(200, {"Content-Type": OCI_MANIFEST}, bytes((32 << 20) + 1))
    misbehaving.fault("GET", "/manifests/", answer)

    with pytest.raises(ImageError, match="longer than 32 MiB") as caught:
        await client.manifest(misbehaving.reference("team/app:v1"), sample.manifest.digest)

    assert "UnsupportedManifest" == caught.value.code


# -- blobs -----------------------------------------------------------------------------------------------------------


async def test_broken_blob_is_resumed_where_it_broke(client, misbehaving, make_image, time):
    """After a broken connection the rest is asked for by range, and the whole is verified."""
    descriptor, raw = layer_of(image := make_image(layer=bytes(range(256)) * 2000))
    misbehaving.add("team/app", image)
    misbehaving.fault("GET", "/blobs/", misbehaving.cut_after(raw, 100_000))

    assert raw == await collect(client.blob(misbehaving.reference("team/app:v1"), descriptor))

    first, second = (item for item in misbehaving.requests if "/blobs/" in item.path)
    assert "Range" not in first.headers
    start = int(second.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 100_000
    assert [1.0] == time.slept


async def test_server_without_ranges_is_read_again_and_not_doubled(client, misbehaving, make_image):
    """A server that ignores Range sends everything again; what is known is dropped."""
    descriptor, raw = layer_of(image := make_image(layer=bytes(range(256)) * 2000))
    misbehaving.add("team/app", image)
    misbehaving.fault(
        "GET", "/blobs/", misbehaving.cut_after(raw, 300_000), misbehaving.answering(200, {}, raw)
    )

    assert raw == await collect(client.blob(misbehaving.reference("team/app:v1"), descriptor))


async def test_stalled_blob_is_resumed(misbehaving, make_image, open_client):
    """A connection that falls silent counts as broken."""
    client = open_client(misbehaving.host, stall_timeout=0.1)
    descriptor, raw = layer_of(image := make_image(layer=bytes(range(256)) * 2000))
    misbehaving.add("team/app", image)
    misbehaving.fault("GET", "/blobs/", misbehaving.stalled_after(raw, 70_000))

    assert raw == await collect(client.blob(misbehaving.reference("team/app:v1"), descriptor))

    assert 2 == misbehaving.count("GET", "/blobs/")


async def test_blob_that_always_breaks_is_given_up(client, misbehaving, make_image, time):
    """After two more tries the registry counts as unreachable; the waits grow."""
    descriptor, raw = layer_of(image := make_image(layer=bytes(range(256)) * 2000))
    misbehaving.add("team/app", image)
    misbehaving.fault("GET", "/blobs/", misbehaving.cut_after(raw, 0), forever=True)

    with pytest.raises(ImageError, match="closed before the end") as caught:
        await collect(client.blob(misbehaving.reference("team/app:v1"), descriptor))

    assert "RegistryUnreachable" == caught.value.code
    assert misbehaving.host in caught.value.message
    assert [1.0, 2.0] == time.slept


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: raw[:-1] + b"\0", id="one byte differs"),
        pytest.param(lambda raw: raw[:-1], id="one byte is missing"),
        pytest.param(lambda raw: raw + b"\0", id="one byte more"),
    ],
)
async def test_corrupt_blob_raises_instead_of_ending(client, misbehaving, sample, change):
    """Wrong bytes end with ContentIntegrity naming both digests, and are not asked for again."""
    descriptor, raw = layer_of(sample)
    misbehaving.fault("GET", "/blobs/", misbehaving.answering(200, {}, change(raw)), forever=True)

    with pytest.raises(ImageError) as caught:
        await collect(client.blob(misbehaving.reference("team/app:v1"), descriptor))

    assert "ContentIntegrity" == caught.value.code
    assert descriptor.digest in caught.value.message
    assert caught.value.message.count("sha256:") == 2
    assert 1 == misbehaving.count("GET", "/blobs/")


async def test_too_long_blob_stops_at_its_size(client, misbehaving, make_image):
    """A blob that does not end is cut off soon after the size that was promised."""
    descriptor, _ = layer_of(make_image(layer=b"short"))
    misbehaving.fault("GET", "/blobs/", misbehaving.answering(200, {}, bytes(50 << 20)))

    with pytest.raises(ImageError, match="more than its 5 bytes"):
        await anext(client.blob(misbehaving.reference("team/app:v1"), descriptor))


async def test_early_stop_closes_the_transfer(client, misbehaving, make_image):
    """When the caller stops, the connection is closed although the server has more to send."""
    descriptor, raw = layer_of(image := make_image(layer=bytes(1 << 20)))
    misbehaving.add("team/app", image)
    misbehaving.fault("GET", "/blobs/", misbehaving.stalled_after(raw, 1000))

    chunks = client.blob(misbehaving.reference("team/app:v1"), descriptor)
    assert await anext(chunks)
    await chunks.aclose()
    # The handler above ends only when its client is gone, and the server waits for its handlers when it stops.
    await misbehaving.stop()


@pytest.mark.parametrize(
    "digest", ["md5:00", "sha256:../../../other/blobs/sha256:00", "", "sha256:" + "G" * 64]
)
async def test_what_is_no_digest_is_never_asked_for(client, misbehaving, digest):
    """A manifest cannot name content by something that is no digest: it would become part of an address."""
    reference = misbehaving.reference("team/app")
    for ask in (
        lambda: collect(client.blob(reference, Descriptor("any", digest, 1))),
        lambda: client.manifest(reference, digest),
        lambda: client.referrers(reference, digest),
        lambda: client.has_blob(reference, digest),
        lambda: client.has_manifest(reference, digest),
    ):
        with pytest.raises(ImageError) as caught:
            await ask()
        assert "InvalidReference" == caught.value.code
    assert not misbehaving.requests


async def test_sha512_blob_is_verified(client, misbehaving, make_image):
    """The hash is the one that the digest names."""
    raw = b"content " * 100
    digest = f"sha512:{hashlib.sha512(raw).hexdigest()}"
    misbehaving.blobs[digest] = raw
    reference = misbehaving.reference("team/app")

    assert raw == await collect(client.blob(reference, Descriptor("any", digest, len(raw))))


# -- redirects -------------------------------------------------------------------------------------------------------


async def test_credential_stays_behind_at_a_redirect(
    misbehaving, mirror, sample, open_client, make_credentials
):
    """A redirect to another host is followed without Authorization."""
    descriptor, raw = layer_of(sample)
    misbehaving.auth, misbehaving.users = "basic", {"pilot": "secret-word"}
    mirror.add("store", sample)
    target = f"http://{mirror.host}/v2/store/blobs/{descriptor.digest}?signature=a%2Fb"
    misbehaving.fault("GET", "/blobs/", misbehaving.answering(307, {"Location": target}))
    client = open_client(
        misbehaving.host, credentials=make_credentials({misbehaving.host: ("pilot", "secret-word")})
    )

    assert raw == await collect(client.blob(misbehaving.reference("team/app:v1"), descriptor))

    assert "Authorization" in misbehaving.requests[-1].headers
    assert "Authorization" not in mirror.requests[0].headers
    assert mirror.requests[0].raw_path.endswith("?signature=a%2Fb")


async def test_credential_follows_a_redirect_on_the_same_host(
    misbehaving, sample, open_client, make_credentials
):
    """A redirect within the registry keeps Authorization."""
    descriptor, raw = layer_of(sample)
    misbehaving.auth, misbehaving.users = "basic", {"pilot": "secret-word"}
    misbehaving.add("store", sample)
    misbehaving.fault(
        "GET",
        "/v2/team/app/blobs/",
        misbehaving.answering(302, {"Location": f"/v2/store/blobs/{descriptor.digest}"}),
    )
    client = open_client(
        misbehaving.host, credentials=make_credentials({misbehaving.host: ("pilot", "secret-word")})
    )

    assert raw == await collect(client.blob(misbehaving.reference("team/app:v1"), descriptor))


async def test_endless_redirects_are_given_up(client, misbehaving, sample):
    """A registry that sends us in circles is unreachable."""
    here = {"Location": f"/v2/team/app/manifests/{ZERO}"}
    misbehaving.fault("GET", "/manifests/", misbehaving.answering(302, here), forever=True)

    with pytest.raises(ImageError, match="more than 5 redirects") as caught:
        await client.manifest(misbehaving.reference("team/app:v1"), ZERO)

    assert "RegistryUnreachable" == caught.value.code


# -- referrers and tags ----------------------------------------------------------------------------------------------


async def test_referrers_api_is_used_where_it_is(client, misbehaving, sample, make_image):
    """A registry with the API is asked once, and no fallback tag is written."""
    misbehaving.supports_referrers = True
    misbehaving.add("team/app", sample, "v1")
    signature = make_image("signature", subject=sample.manifest.descriptor())
    reference = misbehaving.reference("team/app")
    await client.put_manifest(reference, signature.manifest)

    listed = await client.referrers(reference, sample.manifest.digest)

    assert [signature.manifest.digest] == [item.digest for item in listed]
    assert not [key for _, key in misbehaving.manifests if key.startswith("sha256-")]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((404, {}, b"404 page not found"), id="404"),
        pytest.param((200, {"Content-Type": "text/html"}, b"<html>"), id="a web page"),
        pytest.param((405, {}, b""), id="405"),
    ],
)
async def test_fallback_tag_is_read_where_the_api_is_missing(client, misbehaving, make_image, answer):
    """Anything but a list makes the client look at the tag."""
    listed = Descriptor(OCI_MANIFEST, ZERO, 7, artifact_type="application/example")
    document = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                {"mediaType": OCI_MANIFEST, "digest": ZERO, "size": 7, "artifactType": "application/example"}
            ],
        }
    ).encode()
    misbehaving.manifests["team/app", ZERO.replace(":", "-")] = (OCI_INDEX, document)
    misbehaving.fault("GET", "/referrers/", misbehaving.answering(*answer))

    assert (listed,) == await client.referrers(misbehaving.reference("team/app"), ZERO)


async def test_two_tasks_do_not_lose_each_others_referrers(client, misbehaving, sample, make_image):
    """Signatures that are stored at the same time are all listed under the fallback tag."""
    misbehaving.add("team/app", sample)
    reference = misbehaving.reference("team/app")
    images = [make_image(f"signature-{number}", subject=sample.manifest.descriptor()) for number in range(5)]

    await asyncio.gather(*(client.put_manifest(reference, image.manifest) for image in images))

    listed = await client.referrers(reference, sample.manifest.digest)
    assert {image.manifest.digest for image in images} == {item.digest for item in listed}


async def test_tags_are_collected_over_pages(client, misbehaving, sample):
    """`Link: rel=next` is followed to the end."""
    tags = tuple(f"v{number}" for number in range(7))
    misbehaving.add("team/app", sample, *tags)
    misbehaving.page_size = 3

    assert tags == await client.tags(misbehaving.reference("team/app"))
    assert 3 == misbehaving.count("GET", "/tags/list")


async def test_endless_tag_pages_are_given_up(client, misbehaving):
    """A page that names itself as the next one ends with an error."""
    answer = misbehaving.answering(
        200, {"Link": '</v2/team/app/tags/list?n=1000>; rel="next"'}, b'{"tags": ["a"]}'
    )
    misbehaving.fault("GET", "/tags/", answer, forever=True)

    with pytest.raises(ImageError, match="same page again and again"):
        await client.tags(misbehaving.reference("team/app"))


async def test_repository_without_tags_lists_none(client, misbehaving):
    """`"tags": null` is what an emptied repository answers."""
    misbehaving.fault("GET", "/tags/", misbehaving.answering(200, {}, b'{"name": "x", "tags": null}'))

    assert () == await client.tags(misbehaving.reference("team/app"))
