"""Files out of images: lookups through layers, links and whiteouts, and layers that mean harm."""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib

import pytest

from pilotage.images import reference as references
from pilotage.images.digests import digest_of
from pilotage.images.errors import ImageError
from pilotage.images.layers.build import Entry, pack
from pilotage.images.layers.files import (
    FileInfo,
    Limits,
    find_file,
    open_directory,
    read_directory,
    read_files,
)
from pilotage.images.source import Descriptor, ImageManifest

HERE = references.parse("registry.example.com/team/image:1")


class Blobs:
    """A source of nothing but blobs: it counts the bytes it hands out and checks digests as every source does."""

    def __init__(self, *layers: bytes, chunk: int = 1000) -> None:
        self.raw = {digest_of(layer): layer for layer in layers}
        self.given = dict.fromkeys(self.raw, 0)
        self.chunk = chunk
        descriptors = tuple(Descriptor("any/type", digest_of(layer), len(layer)) for layer in layers)
        self.image = ImageManifest(Descriptor("config", "sha256:" + "0" * 64, 2), descriptors)

    async def blob(self, _reference, descriptor):
        raw = self.raw[descriptor.digest]
        for start in range(0, len(raw), self.chunk):
            piece = raw[start : start + self.chunk]
            self.given[descriptor.digest] += len(piece)
            yield piece
        if digest_of(raw) != descriptor.digest:
            raise ImageError("ContentIntegrity", f"{descriptor.digest} hashes to {digest_of(raw)}")

    async def read(self, *paths, **options):
        return await read_files(self, HERE, self.image, paths, **options)

    async def find(self, path, **options):
        return await find_file(self, HERE, self.image, path, **options)


def file(path, content=b"", mode=0o644):
    return Entry(path, content, mode)


def link(path, target):
    return Entry(path, kind="symlink", link=target, mode=0o777)


def hard(path, target):
    return Entry(path, kind="hardlink", link=target)


def layer(*entries, compression="gzip"):
    return pack(entries, compression=compression).raw


