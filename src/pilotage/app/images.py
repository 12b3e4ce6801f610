"""Where do image bytes come from? Layouts on disk first, then registries through their mirrors, or nothing when offline.

A reference is looked for, in this order: in the image layout of the instance that runs here (or that `--data-dir` names), which
answers for the repositories it holds; in the cache of earlier reads, by digest; at the registries, each through overrides and
mirrors. `--offline` leaves out the last step. What a tag names is never taken from the cache.

The user's own credentials are found as the containers tools find them: `--authfile`, `$REGISTRY_AUTH_FILE`,
`$XDG_RUNTIME_DIR/containers/auth.json`, `~/.config/containers/auth.json`, `~/.docker/config.json`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pilotage.api.errors import InputError
from pilotage.app import instance
from pilotage.app.beside import Beside
from pilotage.app.companions import SignedMirrors
from pilotage.app.releaseversions import Versions
from pilotage.decision.findings import Finding
from pilotage.images import locations
from pilotage.images.credentials import Credentials
from pilotage.images.disk.cache import CachedSource, ContentCache
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.mirrors import Mirrors
from pilotage.images.offline import OfflineSource
from pilotage.images.overrides import Overrides
from pilotage.images.reference import Reference
from pilotage.images.resolver import Resolver
from pilotage.images.source import ImageSource, ImageTarget

if TYPE_CHECKING:
    from pilotage.images.registry.client import RegistryClient

__all__ = [
    "ImageAccess",
    "Images",
    "credentials_file",
    "open_registry",
    "opened",
    "read_mirrors",
    "read_overrides",
]

_CACHE_BYTES = 2 << 30


class ImageAccess(msgspec.Struct, frozen=True):
    """How the user wants images to be reached. `overrides` are `source=target` pairs, `versions` says where versions are looked up.

    `finds_instance`: when no instance is named, the images of the one that runs here count.
    """

    authfile: Path | None = None
    ca_file: Path | None = None
    insecure_hosts: frozenset[str] = frozenset()
    is_offline: bool = False
    mirror_files: tuple[Path, ...] = ()
    overrides: tuple[str, ...] = ()
    data_dir: Path | None = None
    versions: Versions = Versions()
    finds_instance: bool = True


class Images:
    """All places that one command reads images from and writes them to. What it opened is closed by `close`.

    `report` is told of every mirror that served wrong bytes. `pull_secret` is read with instead of the user's own
    credentials.
    """

    def __init__(
        self,
        access: ImageAccess,
        report: Callable[[Finding], None] | None = None,
        pull_secret: Credentials | None = None,
    ) -> None:
        self.access = access
        self._report = report
        self._pull_secret = pull_secret
        self._opened: list[ImageSource] = []
        self._clients: list[RegistryClient] = []
        self._of_others: dict[bytes, Images] = {}

    @cached_property
    def credentials(self) -> Credentials:
        """The user's own. Raises InputError `PullSecretUnavailable`, ImageError `PullSecretInvalid`."""
        if self._pull_secret is not None:
            return self._pull_secret
        path = credentials_file(self.access.authfile, os.environ)
        return Credentials.parse(path.read_bytes()) if path else Credentials()

    @cached_property
    def registry(self) -> ImageTarget:
        """Registries as they are, to write to and to look at: no mirrors, no cache. Raises ImageError `Offline`."""
        if self.access.is_offline:
            raise ImageError(
                "Offline",
                "failed to reach a registry: the network may not be used",
                hint="Leave out --offline.",
            )
        return self._client

    @cached_property
    def direct(self) -> ImageSource:
        """What a reference means to the user: the instance's layout, then registries through mirrors. Not cached."""
        return self._behind_instance(lambda: self._mirrored)

    @cached_property
    def cached(self) -> ImageSource:
        """As `direct`, with what was read before: for manifests, configs and payload layers."""
        return self._behind_instance(lambda: self._cached)

    def with_pull_secret(self, document: bytes) -> ImageSource:
        """`cached`, as the holder of this dockerconfigjson reads it; an empty one leaves the user's own credentials.

        Equal documents share one client. Raises ImageError `PullSecretInvalid`.
        """
        credentials = Credentials.parse(document)
        if not credentials:
            return self.cached
        name = hashlib.sha256(document).digest()
        if name not in self._of_others:
            self._of_others[name] = Images(self.access, self._report, credentials)
        return self._of_others[name].cached

    @cached_property
    def layout(self) -> OciLayout | None:
        """The layout of the instance that is meant, None when there is none. A directory that was named must be one."""
        if not self.access.finds_instance and self.access.data_dir is None:
            return None
        try:
            directory = instance.layout_path(instance.find(self.access.data_dir, os.environ))
        except InputError:
            if self.access.data_dir is not None:
                raise
            return None
        return OciLayout(directory) if (directory / "oci-layout").is_file() else None

    async def open(self, text: str, *, cached: bool = False) -> tuple[ImageSource, Reference]:
        """The source that a location names, and the reference in it. Raises ImageError."""
        location = locations.parse_location(text)
        source, reference = await locations.open_source(
            location, lambda: self.cached if cached else self.direct
        )
        self._opened.append(source)
        return source, reference

    def target(self, text: str) -> tuple[ImageTarget, Reference]:
        """Where a location lets us write. Raises ImageError, `Offline` for a registry when offline."""
        return locations.open_target(locations.parse_location(text), lambda: self.registry)

    def beside(self, source: ImageSource | None, *, cached: bool = True) -> ImageSource:
        """Where the components of a payload from `source` are read: beside it, when that is a layout on disk.

        Not `cached` is for copies: layers that only pass through would push out what is read again and again.
        """
        if isinstance(source, OciLayout):
            return Beside(source, lambda: self.cached if cached else self.direct)
        return self.cached if cached else self.direct

    async def close(self) -> None:
        for source in (*self._opened, *self._clients):
            await source.close()
        for images in self._of_others.values():
            await images.close()

    @cached_property
    def _client(self) -> RegistryClient:
        client = open_registry(self.access, self.credentials)
        self._clients.append(client)
        return client

    @cached_property
    def _mirrored(self) -> ImageSource:
        if self.access.is_offline:
            return OfflineSource()
        overrides = read_overrides(self.access.overrides)
        mirrors = read_mirrors(self.access.mirror_files)
        if not overrides and not mirrors:
            return self._client
        resolver = Resolver("direct-fetch", overrides=overrides, mirrors=mirrors)
        return SignedMirrors(self._client, resolver, report=self._report)

    @cached_property
    def _cached(self) -> ImageSource:
        cache = open_cache(os.environ)
        if cache is None:
            return self._mirrored
        if self._pull_secret is None or self.access.is_offline:
            return CachedSource(self._mirrored, cache)
        # What is cached was perhaps read by somebody else: the holder of this secret must be let in as well.
        return CachedSource(
            self._mirrored, cache, credential_id=self._client.credential_id, check_access=True
        )

    def _behind_instance(self, rest: Callable[[], ImageSource]) -> ImageSource:
        return Beside(self.layout, rest) if self.layout is not None else rest()


