"""Which payload is release 4.20.3? What a version on the command line stands for.

Asked are, in order: a map of the user's (`--versions FILE`, version to pull spec), which is all there is offline; the hosted clusters of
the instance at hand, which remember what they ran; the update graph. A channel that is not named is `fast-`, then `stable-`, then
`candidate-` of the version's minor. A release that the graph knows from other channels only is an error that names them.

Follows the update graph protocol (openshift/cincinnati) and openshift/oc `pkg/cli/admin/release/info.go`; unlike that, every major.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from pilotage import __version__
from pilotage.api.errors import InputError, RemoteError
from pilotage.api.versions import OCPVersion
from pilotage.app import instance

if TYPE_CHECKING:
    from pilotage.app.images import ImageAccess

__all__ = ["DEFAULT_GRAPH", "Node", "Versions", "node_of", "pull_spec_of"]

DEFAULT_GRAPH = "https://api.openshift.com/api/upgrades_info/graph"
_ACCEPT = "application/vnd.redhat.cincinnati.v1+json"
_CHANNELS = "io.openshift.upgrades.graph.release.channels"
_DEFAULT_CHANNELS = ("fast", "stable", "candidate")
_TIMEOUT = 30.0
_MAX_GRAPH = 64 << 20


class Versions(msgspec.Struct, frozen=True):
    """Where versions are looked up. `channel` empty means the default ones; `architecture` is the graph's name."""

    file: Path | None = None
    graph: str = DEFAULT_GRAPH
    channel: str = ""
    architecture: str = "multi"


class Node(msgspec.Struct, frozen=True):
    """One release of the update graph."""

    version: str
    payload: str = ""
    metadata: dict[str, str] = {}

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.metadata.get(_CHANNELS, "").split(",") if name.strip())


class _Graph(msgspec.Struct, frozen=True):
    nodes: tuple[Node, ...] = ()


async def pull_spec_of(version: str, versions: Versions, access: ImageAccess) -> str:
    """The pull spec of a version.

    Raises InputError `VersionNotFound` naming version and channels, `VersionsUnreadable` for a map that is none; RemoteError
    `UpdateGraphUnreachable`.
    """
    if versions.file is not None and (found := _read_map(versions.file).get(version)):
        return found
    if found := await _of_instance(version, access.data_dir):
        return found
    if access.is_offline:
        raise InputError(
            "VersionNotFound",
            f"release {version} is not known here, and the update graph needs the network",
            hint="Name a pull spec, or give a map of versions to pull specs with --versions FILE.",
        )
    parsed = OCPVersion.parse(version)
    channels = (
        [versions.channel]
        if versions.channel
        else [f"{each}-{parsed.major}.{parsed.minor}" for each in _DEFAULT_CHANNELS]
    )
    for channel in channels:
        node = node_of(version, channel, await _read_graph(versions, channel, access))
        if node is not None:
            return node.payload
    raise InputError(
        "VersionNotFound",
        f"release {version} ({versions.architecture}) is not in the channel{'s' if len(channels) > 1 else ''} {', '.join(channels)}",
        hint="Name another channel with --channel, or a pull spec.",
    )


def node_of(version: str, channel: str, nodes: Sequence[Node]) -> Node | None:
    """The release in this channel; None when the graph does not know it.

    Raises InputError `VersionNotFound` when it is in other channels, `VersionWithoutPayload` for a node without a pull spec.
    """
    node = next((each for each in nodes if each.version == version), None)
    if node is None:
        return None
    if node.channels and channel not in node.channels:
        raise InputError(
            "VersionNotFound",
            f"release {version} is not in the channel {channel}; it is in {', '.join(node.channels)}",
            hint="Name one of these with --channel.",
        )
    if not node.payload:
        raise InputError("VersionWithoutPayload", f"the update graph names no payload for release {version}")
    return node


def _read_map(file: Path) -> dict[str, str]:
    from pilotage.api import yaml  # noqa: PLC0415 -- YAML is read only when there is some

    try:
        return msgspec.convert(yaml.load(file.read_text(), str(file)), dict[str, str])
    except (OSError, UnicodeDecodeError, msgspec.ValidationError, InputError) as error:
        raise InputError(
            "VersionsUnreadable",
            f"{file}: {getattr(error, 'strerror', None) or error}",
            hint="Write one line for each version: 4.20.3: quay.io/…@sha256:…",
        ) from None


async def _of_instance(version: str, data_dir: Path | None) -> str:
    """What a hosted cluster of the instance runs or ran under this version; empty when none knows it."""
    from pilotage.api.hypershift import HOSTED_CLUSTER, HostedCluster  # noqa: PLC0415 -- with the store, and only then
    from pilotage.app.objects import ObjectSource, open_reader  # noqa: PLC0415

    try:
        instance.find(data_dir, os.environ)
    except InputError:
        if data_dir is not None:
            raise
        return ""
    async with open_reader(ObjectSource(data_dir=data_dir)) as opened:
        for item in (await opened.reader.list(HOSTED_CLUSTER)).items:
            status = item.view(HostedCluster).status
            known = status.version if status else None
            for entry in (known.desired, *(known.history or ())) if known else ():
                if entry is not None and entry.version == version and entry.image:
                    return entry.image
    return ""


async def _read_graph(versions: Versions, channel: str, access: ImageAccess) -> tuple[Node, ...]:
    from pilotage.images.registry.exchange import Request, TransportError  # noqa: PLC0415 -- the HTTP library is slow to load
    from pilotage.images.registry.pacing import Pace, RetryPolicy  # noqa: PLC0415
    from pilotage.images.registry.transport import HttpTransport  # noqa: PLC0415

    separator = "&" if "?" in versions.graph else "?"
    url = f"{versions.graph}{separator}{urlencode({'channel': channel, 'arch': versions.architecture})}"
    context = ssl.create_default_context()
    if access.ca_file is not None:
        context.load_verify_locations(cafile=access.ca_file)
    transport = HttpTransport(
        pace=Pace(),
        retry=RetryPolicy(),
        rate=0,
        burst=1,
        connect_timeout=_TIMEOUT,
        stall_timeout=_TIMEOUT,
        tls=context,
        user_agent=f"pilotage/{__version__}",
    )
    try:
        async with await transport.send(
            Request("GET", url, {"Accept": _ACCEPT}, timeout=_TIMEOUT)
        ) as response:
            if response.status != 200:
                raise _unreachable(versions, f"it answered {response.status}")
            raw = await response.read(_MAX_GRAPH)
        return msgspec.json.decode(raw, type=_Graph).nodes
    except TransportError as error:
        raise _unreachable(versions, error.cause) from None
    except msgspec.DecodeError as error:
        raise _unreachable(versions, f"its answer is no graph: {error}") from None
    finally:
        await transport.close()


def _unreachable(versions: Versions, cause: str) -> RemoteError:
    return RemoteError(
        "UpdateGraphUnreachable",
        f"failed to read the update graph {versions.graph.partition('?')[0]}: {cause}",
        hint="Name a pull spec instead of a version, or give --versions FILE.",
    )
