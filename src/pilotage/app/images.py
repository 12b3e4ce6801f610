"""Where do image bytes come from? Layouts on disk first, then a registry through mirrors, or nothing when offline.

The user's own credentials are found as the containers tools find them: `--authfile`, `$REGISTRY_AUTH_FILE`,
`$XDG_RUNTIME_DIR/containers/auth.json`, `~/.config/containers/auth.json`, `~/.docker/config.json`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from pilotage.api.errors import InputError
from pilotage.images.credentials import Credentials
from pilotage.images.layout import OciLayout
from pilotage.images.offline import OfflineSource
from pilotage.images.source import ImageSource, ImageTarget

__all__ = ["ImageAccess", "credentials_file", "open_images", "open_registry"]


class ImageAccess(msgspec.Struct, frozen=True):
    """How the user wants images to be reached."""

    authfile: Path | None = None
    ca_file: Path | None = None
    insecure_hosts: frozenset[str] = frozenset()
    is_offline: bool = False


def open_registry(access: ImageAccess) -> ImageTarget:
    """A client for any registry. aiohttp is loaded only here."""
    from pilotage.images.registry import RegistryClient, RegistrySettings  # noqa: PLC0415 -- aiohttp is slow to load

    settings = RegistrySettings(insecure_hosts=access.insecure_hosts, ca_file=str(access.ca_file or ""))
    return RegistryClient(_credentials(access), settings)


def open_images(access: ImageAccess, layout: Path | None = None) -> ImageSource:
    """What `explain` and `preview` read images from: the layout of an instance, else registries, else nothing."""
    if layout is not None:
        return OciLayout(layout)
    return OfflineSource() if access.is_offline else open_registry(access)


def credentials_file(authfile: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The first of the well-known files that exists. A file that was named must exist.

    Raises InputError `PullSecretUnavailable`.
    """
    named = authfile or (
        Path(environment["REGISTRY_AUTH_FILE"]) if environment.get("REGISTRY_AUTH_FILE") else None
    )
    if named is not None:
        if not named.exists():
            raise InputError(
                "PullSecretUnavailable", f"{named}: no such file", hint="name a file with --authfile"
            )
        return named
    return next((path for path in _well_known(environment) if path.exists()), None)


def _well_known(environment: Mapping[str, str]) -> Iterator[Path]:
    if environment.get("XDG_RUNTIME_DIR"):
        yield Path(environment["XDG_RUNTIME_DIR"]) / "containers" / "auth.json"
    home = Path(environment.get("HOME", "/"))
    yield home / ".config" / "containers" / "auth.json"
    yield home / ".docker" / "config.json"


def _credentials(access: ImageAccess) -> Credentials:
    path = credentials_file(access.authfile, os.environ)
    return Credentials.parse(path.read_bytes()) if path else Credentials()
