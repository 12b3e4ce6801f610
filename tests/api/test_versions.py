"""Which versions parse, what is kept of them, and how they compare."""

import pytest

from pilotage.api.errors import InputError
from pilotage.api.versions import OCPVersion, is_semver

SHAPES = [
    ("4.20.0", (4, 20), "", ""),
    ("4.9.1", (4, 9), "", ""),
    ("4.20.0-ec.3", (4, 20), "ec.3", ""),
    ("4.20.0-rc.1", (4, 20), "rc.1", ""),
    ("4.20.0-rc", (4, 20), "rc", ""),
    ("4.20.0-0.nightly-2026-05-20-043516", (4, 20), "0.nightly-2026-05-20-043516", ""),
    ("4.20.0-0.ci-2026-05-20-043516", (4, 20), "0.ci-2026-05-20-043516", ""),
    ("4.20.0-0.konflux-nightly-2026-05-20-043516", (4, 20), "0.konflux-nightly-2026-05-20-043516", ""),
    ("4.20.0-okd-scos.0", (4, 20), "okd-scos.0", ""),
    ("5.0.0-ec.0", (5, 0), "ec.0", ""),
    ("4.20.3+hotfix.1", (4, 20), "", "hotfix.1"),
    ("4.20.3-rc.1+sha-00af", (4, 20), "rc.1", "sha-00af"),
    ("0.0.1", (0, 0), "", ""),
]


@pytest.mark.parametrize(("text", "pair", "prerelease", "build"), SHAPES)
def test_every_shape_of_openshift_versions_parses_and_prints_as_it_was(text, pair, prerelease, build):
    """Nothing of the text is lost, and the minor pair ignores prerelease and build."""
    version = OCPVersion.parse(text)

    assert (pair, prerelease, build) == (version.minor_pair, version.prerelease, version.build)
    assert text == str(version)
    assert is_semver(text)


REFUSED = [
    "", "4", "4.20", "v4.20.0", "4.20.0.1", " 4.20.0", "4.20.0 ", "4.20.0\n", "04.20.0", "4.020.0", "4.20.00",
    "4.20.0-", "4.20.0+", "4.20.0-01", "4.20.0-rc..1", "4.20.0-rc_1", "4.20.0-é", "4.٢.0", "-4.20.0", "4.20.x",
    "18446744073709551616.0.0", "4.20.0-18446744073709551616", "4.20.0-" + "9" * 6000,
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_strict_semver_is_refused_by_name(text):
    """The error has the stable code and shows the value in double quotes."""
    with pytest.raises(InputError) as caught:
        OCPVersion.parse(text)

    assert "InvalidReleaseVersion" == caught.value.code
    assert f'failed to parse version "{text}"' in caught.value.message
    assert not is_semver(text)


def test_without_build_drops_only_the_build():
    """The prerelease stays; a version without build is itself."""
    assert "4.20.3-rc.1" == str(OCPVersion.parse("4.20.3-rc.1+hotfix.1").without_build)
    assert OCPVersion.parse("4.20.3") == OCPVersion.parse("4.20.3").without_build


def test_a_build_makes_a_different_version():
    """An override for 4.20.3 must not match the custom build of it."""
    assert OCPVersion.parse("4.20.3") != OCPVersion.parse("4.20.3+hotfix.1")


def test_versions_sort_by_precedence():
    """Nightlies and candidates come before their release, and 4.9 before 4.20."""
    ordered = [
        "4.9.1",
        "4.20.0-0.ci-2026-05-21-000000",
        "4.20.0-0.konflux-nightly-2026-05-19-000000",
        "4.20.0-0.nightly-2026-05-20-043516",
        "4.20.0-0.nightly-2026-05-21-043516",
        "4.20.0-ec.3",
        "4.20.0-okd-scos.0",
        "4.20.0-rc.1",
        "4.20.0",
    ]
    versions = [OCPVersion.parse(text) for text in reversed(ordered)]

    assert ordered == [str(version) for version in sorted(versions, key=lambda v: v.precedence)]


def test_versions_refuse_to_be_compared_with_less_than():
    """`>= 4.20.0` would exclude every 4.20 nightly, so the operator does not exist."""
    with pytest.raises(TypeError):
        OCPVersion.parse("4.20.0-rc.1") < OCPVersion.parse("4.20.0")  # noqa: B015 the comparison is the test
