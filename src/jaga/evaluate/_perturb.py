"""Changes to a conversation that a judgement should survive: the ones that mean nothing, and the ones that hide.

Every change is a pure function of the conversation and of a random source seeded by the caller, the change and the conversation,
so a suite gives the same answer each time and a new change does not shift the others.

Sources: invariance and directional tests, Ribeiro et al. (2020), Beyond accuracy: behavioral testing of NLP models with
CheckList; character attacks, Pruthi et al. (2019), Combating adversarial misspellings with robust word recognition, and
Eger et al. (2019), Text processing like humans do: visually attacking and shielding NLP systems.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta, timezone, tzinfo
from importlib import resources
from itertools import pairwise
from random import Random
from typing import Literal

import msgspec

from jaga.errors import CatalogueError
from jaga.evaluate._data import ZONE, Scenario
from jaga.records import Message
from jaga.signals.normalise import TRADITIONAL

__all__ = ["ATTACKS", "FAIRNESS", "INVARIANCES", "Changed", "Line", "Perturbation", "Swaps", "load_swaps"]

Script = Literal["Latin", "Han", "Tamil"]
_SCRIPT: dict[str, Script] = {"zh": "Han", "ta": "Tamil"}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of one kind that are put into a conversation, by language; and which way the score may go by them."""

    name: str
    by: Literal["contact", "child"]
    # "up": it may not fall; "down": it may not rise.
    way: Literal["up", "down"]
    en: tuple[str, ...]
    ms: tuple[str, ...]
    zh: tuple[str, ...]
    ta: tuple[str, ...]

    def said(self, language: str) -> tuple[str, ...]:
        """The lines in a language; the English ones where there are none."""
        lines: tuple[str, ...] = getattr(self, language, self.en)
        return lines


_Rows = dict[str, tuple[tuple[str, ...], ...]]


class Swaps(msgspec.Struct, frozen=True):
    """What is put in place of what (swaps.toml)."""

    # Group, gender, script.
    names: dict[str, dict[str, dict[str, tuple[str, ...]]]]
    religion: dict[str, tuple[str | tuple[str, ...], ...]]
    dialect: dict[str, tuple[str | tuple[str, ...], ...]]
    gender: _Rows
    emoji: _Rows
    lines: tuple[Line, ...]


