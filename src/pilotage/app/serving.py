"""An instance over HTTPS: its objects are served, and the kubeconfig that lets clients in lies in its directory.

The file is there exactly as long as the API answers. It is removed at the end: address, certificates and token are made anew for
each start, so a file that stays would only lead nowhere. One that a killed process left behind is removed at the next start.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from pilotage.api.errors import RemoteError
from pilotage.app import instance

if TYPE_CHECKING:
    from pilotage.store.embedded.store import EmbeddedStore

__all__ = ["forget", "served"]


def forget(data_dir: Path) -> None:
    """Remove what a killed process may have left. Only for who holds the directory."""
    instance.kubeconfig_path(data_dir).unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def served(store: EmbeddedStore, data_dir: Path, port: int = 0) -> AsyncIterator[Path]:
    """Serve until the block ends; gives the kubeconfig. Raises InputError `UnusablePort`, RemoteError `DirectoryFailed`."""
    # Start-up time: everything but `up` and `serve` does without the HTTP server.
    from pilotage.apiserver import kubeconfig  # noqa: PLC0415
    from pilotage.apiserver.server import serving  # noqa: PLC0415

    path = instance.kubeconfig_path(data_dir)
    async with serving(store, port=port) as api:
        try:
            kubeconfig.write(path, api.address, api.identity)
        except OSError as error:
            raise RemoteError(
                "DirectoryFailed",
                f"{path}: cannot be written: {error.strerror}",
                hint="look at the disk's space and permissions",
            ) from None
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
