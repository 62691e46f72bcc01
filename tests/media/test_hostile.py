"""Files that lie about what they are, or are odd in a way that decoders meet seldom: hashed if they can be, else one problem, and always quick."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from jaga.media._workers import Workers
from jaga.media.hashing import Hashed, hash_files
from jaga.media.pdq import pdq
from tests.media.pictures import photograph


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1) as pool:
        yield pool


def hashed(path: Path, raw: bytes, workers: Workers) -> Hashed:
    path.write_bytes(raw)
    (one,) = hash_files([path], ("md5", "pdq"), workers=workers)
    return one


def encoded(picture: Image.Image, form: str, **more: object) -> bytes:
    with io.BytesIO() as raw:
        picture.save(raw, form, **more)
        return raw.getvalue()


def seen(one: Hashed) -> bytes:
    return one.looks[0].values[0].value


def apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def small(name: str = "coffee") -> Image.Image:
    return photograph(name).resize((320, 240))


def test_what_a_file_is_called_says_nothing(tmp_path: Path, workers: Workers) -> None:
    png = encoded(small(), "PNG")
    for name in ("a.jpg", "a.txt", "a.exe", "a", "a.mp4"):
        one = hashed(tmp_path / name, png, workers)
        assert (one.format, one.problems) == ("PNG", ())
        assert apart(seen(one), pdq(np.asarray(small()))[0]) <= 2
    text = hashed(tmp_path / "b.jpg", b"MZ\x90 no picture at all", workers)
    assert text.looks == ()
    assert text.problems == ("named like a picture, but is none that Jaga reads",)


def test_a_side_of_65535_is_hashed_and_two_are_refused(tmp_path: Path, workers: Workers) -> None:
    ramp = (np.arange(65_535) // 257).astype(np.uint8)
    long = Image.fromarray(np.tile(ramp, (16, 1)))
    one = hashed(tmp_path / "long.png", encoded(long, "PNG"), workers)
    assert (one.looks[0].width, one.looks[0].height) == (65_535, 16)
    assert one.problems == ()
    # libjpeg itself goes no further than 65,500; a head can say more: 4,295 megapixels.
    raw = bytearray(encoded(long.crop((0, 0, 65_500, 16)), "JPEG"))
    at = raw.index(b"\xff\xc0") + 5
    raw[at : at + 4] = struct.pack(">HH", 65_535, 65_535)
    one = hashed(tmp_path / "square.jpg", bytes(raw), workers)
    assert one.looks == ()
    assert len(one.problems) == 1
    assert "65,535 x 65,535 pixels" in one.problems[0]


def test_cmyk_is_turned_into_colours_first(tmp_path: Path, workers: Workers) -> None:
    plain = seen(hashed(tmp_path / "rgb.png", encoded(small(), "PNG"), workers))
    for form in ("JPEG", "TIFF"):
        one = hashed(tmp_path / f"cmyk.{form.lower()}", encoded(small().convert("CMYK"), form), workers)
        assert one.problems == ()
        assert apart(seen(one), plain) <= 31


def test_odd_colour_profiles_change_nothing(tmp_path: Path, workers: Workers) -> None:
    plain = seen(hashed(tmp_path / "plain.png", encoded(small(), "PNG"), workers))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for number, profile in enumerate((b"", b"no profile", lab, b"\0" * 100_000)):
        one = hashed(tmp_path / f"{number}.png", encoded(small(), "PNG", icc_profile=profile), workers)
        assert (seen(one), one.problems) == (plain, ())
        jpeg = hashed(tmp_path / f"{number}.jpg", encoded(small(), "JPEG", icc_profile=profile or None), workers)
        assert apart(seen(jpeg), plain) <= 16
        assert jpeg.problems == ()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_way_of_keeping_a_pixel(tmp_path: Path, workers: Workers, mode: str) -> None:
    grey = small().convert("L")
    picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else small().convert(mode)
    one = hashed(tmp_path / "a.png", encoded(picture, "PNG"), workers)
    assert one.problems == ()
    assert apart(seen(one), pdq(np.asarray(small()))[0]) <= (64 if mode == "1" else 20)


def test_a_gif_that_plays_for_ever_is_its_frames(tmp_path: Path, workers: Workers) -> None:
    frames = [small("coffee"), small("astronaut"), small("chelsea")]
    raw = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0, duration=0)
    one = hashed(tmp_path / "a.gif", raw, workers)
    assert [look.frame for look in one.looks] == [0, 1, 2]
    # Without its end it has what came before it.
    cut = hashed(tmp_path / "b.gif", raw[: len(raw) - 1], workers)
    assert len(cut.looks) == 3


def test_a_file_that_is_two_things_is_looked_at_as_both(tmp_path: Path, workers: Workers) -> None:
    with io.BytesIO() as pdf:
        small("astronaut").save(pdf, "PDF")
        document = pdf.getvalue()
    gif = encoded(small("coffee"), "GIF")
    one = hashed(tmp_path / "a.gif", gif[:-1] + b"\x3b" + b"\n" * 3 + document, workers)
    # The head of a PDF may stand anywhere in the first kilobyte, and here it does not: then it is the picture alone.
    assert [look.inside for look in one.looks] == [None]
    both = hashed(tmp_path / "b.pdf", b"GIF89a\n" + document, workers)
    assert [look.inside for look in both.looks] in ([], ["image 1"])


@pytest.mark.parametrize("keep", [0, 1, 2, 3, 11, 100, 0.5, 0.99])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_cut_short_it_is_at_most_a_problem(tmp_path: Path, workers: Workers, form: str, keep: float) -> None:
    raw = encoded(small(), form)
    one = hashed(tmp_path / "a.jpg", raw[: int(keep * len(raw)) if keep < 1 else int(keep)], workers)
    assert not one.unread
    assert bool(one.looks) != bool(one.problems) or (one.looks and one.problems)
    # What is seen of half a picture is not taken for the whole of it in silence.
    if keep == 0.5:
        assert one.problems or apart(seen(one), pdq(np.asarray(small()))[0]) <= 31
