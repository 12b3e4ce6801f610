"""Which OpenShift version is this?

A release payload names its version as strict SemVer: `4.20.3`, `4.20.0-ec.3`, `4.21.0-0.nightly-2026-05-20-043516`,
`4.20.3+hotfix.1`. The text is kept whole, because an override for `4.20.3` must not catch the custom build
`4.20.3+hotfix.1`.

An `OCPVersion` has no `<` on purpose. Every nightly and candidate of 4.20 sorts *below* 4.20.0, so "at least 4.20" written
as a SemVer comparison would exclude them. Decide by `minor_pair`; sort by `precedence`.
Follows semver.org 2.0.0, as read by the strict parser of openshift/hypershift (numbers are at most 64 bits wide).
"""

from __future__ import annotations

import msgspec
import semver

from pilotage.api.errors import InputError

__all__ = ["OCPVersion", "is_semver"]

_UINT64_END = 1 << 64
# Far longer than any version, far shorter than what makes parsing slow.
_LONGEST = 512


class OCPVersion(msgspec.Struct, frozen=True, gc=False):
    """A release version. Equality is of all parts, build included; `str()` gives back the text that was parsed.

    `prerelease` and `build` are without their `-` and `+`, empty when there is none.
    """

    major: int
    minor: int
    patch: int
    prerelease: str = ""
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> OCPVersion:
        """Read a version: three numbers, no `v`, no spaces, no leading zeros.

        Raises InputError `InvalidReleaseVersion` with the text in double quotes.
        """
        parsed = _parse(text)
        if parsed is None:
            raise InputError(
                "InvalidReleaseVersion",
                f'failed to parse version "{text}": it is not MAJOR.MINOR.PATCH with an optional -prerelease and +build',
                hint="write the version as the release payload does, for example 4.20.3 or 4.20.0-rc.1",
                details={"version": text},
            )
        return cls(parsed.major, parsed.minor, parsed.patch, parsed.prerelease or "", parsed.build or "")

    @property
    def minor_pair(self) -> tuple[int, int]:
        """`(4, 20)` for every 4.20: candidates and nightlies count as their minor."""
        return (self.major, self.minor)

    @property
    def without_build(self) -> OCPVersion:
        return msgspec.structs.replace(self, build="") if self.build else self

    @property
    def precedence(self) -> semver.Version:
        """Sorts as SemVer orders: nightlies, candidates, then the release. The build part does not count."""
        return semver.Version(self.major, self.minor, self.patch, self.prerelease or None)

    def __str__(self) -> str:
        prerelease = f"-{self.prerelease}" if self.prerelease else ""
        build = f"+{self.build}" if self.build else ""
        return f"{self.major}.{self.minor}.{self.patch}{prerelease}{build}"


def is_semver(text: str) -> bool:
    """Whether `text` is strict SemVer: three numeric parts, no `v`, no leading zeros."""
    return _parse(text) is not None


def _parse(text: str) -> semver.Version | None:
    # Some releases of the library let digits of other scripts and a final newline pass.
    if len(text) > _LONGEST or not text.isascii() or text.endswith("\n"):
        return None
    try:
        parsed = semver.Version.parse(text)
    except ValueError:
        return None
    numbers = [int(part) for part in (parsed.prerelease or "").split(".") if part.isdigit()]
    if max(parsed.major, parsed.minor, parsed.patch, *numbers) >= _UINT64_END:
        return None
    return parsed
