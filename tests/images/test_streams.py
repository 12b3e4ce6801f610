"""Boot images as typed records, and the warnings about them. Decoding cases stand in `cases/boot-images.yaml`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.payload import bootimages, streams
from pilotage.images.payload.streams import BootImage, ObjectImage

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "coreos-stream"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the public data set is not beside the checkout")

STREAM = {
    "stream": "rhcos-4.21",
    "metadata": {"last-modified": "2026-04-08T16:31:47Z", "generator": "x"},
    "architectures": {
        "x86_64": {
            "artifacts": {
                "metal": {
                    "release": "9.8",
                    "formats": {"pxe": {"kernel": {"location": "https://k", "sha256": "aa"}}},
                }
            },
            "images": {
                "aws": {"regions": {"us-east-1": {"release": "9.8", "image": "ami-1"}}},
                "gcp": {"release": "9.8", "project": "p", "name": "n"},
                "kubevirt": {"release": "9.8", "image": "q.io/k:1", "digest-ref": "q.io/k@sha256:1"},
                "ibmcloud": {"regions": {"eu": {"release": "9.8", "object": "o", "bucket": "b", "url": ""}}},
                "aliyun": None,
            },
            "rhel-coreos-extensions": {
                "azure-disk": {"release": "9.8", "url": "https://disk"},
                "marketplace": {
                    "azure": {
                        "ocp": {"hyperVGen2": {"publisher": "p", "offer": "o", "sku": "s", "version": "v"}}
                    }
                },
            },
        },
        "ppc64le": {
            "images": {
                "powervs": {
                    "regions": {"br": {"release": "9.8", "object": "o", "bucket": "b", "url": "https://u"}}
                }
            }
        },
    },
}


def test_every_platform_is_at_hand() -> None:
    """Each platform's image is found where that platform keeps it."""
    stream = streams.decode(STREAM)
    x86, ppc = stream.architectures["x86_64"], stream.architectures["ppc64le"]
    assert stream.metadata.last_modified == "2026-04-08T16:31:47Z"
    assert (x86.aws("us-east-1"), x86.aws("eu-west-1"), ppc.aws("us-east-1")) == ("ami-1", "", "")
    assert ppc.powervs("br") == ObjectImage("9.8", "o", "b", "https://u")
    assert ppc.powervs("eu") is None
    assert x86.powervs("br") is None
    assert x86.ibmcloud("eu") == ObjectImage("9.8", "o", "b", "")
    assert x86.images.kubevirt is not None
    assert x86.images.kubevirt.digest_ref == "q.io/k@sha256:1"
    offer = x86.marketplace("ocp", "hyperVGen2")
    assert offer is not None
    assert offer.urn == "p:o:s:v"
    assert x86.marketplace("ocp", "hyperVGen1") is None
    assert ppc.marketplace("ocp", "hyperVGen2") is None


def test_all_boot_images_are_listed_in_order() -> None:
    """The list for people is sorted by architecture, platform and place."""
    found = streams.decode(STREAM).boot_images()
    assert found[0] == BootImage("ppc64le", "powervs", "br", "9.8", "https://u")
    assert [(image.platform, image.image) for image in found[1:]] == [
        ("aws", "ami-1"),
        ("azure", "https://disk"),
        ("azure", "p:o:s:v"),
        ("gcp", "n"),
        ("ibmcloud", "b/o"),
        ("kubevirt", "q.io/k@sha256:1"),
        ("metal", "https://k"),
    ]


def test_a_stream_is_chosen_and_a_fallback_is_told() -> None:
    """A single-stream payload answers every name and says so."""
    payload = bootimages.parse(json.dumps({"data": {"stream": json.dumps(STREAM)}}))
    assert not payload.stream_for().fallback
    chosen = payload.stream_for("rhel-10")
    assert (chosen.stream.stream, chosen.fallback) == ("rhcos-4.21", True)


def test_warnings() -> None:
    """A foreign version, two accounts of one stream and a missing architecture are told."""
    payload = bootimages.parse(
        json.dumps(
            {
                "data": {
                    "releaseVersion": "4.21.0",
                    "stream": json.dumps(STREAM),
                    "streams": json.dumps(
                        {
                            "rhel-9": {"stream": "other", "architectures": {"x86_64": {}}},
                            "rhel-10": STREAM,
                            "rhel-8": None,
                        }
                    ),
                }
            }
        )
    )
    found = payload.warnings("4.21.1")
    assert [warning.code for warning in found] == ["VersionMismatch", "StreamMismatch", "ArchitectureMissing"]
    assert "ppc64le" in found[2].message
    assert found[2].subject == "rhel-9"


def test_all_unquoted_values_are_listed() -> None:
    """A user with several unquoted values hears of all of them."""
    with pytest.raises(ImageError) as caught:
        bootimages.parse("data: {releaseVersion: 4.10, stream: null, streams: [a]}")
    assert len(caught.value.messages) == 3


@needs_data
@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("file", "default", "names"),
    [
        ("coreos-bootimages-4.10.configmap.yaml", "rhcos-4.10", None),
        ("coreos-bootimages-5.0.configmap.yaml", "rhcos-4.21", ["rhel-10", "rhel-9"]),
    ],
)
def test_real_config_maps(file: str, default: str, names: list[str] | None) -> None:
    """The ConfigMaps of real payloads decode."""
    payload = bootimages.parse((DATA / file).read_bytes())
    assert payload.stream_for().stream.stream == default
    assert (None if payload.streams is None else sorted(payload.streams)) == names


@needs_data
@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("file", "region", "count"), [("rhel-9", "af-south-1", 164), ("scos", "us-east-1", 58)]
)
def test_real_streams(file: str, region: str, count: int) -> None:
    """The streams that the installer ships decode, with every image listed."""
    stream = streams.decode(json.loads((DATA / f"{file}.json").read_text(encoding="utf-8")))
    assert stream.architectures["x86_64"].aws(region).startswith("ami-")
    assert len(stream.boot_images()) == count
