"""Files of a payload on disk: whole, safe, and only those that were asked for."""

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.payload.extract import CLOUDS, credentials_requests, extract


def request(name, provider):
    return f"apiVersion: cloudcredential.openshift.io/v1\nkind: CredentialsRequest\nmetadata:\n  name: {name}\nspec:\n  providerSpec:\n    kind: {provider}\n".encode()


MANIFESTS = {
    "aws.yaml": request("a", "AWSProviderSpec"),
    "both.yaml": b"---\n"
    + request("b", "GCPProviderSpec")
    + b"---\nkind: Other\n---\n"
    + request("c", "AWSProviderSpec"),
    "mentions.yaml": b"kind: ConfigMap\ndata:\n  x: CredentialsRequest\n",
    "power.yaml": request("d", "IBMCloudPowerVSProviderSpec"),
    "none.yaml": b"kind: Deployment\n",
}


def test_files_are_written_whole(tmp_path):
    """Every file, with its bytes, and no leftovers; an older file is replaced."""
    (tmp_path / "a.yaml").write_bytes(b"old and longer")
    written = extract({"a.yaml": b"1", "b": b"\x00\xff"}, tmp_path / "")
    assert written == (tmp_path / "a.yaml", tmp_path / "b")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.yaml": b"1", "b": b"\x00\xff"}


def test_directory_is_made(tmp_path):
    """The directory need not be there."""
    extract({"a": b"1"}, tmp_path / "x" / "y")
    assert (tmp_path / "x" / "y" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "sub/evil", "..", ".", "", "a\0b", "a\\b"])
def test_unsafe_names_write_nothing(tmp_path, name):
    """One bad name, and nothing is written at all."""
    with pytest.raises(ImageError) as caught:
        extract({"good": b"1", name: b"2"}, tmp_path / "out")
    assert caught.value.code == "UnsafeLayer"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("cloud", "expected"),
    [("", {"aws.yaml", "both.yaml", "power.yaml"}), ("aws", {"aws.yaml", "both.yaml"}), ("gcp", {"both.yaml"}), ("powervs", {"power.yaml"}), ("ibmcloud", set())],
)  # fmt: skip
def test_credential_requests_by_cloud(cloud, expected):
    """Requests are told from what merely mentions them, and clouds by the provider specification."""
    assert set(credentials_requests(MANIFESTS, cloud)) == expected


def test_only_matching_documents_of_a_file():
    """Of a file with several documents those for the cloud are kept, as they were written."""
    assert credentials_requests(MANIFESTS, "aws")["both.yaml"] == request("c", "AWSProviderSpec")
    assert credentials_requests(MANIFESTS)["both.yaml"] == request(
        "b", "GCPProviderSpec"
    ) + b"---\n" + request("c", "AWSProviderSpec")


def test_unknown_cloud_lists_the_known_ones():
    """A typing error is not an empty result."""
    with pytest.raises(ImageError) as caught:
        credentials_requests(MANIFESTS, "asure")
    assert all(cloud in caught.value.message for cloud in CLOUDS)


def test_broken_request_is_an_error():
    """A file that holds a request and does not parse is not passed over."""
    with pytest.raises(ImageError, match=r"bad\.yaml does not parse") as caught:
        credentials_requests({"bad.yaml": b"kind: CredentialsRequest\n  x: [\n"})
    assert caught.value.code == "MalformedPayloadFile"
