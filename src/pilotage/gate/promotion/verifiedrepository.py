"""What the verified repository names, and the one way in which its tags are set.

A canonical tag is written once and never changed: one that names something else stops whoever finds it. Aliases move. Setting a tag to
what it names already writes nothing, so that everything here may be repeated after a crash.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pilotage.api.errors import InputError, RefusedError, RemoteError
from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference
from pilotage.images.reference import parse as parse_reference
from pilotage.images.source import ImageSource, ImageTarget, Manifest

__all__ = ["TagConflictError", "move_tag", "named_by", "refusing", "repository_of", "write_canonical"]


class TagConflictError(RefusedError):
    """The canonical tag names another digest. Nothing was overwritten."""

    def __init__(self, tag: Reference, wanted: str, found: str) -> None:
        super().__init__(
            "TagConflict",
            f"{tag}: it names {found}, and should name {wanted}",
            hint="canonical tags are never moved: find out who wrote it, remove the tag at the registry, promote again",
        )


def repository_of(name: str) -> Reference:
    """`registry/repository` as a Gate names it. Raises InputError `InvalidReference`."""
    with refusing():
        reference = parse_reference(name)
    if reference.tag or reference.digest:
        raise InputError(
            "InvalidReference", f"{name}: the verified repository is named without tag and digest"
        )
    return reference


async def named_by(source: ImageSource, tag: Reference) -> str:
    """The digest that the tag names now; empty when there is no such tag. Raises ImageError."""
    try:
        return (await source.resolve(tag)).digest
    except ImageError as error:
        if error.code == "NotFound":
            return ""
        raise


async def write_canonical(target: ImageTarget, tag: Reference, manifest: Manifest) -> None:
    """Let the tag name the manifest, which is there already. Raises TagConflictError, ImageError."""
    found = await named_by(target, tag)
    if not found:
        await target.put_manifest(tag, manifest, tag.tag)
        found = await named_by(
            target, tag
        )  # somebody may have been faster, and registries take the last word
    if found != manifest.digest:
        raise TagConflictError(tag, manifest.digest, found or "nothing")


async def move_tag(target: ImageTarget, tag: Reference, digest: str) -> bool:
    """Let an alias name a digest of the same repository; False when it does already. Raises ImageError."""
    if await named_by(target, tag) == digest:
        return False
    await target.put_manifest(tag, await target.manifest(tag.at(digest), digest), tag.tag)
    return True


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """What a registry says about images, told by who must act: what no repetition can help becomes InputError."""
    try:
        yield
    except ImageError as error:
        if error.is_user_error:
            raise InputError(error.code, error.message, hint=error.hint, messages=error.messages) from error
        raise
    except OSError as error:  # the disk under an image layout
        where = f"{error.filename}: " if error.filename else ""
        raise RemoteError("FileSystem", f"{where}{error.strerror or error}") from error
