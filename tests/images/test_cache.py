"""The cache: one transfer for many readers, nothing but whole files, and no answer that it cannot vouch for."""

import asyncio
import hashlib
import os
import signal
import sys
from contextlib import aclosing

import pytest

from pilotage.images import reference as references
from pilotage.images.digests import digest_of
from pilotage.images.disk.cache import CachedSource, ContentCache
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.layers.build import Entry, pack, push_image
from pilotage.images.offline import OfflineSource
from pilotage.images.source import Descriptor

REPO = references.parse("quay.io/team/image")
LAYER = pack([Entry("hello", b"world" * 1000)])


class Source:
    """Content in memory that counts what is asked of it, waits where a test says so, and can lie."""

    def __init__(self, *contents, chunk=1000):
        self.contents = {digest_of(raw): raw for raw in contents}
        self.asked = []
        self.sent = 0
        self.chunk = chunk
        self.gate = None
        self.refuses = False

    def descriptor(self, number=0):
        digest, raw = list(self.contents.items())[number]
        return Descriptor("any", digest, len(raw))

    async def blob(self, _reference, descriptor):
        self.asked.append(descriptor.digest)
        raw = self.contents[descriptor.digest]
        for start in range(0, len(raw), self.chunk):
            if self.gate is not None and start:
                await self.gate.wait()
            self.sent += len(raw[start : start + self.chunk])
            yield raw[start : start + self.chunk]
        if digest_of(raw) != descriptor.digest:
            raise ImageError("ContentIntegrity", "the bytes hash to something else")


class Counted(OciLayout):
    """A layout that counts questions and can refuse them."""

    def __init__(self, directory):
        super().__init__(directory, create=True)
        self.resolved = self.fetched = 0
        self.refuses = False

    async def resolve(self, reference):
        self.resolved += 1
        if self.refuses:
            raise ImageError("Unauthorized", "this credential may not read it")
        return await super().resolve(reference)

    async def manifest(self, reference, digest):
        self.fetched += 1
        return await super().manifest(reference, digest)


class HandClock:
    def __init__(self):
        self.elapsed = 0.0

    def now(self):
        raise NotImplementedError

    def monotonic(self):
        return self.elapsed


@pytest.fixture
def cache(tmp_path):
    return ContentCache(tmp_path / "cache", max_bytes=1 << 20)


def files(cache):
    return {path.name: path.read_bytes() for path in (cache.directory / "blobs" / "sha256").iterdir()}


async def read(source, descriptor):
    return b"".join([chunk async for chunk in source.blob(REPO, descriptor)])


async def test_content_is_fetched_once(cache):
    """The second reader, also one of another process, gets the file."""
    inner = Source(b"x" * 5000)
    first = await read(CachedSource(inner, cache), inner.descriptor())
    second = await read(CachedSource(inner, cache), inner.descriptor())
    elsewhere = await read(CachedSource(OfflineSource(), ContentCache(cache.directory)), inner.descriptor())
    assert first == second == elsewhere == b"x" * 5000
    assert len(inner.asked) == 1


async def test_many_readers_share_one_transfer(cache):
    """64 concurrent readers cause one fetch, and the early ones do not wait for its end."""
    inner = Source(os.urandom(50_000))
    inner.gate = asyncio.Event()
    source = CachedSource(inner, cache)
    async with aclosing(source.blob(REPO, inner.descriptor())) as early:
        assert len(await anext(early)) == 1000
    readers = [asyncio.create_task(read(source, inner.descriptor())) for _ in range(64)]
    inner.asked.clear()
    inner.gate.set()
    results = await asyncio.gather(*readers)
    assert set(results) == {inner.contents[inner.descriptor().digest]}
    assert len(inner.asked) == 1


