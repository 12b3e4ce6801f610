"""`pilotage cpo` and `pilotage overrides`: one line per cluster, previews, and the care of images and tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilotage.controlplane.preview import EFFECTS
from pilotage.world.payloads import PAYLOADS, RELEASES

OPERATOR = "quay.example.com/hypershift/hypershift-operator"
OVERRIDE = "quay.example.com/hypershift/control-plane-operator"
TABLE = """
platforms:
  azure:
    overrides:
    - {{version: "4.20.3", cpoImage: "{image}"}}
    - {{version: "4.20.5", cpoImage: "{image}"}}
"""


@pytest.fixture(autouse=True)
def _instance(world: Path, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_DATA_DIR", str(world))


@pytest.fixture
def table(user: Path) -> Path:
    path = user / "table.yaml"
    path.write_text(TABLE.format(image=f"{OVERRIDE}:4.20.3-hotfix"))
    return path


def test_resolve_prints_one_line_for_each_cluster(cli) -> None:
    """Image and rule, or the error; 1 because two have none."""
    ran = cli("cpo", "resolve")
    lines = ran.out.splitlines()

    assert (1, "") == (ran.code, ran.err)
    assert ["CLUSTER", "VERSION", "RULE", "IMAGE"] == lines[0].split()
    assert 11 == len(lines)
    assert 1 == sum("error: EmptyImageAnnotation" in line for line in lines)
    assert set(cli("cpo", "resolve", "-o", "json").json()["clusters"]) == {
        line.split()[0] for line in lines[1:]
    }


@pytest.mark.parametrize(
    ("names", "code", "count"),
    [
        (["clusters/aws-stage"], 0, 1),
        (["clusters/aws-stage", "clusters/gcp-typo"], 1, 2),
        (["clusters/nope"], 2, None),
    ],
)
def test_resolve_looks_at_the_clusters_that_are_named(cli, names, code, count) -> None:
    """0 all have an image, 1 some have none, 2 there is no such cluster."""
    ran = cli("cpo", "resolve", *(word for name in names for word in ("--hc", name)), "-o", "json")

    assert code == ran.code
    assert count is None or count == len(ran.json()["clusters"])


def test_resolve_and_explain_and_up_agree(cli, world: Path) -> None:
    """Three commands, one answer."""
    resolved = cli("cpo", "resolve", "-o", "json").json()["clusters"]
    explained = {each["subject"]: each for each in cli("explain", "cpo-image", "-o", "json").json()["items"]}
    board = cli("up", "--data-dir", world, "-o", "json").json()["boards"]["Control plane operator images"]

    assert explained == resolved
    assert {each["cluster"]: each["rule"] for each in board} == {
        name: each["rule"] or "" for name, each in resolved.items()
    }


@pytest.mark.parametrize(
    ("change", "code", "changed"),
    [
        (["--to", f"{OPERATOR}:v1.2.0"], 2, {"aws-proxied", "aws-stage", "kubevirt-lab", "openstack-lab"}),
        (["--to", f"{OPERATOR}:v1.2.0", "--fail-on", ""], 0, {"aws-proxied", "aws-stage", "kubevirt-lab", "openstack-lab"}),
        (["--to", f"{OPERATOR}:v1.1.0"], 0, set()),
        (["--operator-image-for-cpo", "off", "--fail-on", "label-lost"], 0, {"aws-proxied", "aws-stage", "kubevirt-lab", "openstack-lab"}),
        (["--release", f"clusters/aws-stage={RELEASES}:4.19.7-multi"], 0, {"aws-stage"}),
        (["--from", f"{OPERATOR}:v1.0.0", "--to", f"{OPERATOR}:v1.1.0", "-n", "nowhere"], 0, set()),
    ],
)  # fmt: skip
def test_preview_says_which_clusters_change(cli, change, code, changed) -> None:
    """By operator image, switch and release; the code tells whether something in --fail-on happens."""
    ran = cli("cpo", "preview", *change, "-o", "json")
    found = ran.json()

    assert (code, changed) == (
        ran.code,
        {name.removeprefix("clusters/") for name, each in found["clusters"].items() if each["changed"]},
    )
    assert set(found["totals"]) <= set(EFFECTS)


def test_preview_of_a_table(cli, table: Path) -> None:
    """A new pin changes the clusters of its version and platform."""
    (table.parent / "empty.yaml").write_text("platforms: {}\n")
    ran = cli("cpo", "preview", "--overrides-to", table.parent / "empty.yaml", "-o", "json")

    changed = {name: each for name, each in ran.json()["clusters"].items() if each["changed"]}
    assert {"clusters/azure-prod-west"} == set(changed)
    assert ["override", "operator-image"] == [
        changed["clusters/azure-prod-west"][side]["rule"] for side in ("from", "to")
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ["InvalidOption: say what changes: --to"]),
        (
            ["--operator-image-for-cpo", "perhaps", "--fail-on", "bad,worse", "--release", "x=y"],
            ['"perhaps": one of', "--fail-on bad, worse: one of", '--release "x=y" is not NS/NAME=IMAGE'],
        ),
        (["--to", f"{OPERATOR}:v1.2.O"], ["NotFound: ", f"{OPERATOR}:v1.2.O"]),
        (["--to", "Quay.example.com/UPPER:1"], ["InvalidReference: "]),
        (["--to", f"{OPERATOR}:v1.1.0", "--from", f"{OPERATOR}:v0"], ["NotFound: ", f"{OPERATOR}:v0"]),
    ],
)
def test_a_preview_of_something_else_is_not_given(cli, arguments, said) -> None:
    """Options that say nothing or something wrong, and images that are not there, are told; nothing is guessed."""
    ran = cli("cpo", "preview", *arguments)

    assert "" == ran.out
    assert ran.code in (2, 3)
    assert [] == [text for text in said if text not in ran.err]


def test_labels_are_listed_with_their_effect(cli) -> None:
    """All fourteen, present or not."""
    found = cli("cpo", "labels", f"{OPERATOR}:v1.2.0", "-o", "json").json()["labels"]

    assert (14, 1) == (len(found), sum(not each["present"] for each in found))
    assert all(each["effect"] for each in found)
    assert 15 == len(cli("cpo", "labels", f"{OPERATOR}:v1.2.0").out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "failing"),
    [
        ([f"{OPERATOR}:v1.1.0"], 0, set()),
        ([f"{OPERATOR}:v1.2.0"], 1, {"capability labels"}),
        ([f"{OVERRIDE}:4.20.3-hotfix"], 1, {"operator binaries"}),
    ],
)
def test_lint_image_tells_what_an_image_lacks(cli, arguments, code, failing) -> None:
    """Only rows that must hold make the code 1."""
    ran = cli("cpo", "lint-image", *arguments, "-o", "json")
    rows = ran.json()["rows"]

    assert (code, failing) == (ran.code, {row["item"] for row in rows if row["passed"] is False})
    assert len(rows) + 1 == len(cli("cpo", "lint-image", *arguments).out.splitlines())


@pytest.mark.parametrize("verb", ["labels", "lint-image"])
@pytest.mark.parametrize("image", [f"{OPERATOR}:nope", "oci:nowhere:x", "UPPER", ""])
def test_an_image_that_cannot_be_read_is_an_error(cli, verb: str, image: str) -> None:
    """Named in one sentence, nothing on stdout."""
    ran = cli("cpo", verb, image)

    assert "" == ran.out
    assert ran.code in (2, 3)
    assert 1 == ran.err.count("error: ")
    assert "Internal" not in ran.err


def test_lint_of_a_table(cli, table: Path) -> None:
    """Tags and gaps are told offline; with images at hand also what cannot be pulled any more."""
    codes = [
        each["code"] for each in cli("overrides", "lint", table, "--offline", "-o", "json").json()["findings"]
    ]
    assert ["OverrideByTag", "OverrideByTag", "OverrideGap"] == codes
    table.write_text(TABLE.format(image=f"{OVERRIDE}:gone"))
    ran = cli("overrides", "lint", table)

    assert 1 == ran.code
    assert 2 == ran.out.count("error: ImageNotPullable: platforms.azure.overrides[")


def test_lint_of_a_good_table_is_0(cli, table: Path) -> None:
    """Gaps are a note, and a note is no reason to fail."""
    table.write_text(TABLE.format(image=f"{OVERRIDE}@sha256:{'0' * 64}"))
    ran = cli("overrides", "lint", table, "--offline")

    assert (0, "info: OverrideGap: ") == (ran.code, ran.out[:19])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("platforms: [", "document 1, line 1"),
        ("platforms: 5", "platforms"),
        (None, "No such file or directory"),
    ],
)
@pytest.mark.parametrize("verb", [("lint",), ("why", "4.20.3", "azure", "--table")])
def test_a_table_that_does_not_load_is_wrong_use(cli, table: Path, verb, text, said) -> None:
    """The file and the place are named."""
    if text is None:
        table.unlink()
    else:
        table.write_text(text)
    ran = cli("overrides", *verb, table)

    assert (2, "") == ran[:2]
    assert str(table) in ran.err
    assert said in ran.err or "line 2" in ran.err


@pytest.mark.parametrize(
    ("version", "platform", "code"), [("4.20.3", "AZURE", 0), ("4.20.4", "azure", 1), ("4.20.3", "aws", 1)]
)
def test_why_a_version_is_pinned(cli, table: Path, version: str, platform: str, code: int) -> None:
    """The entry that pins it, whatever the case of the platform; else what stands near."""
    ran = cli("overrides", "why", version, platform, "-t", table)

    assert code == ran.code
    assert f"{version} on {platform} is {'pinned to' if code == 0 else 'not pinned'}" in ran.out


def test_retire_compares_commits(cli, table: Path) -> None:
    """The hotfix is in the payload of its version; what is not known is said; a pair that is none is refused."""
    payload = f"{RELEASES}:{PAYLOADS[2].tag}"
    ran = cli("overrides", "retire", table, "--payload", payload, "-o", "json")
    assert 0 == ran.code
    assert [True, None] == [each["may_retire"] for each in ran.json()["entries"]]

    refused = cli("overrides", "retire", table, "--payload", payload, "--contains", "abc", "--contains", "=d")
    assert (2, "") == refused[:2]
    assert "--contains abc, =d: write PAYLOAD_COMMIT=PINNED_COMMIT" in refused.err