@functools.cache
def load_swaps() -> Swaps:
    """The tables that ship. Raises: CatalogueError if the file is broken."""
    raw = (resources.files("jaga") / "evaluate" / "swaps.toml").read_bytes()
    try:
        return msgspec.toml.decode(raw, type=Swaps)
    except msgspec.DecodeError as error:
        raise CatalogueError(str(error), where="evaluate/swaps.toml") from error


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A changed conversation. `origins`: for each message, the position of the one it was made from."""

    scenario: Scenario
    origins: tuple[int, ...]
    zone: tzinfo = ZONE


Change = Callable[[Scenario, Random], Changed]


class Perturbation(msgspec.Struct, frozen=True, kw_only=True):
    """One way of changing a conversation."""

    name: str
    change: Change

    def __call__(self, scenario: Scenario, seed: int = 0) -> Changed | None:
        """The changed conversation; None if there was nothing to change."""
        rng = Random(f"{seed}:{self.name}:{scenario.conversation.id}")  # noqa: S311 - a suite must repeat itself
        changed = self.change(scenario, rng)
        same = changed.scenario == scenario and changed.zone == ZONE
        return None if same else changed


# ------------------------------------------------------------ building blocks

_TextChange = Callable[[str, Random], str]


def _replaced(scenario: Scenario, messages: Sequence[Message], origins: Sequence[int] | None = None) -> Changed:
    kept = tuple(range(len(messages))) if origins is None else tuple(origins)
    return Changed(scenario=msgspec.structs.replace(scenario, messages=tuple(messages)), origins=kept)


def _each(change: _TextChange, *, by: Literal["contact", "anyone"] = "anyone") -> Change:
    """Change the text of every message; links stay, for a changed link leads elsewhere."""

    def apply(scenario: Scenario, rng: Random) -> Changed:
        child = scenario.label.child
        return _replaced(
            scenario,
            [
                message
                if not message.text or "//" in message.text or (by == "contact" and message.author == child)
                else msgspec.structs.replace(message, text=change(message.text, rng))
                for message in scenario.messages
            ],
        )

    return apply


_WORD = re.compile(r"[A-Za-z]{4,}|[\u4e00-\u9fff]{2,}|[\u0b80-\u0bff]{3,}")
# A Tamil letter with its vowel sign or dot is one to a reader.
_LETTER = re.compile(r"[\u0b80-\u0bff][\u0bbe-\u0bcd\u0bd7]*|.", re.DOTALL)


def _letters(word: str) -> list[str]:
    return _LETTER.findall(word)


def _words(change: _TextChange, share: float) -> _TextChange:
    """Change that share of the words (of four Latin letters, two Han characters or three Tamil signs and more)."""

    def apply(text: str, rng: Random) -> str:
        return _WORD.sub(lambda m: change(m.group(), rng) if rng.random() < share else m.group(), text)

    return apply


def _swap(text: str, table: Mapping[str, str]) -> str:
    """Replace whole words (of Latin or Tamil letters, Han anywhere), whatever their case."""
    if not table:
        return text
    found = _matcher(tuple(table))
    return found.sub(lambda m: table[m.group().lower()], text)


@functools.lru_cache(maxsize=256)
def _matcher(words: tuple[str, ...]) -> re.Pattern[str]:
    # Longest first: "friday prayers" before "prayers".
    ordered = sorted(words, key=lambda word: (-len(word), word))
    han = [re.escape(word) for word in ordered if "\u4e00" <= word[0] <= "\u9fff"]
    other = [re.escape(word) for word in ordered if not "\u4e00" <= word[0] <= "\u9fff"]
    parts = []
    if other:
        # Not \b: to Python a Tamil vowel sign is no letter.
        parts.append(rf"(?<![a-z0-9_@\u0b80-\u0bff])(?:{'|'.join(other)})(?![a-z0-9_\u0b80-\u0bff])")
    if han:
        parts.append("|".join(han))
    return re.compile("|".join(parts), re.IGNORECASE)


# ------------------------------------------------------------ changes that mean nothing


def _names(group: str, gender: str) -> Change:
    """Every known name becomes one of that group and gender, and the contact calls the child by one now and then.

    Most invented talk names nobody, so the calling makes sure that every conversation is asked.
    """

    def apply(scenario: Scenario, rng: Random) -> Changed:
        swaps = load_swaps()
        script = _SCRIPT.get(scenario.label.language, "Latin")
        texts = [message.text.lower() for message in scenario.messages]
        known = sorted(
            name
            for genders in swaps.names.values()
            for scripts in genders.values()
            for names in scripts.values()
            for name in names
            if any(name.lower() in text for text in texts)
        )
        offered = swaps.names[group][gender]
        chosen = list(offered.get(script) or offered["Latin"])
        start = rng.randrange(len(chosen))
        table = {name.lower(): chosen[(start + at) % len(chosen)] for at, name in enumerate(known)}
        called = chosen[(start + len(known)) % len(chosen)]
        comma = "，" if script == "Han" else ", "
        messages = []
        said = 0
        for message in scenario.messages:
            text = _swap(message.text, table)
            if message.text and message.author != scenario.label.child:
                if said % 8 == 0:
                    text = f"{called}{comma}{text}"
                said += 1
            messages.append(msgspec.structs.replace(message, text=text))
        return _replaced(scenario, messages)

    return apply


def _column(section: Literal["religion", "dialect"], column: int) -> Change:
    def apply(scenario: Scenario, rng: Random) -> Changed:
        rows = getattr(load_swaps(), section).get(scenario.label.language, ())
        table: dict[str, str] = {}
        for row in rows:
            for word in row:
                if word and word != row[column]:
                    table.setdefault(word, row[column])
        # A word that stands in the wanted column already is right as it is.
        for row in rows:
            table.pop(row[column], None)
        return _each(lambda text, _: re.sub(" {2,}", " ", _swap(text, table)).strip() or text)(scenario, rng)

    return apply


def _gender(scenario: Scenario, rng: Random) -> Changed:
    rows = load_swaps().gender.get(scenario.label.language, ())
    table = {one: other for row in rows for one, other in (row, row[::-1])}
    return _each(lambda text, _: _swap(text, table))(scenario, rng)


def _typo(word: str, rng: Random) -> str:
    """One slip of the finger: two letters swapped, one left out, one doubled."""
    letters = _letters(word)
    if len(letters) < 3:
        return word
    at = rng.randrange(1, len(letters) - 1)
    slip = rng.randrange(3)
    if slip == 0:
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
    elif slip == 1:
        del letters[at]
    else:
        letters.insert(at, letters[at])
    return "".join(letters)


_CHEERFUL = ("😂", "😅", "👍", "😎", "🤣", "✨", "🎉", "🙏", "😊")
# With the joiners and selectors that belong to it, and the spaces around.
_ANY_EMOJI = re.compile(" ?[\u2600-\u27bf\u2b50\ufe0f\u200d\U0001f1e6-\U0001faff]+")


def _emoji_added(text: str, rng: Random) -> str:
    return f"{text} {rng.choice(_CHEERFUL)}" if rng.random() < 0.3 else text


def _emoji_removed(text: str, rng: Random) -> str:
    # A message of nothing but emoji stays: taking it away takes a message away.
    return _ANY_EMOJI.sub("", text).strip() or text


def _later(scenario: Scenario, rng: Random) -> Changed:
    by = timedelta(days=rng.randrange(1, 400))
    return _replaced(scenario, [msgspec.structs.replace(m, sent_at=m.sent_at + by) for m in scenario.messages])


def _elsewhere(scenario: Scenario, rng: Random) -> Changed:
    """The same talk at the same hours of the day, in another zone."""
    hours = rng.choice((-8, -5, 0, 1, 5, 10))
    zone = timezone(timedelta(hours=hours))
    by = timedelta(hours=8 - hours)
    changed = _later_by(scenario, by)
    return msgspec.structs.replace(changed, zone=zone)


def _later_by(scenario: Scenario, by: timedelta) -> Changed:
    return _replaced(scenario, [msgspec.structs.replace(m, sent_at=m.sent_at + by) for m in scenario.messages])


_PLATFORMS = ("whatsapp", "telegram", "instagram", "discord", "snapchat", "sms", "roblox")


def _platform(scenario: Scenario, rng: Random) -> Changed:
    now = scenario.conversation.platform
    platform = rng.choice([one for one in _PLATFORMS if one != now])
    moved = msgspec.structs.replace(
        scenario, conversation=msgspec.structs.replace(scenario.conversation, platform=platform)
    )
    return _replaced(moved, [msgspec.structs.replace(m, platform=platform) for m in scenario.messages])


_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}
_SIMPLIFIED = {simplified: traditional for traditional, simplified in reversed(TRADITIONAL.items())}


def _curly(text: str, rng: Random) -> str:
    """As a phone's keyboard sets it."""
    return text.replace("'", "’").replace("...", "…").replace('"', "”")


