"""Which image of an index is read."""

import pytest

from pilotage.images import platforms
from pilotage.images.errors import ImageError
from pilotage.images.layers.build import manifest_of
from pilotage.images.source import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor, Platform

SIZES = 100


def entry(platform, *, number=1, **more):
    parsed = platforms.parse_platform(platform) if platform else None
    return Descriptor(OCI_MANIFEST, f"sha256:{number:064x}", SIZES, platform=parsed, **more)


AMD, ARM, ARM_V8, S390, WINDOWS = (
    "linux/amd64",
    "linux/arm64",
    "linux/arm64/v8",
    "linux/s390x",
    "windows/amd64",
)
UNKNOWN = Descriptor(OCI_MANIFEST, "sha256:" + "f" * 64, SIZES, platform=Platform("unknown", "unknown"))


@pytest.mark.parametrize(
    ("offered", "asked", "expected"),
    [
        pytest.param([ARM, AMD], None, 1, id="amd64 without a wish"),
        pytest.param([AMD, ARM], ARM, 1, id="the wish"),
        pytest.param([AMD, ARM_V8], ARM, 1, id="a wish without variant fits any"),
        pytest.param([AMD, ARM, ARM_V8], ARM_V8, 2, id="a wish with variant fits that one"),
        pytest.param([ARM, AMD], S390, 1, id="amd64 when the wish is absent"),
        pytest.param([WINDOWS, S390, ARM], None, 1, id="the first Linux without amd64"),
        pytest.param([None], None, 0, id="an entry without platform"),
    ],
)
def test_preference(offered, asked, expected):
    """The platform asked for, else linux/amd64, else the first Linux image."""
    descriptors = [entry(each, number=number) for number, each in enumerate(offered)]
    wanted = platforms.parse_platform(asked) if asked else None
    assert platforms.choose(descriptors, wanted) == descriptors[expected]


def test_attestations_are_never_chosen():
    """`unknown/unknown`, annotated and artifact entries are no images, wherever they stand."""
    annotated = entry(AMD, number=2, annotations={"vnd.docker.reference.type": "attestation-manifest"})
    artifact = entry(AMD, number=3, artifact_type="application/x")
    real = entry(ARM, number=4)
    assert platforms.choose([UNKNOWN, annotated, artifact, real]) == real
    assert platforms.images_of([UNKNOWN, annotated, artifact, real]) == (real,)


@pytest.mark.parametrize(("offered", "required"), [([AMD, ARM], True), ([WINDOWS], False), ([], False)])
def test_absent_platform_names_what_there_is(offered, required):
    """The error lists the wanted and the available platforms."""
    with pytest.raises(ImageError) as caught:
        platforms.choose(
            [entry(each) for each in offered] + [UNKNOWN],
            Platform("s390x", "linux"),
            required=required,
            reference="r",
        )
    assert caught.value.code == "NoMatchingPlatform"
    for text in ["linux/s390x", *offered]:
        assert text in caught.value.message


@pytest.mark.parametrize("text", ["", "linux/", "/amd64", "a/b/c/d"])
def test_platforms_are_parsed_strictly(text):
    """Half a platform is an error."""
    with pytest.raises(ImageError, match="failed to parse platform"):
        platforms.parse_platform(text)


def test_architecture_alone_means_linux():
    """`--arch arm64` is linux/arm64."""
    assert platforms.parse_platform("arm64") == Platform("arm64", "linux")


@pytest.mark.parametrize(
    ("offered", "multi"),
    [
        ([AMD, ARM], True),
        ([AMD], False),
        ([AMD, "unknown/unknown"], False),
        ([AMD, "linux/riscv64"], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("kind", [OCI_INDEX, DOCKER_LIST])
def test_multi_arch_counts_known_architectures(offered, multi, kind):
    """More than one image for amd64, arm64, s390x or ppc64le makes an index multi-arch."""
    children = [
        {"mediaType": DOCKER_MANIFEST, "digest": f"sha256:{n:064x}", "size": 1, "platform": dict(zip(("os", "architecture"), each.split("/"), strict=True))}
        for n, each in enumerate(offered)
    ]  # fmt: skip
    index = manifest_of({"schemaVersion": 2, "mediaType": kind, "manifests": children})
    assert platforms.is_multi_arch(index) is multi


def test_plain_image_is_not_multi_arch():
    """An image without an index has one architecture."""
    image = manifest_of({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}})
    assert not platforms.is_multi_arch(image)
