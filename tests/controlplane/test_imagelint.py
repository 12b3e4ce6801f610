"""What an image must hold to serve as control plane operator."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilotage.controlplane.imagelint import FILES, InspectedImage, lint_image, passes
from pilotage.controlplane.labels import CAPABILITIES, RELEASE_OPERATOR_LABEL

LABELS = {capability.label: "true" for capability in CAPABILITIES} | {"vcs-ref": "abc"}
WHOLE = InspectedImage(
    executables={"amd64": frozenset(FILES), "arm64": frozenset(FILES)},
    labels=LABELS,
    architectures_needed=frozenset({"amd64", "arm64"}),
    signed=True,
    attested=True,
)


def without(path: str, arch: str = "arm64") -> InspectedImage:
    files = {name: held - {path} if name == arch else held for name, held in WHOLE.executables.items()}
    return msgspec.structs.replace(WHOLE, executables=files)


def failing(image: InspectedImage, role: Any = "operator") -> list[str]:
    return [result.item for result in lint_image(image, role) if result.passed is False]


def test_an_image_that_has_everything_passes_as_operator_image() -> None:
    """Every row passes, and none is left open."""
    results = lint_image(WHOLE, "operator")
    assert (failing(WHOLE), passes(results), all(result.passed for result in results)) == ([], True, True)


def test_the_payload_image_is_asked_for_less_and_for_the_release_label() -> None:
    """Operator binaries and old names are not its business; the label for release tooling is."""
    assert failing(WHOLE, "payload") == ["release label"]
    payload = msgspec.structs.replace(WHOLE, labels=LABELS | {RELEASE_OPERATOR_LABEL: "true"})
    assert failing(payload, "payload") == []
    assert failing(payload, "operator") == ["no release label"]


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ("/usr/bin/control-plane-operator", ["/usr/bin/control-plane-operator", "binary on PATH"]),
        ("/usr/bin/control-plane-pki-operator", ["/usr/bin/control-plane-pki-operator"]),
        ("/usr/bin/karpenter-operator", ["operator binaries"]),
        ("/usr/bin/ignition-server", ["name ignition-server"]),
        ("/usr/bin/token-minter", ["names of the utilities"]),
        ("/usr/bin/fetch-etcd-certs", ["name fetch-etcd-certs"]),
    ],
)
def test_a_file_missing_for_one_architecture_fails_its_rows(path: str, rows: list[str]) -> None:
    """The detail names the architecture; a `should` alone does not fail the image."""
    results = lint_image(without(path), "operator")
    failed = [result for result in results if result.passed is False]
    assert [result.item for result in failed] == rows
    assert all("arm64" in result.detail for result in failed)
    assert passes(results) is (rows == ["name fetch-etcd-certs"])


def test_a_missing_label_and_architecture_are_named() -> None:
    """The capability label that product operator images lack today, and the list that is a single image."""
    label = "io.openshift.hypershift.control-plane-operator-supports-kas-custom-kubeconfig"
    image = msgspec.structs.replace(
        WHOLE,
        labels={key: value for key, value in LABELS.items() if key != label},
        executables={"amd64": frozenset(FILES)},
    )
    details = {result.item: result.detail for result in lint_image(image, "operator")}
    assert label in details["capability labels"]
    assert "ImageNotMultiArch: no image for arm64" in details["architectures"]


def test_provenance_that_nobody_checked_is_left_open() -> None:
    """Unknown is neither pass nor fail; known to be missing fails."""
    unknown = msgspec.structs.replace(WHOLE, signed=None)
    assert {r.item: r.passed for r in lint_image(unknown, "operator")}["provenance"] is None
    assert failing(msgspec.structs.replace(unknown, attested=False)) == ["provenance"]


def test_shells_below_usr_count() -> None:
    """Where /bin is a link, files stand below /usr/bin; at least one place must have each."""
    assert failing(without("/bin/bash")) == []
    both = without("/bin/bash")
    gone = {arch: held - {"/usr/bin/bash"} for arch, held in both.executables.items()}
    assert failing(msgspec.structs.replace(both, executables=gone)) == ["/bin/bash"]


def test_an_image_without_architectures_is_refused() -> None:
    """An index that lists nothing cannot serve."""
    assert not passes(lint_image(InspectedImage({}), "operator"))