async def test_transfer_ends_with_its_last_reader(cache):
    """When all readers stop early the transfer stops too, and leaves nothing."""
    inner = Source(b"x" * 50_000)
    inner.gate = asyncio.Event()
    source = CachedSource(inner, cache)
    async with (
        aclosing(source.blob(REPO, inner.descriptor())) as one,
        aclosing(source.blob(REPO, inner.descriptor())) as two,
    ):
        assert await anext(one) == await anext(two) == b"x" * 1000
        await one.aclose()
        assert len(files(cache)) == 1  # the part is still being written for the other
    assert files(cache) == {}
    assert inner.sent == 1000


async def test_errors_reach_every_reader_and_are_not_kept(cache):
    """A transfer that fails fails for all who follow it; the next reader tries again."""
    inner = Source(b"x" * 5000)
    digest = inner.descriptor().digest
    good, inner.contents[digest] = inner.contents[digest], b"y" * 5000
    source = CachedSource(inner, cache)
    results = await asyncio.gather(
        *(read(source, Descriptor("any", digest, 5000)) for _ in range(5)), return_exceptions=True
    )
    assert {result.code for result in results} == {"ContentIntegrity"}
    assert files(cache) == {}
    inner.contents[digest] = good
    assert await read(source, Descriptor("any", digest, 5000)) == good


async def test_damaged_file_is_fetched_again(cache):
    """A file that was changed behind our back is noticed by a new process and replaced."""
    inner = Source(b"x" * 5000)
    await read(CachedSource(inner, cache), inner.descriptor())
    (path,) = (cache.directory / "blobs" / "sha256").iterdir()
    path.write_bytes(b"x" * 4999 + b"!")
    assert await read(CachedSource(inner, ContentCache(cache.directory)), inner.descriptor()) == b"x" * 5000
    assert path.read_bytes() == b"x" * 5000


async def test_least_recently_used_goes_first(cache):
    """When the cache is full, what was not used for longest makes room; what is too large is never kept."""
    inner = Source(*(bytes([number]) * 300_000 for number in range(4)), b"large" * 200_000)
    source = CachedSource(inner, cache)
    blobs = cache.directory / "blobs" / "sha256"
    for number in range(3):
        await read(source, inner.descriptor(number))
        path = blobs / inner.descriptor(number).digest.removeprefix("sha256:")
        os.utime(path, (1000 + number, 1000 + number))
    await read(source, inner.descriptor(0))
    await read(source, inner.descriptor(3))
    kept = {f"sha256:{name}" for name in files(cache)}
    assert kept == {inner.descriptor(number).digest for number in (0, 2, 3)}
    await read(source, inner.descriptor(4))
    assert inner.descriptor(4).digest not in {f"sha256:{name}" for name in files(cache)}


async def test_eviction_does_not_disturb_a_reader(cache):
    """A file that is evicted while it is read is read to its end."""
    inner = Source(os.urandom(3 << 20))
    big = ContentCache(cache.directory, max_bytes=100 << 20)
    await read(CachedSource(inner, big), inner.descriptor())
    async with aclosing(CachedSource(OfflineSource(), big).blob(REPO, inner.descriptor())) as content:
        parts = [await anext(content)]
        for path in (cache.directory / "blobs" / "sha256").iterdir():
            path.unlink()
        parts += [part async for part in content]
    assert digest_of(b"".join(parts)) == inner.descriptor().digest


@pytest.fixture
async def layout(tmp_path):
    return Counted(tmp_path / "layout")


async def test_manifest_is_fetched_once(cache, layout):
    """By digest, sixteen readers at once and all later ones cost one question."""
    image = await push_image(layout, REPO, [LAYER], tag="1")
    source = CachedSource(layout, cache)
    found = await asyncio.gather(*(source.manifest(REPO, image.digest) for _ in range(16)))
    assert {each.raw for each in found} == {image.raw}
    assert await source.resolve(REPO.at(image.digest)) == image.descriptor()
    assert layout.fetched == 1
    assert await CachedSource(OfflineSource(), cache).manifest(REPO, image.digest) == image


