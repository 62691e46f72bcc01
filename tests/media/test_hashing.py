"""Files are hashed as other tools hash them; a hostile one costs a line, not the run."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from PIL import Image

from jaga.errors import UsageError
from jaga.media._hash_types import FileHash, PictureHash, all_hash_types, hash_type
from jaga.media._worker import Request
from jaga.media._workers import Workers
from jaga.media.hashing import Hashed, digests, hash_files, walk
from jaga.media.pdq import VARIANTS, pdq
from tests.media.pictures import photograph, pixels


def bits_apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(2) as pool:
        yield pool


def hashed(path: Path, workers: Workers, **more: Any) -> Hashed:
    (one,) = hash_files([path], workers=workers, **more)
    return one


def pdqs(one: Hashed) -> list[bytes]:
    return [value.value for look in one.looks for value in look.values]


def test_what_is_registered() -> None:
    assert set(all_hash_types()) == {"blake3", "md5", "pdq", "sha1", "sha256", "vpdq"}
    for kind in all_hash_types().values():
        assert type(kind).__doc__
        if kind.name == "vpdq":
            # Of many frames; tests/media/test_video.py.
            continue
        assert isinstance(kind, FileHash) != isinstance(kind, PictureHash)
        digits = "aB" * (kind.bits // 8)
        assert kind.parse(f" {digits}\n") == bytes.fromhex(digits)
        for wrong in (digits[2:], digits + "00", "zz" + digits[2:], "", "é" + digits[1:]):
            with pytest.raises(UsageError, match=f"not a {kind.name} hash"):
                kind.parse(wrong)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(UsageError, match=r"photodna.*one of .*pdq"):
        hash_type("photodna")
    with pytest.raises(UsageError, match="not all are hashes of a file's bytes"):
        digests(Path(__file__), ("md5", "pdq"))


# Around the sizes at which reading changes: nothing, one piece, several, and hashes side by side.
@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (32 << 20) - 1, (40 << 20) + 17])
def test_digests_are_hashlibs(size: int, tmp_path: Path) -> None:
    raw = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    path = tmp_path / "file"
    path.write_bytes(raw)
    found_size, found = digests(path, ("md5", "sha1", "sha256", "blake3"))
    assert found_size == size
    assert found == {
        "md5": hashlib.md5(raw).digest(),
        "sha1": hashlib.sha1(raw).digest(),
        "sha256": hashlib.sha256(raw).digest(),
        "blake3": blake3(raw).digest(),
    }


def saved(picture: Image.Image, path: Path, **options: Any) -> Path:
    picture.save(path, **options)
    return path


def test_a_jpeg_hashes_as_with_the_reference(tmp_path: Path, workers: Workers) -> None:
    from threatexchange.signal_type.pdq.pdq_hasher import pdq_from_file

    for name in ("astronaut", "china.jpg", "moon"):
        for quality in (30, 90):
            path = saved(photograph(name), tmp_path / f"{name}{quality}.jpg", quality=quality)
            expected, expected_quality = pdq_from_file(path)
            (look,) = hashed(path, workers).looks
            (value,) = look.values
            assert (value.kind, value.quality, value.variant) == ("pdq", expected_quality, "original")
            assert bits_apart(value.value, bytes.fromhex(expected)) <= 2
            assert (look.width, look.height) == photograph(name).size


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.png", "RGB", {}),
        ("a.png", "P", {}),
        ("a.png", "RGBA", {}),
        ("a.webp", "RGB", {"lossless": True}),
        ("a.webp", "RGB", {"quality": 80}),
        ("a.tif", "RGB", {"compression": "tiff_lzw"}),
        ("a.tif", "CMYK", {}),
        ("a.jpg", "CMYK", {"quality": 90}),
        ("a.jpg", "L", {"quality": 90}),
        ("a.bmp", "RGB", {}),
        ("a.gif", "P", {}),
        ("a.avif", "RGB", {"quality": 80}),
        ("a.heic", "RGB", {"quality": 80}),
        ("a.bin", "RGB", {"format": "PNG"}),
    ],
)
def test_the_same_picture_in_every_format_is_near_itself(
    name: str, mode: str, options: dict[str, Any], tmp_path: Path, workers: Workers
) -> None:
    if name.endswith("heic"):
        import pillow_heif

        pillow_heif.register_heif_opener()
    original = photograph("astronaut")
    one = hashed(saved(original.convert(mode), tmp_path / name, **options), workers)
    assert one.problems == ()
    (value,) = pdqs(one)
    assert bits_apart(value, pdq(pixels("astronaut"))[0]) <= 16


def test_sixteen_bits_a_sample_are_scaled_not_cut(tmp_path: Path, workers: Workers) -> None:
    grey = np.asarray(photograph("camera").convert("L"))
    path = tmp_path / "deep.png"
    Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    assert pdqs(hashed(path, workers)) == [pdq(grey[:, :, None])[0]]


def test_every_frame_of_an_animation_and_every_page(tmp_path: Path, workers: Workers) -> None:
    every = [photograph(name).resize((200, 200)) for name in ("astronaut", "coffee", "rocket")]
    for name in ("a.gif", "a.webp", "a.tif", "a.png"):
        path = saved(every[0], tmp_path / name, save_all=True, append_images=every[1:])
        one = hashed(path, workers)
        assert [look.frame for look in one.looks] == [0, 1, 2]
        for value, picture in zip(pdqs(one), every, strict=True):
            assert bits_apart(value, pdq(np.asarray(picture))[0]) <= 24


def test_variants_on_demand(tmp_path: Path, workers: Workers) -> None:
    path = saved(photograph("coffee"), tmp_path / "a.png")
    (look,) = hashed(path, workers, variants=True).looks
    assert tuple(value.variant for value in look.values) == VARIANTS


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, idat: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


def jpeg() -> bytes:
    buffer = io.BytesIO()
    photograph("coffee").resize((80, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


def many_frames(count: int) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("L", (8, 8), index % 256) for index in range(count)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("raw", "name", "says"),
    [
        (b"", "a.jpg", "empty"),
        (b"hello", "a.jpg", "named like a picture"),
        (png_of(65_535, 65_535, zlib.compress(bytes(1 << 20))), "a.png", "a picture may have 160,000,000"),
        (png_of(200, 200, zlib.compress(b"")), "a.png", "cannot be decoded"),
        (jpeg()[:900], "a.jpg", "cannot be decoded"),
        (b"\xff\xd8\xff" + bytes(500), "a.jpg", ""),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "a.png", ""),
    ],
    ids=["zero bytes", "text", "bomb", "no rows", "cut", "not JPEG", "not PNG"],
)
def test_what_cannot_be_decoded_is_one_problem_and_its_digests_stay(
    raw: bytes, name: str, says: str, tmp_path: Path, workers: Workers
) -> None:
    path = tmp_path / name
    path.write_bytes(raw)
    one = hashed(path, workers)
    assert one.digests["sha256"] == hashlib.sha256(raw).digest()
    assert len(one.problems) == 1
    assert says in one.problems[0]
    assert one.looks == ()
    assert not one.unread


def test_an_animation_without_end_is_read_to_the_limit(tmp_path: Path, workers: Workers) -> None:
    path = tmp_path / "long.gif"
    path.write_bytes(many_frames(1001))
    one = hashed(path, workers)
    assert len(one.looks) == 1000
    assert one.problems == ("more than 1,000 frames; the rest is left out",)


def test_a_picture_with_an_archive_behind_it_is_still_the_picture(tmp_path: Path, workers: Workers) -> None:
    alone, both = tmp_path / "alone.jpg", tmp_path / "both.zip"
    alone.write_bytes(jpeg())
    both.write_bytes(jpeg() + b"PK\x03\x04" + bytes(100))
    assert pdqs(hashed(alone, workers)) == pdqs(hashed(both, workers))
    assert hashed(both, workers).problems == ()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_damage_anywhere_is_never_more_than_a_problem(format: str, tmp_path: Path, workers: Workers) -> None:
    buffer = io.BytesIO()
    photograph("coffee").resize((60, 40)).save(buffer, format)
    whole = buffer.getvalue()
    random = np.random.default_rng(1)
    paths = []
    for index in range(120):
        raw = bytearray(whole)
        if index % 2:
            raw = raw[: int(random.integers(0, len(raw)))]
        else:
            for place in random.integers(0, len(raw), 4):
                raw[place] = int(random.integers(0, 256))
        paths.append(tmp_path / f"{index}.bin")
        paths[-1].write_bytes(raw)
    answers = list(hash_files(paths, workers=workers))
    assert [one.path for one in answers] == [str(path) for path in paths]
    assert all(len(one.digests) == 3 for one in answers)
    assert not any("made its decoder fail" in problem for one in answers for problem in one.problems)


def test_a_worker_that_died_costs_one_picture(tmp_path: Path) -> None:
    path = saved(photograph("coffee"), tmp_path / "a.png")
    with Workers(1) as pool:
        assert pool.look(Request(str(path), ("pdq",))).problem is None
        process = pool._free.get()
        assert process is not None
        os.kill(process._process.pid, signal.SIGKILL)
        process._process.wait()
        pool._free.put(process)
        assert pool.look(Request(str(path), ("pdq",))).problem == "made its decoder fail (damaged or hostile file)"
        assert pool.look(Request(str(path), ("pdq",))).problem is None


def test_a_picture_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    path = saved(photograph("coffee"), tmp_path / "a.png")
    with Workers(1, time_limit_s=0.0) as pool:
        assert pool.look(Request(str(path), ("pdq",))).problem == "took more than 0 s to decode"


def test_a_picture_that_needs_too_much_memory_is_given_up(tmp_path: Path) -> None:
    """144 megapixels are 432 MB, within the limit of pixels but not within this worker's memory."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(36_001 * 100)) for _ in range(120)) + packer.flush()
    large = tmp_path / "large.png"
    large.write_bytes(png_of(12_000, 12_000, rows))
    small = saved(photograph("coffee"), tmp_path / "small.png")
    with Workers(1, memory_bytes=700 << 20) as pool:
        assert pool.look(Request(str(small), ("pdq",))).problem is None
        assert pool.look(Request(str(large), ("pdq",))).problem == "needs more memory than a picture may"
        assert pool.look(Request(str(small), ("pdq",))).problem is None


def test_what_is_no_file_or_cannot_be_read_is_said(tmp_path: Path, workers: Workers) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe, absent = hash_files([tmp_path / "pipe", tmp_path / "absent"], workers=workers)
    assert pipe.unread
    assert pipe.problems == ("not a file",)
    assert absent.unread
    assert "No such file" in absent.problems[0]


def test_folders_are_walked_in_order_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/2", "b/1", "a"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b" / "link").symlink_to("/etc/hostname")
    assert [str(path.relative_to(tmp_path)) for path in walk([tmp_path])] == ["a", "b/1", "b/2"]
