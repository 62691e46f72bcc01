"""The learned ear: what its table says is what it hears, alone and in its place; on a small table made here."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest

from jaga.errors import CatalogueError
from jaga.records import Message
from jaga.signals import ALONE, Before
from jaga.signals.catalogue import load_catalogue
from jaga.signals.learned import GROUP, ROLES, TONES, Learned, Table, key, load_table, meant
from jaga.signals.pieces import BUCKETS, parts

TACTICS = tuple(load_catalogue().tactics)
COLUMNS = (*TACTICS, *TONES)
C = len(COLUMNS)


def message(text: str, author: str = "ray") -> Message:
    return Message(
        conversation="c",
        author=author,
        sent_at=datetime(2026, 3, 1, 12, tzinfo=timezone.utc),
        text=text,
        platform="test",
    )


def table(
    *,
    pieces: dict[tuple[str, str, str], float] | None = None,
    meanings: dict[tuple[str, str, str], float] | None = None,
) -> Table:
    """A table that is silent but for (word, role, column): weight."""
    weights = np.zeros((BUCKETS, len(ROLES) * C), np.float32)
    for (word, role, column), value in (pieces or {}).items():
        # The bucket of the whole word; its parts stay silent.
        weights[parts(word)[0][0], ROLES.index(role) * C + COLUMNS.index(column)] = value
    words = sorted({word for word, _, _ in meanings or {}})
    meant_weights = np.zeros((len(words), len(ROLES) * C), np.float32)
    for (word, role, column), value in (meanings or {}).items():
        meant_weights[words.index(word), ROLES.index(role) * C + COLUMNS.index(column)] = value
    keys = np.array([key(word) for word in words], np.uint64)
    return Table.of(COLUMNS, weights, keys, meant_weights, np.full(C, -3.0, np.float32))


def heard(ear: Learned, text: str, before: Before = ALONE) -> set[str]:
    return {signal.tactic for signal in ear.listen(message(text), "contact", before)[0]}


def test_a_word_of_the_table_is_heard_and_another_is_not() -> None:
    ear = Learned(table(pieces={("zzqx", "own", "secrecy"): 6.0}))
    (signal,) = ear.hear(message("zzqx"), "contact")
    assert (signal.tactic, signal.group, signal.by, signal.detector) == ("secrecy", GROUP, "contact", "learned")
    # Log-odds of 6 - 3.
    assert signal.strength == pytest.approx(1 / (1 + np.exp(-3.0)), abs=0.01)
    assert heard(ear, "wwvk") == set()


def test_a_meaning_is_heard_where_no_piece_is() -> None:
    ear = Learned(table(meanings={("zzqx", "own", "meeting"): 6.0}))
    assert heard(ear, "zzqx") == {"meeting"}
    assert heard(ear, "zzqy") == set()


def test_two_han_characters_have_a_meaning_together() -> None:
    assert meant(["秘", "密"]) == ["秘", "密", "秘密"]
    ear = Learned(table(meanings={("秘密", "own", "secrecy"): 9.0}))
    assert heard(ear, "秘密") == {"secrecy"}
    assert heard(ear, "密秘") == set()


@pytest.mark.parametrize("role", ["previous", "other"])
def test_what_stood_before_counts_in_its_role_alone(role: str) -> None:
    ear = Learned(table(pieces={("zzqx", role, "secrecy"): 6.0}))
    before = Before(**{role: message("zzqx")})
    other = Before(**{"previous" if role == "other" else "other": message("zzqx")})
    assert heard(ear, "ok la", before) == {"secrecy"}
    assert heard(ear, "ok la", other) == set()
    assert heard(ear, "zzqx") == set()


def test_what_a_speaker_cannot_do_is_not_heard_of_them() -> None:
    ear = Learned(table(pieces={("zzqx", "own", "secrecy"): 6.0, ("zzqx", "own", "refusal"): 6.0}))
    assert heard(ear, "zzqx") == {"secrecy"}
    assert [signal.tactic for signal in ear.hear(message("zzqx"), "child")] == ["refusal"]


def test_one_worrying_sentence_is_not_lost_in_a_page() -> None:
    ear = Learned(table(pieces={("zzqx", "own", "secrecy"): 30.0}))
    page = " ".join(f"word{number}" for number in range(400))
    assert heard(ear, f"{page} zzqx {page}") == {"secrecy"}


@pytest.mark.parametrize("text", ["", "   ", "!!!", "🙂"])
def test_nothing_said_has_no_tone(text: str) -> None:
    ear = Learned(table())
    found, tone = ear.listen(message(text), "contact", ALONE)
    assert found == []
    assert tone is None or text == "🙂"


def test_it_survives_saving_and_a_damaged_file_is_named() -> None:
    made = table(pieces={("zzqx", "own", "threat"): 5.0}, meanings={("hello", "own", "meeting"): 2.0})
    made.tone[:, -1] = 0.5
    again = Table.load(made.save(), "x")
    assert again.columns == made.columns
    for name in ("weights", "scale", "keys", "meanings", "meaning_scale", "bias", "tone"):
        assert np.array_equal(getattr(again, name), getattr(made, name)), name
    with pytest.raises(CatalogueError, match=r"learned\.npz"):
        Table.load(made.save()[:500], "learned.npz")


def test_the_table_that_ships_knows_every_tactic() -> None:
    shipped = load_table()
    assert set(shipped.tactics) == set(TACTICS)
    assert np.all(np.diff(shipped.keys.astype(object)) > 0)
    assert shipped.tone.any()


def test_the_same_message_in_the_same_place_is_heard_the_same_whatever_came_between() -> None:
    ear = Learned()
    before = Before(previous=message("are you alone now"), other=message("ya"))
    first = ear.listen(message("dont tell your mum ok"), "contact", before)
    for number in range(50):
        ear.listen(message(f"something else {number}"), "child", before)
    assert ear.listen(message("dont tell your mum ok"), "contact", before) == first