async def test_tags_are_never_cached(cache, layout):
    """A tag that moved is seen at once."""
    source = CachedSource(layout, cache)
    for label in ("1", "2"):
        image = await push_image(layout, REPO, [LAYER], labels={"n": label}, tag="moving")
        assert (await source.resolve(REPO.tagged("moving"))).digest == image.digest


async def test_absence_is_not_cached(cache, layout):
    """What was missing is found once it is there."""
    image = await push_image(layout, references.parse("quay.io/elsewhere/x"), [LAYER])
    path = layout.directory / "blobs" / "sha256" / image.digest.removeprefix("sha256:")
    raw = path.read_bytes()
    path.unlink()
    source = CachedSource(layout, cache)
    with pytest.raises(ImageError):
        await source.manifest(REPO, image.digest)
    path.write_bytes(raw)
    assert await source.manifest(REPO, image.digest) == image


async def test_hit_is_no_permission(cache, layout):
    """With the access check, each credential is asked for once in twelve hours, and a refusal stands."""
    clock, who = HandClock(), ["alice"]
    image = await push_image(layout, REPO, [LAYER])
    source = CachedSource(layout, cache, credential_id=lambda _: who[0], check_access=True, clock=clock)
    await source.manifest(REPO, image.digest)
    asked = layout.resolved
    await source.manifest(REPO, image.digest)
    assert layout.resolved == asked  # fetching it was the proof
    who[0] = "bob"
    await source.manifest(REPO, image.digest)
    await source.manifest(REPO, image.digest)
    assert layout.resolved == asked + 1
    clock.elapsed += 12 * 3600 + 1
    await source.manifest(REPO, image.digest)
    assert layout.resolved == asked + 2
    who[0], layout.refuses = "mallory", True
    for _ in range(2):
        with pytest.raises(ImageError, match="may not read"):
            await source.manifest(REPO, image.digest)


CRASHER = """
import asyncio, os, signal, sys
from pilotage.images import reference
from pilotage.images.disk.cache import CachedSource, ContentCache
from pilotage.images.digests import digest_of
from pilotage.images.source import Descriptor

directory, deadly = sys.argv[1], int(sys.argv[2])
steps = 0

def step(*_args):
    global steps
    steps += 1
    if steps == deadly:
        os.kill(os.getpid(), signal.SIGKILL)

# Every system call that changes the disk is a place to die, before it happens.
def deadly_call(event, args):
    if event in ("os.rename", "os.utime", "os.remove", "os.listdir") or (event == "open" and str(args[0]).startswith(directory)):
        step()

sys.addaudithook(deadly_call)
fsync = os.fsync
os.fsync = lambda fd: (step(), fsync(fd))[1]

class Source:
    async def blob(self, _reference, descriptor):
        for part in range(4):
            step()
            yield (b"%d" % (descriptor.size % 7)) * (descriptor.size // 4)

async def main():
    cache = ContentCache(directory, max_bytes=30_000)
    source = CachedSource(Source(), cache)
    for size in (4000, 8000, 12000, 4004):
        raw = (b"%d" % (size % 7)) * size
        descriptor = Descriptor("any", digest_of(raw), size)
        assert b"".join([c async for c in source.blob(reference.parse("a/b"), descriptor)]) == raw

asyncio.run(main())
print(steps)
"""


async def run_crasher(directory, deadly):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CRASHER, str(directory), str(deadly), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out


async def test_kill_at_any_step_leaves_whole_files(tmp_path):
    """A process that is killed in the middle of any write leaves nothing but whole files, and the next one goes on."""
    code, out = await run_crasher(tmp_path / "whole", 0)
    assert code == 0
    steps = int(out)
    assert steps > 20
    for deadly in range(1, steps, max(1, steps // 12)):
        directory = tmp_path / f"killed-{deadly}"
        code, _ = await run_crasher(directory, deadly)
        assert code == -signal.SIGKILL
        for path in directory.glob("blobs/sha256/[!.]*"):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        code, _ = await run_crasher(directory, 0)
        assert code == 0