@asynccontextmanager
async def opened(
    access: ImageAccess, report: Callable[[Finding], None] | None = None
) -> AsyncIterator[Images]:
    """The places of one command, closed when the block ends."""
    images = Images(access, report)
    try:
        yield images
    finally:
        await images.close()


def open_registry(access: ImageAccess, credentials: Credentials | None = None) -> RegistryClient:
    """A client for any registry. aiohttp is loaded only here. Raises ImageError `Offline` when that is forbidden."""
    from pilotage.images.registry.client import RegistryClient, RegistrySettings  # noqa: PLC0415 -- aiohttp is slow to load

    settings = RegistrySettings(insecure_hosts=access.insecure_hosts, ca_file=str(access.ca_file or ""))
    return RegistryClient(credentials if credentials is not None else _credentials(access), settings)


def open_cache(environment: Mapping[str, str]) -> ContentCache | None:
    """What was read before: in `$PILOTAGE_CACHE_DIR`, else the user's cache directory; None where nothing can be written."""
    home = environment.get("XDG_CACHE_HOME") or f"{environment.get('HOME', '')}/.cache"
    directory = Path(environment.get("PILOTAGE_CACHE_DIR") or f"{home}/pilotage")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return ContentCache(directory, max_bytes=_CACHE_BYTES) if os.access(directory, os.W_OK) else None


def read_mirrors(files: tuple[Path, ...]) -> Mirrors:
    """The rules of ImageDigestMirrorSets, ImageTagMirrorSets and ImageContentSourcePolicies, several to a file.

    Raises InputError `UnreadableFile`, `MalformedManifest`, or `NoMirrors` for files without any such object.
    """
    from pilotage.api import manifest  # noqa: PLC0415 -- YAML is read only when there is some

    objects = []
    for file in files:
        try:
            text = file.read_bytes()
        except OSError as error:
            raise InputError("UnreadableFile", f"{file}: {error.strerror}") from None
        objects += manifest.load_objects(text, str(file))
    mirrors = Mirrors.of_objects(each.value() for each in objects)
    if files and not mirrors:
        raise InputError(
            "NoMirrors",
            f"{', '.join(map(str, files))}: no mirror rule is in there",
            hint="Give ImageDigestMirrorSet, ImageTagMirrorSet or ImageContentSourcePolicy documents.",
        )
    return mirrors


def read_overrides(pairs: tuple[str, ...]) -> Overrides:
    """Raises InputError `OverrideInvalid` naming every pair that is none: a skipped one would silently read elsewhere."""
    entries = [entry for pair in pairs for entry in pair.split(",") if entry]
    faults = [entry for entry in entries if not all(entry.partition("="))]
    if faults:
        raise InputError(
            "OverrideInvalid",
            f"{', '.join(faults)}: write SOURCE=TARGET, for example quay.io=mirror.example.com/quay",
        )
    return Overrides.parse(",".join(entries))


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
