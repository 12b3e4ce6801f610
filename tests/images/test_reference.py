"""What an image reference means, and which texts are none."""

from __future__ import annotations

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference, is_digest, parse

HEX = "0123456789abcdef" * 4

VALID = [
    ("ubuntu", "", "ubuntu", "", ""),
    ("ubuntu:24.04", "", "ubuntu", "24.04", ""),
    ("org/repo", "", "org/repo", "", ""),
    ("quay.io/org/repo:1", "quay.io", "org/repo", "1", ""),
    ("reg:5000/a/b/c:_x", "reg:5000", "a/b/c", "_x", ""),
    ("localhost/x", "localhost", "x", "", ""),
    ("localhost:5000", "", "localhost", "5000", ""),
    ("[2001:db8::1]:5000/x:1", "[2001:db8::1]:5000", "x", "1", ""),
    ("Quay.IO/org/repo", "Quay.IO", "org/repo", "", ""),
    ("a__b/c-----d.e_f", "", "a__b/c-----d.e_f", "", ""),
    (f"quay.io/r@sha256:{HEX}", "quay.io", "r", "", f"sha256:{HEX}"),
    (f"quay.io/r:1@sha512:{HEX}{HEX}", "quay.io", "r", "1", f"sha512:{HEX}{HEX}"),
    (f"quay.io/{HEX}", "quay.io", HEX, "", ""),
    (f"quay.io/r:{'t' * 128}", "quay.io", "r", "t" * 128, ""),
    (f"quay.io/{'r' * 255}", "quay.io", "r" * 255, "", ""),
]

INVALID = [
    "", " ", "quay.io/", "/repo", "quay.io//repo", "quay.io/Repo", "Org/repo", "quay.io/repo/", "quay.io/-repo",
    "quay.io/repo-", "quay.io/a..b", "quay.io/a___b", "quay.io/r:", "quay.io/r:-1", f"quay.io/r:{'t' * 129}", "quay.io/r:a b",
    "quay.io/r@", "quay.io/r@sha256:abc", f"quay.io/r@sha256:{HEX.upper()}", f"quay.io/r@md5:{HEX}", f"quay.io/r@{HEX}",
    f"quay.io/r@sha256:{HEX}@sha256:{HEX}", f"@sha256:{HEX}", HEX, f"quay.io/{'r' * 256}", "reg:port/x", "reg:/x", "-reg.io/x",
    "reg-.io/x", "quay.io/r\n", "quay.io/r:1\n", "https://quay.io/r", "quay.io/r:1:2", "quay.io/r:1/s", "quay.io/é",
    "quay.io/r:١",
]  # fmt: skip


@pytest.mark.parametrize(("text", "registry", "repository", "tag", "digest"), VALID)
def test_valid(text: str, registry: str, repository: str, tag: str, digest: str) -> None:
    """A reference is taken apart and prints as it was written."""
    parsed = parse(text)
    assert Reference(registry, repository, tag, digest) == parsed
    assert str(parsed) == text


@pytest.mark.parametrize("text", INVALID)
def test_invalid(text: str) -> None:
    """A text that is no reference is refused with the text in quotes."""
    with pytest.raises(ImageError) as caught:
        parse(text)
    assert caught.value.code == "InvalidReference"
    assert "failed to parse image reference" in caught.value.message
    assert f'"{text[:100]}' in caught.value.message
    assert caught.value.is_user_error


def test_one_element_with_a_dot_is_a_repository() -> None:
    """Without a slash there is no registry, whatever the name looks like."""
    assert Reference("", "quay.io") == parse("quay.io")


@pytest.mark.parametrize(
    ("text", "host", "path", "api_host"),
    [
        ("ubuntu", "docker.io", "library/ubuntu", "registry-1.docker.io"),
        ("org/repo", "docker.io", "org/repo", "registry-1.docker.io"),
        ("docker.io/ubuntu", "docker.io", "library/ubuntu", "registry-1.docker.io"),
        ("index.docker.io/ubuntu", "docker.io", "library/ubuntu", "registry-1.docker.io"),
        ("quay.io/ubuntu", "quay.io", "ubuntu", "quay.io"),
    ],
)
def test_docker_hub(text: str, host: str, path: str, api_host: str) -> None:
    """Names without a registry live on Docker Hub, one-element names under `library`."""
    parsed = parse(text)
    assert (host, path, api_host) == (parsed.host, parsed.path, parsed.api_host)
    assert f"{host}/{path}" == parsed.location


def test_lower_case_is_suggested() -> None:
    """The most frequent mistake is named."""
    with pytest.raises(ImageError, match="lower case"):
        parse("quay.io/Org/repo")


def test_a_huge_text_is_not_repeated() -> None:
    """A message stays short, however long the text was."""
    with pytest.raises(ImageError) as caught:
        parse("quay.io/" + "X" * 1_000_000)
    assert len(caught.value.message) < 1000


def test_at_and_tagged() -> None:
    """A reference moves to a digest or a tag of the same repository."""
    parsed = parse("quay.io/r:1")
    assert str(parsed.at(f"sha256:{HEX}")) == f"quay.io/r@sha256:{HEX}"
    assert str(parsed.at(f"sha256:{HEX}").tagged("2")) == "quay.io/r:2"
    assert parsed.at(f"sha256:{HEX}").is_pinned
    assert not parsed.is_pinned


@pytest.mark.parametrize(
    ("text", "expected"),
    [(f"sha256:{HEX}", True), (f"sha384:{HEX}{HEX[:32]}", True), ("sha256:", False), (HEX, False)],
)
def test_is_digest(text: str, expected: bool) -> None:
    """A digest is an algorithm that OCI registers with hexadecimal digits of full length."""
    assert expected is is_digest(text)
