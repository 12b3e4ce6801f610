"""How long does an image take from registry to registry, and how much of it is read for one directory?

(a) A four-architecture index, 20 MB and 1 MB compressed per architecture, from one `docker-registry` on loopback to another, cold
destination each time, against `skopeo copy --all --preserve-digests`. Both results are compared byte by byte.
(b) The manifest directory out of the top layer of such an image, as a share of the bytes of the image.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from pilotage.images.copy import copy_image
from pilotage.images.layers.build import Entry, PackedLayer, pack, push_image, push_index
from pilotage.images.layers.files import read_directory
from pilotage.images.platforms import open_image
from pilotage.images.reference import Reference, parse
from pilotage.images.registry.client import RegistryClient, RegistrySettings
from pilotage.images.source import Descriptor, ImageSource, Platform

ARCHITECTURES = ("amd64", "arm64", "ppc64le", "s390x")
ROUNDS = 7
NAME = "registry to registry, four architectures"


@contextmanager
def registry(home: Path) -> Iterator[str]:
    """A CNCF distribution server on a free port."""
    home.mkdir()
    config = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(home / "root")}, "maintenance": {"uploadpurging": {"enabled": False}}},
        "http": {"addr": "127.0.0.1:0"},
    }  # fmt: skip
    (home / "config.yml").write_text(json.dumps(config))
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(home / "config.yml")],
            stdout=log,
            stderr=log,
            env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        yield _address(home / "log", process)
    finally:
        process.terminate()
        process.wait(10)


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    for _ in range(500):
        if found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"docker-registry did not start: {log.read_text()}")


def sample_layers(architecture: str) -> tuple[PackedLayer, PackedLayer]:
    """About 20 MB that do not compress, and a top layer of about 1 MB like that of a release payload."""
    noise = random.Random(architecture)
    base = pack([Entry("usr/bin/cluster-version-operator", noise.randbytes(20_000_000), 0o755)])
    manifests = [
        Entry(f"release-manifests/0000_50_{architecture}_{number:03}.yaml", noise.randbytes(2_500), 0o444)
        for number in range(400)
    ]
    directory = Entry("release-manifests", kind="directory", mode=0o755)
    references = Entry("release-manifests/image-references", b"{}", 0o444)
    return base, pack([directory, references, *manifests])


async def prepare(client: RegistryClient, reference: Reference) -> None:
    children = []
    for architecture in ARCHITECTURES:
        platform = Platform(architecture, "linux")
        image = await push_image(client, reference, sample_layers(architecture), platform=platform)
        children.append((image, platform))
    await push_index(client, reference, children, tag=reference.tag)


async def our_copy(hosts: frozenset[str], source: Reference, destination: Reference) -> float:
    """A client of its own for each round, as a command would have."""
    started = time.perf_counter()
    client = RegistryClient(settings=RegistrySettings(insecure_hosts=hosts))
    try:
        await copy_image(client, source, client, destination)
    finally:
        await client.close()
    return time.perf_counter() - started


def skopeo_copy(source: Reference, destination: Reference) -> float:
    started = time.perf_counter()
    command = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"]  # fmt: skip
    subprocess.run([*command, f"docker://{source}", f"docker://{destination}"], check=True)
    return time.perf_counter() - started


def content(root: Path) -> dict[str, bytes]:
    """All blobs of a registry on disk, by digest."""
    return {
        path.parent.name: path.read_bytes()
        for path in root.glob("root/docker/registry/v2/blobs/sha256/*/*/data")
    }


async def measure(home: Path) -> dict[str, object]:
    with registry(home / "source") as source_host:
        client = RegistryClient(settings=RegistrySettings(insecure_hosts=frozenset({source_host})))
        source = parse(f"{source_host}/release/payload:4.21.0")
        await prepare(client, source)
        share = await directory_share(client, source)
        await client.close()
        times: dict[str, list[float]] = {"pilotage": [], "skopeo": []}
        equal = True
        for number in range(ROUNDS):
            results = {}
            for tool in ("pilotage", "skopeo") if number % 2 else ("skopeo", "pilotage"):
                place = home / f"{tool}-{number}"
                with registry(place) as host:
                    destination = parse(f"{host}/mirror/payload:4.21.0")
                    hosts = frozenset({source_host, host})
                    taken = await our_copy(hosts, source, destination) if tool == "pilotage" else skopeo_copy(source, destination)  # fmt: skip
                times[tool].append(taken)
                results[tool] = content(place)
                shutil.rmtree(place)
            equal = equal and results["pilotage"] == results["skopeo"] == content(home / "source")
    return report(times, equal=equal) | {"directory": share}


def report(times: dict[str, list[float]], *, equal: bool) -> dict[str, object]:
    medians = {tool: statistics.median(values) for tool, values in times.items()}
    version = subprocess.run(
        ["skopeo", "--version"], capture_output=True, check=True, text=True
    ).stdout.split()[2]
    return {
        "name": NAME,
        "peer": f"skopeo {version}",
        "rounds": ROUNDS,
        "seconds": {tool: round(value, 4) for tool, value in medians.items()},
        "range": {tool: [round(min(values), 4), round(max(values), 4)] for tool, values in times.items()},
        "ratio": round(medians["pilotage"] / medians["skopeo"], 3),
        "bytes_equal": equal,
    }


async def directory_share(client: RegistryClient, reference: Reference) -> dict[str, object]:
    """Bytes that one manifest directory costs, counted where they arrive."""
    counted = Counting(client)
    chosen = await open_image(counted, reference)
    started = time.perf_counter()
    until = ["release-manifests/image-references"]
    files = await read_directory(counted, reference, chosen.image, "release-manifests", until=until)
    taken = time.perf_counter() - started
    size = sum(layer.size for layer in chosen.image.layers)
    return {
        "files": len(files),
        "seconds": round(taken, 4),
        "bytes_read": counted.read,
        "bytes_of_image": size,
        "share": round(counted.read / size, 4),
    }


class Counting:
    """A source with the bytes of all blobs counted."""

    def __init__(self, inner: ImageSource) -> None:
        self.resolve = inner.resolve
        self.manifest = inner.manifest
        self.referrers = inner.referrers
        self.tags = inner.tags
        self.close = inner.close
        self._inner = inner
        self.read = 0

    async def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        async for chunk in self._inner.blob(reference, descriptor):
            self.read += len(chunk)
            yield chunk


def run() -> dict[str, object]:
    """Measure and report. Without skopeo or docker-registry there is nothing to compare with, and the result says so."""
    missing = [tool for tool in ("skopeo", "docker-registry") if shutil.which(tool) is None]
    if missing:
        return {"name": NAME, "skipped": f"not installed: {', '.join(missing)}"}
    with tempfile.TemporaryDirectory(prefix="pilotage-bench-") as home:
        return asyncio.run(measure(Path(home)))


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
