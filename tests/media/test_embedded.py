"""Pictures inside PDF, Office files, other zips and camera RAW files are hashed as if they lay there by themselves; hostile ones cost no other."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from jaga.errors import JagaError
from jaga.media import _embedded
from jaga.media._embedded import embedded
from jaga.media._workers import Workers
from jaga.media.banks import Bank, BankStore, Item
from jaga.media.hashing import Hashed, hash_files
from jaga.media.matching import Matcher
from jaga.media.pdq import pdq
from tests.media.pictures import photograph


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1) as pool:
        yield pool


def saved(name: str, form: str = "JPEG") -> bytes:
    with io.BytesIO() as raw:
        photograph(name).resize((320, 240)).save(raw, form)
        return raw.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    with io.BytesIO() as raw:
        with zipfile.ZipFile(raw, "w", method) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return raw.getvalue()


def as_pdf(*names: str, mode: str = "RGB") -> bytes:
    first, *more = [photograph(name).resize((320, 240)).convert(mode) for name in names]
    with io.BytesIO() as raw:
        first.save(raw, "PDF", save_all=True, append_images=more)
        return raw.getvalue()


def raw_file(order: str, *previews: bytes, magic: bytes | None = None) -> bytes:
    """A camera's RAW file but for the sensor's data: IFD0 is a small grey picture, the SubIFDs are previews."""
    head = magic or (b"II*\0" if order == "<" else b"MM\0*")
    grey = bytes(range(256))
    data_at = 8
    preview_at = [data_at + len(grey) + sum(map(len, previews[:number])) for number in range(len(previews))]
    body = grey + b"".join(previews)
    ifd_size = 2 + 12 * 2 + 4
    subs_at = data_at + len(body)
    subs = b"".join(
        struct.pack(f"{order}H", 2)
        + struct.pack(f"{order}HHII", 513, 4, 1, at)
        + struct.pack(f"{order}HHII", 514, 4, 1, len(preview))
        + struct.pack(f"{order}I", 0)
        for at, preview in zip(preview_at, previews, strict=True)
    )
    offsets_at = subs_at + len(subs)
    offsets = struct.pack(f"{order}{len(previews)}I", *(subs_at + ifd_size * n for n in range(len(previews))))
    main_at = offsets_at + len(offsets)

    def entry(tag: int, kind: int, many: int, value: int) -> bytes:
        packed = struct.pack(f"{order}H2x", value) if kind == 3 else struct.pack(f"{order}I", value)
        return struct.pack(f"{order}HHI", tag, kind, many) + packed

    sub_value = offsets_at if len(previews) > 1 else subs_at
    entries = [
        entry(256, 3, 1, 16), entry(257, 3, 1, 16), entry(258, 3, 1, 8), entry(259, 3, 1, 1), entry(262, 3, 1, 1),
        entry(273, 4, 1, data_at), entry(277, 3, 1, 1), entry(278, 3, 1, 16), entry(279, 4, 1, 256),
        entry(330, 4, len(previews), sub_value),
    ]  # fmt: skip
    main = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + struct.pack(f"{order}I", 0)
    return head + struct.pack(f"{order}I", main_at) + body + subs + offsets + main


def hashed(folder: Path, content: bytes, workers: Workers, name: str = "file.bin") -> Hashed:
    path = folder / name
    path.write_bytes(content)
    (one,) = hash_files([path], ("md5", "pdq"), workers=workers)
    return one


def reference(raw: bytes) -> bytes:
    with Image.open(io.BytesIO(raw)) as picture:
        return pdq(np.asarray(picture.convert("RGB")))[0]


def apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


OFFICE = {
    "docx": {"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>", "word/media/image1.png": saved("coffee", "PNG")},
    "odt": {"mimetype": b"application/vnd.oasis.opendocument.text", "Pictures/1000.png": saved("coffee", "PNG")},
    "zip": {"a/b/c.bin": saved("coffee", "PNG"), "readme.txt": b"hello"},
}  # fmt: skip


@pytest.mark.parametrize("kind", OFFICE)
def test_in_office_files_and_zips(tmp_path: Path, workers: Workers, kind: str) -> None:
    one = hashed(tmp_path, zipped(OFFICE[kind]), workers, f"file.{kind}")
    assert one.problems == ()
    assert one.format == "container"
    (look,) = one.looks
    assert look.inside in OFFICE[kind]
    assert (look.frame, look.width, look.height) == (0, 320, 240)
    values = {value.kind: value.value for value in look.values}
    assert values["pdq"] == reference(saved("coffee", "PNG"))
    assert values["md5"] == md5(saved("coffee", "PNG")).digest()


@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_in_a_pdf_each_once(tmp_path: Path, workers: Workers, mode: str) -> None:
    one = hashed(tmp_path, as_pdf("astronaut", "coffee", "astronaut", mode=mode), workers)
    assert one.problems == ()
    assert [look.inside for look in one.looks] == ["image 1", "image 2"]
    for look, name in zip(one.looks, ("astronaut", "coffee"), strict=True):
        seen = next(value.value for value in look.values if value.kind == "pdq")
        assert apart(seen, reference(saved(name, "PNG"))) <= 16


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("count", [1, 2])
def test_previews_of_a_camera(tmp_path: Path, workers: Workers, order: str, count: int) -> None:
    previews = [saved("astronaut"), saved("coffee")][:count]
    one = hashed(tmp_path, raw_file(order, *previews), workers, "photo.dng")
    assert one.problems == ()
    assert [look.inside for look in one.looks] == [None, *(f"preview {number + 1}" for number in range(count))]
    for look, preview in zip(one.looks[1:], previews, strict=True):
        assert next(value.value for value in look.values if value.kind == "pdq") == reference(preview)


def test_previews_where_the_rest_is_no_picture_at_all(tmp_path: Path, workers: Workers) -> None:
    olympus = hashed(tmp_path, raw_file("<", saved("coffee"), magic=b"IIRO"), workers, "photo.orf")
    preview = saved("coffee")
    fuji = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">II", 92, len(preview)) + preview
    assert [look.inside for look in olympus.looks] == ["preview 1"]
    assert [look.inside for look in hashed(tmp_path, fuji, workers, "photo.raf").looks] == ["preview 1"]


def test_a_polyglot_is_looked_into_on_both_sides(tmp_path: Path, workers: Workers) -> None:
    both = saved("coffee") + zipped({"hidden.png": saved("astronaut", "PNG")})
    one = hashed(tmp_path, both, workers, "holiday.jpg")
    assert [look.inside for look in one.looks] == [None, "hidden.png"]
    assert one.format == "JPEG"
    pdf = as_pdf("astronaut") + zipped({"hidden.png": saved("coffee", "PNG")})
    assert [look.inside for look in hashed(tmp_path, pdf, workers).looks] == ["image 1", "hidden.png"]


def test_a_zip_in_a_zip_and_a_pdf_in_a_zip(tmp_path: Path, workers: Workers) -> None:
    inner = zipped({"deep.png": saved("coffee", "PNG")})
    one = hashed(tmp_path, zipped({"in.zip": inner, "paper.pdf": as_pdf("astronaut")}), workers)
    assert [look.inside for look in one.looks] == ["in.zip!deep.png", "paper.pdf!image 1"]
    for _ in range(4):
        inner = zipped({"in.zip": inner})
    deep = hashed(tmp_path, inner, workers)
    assert deep.looks == ()
    assert any("deep" in problem for problem in deep.problems)


def test_a_broken_one_costs_no_other(tmp_path: Path, workers: Workers) -> None:
    members = {"a.png": saved("coffee", "PNG"), "b.jpg": saved("astronaut")[:900], "c.png": saved("astronaut", "PNG")}
    one = hashed(tmp_path, zipped(members), workers)
    assert {"a.png", "c.png"} <= {look.inside for look in one.looks}
    whole = bytearray(zipped({"a.png": saved("coffee", "PNG"), "c.png": saved("moon", "PNG")}, zipfile.ZIP_STORED))
    whole[200] ^= 0xFF
    harmed = hashed(tmp_path, bytes(whole), workers)
    assert [look.inside for look in harmed.looks] == ["c.png"]
    assert harmed.problems[0].startswith("a.png: ")


def test_a_bomb_inside_is_left_alone(tmp_path: Path, workers: Workers) -> None:
    bomb = zipped({"bomb.png": b"\0" * (64 << 20), "a.png": saved("coffee", "PNG")})
    one = hashed(tmp_path, bomb, workers)
    assert [look.inside for look in one.looks] == ["a.png"]
    assert "bomb" in one.problems[0]


def test_a_locked_pdf_is_said_to_be(tmp_path: Path, workers: Workers) -> None:
    assert hashed(tmp_path, b"%PDF-1.7\nnothing", workers).problems
    assert hashed(tmp_path, b"only text", workers).problems == ()


def test_names_inside_move_no_cursor() -> None:
    found = [one.name for one in embedded(zipped({"a\x1b[2J\u202e.png": b"x", "b" * 999: b"y"}))]
    assert all(name.isprintable() and len(name) <= 200 for name in found)


def test_there_is_an_end_to_pictures_and_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_embedded, "MOST_INSIDE", 3)
    inside = embedded(zipped({str(number): b"x" for number in range(9)}))
    assert [next(inside).name for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(JagaError, match="more than 3 pictures"):
        next(inside)


def test_a_bank_finds_what_is_inside(tmp_path: Path, workers: Workers) -> None:
    (tmp_path / "letter.docx").write_bytes(zipped(OFFICE["docx"]))
    with BankStore(tmp_path / "store") as store:
        store.create(Bank(name="seen"))
        store.add("seen", [Item(hashes=(("pdq", reference(saved("coffee"))),))])
        store.create(Bank(name="bytes"))
        store.add("bytes", [Item(hashes=(("md5", md5(saved("coffee", "PNG")).digest()),))])
        (one,) = Matcher(store).files([tmp_path / "letter.docx"], workers=workers)
    assert one.bad
    assert {(match.bank, match.kind, match.inside) for match in one.matches} == {
        ("seen", "pdq", "word/media/image1.png"),
        ("bytes", "md5", None),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_done_to_a_file_only_known_errors_come(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([zipped(OFFICE["zip"]), raw_file("<", saved("coffee")), raw_file(">", b"x")]))
    raw = bytearray(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    for _ in range(data.draw(st.integers(0, 4))):
        if raw:
            raw[data.draw(st.integers(max(0, len(raw) - 400), len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        for one in embedded(bytes(raw)):
            assert one.name
    except JagaError:
        pass
