"""Pictures of messages are looked at where they lie; what is told is a hash, an entry of a bank and a number."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from jaga.media._workers import Workers
from jaga.media.attachments import Looker
from jaga.media.banks import Bank, BankStore, Item
from jaga.media.hashing import hash_files
from jaga.media.judging import OpenNsfw, picture_judge
from jaga.records import Attachment, Message
from jaga.signals.pictures import SENSITIVE_FROM
from jaga.sources import Files
from tests.media.pictures import DRAWN, PHOTOGRAPHS, drawn, photograph, pixels

CLIPS = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1) as pool:
        yield pool


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BankStore]:
    """Knows the astronaut as bad by PDQ and the coffee as good by its bytes."""
    photograph("astronaut").save(tmp_path / "known.png")
    photograph("coffee").save(tmp_path / "good.png")
    with BankStore(tmp_path / "store") as kept:
        bad, good = hash_files([tmp_path / "known.png", tmp_path / "good.png"], ("sha256", "pdq"))
        kept.create(Bank(name="seen", category="A"))
        kept.add("seen", [Item(hashes=(("pdq", bad.looks[0].values[0].value),), name="nameless")])
        kept.create(Bank(name="fine", meaning="good"))
        kept.add("fine", [Item(hashes=(("sha256", good.digests["sha256"]),))])
        yield kept


def jpeg(name: str) -> bytes:
    with io.BytesIO() as raw:
        photograph(name).resize((300, 300)).save(raw, "JPEG")
        return raw.getvalue()


def messages(path: Path, *attachments: Attachment) -> list[Message]:
    return [
        Message(
            conversation="c",
            author="a",
            sent_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
            text="",
            platform="p",
            attachments=(one,),
        )
        for number, one in enumerate(attachments)
    ]


def attachment(found: str | None, kind: str = "image") -> Attachment:
    return Attachment(kind=kind, found=found)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_known_good_other_absent_and_broken_are_told_apart(
    tmp_path: Path, store: BankStore, workers: Workers, form: str
) -> None:
    held = {
        "again.jpg": jpeg("astronaut"),
        "good.png": (tmp_path / "good.png").read_bytes(),
        "chelsea.jpg": jpeg("chelsea"),
        "broken.jpg": jpeg("moon")[:200],
        "empty.jpg": b"",
        "letter.txt": b"only words",
    }
    path = tmp_path / "export"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in held.items():
                archive.writestr(name, content)
    else:
        path.mkdir()
        for name, content in held.items():
            (path / name).write_bytes(content)
    between = "!" if form == "zip" else "/"
    before = sorted(tmp_path.rglob("*"))
    sent = [attachment(f"{path}{between}{name}") for name in held if name != "letter.txt"]
    sent += [attachment(f"{path}{between}letter.txt", "document"), attachment(f"{path}{between}again.jpg")]
    sent += [attachment(None), attachment(f"{path}{between}gone.jpg"), attachment(f"{path}{between}again.jpg", "voice")]
    with Files([path]) as files, Looker(files, store=store, workers=workers) as looker:
        seen = [one.attachments[0] for one in looker.look(messages(path, *sent))]
        counts = looker.counts
    assert [one.found for one in seen] == [one.found for one in sent]
    again, good, other, broken, empty, letter, twice, absent, gone, voice = seen
    assert again.known is not None
    assert (again.known.bank, again.known.meaning, again.known.category, again.known.kind) == (
        "seen",
        "bad",
        "A",
        "pdq",
    )
    assert again.known.distance_bits <= 31
    assert again.sha256 == sha256(held["again.jpg"]).hexdigest()
    assert twice.known == again.known
    assert good.known is not None
    assert good.known.meaning == "good"
    assert other.sha256 is not None
    assert other.known is None
    for one in (broken, empty, letter, absent, gone, voice):
        assert (one.sha256, one.known, one.sensitive) == (None, None, None)
    assert (counts.looked, counts.known, counts.sensitive) == (4, 2, 0)
    assert (counts.absent, counts.unread) == (1, 3)
    assert (counts.compared, counts.judged) == (True, False)
    # No copy, no thumbnail, nothing at all is left behind.
    assert sorted(one for one in tmp_path.rglob("*") if "store" not in one.parts) == [
        one for one in before if "store" not in one.parts
    ]


def test_a_bad_bank_goes_before_a_good_one(tmp_path: Path, store: BankStore, workers: Workers) -> None:
    path = tmp_path / "known.png"
    store.add("fine", [Item(hashes=(("sha256", sha256(path.read_bytes()).digest()),))])
    with Files([path]) as files, Looker(files, store=store, workers=workers) as looker:
        (seen,) = looker.look(messages(path, attachment(str(path))))
    assert seen.attachments[0].known is not None
    assert seen.attachments[0].known.meaning == "bad"


def test_videos_and_pictures_are_judged_in_a_worker(tmp_path: Path, workers: Workers) -> None:
    judge = picture_judge()
    assert judge == "opennsfw"
    path = tmp_path / "export"
    path.mkdir()
    (path / "a.jpg").write_bytes(jpeg("chelsea"))
    clip = next(one for one in sorted(CLIPS.iterdir()) if one.suffix == ".mp4")
    (path / "b.mp4").write_bytes(clip.read_bytes())
    frames = [photograph(name).resize((200, 200)) for name in PHOTOGRAPHS]
    frames[0].save(path / "d.gif", save_all=True, append_images=frames[1:] * 3)
    sent = [attachment(f"{path}/{name}") for name in ("a.jpg", "b.mp4", "d.gif")]
    with Files([path]) as files, Looker(files, judge=judge, workers=workers) as looker:
        seen = [one.attachments[0] for one in looker.look(messages(path, *sent))]
    for one in seen:
        assert one.sensitive is not None
        assert 0 <= one.sensitive < SENSITIVE_FROM
        assert one.sha256 is not None
        assert one.known is None
    # In a worker it is what the network says here.
    assert seen[0].sensitive == pytest.approx(_likelihood(path / "a.jpg"), abs=1e-4)
    assert looker.counts.judged
    assert not looker.counts.compared


def _likelihood(path: Path) -> float:
    import numpy as np
    from PIL import Image

    with Image.open(path) as picture:
        return OpenNsfw().likelihood(np.asarray(picture))


def test_harmless_pictures_are_below_the_threshold() -> None:
    judge = OpenNsfw()
    photographs = {name: judge.likelihood(pixels(name)) for name in PHOTOGRAPHS}
    assert max(photographs.values()) < SENSITIVE_FROM
    shapes = {kind: judge.likelihood(drawn(kind, 300, 200)) for kind in DRAWN}
    assert max(shapes.values()) < SENSITIVE_FROM
    # It tells pictures apart: no constant.
    assert len({round(value, 3) for value in photographs.values()}) > 3


def test_the_order_stays_whatever_takes_long(tmp_path: Path, workers: Workers) -> None:
    path = tmp_path / "export"
    path.mkdir()
    (path / "a.jpg").write_bytes(jpeg("chelsea"))
    sent = [attachment(f"{path}/a.jpg") if number % 3 == 0 else attachment(None, "voice") for number in range(30)]
    asked = messages(path, *sent)
    with Files([path]) as files, Looker(files, judge="opennsfw", workers=workers) as looker:
        seen = list(looker.look(asked))
    assert [one.sent_at for one in seen] == [one.sent_at for one in asked]
    assert [one.attachments[0].sha256 is not None for one in seen] == [number % 3 == 0 for number in range(30)]