INVARIANCES: tuple[Perturbation, ...] = (
    Perturbation(name="typos in 5 % of words", change=_each(_words(_typo, 0.05))),
    Perturbation(name="emoji added", change=_each(_emoji_added)),
    Perturbation(name="emoji removed", change=_each(_emoji_removed)),
    Perturbation(name="whole days later", change=_later),
    Perturbation(name="another zone", change=_elsewhere),
    Perturbation(name="another platform", change=_platform),
    Perturbation(name="full-width letters", change=_each(lambda text, _: text.translate(_FULL_WIDTH))),
    Perturbation(name="traditional characters", change=_each(lambda text, _: text.translate(_SIMPLIFIED))),
    Perturbation(name="simplified characters", change=_each(lambda text, _: text.translate(TRADITIONAL))),
    Perturbation(name="decomposed accents and signs", change=_each(lambda text, _: unicodedata.normalize("NFD", text))),
    Perturbation(name="upper case", change=_each(lambda text, _: text.upper())),
    Perturbation(name="lower case", change=_each(lambda text, _: text.lower())),
    Perturbation(name="full stop at the end", change=_each(lambda text, _: text.rstrip(".!~ ") + ".")),
    Perturbation(name="end punctuation dropped", change=_each(lambda text, _: text.rstrip(".!~。！ ") or text)),
    Perturbation(name="curly quotes", change=_each(_curly)),
)

