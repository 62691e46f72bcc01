"""vPDQ: its values are the reference's; a known video is found again, whole or in part; what is hostile costs one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaga.errors import NotThisFormat, UsageError
from jaga.media import _worker
from jaga.media._workers import Workers
from jaga.media.banks import Bank, BankStore, Item
from jaga.media.hashing import hash_files
from jaga.media.matching import Matcher, VideoIndex
from jaga.media.video import ENOUGH_PERCENT, Feature, Vpdq, compared, container_of, features, packed, text_of, unpacked
from tests.media.pictures import pixels

FIXTURES = Path(__file__).parent / "fixtures"
REFERENCE: dict[str, list[Any]] = json.loads((FIXTURES / "vpdq_reference.json").read_text())


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1) as pool:
        yield pool


def written(path: Path, every: Any, *, rate: int = 10, codec: str = "mpeg4") -> Path:
    """A video of these frames."""
    with av.open(str(path), "w") as out:
        stream: Any = None
        for frame in every:
            if stream is None:
                stream = out.add_stream(codec, rate=rate)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def scene(name: str, seconds: int = 3, rate: int = 10) -> list[Any]:
    """Frames that pan over a photograph."""
    photograph = pixels(name)[:, :, :3]
    most = photograph.shape[1] - 240
    return [
        np.ascontiguousarray(photograph[20:200, int(most * at / (rate * seconds)) :][:, :240])
        for at in range(rate * seconds)
    ]


@pytest.mark.parametrize("name", REFERENCE)
def test_values_are_the_reference_s(name: str) -> None:
    found = list(features(FIXTURES / name))
    expected = [
        Feature(bytes.fromhex(digits), quality, round(at_s * 1000)) for digits, quality, _, at_s in REFERENCE[name]
    ]
    assert found == expected
    assert list(features((FIXTURES / name).read_bytes())) == found


def test_key_frames_are_among_all_frames() -> None:
    every = {one.value for one in features(FIXTURES / "h264_30fps.mp4", every_s=0.001)}
    keys = [one.value for one in features(FIXTURES / "h264_30fps.mp4", keyframes=True)]
    assert 3 <= len(keys) < 20
    assert set(keys) <= every


def test_a_known_video_is_found_again_smaller_cut_and_inside_another(tmp_path: Path, workers: Workers) -> None:
    known = written(tmp_path / "known.mp4", scene("coffee") + scene("chelsea"))
    smaller = written(
        tmp_path / "smaller.avi",
        [np.asarray(Image.fromarray(frame).resize((200, 150))) for frame in scene("coffee") + scene("chelsea")],
    )
    part = written(tmp_path / "part.mkv", scene("coffee"))
    longer = written(tmp_path / "longer.mp4", scene("astronaut", 10) + scene("coffee") + scene("chelsea"))
    other = written(tmp_path / "other.mp4", scene("rocket"))
    with BankStore(tmp_path / "banks") as store:
        store.create(Bank(name="SEEN"))
        (hashed,) = hash_files([known], workers=workers)
        assert hashed.format == "video"
        assert hashed.video is not None
        store.add("SEEN", [Item(hashes=(("vpdq", hashed.video),))])
        found = {
            Path(one.file.path).name: one.matches
            for one in Matcher(store).files([known, smaller, part, longer, other], workers=workers)
        }
        assert [len(found[name]) for name in ("known.mp4", "smaller.avi", "part.mkv", "longer.mp4", "other.mp4")] == [
            1, 1, 1, 1, 0,
        ]  # fmt: skip
        (whole,), (inside,) = found["known.mp4"], found["longer.mp4"]
        assert (whole.of_file_percent, whole.of_known_percent, whole.distance_bits) == (100.0, 100.0, 0)
        assert inside.of_file_percent is not None
        assert inside.of_file_percent < ENOUGH_PERCENT <= (inside.of_known_percent or 0)
        store.enable(whole.item, False)
        (nothing,) = Matcher(store).files([known], workers=workers)
        assert nothing.matches == ()


hashes = st.binary(min_size=32, max_size=32)
videos = st.lists(st.builds(Feature, hashes, st.integers(0, 100), st.integers(0, 2**32 - 1)), min_size=1, max_size=8)


@given(videos)
def test_packed_and_written_videos_come_back(every: list[Feature]) -> None:
    assert unpacked(packed(every)) == every
    assert Vpdq().parse(packed(every).hex()) == packed(every)
    shown = [one._replace(at_ms=one.at_ms % 86_400_000) for one in every]
    assert Vpdq().parse(text_of(packed(shown))) == packed(shown)


@settings(deadline=None)
@given(st.lists(videos, min_size=1, max_size=5), st.data())
def test_the_index_says_what_comparing_two_says(
    tmp_path_factory: pytest.TempPathFactory, known: Any, data: Any
) -> None:
    # Frames of the question are near those known, so that something is found.
    pool = [one for video in known for one in video]
    asked = packed(
        [
            one._replace(value=(int.from_bytes(one.value, "big") ^ ((1 << bits) - 1)).to_bytes(32, "big"))
            for one, bits in data.draw(
                st.lists(st.tuples(st.sampled_from(pool), st.integers(0, 40)), min_size=1, max_size=8)
            )
        ]
    )
    with BankStore(tmp_path_factory.mktemp("banks")) as store:
        store.create(Bank(name="A"))
        for video in known:
            store.add("A", [Item(hashes=(("vpdq", packed(video)),))])
        stored = {number: value for rows in store.values("vpdq") for number, value in rows}
        found = {number: (of_this, of_known) for number, of_this, of_known, _ in VideoIndex(store).find(asked)}
        expected = {number: compared(asked, value) for number, value in stored.items()}
    assert found.keys() == {number for number, pair in expected.items() if max(pair) >= ENOUGH_PERCENT}
    for number, pair in found.items():
        assert pair == pytest.approx(expected[number])


@pytest.mark.parametrize("text", ["", "[]", "[1]", '["zz,1,0"]', '["' + "0" * 64 + ',101,0"]', "00", "[" * 9999, "{}"])
def test_what_is_no_vpdq_is_one_error(text: str) -> None:
    with pytest.raises(UsageError, match="vpdq"):
        Vpdq().parse(text)


@pytest.mark.parametrize(
    "head",
    [
        b"#EXTM3U\nhttp://127.0.0.1/x.ts\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"#!AMR\n",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"",
        b"plain words",
    ],
)
def test_playlists_and_the_like_never_reach_the_decoder(head: bytes, workers: Workers) -> None:
    assert container_of(head) is None
    with pytest.raises(NotThisFormat):
        list(features(head))
    assert workers.look(_worker.Request(None, ("vpdq",), raw=head)).video is None


def test_a_video_cut_anywhere_gives_its_frames_so_far_or_one_problem(workers: Workers) -> None:
    raw = (FIXTURES / "mpeg4_24fps.mkv").read_bytes()
    whole = workers.look(_worker.Request(None, ("vpdq",), raw=raw)).video
    assert whole is not None
    for cut in range(0, len(raw), max(1, len(raw) // 40)):
        answer = workers.look(_worker.Request(None, ("vpdq",), raw=raw[:cut]))
        assert answer.looks == []
        if answer.video is None:
            assert cut < 4 or answer.problem is not None
        else:
            assert whole.startswith(answer.video)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_damaged_bytes_never_break_the_worker(workers: Workers, data: Any) -> None:
    raw = bytearray((FIXTURES / "mpeg2_25fps.ts").read_bytes())
    for _ in range(data.draw(st.integers(1, 30))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    answer = workers.look(_worker.Request(None, ("vpdq",), raw=bytes(raw)))
    assert answer.problem != "made its decoder fail (damaged or hostile file)"


def test_a_heic_picture_is_no_video(workers: Workers) -> None:
    answer = workers.look(_worker.Request(None, ("pdq", "vpdq"), raw=b"\0\0\0\x18ftypheic" + bytes(100)))
    assert answer.video is None
    assert answer.format != "video"
