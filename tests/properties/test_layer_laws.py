"""Laws of reading files out of layers: the answer is that of unpacking everything, whichever way it is asked for."""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.images import reference as references
from pilotage.images.digests import digest_of
from pilotage.images.errors import ImageError
from pilotage.images.layers.build import Entry, pack
from pilotage.images.layers.compression import ArchiveError
from pilotage.images.layers.files import read_directory, read_files
from pilotage.images.layers.tarstream import TarReader
from pilotage.images.source import Descriptor, ImageManifest

HERE = references.parse("registry.example.com/team/image:1")
NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
COMPRESSIONS = st.sampled_from(["gzip", "zstd", "none"])


@st.composite
def layers(draw):
    """A layer as honest tools write it: no path is both a file and a directory, none is there twice."""
    entries = {}
    for path in draw(st.lists(PATHS, max_size=5, unique=True)):
        parents = ["/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)]
        if any(parent in entries for parent in parents) or any(
            other.startswith(path + "/") for other in entries
        ):
            continue
        entries[path] = draw(st.binary(max_size=4))
    hidden = draw(st.lists(PATHS, max_size=2, unique=True))
    hidden = [path for path in hidden if not any((other + "/").startswith(path + "/") for other in entries)]
    opaque = draw(st.lists(PATHS, max_size=1))
    opaque = [path for path in opaque if not any((path + "/").startswith(other + "/") for other in entries)]
    return entries, hidden, opaque


def packed(layer, compression):
    entries, hidden, opaque = layer
    found = [Entry(path, raw) for path, raw in entries.items()]
    for path in hidden:
        parent, _, name = path.rpartition("/")
        found.append(Entry(f"{parent}/.wh.{name}".lstrip("/")))
    found += [Entry(f"{path}/.wh..wh..opq") for path in opaque]
    random.Random(len(found)).shuffle(found)
    return pack(found, compression=compression).raw


def unpacked(stack):
    """The files after applying every layer from the bottom up, as a container runtime would."""
    files = {}
    for entries, hidden, opaque in stack:
        directories = {"/".join(path.split("/")[:depth]) for path in [*entries, *(f"{each}/x" for each in opaque), *hidden] for depth in range(1, path.count("/") + 1)}  # fmt: skip
        gone = [path + "/" for path in hidden] + [path + "/" for path in entries]
        files = {
            path: raw
            for path, raw in files.items()
            if not any((path + "/").startswith(prefix) for prefix in gone)
            and not any(path.startswith(each + "/") for each in opaque)
            and path not in directories
        } | entries
    return files


class Blobs:
    def __init__(self, raws, chunk):
        self.raw = {digest_of(raw): raw for raw in raws}
        self.chunk = chunk
        config = Descriptor("config", "sha256:" + "0" * 64, 2)
        self.image = ImageManifest(config, tuple(Descriptor("any", digest_of(raw), len(raw)) for raw in raws))

    async def blob(self, _reference, descriptor):
        raw = self.raw[descriptor.digest]
        for start in range(0, len(raw), self.chunk):
            yield raw[start : start + self.chunk]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    stack=st.lists(layers(), max_size=4), compression=COMPRESSIONS, chunk=st.sampled_from([97, 700, 1 << 20])
)
def test_reading_equals_unpacking(stack, compression, chunk):
    """Listing a directory, asking for all files at once, and one by one give what unpacking all layers gives."""
    blobs = Blobs([packed(layer, compression) for layer in stack], chunk)
    expected = unpacked(stack)
    every = sorted({path for entries, _, _ in stack for path in entries} | {"a", "a/b", "c/c/c"})

    async def ask():
        listed = await read_directory(blobs, HERE, blobs.image, "")
        together = await read_files(blobs, HERE, blobs.image, every)
        apart = {
            path: raw
            for each in every
            for path, raw in (await read_files(blobs, HERE, blobs.image, [each])).items()
        }
        below = await read_directory(blobs, HERE, blobs.image, "a")
        return listed, together, apart, below

    listed, together, apart, below = asyncio.run(ask())
    assert listed == expected
    assert together == apart == expected
    assert below == {path: raw for path, raw in expected.items() if path.startswith("a/")}


@settings(max_examples=120, derandomize=True, deadline=None)
@given(raw=st.binary(max_size=2000), at=st.integers(0, 1500), head=COMPRESSIONS)
def test_damage_never_escapes(raw, at, head):
    """Whatever stands in a layer, reading it ends in an answer or in one of our errors."""
    good = pack([Entry("dir/file", b"content" * 50)], compression=head).raw
    damaged = good[:at] + raw + good[at + len(raw) :]
    blobs = Blobs([damaged], 100)
    try:
        found = asyncio.run(read_files(blobs, HERE, blobs.image, ["dir/file"]))
    except ImageError as error:
        assert error.code == "UnsafeLayer"  # noqa: PT017 - an answer is as good as an error
    else:
        assert found.keys() <= {"dir/file"}


@settings(max_examples=120, derandomize=True, deadline=None)
@given(raw=st.binary(max_size=3000), cuts=st.lists(st.integers(1, 600), max_size=8))
def test_pieces_do_not_matter(raw, cuts):
    """An archive reads the same however it is cut."""
    archive = pack([Entry("one", raw), Entry("d/two", raw[::-1])], compression="none").raw

    def read(pieces):
        found = {}
        reader = TarReader(
            lambda _entry: True, lambda entry, body: found.update({entry.path: body}), max_file=1 << 20
        )
        for piece in pieces:
            reader.feed(piece)
        reader.finish()
        return found

    pieces, rest = [], archive
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    assert read([*pieces, rest]) == read([archive]) == {"one": raw, "d/two": raw[::-1]}


@settings(max_examples=120, derandomize=True, deadline=None)
@given(raw=st.binary(min_size=512, max_size=1536))
def test_noise_is_no_archive(raw):
    """Bytes without a valid header are refused, unless they begin with the end marker."""
    reader = TarReader(lambda _entry: False, lambda _entry, _body: None, max_file=10)
    try:
        reader.feed(raw)
        reader.finish()
    except ArchiveError:
        return
    assert raw[:512] == bytes(512)
