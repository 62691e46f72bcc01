"""Folds the many spellings of one sentence together, so that patterns need to name each only once.

The steps and their order are the contract that catalogue patterns are written against (docs/add-a-tactic.md).
Pure and linear in the length of the text. What people do to slip past a filter is undone here too (docs/robustness.md): invisible
characters, letters of other scripts, accents and strokes, digits and symbols for letters, letters spaced out or with marks between.
Where undoing could spoil ordinary text ("ok.then", "form3"), it is done only if a word that Jaga knows comes out.

What it misses: words split over two messages, pictures of text, hidden words that the catalogue does not hold, and spelling variants
that no short-form table names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from importlib import resources

__all__ = ["TRADITIONAL", "Normaliser"]

# A message is cut here before patterns see it: far above any chat line, and it bounds the work one line can cause.
MAX_CHARS = 8_000

_EMOJI_WORDS = {
    "🤫": "shh", "🤐": "shh", "🙊": "shh", "🎁": "gift", "🎀": "gift", "💰": "money", "💵": "money", "💸": "money", "🤑": "money",
    "📷": "photo", "📸": "photo", "🤳": "photo", "🖼": "photo", "📹": "video", "🎥": "video", "📍": "location", "❤": "love",
    "💕": "love", "💖": "love", "😍": "love", "😘": "love", "🥰": "love", "💎": "diamond", "🧧": "红包",
    "🏠": "home", "🏡": "home", "📞": "call", "☎": "call", "📱": "phone", "🔥": "", "🚗": "car", "🏨": "hotel", "😢": "cry",
    "😭": "cry", "🚫": "dont", "🗑": "delete",
}  # fmt: skip

# Letters of other scripts that pass for Latin ones; folded only inside words that also hold Latin letters, or that become a known
# word in a Latin text, so that real Greek, Cyrillic or Armenian words stay. Source: Unicode TS #39 confusables, the Latin-shaped part.
# Greek capitals look like other letters than their small ones, so they are named too; the rest is looked up in lower case.
_LOOKALIKES = str.maketrans(
    "аеорсухіѕԁјһԛԝѵкмтвнгзпьӏҽияшёїαεορτυνκιηωβγσχϲϳμπΑΒΕΖΗΙΚΜΝΟΡΤΥΧօոսհցքզաϵς",
    "aeopcyxisdjhqwvkmtbhr3nblenrweiaeoptuvkinwbyoxcjunabezhikmnoptyxonuhgpqwec",
)
_FOREIGN = re.compile("[\u0370-\u058f]")
_LETTERS = re.compile("[A-Za-z0-9\u0370-\u058f]+")
_LATIN = re.compile("[A-Za-z]")
# Latin letters of other alphabets and phonetics that are drawn like plain ones; what has an accent is found by its decomposition.
_DRAWN_LIKE = dict(
    zip(
        map(ord, "ıȷɑɡƅƨɩɪɴʀʜʟʏʙɢꜱᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜰɛɜøØđĐħłŁŧƙɓɗŋ℮"),
        "ijagbsiinrhlybgsacdejkmoptuvwzfeeooddhlltkbdne",
        strict=True,
    )
) | {first + at: chr(97 + at) for first in (0x1F150, 0x1F170) for at in range(26)}
# Letters that are drawn as nothing, though Unicode calls them letters.
_FILLERS = frozenset((0x115F, 0x1160, 0x3164, 0xFFA0))

_LINK = re.compile(r"(?:https?://|www\.)\S+")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}")
_SUM = re.compile(r"(?<![a-z])(rm|myr|usd|sgd|idr|rp|rs|inr|[$£€₹]|ரூ)[. ]{0,2}(\d[\d,]*)(?:\.\d{1,2})?(?!\d)")
_CURRENCY = {"$": "usd", "£": "gbp", "€": "eur", "₹": "rs", "myr": "rm", "inr": "rs"}
_NUMBER_POINT = re.compile(r"(?<=\d)[.:,](?=\d)")
_TAMIL = "\u0b80-\u0bff"
# A Tamil letter with its vowel sign or dot.
_SIGN = "[\u0b85-\u0bb9][\u0bbe-\u0bcd\u0bd7]*"
_HAN = "㐀-䶿一-鿿豈-﫿"
# Single letters with the same kind of thing between them. Three may be an abbreviation, so they must make a known word.
_APART = r"(?: {1,3}|[.\-_*~^|/,·•+=]{1,2})"
_SPELT_OUT = re.compile(rf"(?<!\w)[a-z](?:{_APART}[a-z]){{2,}}(?!\w)")
_SPELT_TAMIL = re.compile(rf"(?<![{_TAMIL}]){_SIGN}(?:{_APART}{_SIGN}){{2,}}(?![{_TAMIL}])")
_SPELT_HAN = re.compile(rf"[{_HAN}](?:[.\-_*~^|/,·•+=]{{1,2}}[{_HAN}]){{2,}}|[{_HAN}][*|^•·_][{_HAN}]")
_BETWEEN = re.compile(r"[.\-_*~^|/,·•+= ]+")
# Letters of any script and spaces: what has marks between letters as well has spaces between words.
_ONLY_SPACED = re.compile(rf"[a-z{_TAMIL} ]+")
_WIDE_GAP = re.compile(" {2,}")
_NARROW_GAP = re.compile(r"(?<=[^ ]) (?=[^ ])")
# A mark inside a word. Some marks mean nothing there; after the others two words may have been run together.
_MARK = re.compile(rf"[.\-_*~^|/,·•+=](?=[a-z{_TAMIL}])")
_BROKEN = re.compile(rf"[a-z{_TAMIL}]+(?:[.\-_*~^|/,·•+=]{{1,2}}[a-z{_TAMIL}]+)+")
_MEANS_NOTHING = frozenset("*|^•·")
_MEANS_NOTHING_IN_TAMIL = _MEANS_NOTHING | frozenset("~=+")
_SYMBOL = re.compile("[@$!]")
_SYMBOL_LETTER = re.compile(r"(?<=[a-z])[@$!](?=[a-z])|(?<!\w)[$](?=[a-z])")
_SYMBOL_TO = {"@": "a", "$": "s", "!": "i"}
_MENTION = re.compile(r"(?<!\w)@([a-z]+)")
_ELLIPSIS = re.compile(r"\.{2,}|…")
_SENTENCE = re.compile(r"[.!;\n\r。！；।]+")
_QUESTION = re.compile(r"[?？]+")
# Vowel signs are stretched like letters; to Python they are none.
_STRETCHED = re.compile(r"([^\W\d_]|[\u0bbe-\u0bcd])\1{2,}")
_STRETCHED_WORD = re.compile(r"[a-z]*([a-z])\1{2,}[a-z]*")
# Any character three times: four times as quick to look for, and most messages hold none.
_THREE = re.compile(r"(.)\1\1", re.DOTALL)
_LEET_INSIDE = re.compile(r"[a-z][0134578]+[a-z]")
_LEET = str.maketrans("0134578", "oieastb")
# What somebody says in quotation marks are another's words: a safety lesson quotes every line of a groomer. Straight single quotes are
# apostrophes in chat and stay. Bounded, so that one stray mark does not swallow a page.
_QUOTED = re.compile(r"\"[^\"\n]{8,300}\"|“[^”\n]{6,300}”|「[^」\n]{3,150}」|『[^』\n]{3,150}』|«[^»\n]{6,300}»")
_QUOTES = frozenset('"“「『«')
# A message that is nothing but a quotation is read as it stands: marks around everything must not silence the ear.
_REST = 4
# Read only if a known word comes out.
_LEET_MORE = (str.maketrans("0123456789", "oizeasgtbg"), str.maketrans("0123456789", "olzeasgtbg"))
_DIGITS_INSIDE = re.compile(r"(?<=[a-z])\d+(?=[a-z])")
_DIGIT_IN_TAMIL = re.compile(rf"(?<=[{_TAMIL}])\d(?=[{_TAMIL}])")
# 80th, 5am, 10k: a number with its unit.
_COUNTED = re.compile(r"\d+[a-z]{1,2}")
_DIGIT = re.compile(r"\d")
_HAN_THEN_LATIN = re.compile(rf"(?<=[{_HAN}])(?=[a-z0-9@])|(?<=[a-z0-9])(?=[{_HAN}])")
_BETWEEN_HAN = re.compile(rf"(?<=[{_HAN}]) +(?=[{_HAN}])")
# Words are sought in letters run together; nothing known is longer, which bounds the search.
_LONGEST_WORD = 20


def _traditional() -> dict[int, int]:
    pairs: dict[int, int] = {}
    for line in (resources.files("jaga") / "signals" / "han.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            old, _, new = line.partition("=")
            pairs.update(zip(map(ord, old), map(ord, new), strict=True))
    return pairs


# Traditional characters to simplified ones, for `str.translate`.
TRADITIONAL = _traditional()


class _Fold(dict[int, str | None]):
    """A `str.translate` table made as characters appear: what is drawn alike becomes one character, what is not drawn goes."""

    def __missing__(self, code: int) -> str | None:
        value = self[code] = self._value(code)
        return value

    @staticmethod
    def _value(code: int) -> str | None:
        char = chr(code)
        if code < 0x80:
            return char
        if char in _EMOJI_WORDS:
            return f" {_EMOJI_WORDS[char]} "
        if code in TRADITIONAL:
            return chr(TRADITIONAL[code])
        if code in _DRAWN_LIKE:
            return _DRAWN_LIKE[code]
        category = unicodedata.category(char)
        # Zero-width characters, direction marks, joiners and variation selectors: used by keyboards and to dodge filters.
        if category == "Cf" or code in _FILLERS:
            return None
        # Accents and strokes by themselves. Signs of Tamil and other scripts are of the same category and must stay.
        if category in ("Mn", "Me") and unicodedata.name(char, "").startswith(("COMBINING", "VARIATION")):
            return None
        if category.startswith("L"):
            base = unicodedata.normalize("NFD", char)[0]
            if base.isascii():
                return base
        return char


_FOLD = _Fold()


class _Marks(dict[int, str | None]):
    """A `str.translate` table made as characters appear: punctuation and symbols to spaces, marks without letters to nothing."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        category = unicodedata.category(char)
        value: str | None
        if char in "?;@_":
            value = char
        elif category in ("Cf", "Mn") and (category == "Cf" or 0x300 <= code <= 0x36F):
            # Lower case of a few letters brings a mark with it; Tamil vowel signs are Mn too and must stay.
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

    `short_forms` maps one token to its usual spelling (one or more words). `known`: words, in lower case, that a hidden word may
    turn out to be.
    """

    def __init__(self, short_forms: Mapping[str, str], known: Iterable[str] = ()) -> None:
        self._short = {short.translate(TRADITIONAL): full.translate(TRADITIONAL) for short, full in short_forms.items()}
        # One letter is a word in chat (u, i), but not one that a hidden word could be.
        self._known = {word for word in (*known, *self._short) if len(word) > 1}

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
            text = unicodedata.normalize("NFKC", text).translate(_FOLD)
            if _FOREIGN.search(text):
                text = self._without_lookalikes(text)
            text = text.lower()
        # Of the table only two are ASCII, and taking them out one by one is quicker.
        text = text.replace("'", "").replace("`", "") if plain else text.translate(_APOSTROPHES)
        if "//" in text or "www." in text:
            text = _LINK.sub(" linkurl ", text)
        if "@" in text:
            text = _EMAIL.sub(" emailaddr ", text)
            text = _MENTION.sub(self._mention, text)
        digits = _DIGIT.search(text) is not None
        if digits:
            text = _SUM.sub(_sum, text)
            text = _NUMBER_POINT.sub("", text)
            if not plain:
                text = _DIGIT_IN_TAMIL.sub("", text)
        text = _SPELT_OUT.sub(self._spelt, text)
        if not plain:
            text = _SPELT_TAMIL.sub(self._spelt, text)
            text = _SPELT_HAN.sub(_unmarked, text)
        # An expression that looks behind is slow on text that holds none of what it looks for, as most does.
        if _SYMBOL.search(text):
            text = _SYMBOL_LETTER.sub(_symbol, text)
        if _MARK.search(text):
            text = _BROKEN.sub(self._whole, text)
        # Several full stops are a pause, not the end of a sentence.
        if ".." in text:
            text = _ELLIPSIS.sub(" ", text)
        text = _SENTENCE.sub(" ; ", text)
        if "?" in text or "？" in text:
            text = _QUESTION.sub(" ? ", text)
        text = text.translate(_MARKS)
        if _THREE.search(text) and _STRETCHED.search(text):
            text = _STRETCHED_WORD.sub(self._unstretched, text)
            text = _STRETCHED.sub(r"\1", text)
        if not plain:
            text = _HAN_THEN_LATIN.sub(" ", text)
        short = self._short
        if digits:
            words = [short.get(word) or self._undigit(word) for word in text.split()]
        else:
            words = [short.get(word, word) for word in text.split()]
        text = " ".join(words)
        if not plain:
            text = _BETWEEN_HAN.sub("", text)
        return text

    def _without_lookalikes(self, text: str) -> str:
        latin = _LATIN.search(text) is not None

        def fold(match: re.Match[str]) -> str:
            word = match.group()
            if word.isascii():
                return word
            folded = word.translate(_LOOKALIKES).lower().translate(_LOOKALIKES)
            # A word wholly in another script is that language, not a disguise; unless a word comes out of it that fits the rest.
            if _LATIN.search(word) or (latin and folded in self._known):
                return folded
            return word

        return _LETTERS.sub(fold, text)

    def _mention(self, match: re.Match[str]) -> str:
        word = f"a{match.group(1)}"
        return word if word in self._known else match.group()

    def _spelt(self, match: re.Match[str]) -> str:
        """Letters set apart: their words, by the wider gaps if there are any, else by what is known."""
        apart = match.group()
        pieces = [apart]
        if " " in apart and not _ONLY_SPACED.fullmatch(apart):
            pieces = apart.split()
        elif "  " in apart and _NARROW_GAP.search(apart):
            pieces = _WIDE_GAP.split(apart)
        elif apart.count(" ") == 2 and _BETWEEN.sub("", apart) not in self._known:
            # Three by themselves are as often three words, or an abbreviation.
            return apart
        elif len(apart) == 5 and _BETWEEN.sub("", apart) not in self._known:
            return apart
        words = []
        for piece in pieces:
            joined = _BETWEEN.sub("", piece)
            # With marks between its letters it is one word, known or not.
            words.append(joined if joined in self._known or " " not in piece else self._cut(joined))
        return " ".join(words)

    def _cut(self, letters: str) -> str:
        """Letters run together, cut into the fewest known words; as they are if hardly any are in them."""
        known = self._known
        # best[n]: cost of the first n letters, and where their last word starts. An unknown letter costs more than a word, so that
        # little is left over.
        best: list[tuple[float, int]] = [(0.0, 0)]
        for end in range(1, len(letters) + 1):
            cost, start = best[end - 1][0] + 2.0, end - 1
            for at in range(max(0, end - _LONGEST_WORD), end - 1):
                # Nearly any letters can be cut into words of two.
                more = best[at][0] + (1.5 if end - at == 2 else 1.0)
                if more < cost and letters[at:end] in known:
                    cost, start = more, at
            best.append((cost, start))
        words: list[str] = []
        loose = 0
        end = len(letters)
        while end:
            start = best[end][1]
            if end - start == 1:
                loose += 1
            words.append(letters[start:end])
            end = start
        return letters if loose > len(letters) // 4 else " ".join(reversed(words))

    def _whole(self, match: re.Match[str]) -> str:
        """A word with marks inside, without them, if it then is known or the marks can mean nothing else."""
        broken = match.group()
        joined = _BETWEEN.sub("", broken)
        if len(joined) > 3 and joined in self._known:
            return joined
        if "|" in broken:
            for letter in "il":
                drawn = _BETWEEN.sub("", broken.replace("|", letter))
                if drawn in self._known:
                    return drawn
        nothing = _MEANS_NOTHING if joined.isascii() else _MEANS_NOTHING_IN_TAMIL
        return joined if nothing.issuperset(_BETWEEN.findall(broken)) else broken

    def _unstretched(self, match: re.Match[str]) -> str:
        """goood is good: two letters where one makes no word and two do."""
        word = match.group()
        if _STRETCHED.sub(r"\1", word) not in self._known:
            double = _STRETCHED.sub(r"\1\1", word)
            if double in self._known:
                return double
        return word

    def _undigit(self, word: str) -> str:
        if word.isalpha() or word.isdigit():
            return word
        short = self._short
        if len(word) > 3 and word.endswith("2") and word[:-1].isalpha():
            # Malay reduplication: kawan2 is kawan-kawan.
            stem = word[:-1]
            return short.get(stem, stem)
        inside = _LEET_INSIDE.search(word) is not None
        # At its ends a number is more often a number (form5, 5am), so more must speak for a word there.
        counted = _COUNTED.fullmatch(word) or (word.endswith("5") and word[:-1].isalpha())
        if inside or (len(word) > 3 and not counted):
            for table in _LEET_MORE:
                read = word.translate(table)
                if read in self._known:
                    return short.get(read, read)
        dropped = _DIGITS_INSIDE.sub("", word)
        if len(dropped) > 2 and dropped in self._known:
            return short.get(dropped, dropped)
        if inside:
            decoded = word.translate(_LEET)
            if decoded.isalpha():
                return short.get(decoded, decoded)
        return word


def _unmarked(match: re.Match[str]) -> str:
    return _BETWEEN.sub("", match.group())


def _symbol(match: re.Match[str]) -> str:
    return _SYMBOL_TO[match.group()]


def _sum(match: re.Match[str]) -> str:
    currency = match.group(1)
    return f" {_CURRENCY.get(currency, currency)}{match.group(2).replace(',', '')} "
