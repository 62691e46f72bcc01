"""Previews harm less than what they are made from, and the counter knows how long one has looked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaga.errors import UnreadableInput, UsageError
from jaga.media._workers import Workers
from jaga.media.review import LARGEST_SIDE, ExposureCounter, preview
from tests.media.pictures import photograph

CLIP = Path(__file__).parent / "fixtures" / "h264_30fps.mp4"


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1) as pool:
        yield pool


def saved(name: str, form: str = "JPEG", **more: object) -> bytes:
    with io.BytesIO() as raw:
        photograph(name).save(raw, form, **more)
        return raw.getvalue()


def detail(jpeg: bytes) -> float:
    with Image.open(io.BytesIO(jpeg)) as picture:
        grey = np.asarray(picture.convert("L")).astype(float)
    return float(np.abs(np.diff(grey, axis=1)).mean())


def test_a_preview_is_small_grey_and_blurred_unless_asked_otherwise(workers: Workers) -> None:
    raw = saved("astronaut")
    usual = preview(raw, workers)
    with Image.open(io.BytesIO(usual.jpeg)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "L", (256, 256))
        assert picture.size == (usual.width, usual.height)
    sharp = preview(raw, workers, blur_radius=0, grey=False)
    with Image.open(io.BytesIO(sharp.jpeg)) as picture:
        assert picture.mode == "RGB"
    assert detail(usual.jpeg) < 0.5 * detail(sharp.jpeg)
    assert detail(preview(raw, workers, blur_radius=12).jpeg) < detail(usual.jpeg)


def test_it_is_never_larger_and_of_one_frame(tmp_path: Path, workers: Workers) -> None:
    tiny = io.BytesIO()
    photograph("coffee").resize((40, 20)).save(tiny, "PNG")
    assert (preview(tiny.getvalue(), workers).width, preview(tiny.getvalue(), workers).height) == (40, 20)
    frames = [photograph(name).resize((100, 100)) for name in ("coffee", "chelsea")]
    moving = io.BytesIO()
    frames[0].save(moving, "GIF", save_all=True, append_images=frames[1:])
    path = tmp_path / "a.gif"
    path.write_bytes(moving.getvalue())
    made = preview(path, workers)
    with Image.open(io.BytesIO(made.jpeg)) as picture:
        assert getattr(picture, "n_frames", 1) == 1
    assert sorted(tmp_path.iterdir()) == [path]
    assert preview(CLIP, workers).width <= 256


def test_nothing_of_the_file_but_its_pixels_is_in_it(workers: Workers) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    made = preview(saved("coffee", exif=exif, comment=b"a comment"), workers)
    assert b"taken at home" not in made.jpeg
    assert b"a comment" not in made.jpeg


@pytest.mark.parametrize(
    ("side", "blur"), [(0, 6.0), (LARGEST_SIDE + 1, 6.0), (256, -1.0), (256, 65.0), (256, float("nan"))]
)
def test_sizes_out_of_bounds_are_refused(side: int, blur: float, workers: Workers) -> None:
    with pytest.raises(UsageError):
        preview(b"", workers, side=side, blur_radius=blur)


@pytest.mark.parametrize("raw", [b"", b"hello", saved("coffee")[:40]])
def test_what_is_no_picture_says_so(raw: bytes, workers: Workers) -> None:
    with pytest.raises(UnreadableInput):
        preview(raw, workers)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_counter_adds_up_and_asks_for_a_rest() -> None:
    clock = Clock()
    counter = ExposureCounter(unbroken_s=60, rest_s=10, clock=clock)
    for _ in range(3):
        with counter.looking():
            clock.now += 15
        clock.now += 1
    so_far = counter.so_far()
    assert (so_far.pictures, so_far.seconds, so_far.unbroken_s, so_far.rest_due) == (3, 45, 45, False)
    with counter.looking():
        clock.now += 15
        assert counter.so_far().rest_due
    assert counter.so_far().rest_due
    # After a rest it begins anew, and the whole is kept.
    clock.now += 10
    assert counter.so_far().unbroken_s == 0
    with counter.looking():
        clock.now += 5
    assert (counter.so_far().unbroken_s, counter.so_far().seconds) == (5, 65)


def test_two_at_a_time_are_one_exposure_and_an_error_ends_it() -> None:
    clock = Clock()
    counter = ExposureCounter(clock=clock)

    def look() -> None:
        with counter.looking(), counter.looking():
            clock.now += 7
            raise KeyError

    with pytest.raises(KeyError):
        look()
    clock.now += 100
    assert (counter.so_far().pictures, counter.so_far().seconds) == (2, 7)
    with pytest.raises(UsageError):
        ExposureCounter(rest_s=0)
