"""Folds the many spellings of one sentence together, so that patterns need to name each only once.

The steps and their order are the contract that catalogue patterns are written against (docs/add-a-tactic.md).
Pure and linear in the length of the text. What it misses: words split over two messages, pictures of text,
and spelling variants that no short-form table names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

__all__ = ["Normaliser"]

# A message is cut here before patterns see it: far above any chat line, and it bounds the work one line can cause.
MAX_CHARS = 8_000

_EMOJI_WORDS = {
    "🤫": "shh", "🤐": "shh", "🙊": "shh", "🎁": "gift", "🎀": "gift", "💰": "money", "💵": "money", "💸": "money", "🤑": "money",
    "📷": "photo", "📸": "photo", "🤳": "photo", "📹": "video", "🎥": "video", "📍": "location", "❤": "love",
    "💕": "love", "💖": "love", "😍": "love", "😘": "love", "🥰": "love", "💎": "diamond", "🧧": "红包",
    "🏠": "home", "🏡": "home", "📞": "call", "☎": "call", "🔥": "", "🚗": "car", "🏨": "hotel", "😢": "cry", "😭": "cry",
}  # fmt: skip
_EMOJI = re.compile("|".join(map(re.escape, _EMOJI_WORDS)))

# Letters of other scripts that pass for Latin ones; folded only inside words that also hold Latin letters,
# so that real Greek or Cyrillic words stay as they are. Source: Unicode TS #39 confusables, the Latin-shaped part.
_LOOKALIKES = str.maketrans(
    "аеорсухіѕԁјһԛԝѵкмтвнгзпαεορτυνκιηωβγ",
    "aeopcyxisdjhqwvkmtbhr3naeoptuvkinwby",
)
_MIXED = re.compile(r"[a-z]*[Ͱ-ϿЀ-ӿ][a-zͰ-ϿЀ-ӿ]*")

_LINK = re.compile(r"(?:https?://|www\.)\S+")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}")
_SUM = re.compile(r"(?<![a-z])(rm|myr|usd|sgd|idr|rp|rs|inr|[$£€₹]|ரூ)[. ]{0,2}(\d[\d,]*)(?:\.\d{1,2})?(?!\d)")
_CURRENCY = {"$": "usd", "£": "gbp", "€": "eur", "₹": "rs", "myr": "rm", "inr": "rs"}
_NUMBER_POINT = re.compile(r"(?<=\d)[.:,](?=\d)")
_SPELT_OUT = re.compile(r"(?<!\w)(?:[a-z](?:[.\-_*]| {1,2})){3,}[a-z](?!\w)")
_APART = re.compile(r"[.\-_* ]+")
_SYMBOL_LETTER = re.compile(r"(?<=[a-z])[@$!](?=[a-z])|(?<!\w)[$](?=[a-z])")
_SYMBOL_TO = {"@": "a", "$": "s", "!": "i"}
_ELLIPSIS = re.compile(r"\.{2,}|…")
_SENTENCE = re.compile(r"[.!;\n\r。！；।]+")
_QUESTION = re.compile(r"[?？]+")
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_LEET_INSIDE = re.compile(r"[a-z][0134578]+[a-z]")
_LEET = str.maketrans("0134578", "oieastb")
# What somebody says in quotation marks are another's words: a safety lesson quotes every line of a groomer. Straight single quotes are
# apostrophes in chat and stay. Bounded, so that one stray mark does not swallow a page.
_QUOTED = re.compile(r"\"[^\"\n]{8,300}\"|“[^”\n]{6,300}”|「[^」\n]{3,150}」|『[^』\n]{3,150}』|«[^»\n]{6,300}»")
_QUOTES = frozenset('"“「『«')
# A message that is nothing but a quotation is read as it stands: marks around everything must not silence the ear.
_REST = 4
_DIGIT = re.compile(r"\d")
_HAN = "㐀-䶿一-鿿豈-﫿"
_HAN_THEN_LATIN = re.compile(rf"(?<=[{_HAN}])(?=[a-z0-9@])|(?<=[a-z0-9])(?=[{_HAN}])")
_BETWEEN_HAN = re.compile(rf"(?<=[{_HAN}]) +(?=[{_HAN}])")
_SPACES = re.compile(r" {2,}")


class _Marks(dict[int, str | None]):
    """A `str.translate` table made as characters appear: punctuation and symbols to spaces, format marks to nothing."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        category = unicodedata.category(char)
        value: str | None
        if char in "?;@_":
            value = char
        elif category in ("Cf", "Mn") and (category == "Cf" or 0xFE00 <= code <= 0xFE0F or 0x300 <= code <= 0x36F):
            # Format marks, variation selectors and stacked accents; Tamil vowel signs are Mn too and must stay.
            value = None
        elif category[0] in "PSZC":
            value = " "
        else:
            value = char
        self[code] = value
        return value