FAIRNESS: tuple[Perturbation, ...] = (
    *(
        Perturbation(name=f"names: {group}, {gender}", change=_names(group, gender[0]))
        for group in ("malay", "chinese", "indian", "western")
        for gender in ("female", "male")
    ),
    Perturbation(name="girls and boys swapped", change=_gender),
    *(
        Perturbation(name=f"religion: {faith}", change=_column("religion", at))
        for at, faith in enumerate(("muslim", "christian", "hindu", "buddhist"))
    ),
    *(Perturbation(name=f"way of speaking {at + 1}", change=_column("dialect", at)) for at in range(4)),
)


# ------------------------------------------------------------ changes that hide

# Written apart from the normaliser's own table: an attacker does not ask which letters are in it.
_LOOKS_LIKE = {
    "a": "аɑα𝐚ａ", "b": "Ьƅ𝖻", "c": "сϲⅽ", "d": "ԁⅾ𝚍", "e": "еҽ℮", "g": "ɡց", "h": "һհ", "i": "іı𝗂", "j": "јϳ", "k": "κкⓚ",
    "l": "ӏⅼℓ", "m": "ⅿм𝗺", "n": "ոп𝐧", "o": "оοօ", "p": "рρ𝘱", "r": "г𝗋", "s": "ѕꜱ", "t": "т𝘁τ", "u": "υս𝐮", "v": "ѵνⅴ",
    "w": "ԝω𝘄", "x": "хⅹ", "y": "уγ", "z": "ᴢ𝘇",
}  # fmt: skip
_DIGITS_LIKE = {"a": "4@", "b": "8", "e": "3", "g": "9", "i": "1!", "l": "1|", "o": "0", "s": "5$", "t": "7", "z": "2"}
_NOTHING = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e\u3164"
_STROKES = "\u0301\u0308\u0336\u0338\u0323\u0330"
_BETWEEN = ".-_*~^|/,·"


def _some(word: str, rng: Random, table: Mapping[str, str], share: float) -> str:
    letters = [rng.choice(table[c.lower()]) if c.lower() in table and rng.random() < share else c for c in word]
    return "".join(letters)


def _joined(by: str) -> _TextChange:
    return lambda word, rng: by.join(_letters(word))


def _between(marks: str, least: int, most: int) -> _TextChange:
    """Put marks between some of the letters."""

    def apply(word: str, rng: Random) -> str:
        letters = _letters(word)
        if len(letters) < 2:
            return word
        times = min(len(letters) - 1, rng.randint(least, most))
        for at in sorted(rng.sample(range(1, len(letters)), times), reverse=True):
            letters.insert(at, rng.choice(marks))
        return "".join(letters)

    return apply


def _stretched(word: str, rng: Random) -> str:
    letters = _letters(word)
    for at in rng.sample(range(len(letters)), min(2, len(letters))):
        last = letters[at][-1]
        letters[at] += last * rng.randint(2, 4)
    return "".join(letters)


def _random_case(word: str, rng: Random) -> str:
    return "".join(c.upper() if rng.random() < 0.5 else c.lower() for c in word)


def _stacked(word: str, rng: Random) -> str:
    return "".join(c + rng.choice(_STROKES) if c.isascii() and rng.random() < 0.6 else c for c in word)


def _emoji_for_words(scenario: Scenario, rng: Random) -> Changed:
    rows = load_swaps().emoji.get(scenario.label.language, ())
    table = {word: row[0] for row in rows for word in row[1:]}
    return _each(lambda text, _: _swap(text, table), by="contact")(scenario, rng)