def raw_tar(*infos):
    """A plain archive of hand-made members, for what no honest tool writes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in infos:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(name, kind=tarfile.REGTYPE, linkname=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info


PLAIN = layer(file("etc/release", b"plain"), compression="none")


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(gzip.compress(PLAIN), id="gzip"),
        pytest.param(b"".join(gzip.compress(PLAIN[at : at + 100]) for at in range(0, len(PLAIN), 100)), id="gzip members"),
        pytest.param(gzip.compress(PLAIN) + b"\0" * 700, id="gzip padded with zeros"),
        pytest.param(layer(file("etc/release", b"plain"), compression="zstd"), id="zstd"),
        pytest.param(b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + layer(file("etc/release", b"plain"), compression="zstd"), id="zstd with a skippable frame"),
        pytest.param(bz2.compress(PLAIN), id="bzip2"),
        pytest.param(lzma.compress(PLAIN), id="xz"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("chunk", [1, 7, 512, 1 << 20])
async def test_compression_is_told_by_magic(packed, chunk):
    """Every compression is read whatever the media type says and however the bytes are cut."""
    assert await Blobs(packed, chunk=chunk).read("etc/release") == {"etc/release": b"plain"}


@pytest.mark.parametrize("written", ["dir/x", "./dir/x", "/dir/x", "dir//x", "././dir/./x"])
@pytest.mark.parametrize("asked", ["dir/x", "./dir/x", "/dir/x"])
async def test_path_spelling_does_not_matter(written, asked):
    """`./x`, `/x` and `x` are one path, in the archive and in the question."""
    archive = raw_tar((member(written), b"1"))
    assert await Blobs(archive).read(asked) == {asked: b"1"}


async def test_long_names_are_read():
    """GNU long names and pax paths are whole, and so are names split into the ustar prefix."""
    long = "/".join(["directory" * 5] * 4) + "/file"
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
            info = member(long)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
        assert await Blobs(out.getvalue()).read(long) == {long: b"abc"}


async def test_last_layer_wins_and_lower_layers_are_not_pulled():
    """The first occurrence from the top decides, and layers below the last find are never asked for."""
    low, high = layer(file("a", b"old"), file("b", b"low")), layer(file("a", b"new"))
    blobs = Blobs(low, high)
    assert await blobs.read("a") == {"a": b"new"}
    assert blobs.given[digest_of(low)] == 0
    assert await blobs.read("a", "b", "c") == {"a": b"new", "b": b"low"}


async def test_first_occurrence_inside_a_layer_wins():
    """A path that an archive holds twice means its first entry."""
    archive = raw_tar((member("a"), b"first"), (member("a"), b"second"))
    assert await Blobs(archive).read("a") == {"a": b"first"}


async def test_empty_file_is_found():
    """A file of no bytes is an answer; the same name further down is not looked at."""
    assert await Blobs(layer(file("a", b"old")), layer(file("a"))).read("a") == {"a": b""}


async def test_reading_stops_early_when_verification_is_waived():
    """Without verification the transfer ends behind the last wanted file; with it the layer is read to its end."""
    big = layer(file("wanted", b"x"), file("rest", bytes(range(256)) * 4000), compression="none")
    lazy, strict = Blobs(big), Blobs(big)
    assert await lazy.read("wanted", verify=False) == {"wanted": b"x"}
    assert await strict.read("wanted") == {"wanted": b"x"}
    assert lazy.given[digest_of(big)] < 5000
    assert strict.given[digest_of(big)] == len(big)


async def test_wrong_digest_is_refused_even_when_the_file_came_first():
    """Bytes of a layer that does not hash to its digest are never handed out."""
    good = layer(file("wanted", b"x"), file("rest", b"y" * 9000), compression="none")
    blobs = Blobs(good)
    blobs.raw[digest_of(good)] = good[:-1] + b"!"
    with pytest.raises(ImageError) as caught:
        await blobs.read("wanted")
    assert caught.value.code == "ContentIntegrity"


@pytest.mark.parametrize(
    ("upper", "visible"),
    [
        pytest.param([file("dir/.wh.a")], {"dir/b", "top"}, id="whiteout of a file"),
        pytest.param([file(".wh.dir")], {"top"}, id="whiteout of a directory"),
        pytest.param([file("dir/.wh..wh..opq")], {"top"}, id="opaque directory"),
        pytest.param([file(".wh..wh..opq")], set(), id="opaque root"),
        pytest.param([file("dir", b"now a file")], {"dir", "top"}, id="a file where the directory was"),
        pytest.param([file("dir/.wh..wh..opq"), file("dir/a", b"new")], {"dir/a", "top"}, id="opaque with new content"),
        pytest.param([file("dir/.wh..wh.plnk")], {"dir/a", "dir/b", "top"}, id="aufs bookkeeping hides nothing"),
        pytest.param([file("dir/a/below", b"new")], {"dir/a/below", "dir/b", "top"}, id="a directory where the file was"),
    ],
)  # fmt: skip
async def test_whiteouts_hide_lower_layers(upper, visible):
    """What an upper layer removes is not found below it, by name and by listing alike."""
    low = layer(file("dir/a", b"1"), file("dir/b", b"2"), file("top", b"3"))
    blobs = Blobs(low, layer(*upper))
    every = {"dir", "dir/a", "dir/b", "dir/a/below", "top"}
    assert set(await blobs.read(*every)) == visible
    assert set(await read_directory(blobs, HERE, blobs.image, "")) == visible
    below = {path for path in visible if path.startswith("dir/")}
    assert set(await read_directory(blobs, HERE, blobs.image, "dir/")) == below


async def test_whiteout_spares_its_own_layer():
    """A whiteout hides lower layers, not the file beside it, whichever comes first."""
    for entries in ([file(".wh.a"), file("a", b"new")], [file("a", b"new"), file(".wh.a")]):
        assert await Blobs(layer(file("a", b"old")), layer(*entries)).read("a") == {"a": b"new"}


@pytest.mark.parametrize(
    ("layers", "asked"),
    [
        pytest.param([[file("real", b"!"), link("name", "real")]], "name", id="relative"),
        pytest.param([[file("usr/real", b"!"), link("usr/bin/name", "../real")]], "usr/bin/name", id="one up"),
        pytest.param([[file("usr/real", b"!"), link("name", "/usr/real")]], "name", id="absolute inside the image"),
        pytest.param([[link("name", "real")], [file("real", b"!")]], "name", id="target in an upper layer"),
        pytest.param([[file("real", b"!")], [link("name", "real")]], "name", id="target in a lower layer"),
        pytest.param([[link("bin", "usr/bin")], [file("usr/bin/tool", b"!")]], "bin/tool", id="directory link below"),
        pytest.param([[file("usr/bin/tool", b"!")], [link("bin", "/usr/bin")]], "bin/tool", id="directory link above"),
        pytest.param([[file("real", b"!"), hard("name", "real")]], "name", id="hard link"),
        pytest.param([[file("real", b"!"), hard("second", "./real"), hard("name", "/second")]], "name", id="hard link chain"),
        pytest.param([[file("real", b"!"), hard("second", "real"), link("name", "second")]], "name", id="symlink to hard link"),
        pytest.param([[file("0", b"!")], *[[link(str(n), str(n - 1))] for n in range(1, 17)]], "16", id="sixteen links"),
    ],
)  # fmt: skip
async def test_links_resolve_inside_the_image(layers, asked):
    """Symlinks resolve over all layers, hard links inside their own."""
    blobs = Blobs(*(layer(*entries) for entries in layers))
    assert await blobs.read(asked) == {asked: b"!"}
    found = await blobs.find(asked)
    assert found is not None
    assert found.size == 1


async def test_several_names_of_one_file_are_all_found():
    """Links that end at the same file, asked for together, each give its bytes."""
    blobs = Blobs(layer(file("real", b"!")), layer(link("a", "real"), link("b", "real"), file("c", b"?")))
    assert await blobs.read("a", "b", "c", "real") == {"a": b"!", "b": b"!", "c": b"?", "real": b"!"}


async def test_upper_directory_covers_a_link_below():
    """Once an upper layer has a directory, a symlink of that name in a lower layer leads nowhere."""
    blobs = Blobs(layer(link("bin", "usr/bin"), file("usr/bin/tool", b"!")), layer(file("bin/other", b"o")))
    assert await blobs.read("bin/tool", "bin/other") == {"bin/other": b"o"}


@pytest.mark.parametrize(
    ("archive", "asked"),
    [
        pytest.param([(member("../evil"), b"x")], "a", id="climbing path"),
        pytest.param([(member("dir/../../evil"), b"x")], "a", id="climbing path in the middle"),
        pytest.param([(member("a", tarfile.SYMTYPE, "../outside"), b"")], "a", id="climbing symlink"),
        pytest.param([(member("d/a", tarfile.SYMTYPE, "../../outside"), b"")], "d/a", id="symlink one too far"),
        pytest.param([(member("a", tarfile.SYMTYPE, "/../outside"), b"")], "a", id="absolute climbing symlink"),
        pytest.param([(member("a", tarfile.LNKTYPE, "../outside"), b"")], "b", id="climbing hard link"),
        pytest.param([(member("a", tarfile.LNKTYPE, "absent"), b"")], "a", id="hard link to nothing"),
        pytest.param([(member("a", tarfile.LNKTYPE, "a"), b"")], "a", id="hard link to itself"),
        pytest.param([(member("a", tarfile.SYMTYPE, "b"), b""), (member("b", tarfile.SYMTYPE, "a"), b"")], "a", id="symlink loop"),
        pytest.param([(member("x" * 5000), b"")], "a", id="endless path"),
    ],
)  # fmt: skip
async def test_unsafe_archives_are_refused(archive, asked):
    """What leads out of the image, or nowhere, is refused with the reference in the message."""
    with pytest.raises(ImageError) as caught:
        await Blobs(raw_tar(*archive)).read(asked)
    assert caught.value.code == "UnsafeLayer"
    assert "registry.example.com/team/image:1" in caught.value.message


async def test_seventeen_links_are_too_many():
    """The seventeenth symlink in a row is not followed."""
    blobs = Blobs(layer(file("0", b"!"), *(link(str(n), str(n - 1)) for n in range(1, 18))))
    with pytest.raises(ImageError, match="more than 16 symbolic links"):
        await blobs.read("17")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
async def test_only_regular_files_are_files(kind):
    """A device, a pipe or a directory is no file, and covers the file of that name below."""
    blobs = Blobs(layer(file("a", b"old")), raw_tar((member("a", kind), b"")))
    assert await blobs.read("a") == {}
    assert await blobs.find("a") is None
    assert await read_directory(blobs, HERE, blobs.image, "") == {}


GZIPPED = layer(file("a", bytes(range(256)) * 40))


@pytest.mark.parametrize(
    ("packed", "cause"),
    [
        pytest.param(GZIPPED[:-300], "ends too early", id="gzip cut in the data"),
        pytest.param(GZIPPED[:5], "no tar archive|ends", id="gzip cut in its header"),
        pytest.param(GZIPPED[:40] + b"\xff" * 40 + GZIPPED[80:], "compressed data is broken", id="gzip damaged"),
        pytest.param(layer(file("a", b"x" * 2000), compression="none")[:1024], "middle of an entry", id="tar cut in a file"),
        pytest.param(PLAIN[:100], "middle of an entry", id="tar cut in a header"),
        pytest.param(b"\x89PNG" + b"\1" * 2000, "no tar archive", id="a picture"),
        pytest.param(gzip.compress(b"just text, long enough to fill a whole header " * 20), "no tar archive", id="text"),
    ],
)  # fmt: skip
async def test_broken_layers_are_refused(packed, cause):
    """A layer that ends early, or is something else, is an error and not an absent file."""
    with pytest.raises(ImageError, match=cause) as caught:
        await Blobs(packed).read("not there")
    assert caught.value.code == "UnsafeLayer"
    assert digest_of(packed) in caught.value.message


async def test_garbage_behind_the_archive_is_ignored():
    """Bytes behind the end marker, or behind the last gzip member, change no answer."""
    for packed in (PLAIN + b"garbage" * 300, gzip.compress(PLAIN) + b"garbage" * 300):
        assert await Blobs(packed).read("etc/release", "absent") == {"etc/release": b"plain"}


async def test_archive_without_end_marker_is_read():
    """An archive that stops cleanly between entries is whole."""
    assert await Blobs(PLAIN[:1024]).read("etc/release", "absent") == {"etc/release": b"plain"}


async def test_empty_layer_holds_nothing():
    """A layer of no bytes and an image of no layers are empty."""
    assert await Blobs(b"").read("a") == {}
    assert await Blobs().read("a") == {}


async def test_large_files_are_refused_only_when_wanted():
    """The limit on one file concerns those that are read into memory."""
    blobs = Blobs(layer(file("large", b"x" * 5000), file("small", b"y")))
    limits = Limits(file=4000)
    assert await blobs.read("small", limits=limits) == {"small": b"y"}
    with pytest.raises(ImageError, match='"large" has 5000 bytes'):
        await blobs.read("large", limits=limits)
    assert (await blobs.find("large", limits=limits)) is not None


@pytest.mark.parametrize("compress", [zlib.compress, "zstd"])
async def test_bombs_are_refused(compress):
    """A small layer that unpacks without end is refused before it fills the memory."""
    zeros = raw_tar((member("a"), b"\0" * (90 << 20)))
    if compress == "zstd":
        import zstandard

        packed = zstandard.ZstdCompressor().compress(zeros)
    else:
        packed = gzip.compress(zeros, 9)
    with pytest.raises(ImageError, match="it unpacks to more than") as caught:
        await Blobs(packed, chunk=1 << 16).find("absent")
    assert caught.value.code == "UnsafeLayer"
    with pytest.raises(ImageError, match="more than 1000000 bytes"):
        await Blobs(packed, chunk=1 << 16).find("absent", limits=Limits(layer=1_000_000))


async def test_too_many_names_are_refused():
    """The memory for names is bounded as well."""
    with pytest.raises(ImageError, match="paths take more than"):
        await Blobs(layer(*(file(f"some/long/name/{n}") for n in range(100)))).find(
            "absent", limits=Limits(names=1000)
        )


async def test_found_file_says_what_and_where():
    """Size, mode, real path and layer of a file, counted from the lowest layer."""
    tool = file("usr/bin/hypershift", b"#!", 0o755)
    blobs = Blobs(layer(file("a")), layer(tool), layer(link("usr/bin/control-plane-operator", "hypershift")))
    found = await blobs.find("usr/bin/control-plane-operator")
    assert found == FileInfo("usr/bin/hypershift", 2, 0o755, 1)
    assert found.is_executable
    assert not FileInfo("a", 0, 0o755, 0).is_executable
    assert not FileInfo("a", 5, 0o644, 0).is_executable


async def test_directory_merges_layers():
    """A directory is what all layers together say, links included."""
    low = layer(file("m/a", b"1"), file("m/b", b"2"), file("other", b"3"), file("m/sub/c", b"4"))
    high = layer(
        file("m/b", b"new"), link("m/d", "../other"), link("m/dangling", "nowhere"), hard("m/e", "m/b")
    )
    blobs = Blobs(low, high)
    assert await read_directory(blobs, HERE, blobs.image, "m") == {
        "m/a": b"1", "m/b": b"new", "m/sub/c": b"4", "m/d": b"3", "m/e": b"new",
    }  # fmt: skip


async def test_directory_behind_a_link_is_found():
    """A directory that is a symlink is read where it leads."""
    blobs = Blobs(layer(file("real/a", b"1")), layer(link("m", "/real")))
    assert await read_directory(blobs, HERE, blobs.image, "m") == {"real/a": b"1"}


async def test_directory_stops_behind_the_completing_layer():
    """With `until`, layers below the one that brings the last of these files are not read."""
    low, high = layer(file("m/old", b"0")), layer(file("m/index", b"1"), file("m/z", b"2"))
    blobs = Blobs(low, high)
    opened = await open_directory(
        blobs, HERE, blobs.image, "m", until=["m/index"], keep=lambda p: p.endswith("index")
    )
    assert set(opened.files) == {"m/index", "m/z"}
    assert opened.contents == {"m/index": b"1"}
    assert blobs.given[digest_of(low)] == 0
    assert blobs.given[digest_of(high)] == len(high)