_MARKS = _Marks()
_APOSTROPHES = str.maketrans("", "", "'’‘ʼ`´")


class Normaliser:
    """Turns a message into the form that patterns are written in.

    `short_forms` maps one token to its usual spelling (one or more words).
    """

    def __init__(self, short_forms: Mapping[str, str]) -> None:
        self._short = dict(short_forms)

    def __call__(self, text: str) -> str:
        """The normalised text: lower-case words with single spaces, ` ; ` and ` ? ` as sentence marks."""
        if len(text) > MAX_CHARS:
            text = text[:MAX_CHARS]
        if not _QUOTES.isdisjoint(text):
            rest = _QUOTED.sub(" quotedwords ", text)
            if len(rest) - 13 * (rest.count(" quotedwords ")) >= _REST:
                text = rest
        plain = text.isascii()
        if plain:
            text = text.lower()
        else:
            text = unicodedata.normalize("NFKC", text).lower()
            text = _EMOJI.sub(lambda m: f" {_EMOJI_WORDS[m.group()]} ", text)
            text = _ELLIPSIS.sub(" ", text)
            text = "".join([c for c in text if c not in _INVISIBLE])
            text = _MIXED.sub(_fold_lookalikes, text)
        # Of the table only two are ASCII, and taking them out one by one is quicker.
        text = text.replace("'", "").replace("`", "") if plain else text.translate(_APOSTROPHES)
        if "//" in text or "www." in text:
            text = _LINK.sub(" linkurl ", text)
        if "@" in text:
            text = _EMAIL.sub(" emailaddr ", text)
        digits = _DIGIT.search(text) is not None
        if digits:
            text = _SUM.sub(_sum, text)
            text = _NUMBER_POINT.sub("", text)
        text = _SPELT_OUT.sub(lambda m: _APART.sub("", m.group()), text)
        # An expression that looks behind is slow on text that holds none of what it looks for, as most does.
        if "!" in text or "@" in text or "$" in text:
            text = _SYMBOL_LETTER.sub(lambda m: _SYMBOL_TO[m.group()], text)
        if ".." in text:
            text = _ELLIPSIS.sub(" ", text)
        text = _SENTENCE.sub(" ; ", text)
        if "?" in text or "？" in text:
            text = _QUESTION.sub(" ? ", text)
        text = text.translate(_MARKS)
        text = _STRETCHED.sub(r"\1", text)
        if not plain:
            text = _HAN_THEN_LATIN.sub(" ", text)
        short = self._short
        if digits:
            words = [short.get(word) or _undigit(word, short) for word in text.split()]
        else:
            words = [short.get(word, word) for word in text.split()]
        text = " ".join(words)
        if not plain:
            text = _BETWEEN_HAN.sub("", text)
        return text


# Zero-width characters, direction marks, joiners and variation selectors: used by keyboards and to dodge filters.
_INVISIBLE = frozenset(
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u00ad\ufe0e\ufe0f"
)


def _fold_lookalikes(match: re.Match[str]) -> str:
    word = match.group()
    # A word wholly in another script is that language, not a disguise.
    return word.translate(_LOOKALIKES) if any("a" <= c <= "z" for c in word) else word


def _sum(match: re.Match[str]) -> str:
    currency = match.group(1)
    return f" {_CURRENCY.get(currency, currency)}{match.group(2).replace(',', '')} "


def _undigit(word: str, short: Mapping[str, str]) -> str:
    if word.isalpha() or word.isdigit():
        return word
    if len(word) > 3 and word.endswith("2") and word[:-1].isalpha():
        # Malay reduplication: kawan2 is kawan-kawan.
        stem = word[:-1]
        return short.get(stem, stem)
    if _LEET_INSIDE.search(word):
        decoded = word.translate(_LEET)
        if decoded.isalpha():
            return short.get(decoded, decoded)
    return word