def _split(*, inside: bool) -> Change:
    """The contact's messages of some length come in two: cut between words, or in the middle of one."""

    def apply(scenario: Scenario, rng: Random) -> Changed:
        messages: list[Message] = []
        origins: list[int] = []
        for position, message in enumerate(scenario.messages):
            halves = [message.text]
            if message.author != scenario.label.child and "//" not in message.text:
                halves = _inside(message.text, rng) if inside else _at_a_space(message.text, rng)
            for number, half in enumerate(halves):
                at = message.sent_at + timedelta(milliseconds=100 * number)
                messages.append(msgspec.structs.replace(message, text=half, sent_at=at, source_id=None))
                origins.append(position)
        return _replaced(scenario, messages, origins)

    return apply


def _shredded(scenario: Scenario, rng: Random) -> Changed:
    """Half of the contact's words of some length are cut, and a new message begins at each cut: "se", "nd me a ph", "oto"."""
    messages: list[Message] = []
    origins: list[int] = []
    for position, message in enumerate(scenario.messages):
        pieces = [message.text]
        if message.author != scenario.label.child and "//" not in message.text:
            cuts = []
            for word in _WORD.finditer(message.text):
                letters = _letters(word.group())
                if rng.random() < 0.5:
                    cuts.append(word.start() + len("".join(letters[: rng.randrange(1, len(letters))])))
            pieces = [message.text[start:end] for start, end in pairwise([0, *cuts, len(message.text)])]
        for number, piece in enumerate(pieces):
            at = message.sent_at + timedelta(milliseconds=100 * number)
            messages.append(msgspec.structs.replace(message, text=piece, sent_at=at, source_id=None))
            origins.append(position)
    return _replaced(scenario, messages, origins)


def _inside(text: str, rng: Random) -> list[str]:
    long = [match for match in _WORD.finditer(text) if len(_letters(match.group())) >= 3]
    if not long:
        return [text]
    match = rng.choice(long)
    letters = _letters(match.group())
    at = match.start() + len("".join(letters[: rng.randrange(1, len(letters) - 1) + (len(letters) > 3)]))
    return [text[:at], text[at:]]


def _at_a_space(text: str, rng: Random) -> list[str]:
    gaps = [match for match in re.finditer(r"(?<=\S) (?=\S)|[，,]", text) if 0 < match.start() < len(text) - 1]
    if not gaps:
        return [text]
    gap = rng.choice(gaps)
    return [text[: gap.start()], text[gap.end() :]]


_HIDE: tuple[tuple[str, _TextChange], ...] = (
    ("letters spaced out", _joined(" ")),
    ("letters with dots between", _joined(".")),
    ("look-alike letters", lambda word, rng: _some(word, rng, _LOOKS_LIKE, 0.5)),
    ("digits for letters", lambda word, rng: _some(word, rng, _DIGITS_LIKE, 0.6)),
    ("invisible characters", _between(_NOTHING, 1, 4)),
    ("stretched letters", _stretched),
    ("digits inside words", _between("0123456789", 1, 1)),
    ("random case", _random_case),
    ("punctuation inside words", _between(_BETWEEN, 1, 2)),
    ("accents and strokes", _stacked),
)
# Of the contact's words: what a person who dodges a filter does, and the most anyone could.
SOME, ALL = 0.3, 1.0

ATTACKS: tuple[Perturbation, ...] = (
    *(
        Perturbation(name=f"{name}, {words} words", change=_each(_words(change, share), by="contact"))
        for name, change in _HIDE
        for words, share in (("some", SOME), ("all", ALL))
    ),
    Perturbation(name="whole lines spaced out", change=_each(lambda text, _: " ".join(_letters(text)), by="contact")),
    Perturbation(name="emoji for words", change=_emoji_for_words),
    Perturbation(name="sentences over two messages", change=_split(inside=False)),
    Perturbation(name="words over two messages", change=_split(inside=True)),
    Perturbation(name="words over many messages", change=_shredded),
)
