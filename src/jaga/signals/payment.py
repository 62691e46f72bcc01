"""Hears that the contact offers to pay the child through a channel, with an amount: "i tng u rm50", "我转你100块支付宝".

A bank, an e-wallet or a game's currency named beside a sum is the practical side of an inducement: it moves a promise to a payment.
Only an offer to the child counts. Channels merely named, demands for money and account numbers alone say nothing of an inducement
(what is asked of the child is the business of other tactics). Friends pay each other back through the same channels, so a reason of
that kind leaves a trace only (WEAK), and no offer is told louder than a friend's could be.

Source: New Straits Times, December 2024, and Ringenberg et al. (see tactics/inducement). Words are fixed; every repetition in the expressions
is bounded, so time is linear in the text, and messages without a digit cost one search.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jaga.records import Message
from jaga.signals._base import Actor, Signal

__all__ = ["OFFER", "WEAK", "Payment"]

# As telling as a handle passed on: friends do it too, and what comes before and after must say more.
OFFER = 0.3
# A reason between friends or in a family stands beside it.
WEAK = 0.1

_LONGEST = 2_000
# How far an amount may stand from its channel, in characters.
_NEAR = 60

_DIGIT = re.compile(r"[0-9]")
_GAME = (
    r"\b(?:robux|v-?bucks|diamonds?|uc|primogems?|gems|nitro|steam (?:wallet|card)|gift ?cards?|game credits?)\b|"
    r"钻石|鑽石|点券|點券|点卡|皮肤|டைமண்ட்"
)
_MONEY = (
    r"\b(?:tng|t&g|touch ?['’n]{0,2} ?n? ?go|duit ?now|grab ?pay|shopee ?pay|spay|boost|big ?pay|mae|maybank|m2u|cimb|rhb|bsn|"
    r"bank ?islam|public bank|ambank|hong leong|paypal|gcash|gpay|google pay|phonepe|alipay|we ?chat pay|e-?wallet|"
    r"bank(?:ed)? ?in|transfer|tf|reload|top ?up|acc(?:ount)? (?:no|number)|no(?:mbor)? akaun|qr)\b|"
    r"支付宝|支付寶|微信|红包|紅包|转账|轉賬|转帐|银行|銀行|电子钱包|ரீலோட்|ஜிபே|வங்கி"
)
_CHANNEL = re.compile(rf"{_GAME}|{_MONEY}|充")
_OF_GAMES = re.compile(_GAME)
_UNIT = (
    r"(?:rm\b|ringgit|hengget|bucks?\b|dollars?\b|块|塊|元|令吉|马币|馬幣|ரூபாய்|வெள்ளி|robux|diamonds?|uc\b|gems?\b|coins?\b|"
    r"v-?bucks|个?钻石|個?鑽石|点券|點券)"
)
_AMOUNT = re.compile(
    rf"(?:\brm|\busd|\bsgd|\brs\.?|\bidr|\brp|[$¥￥₹£€]) ?\d[\d,.]{{0,9}}k?|\d[\d,.]{{0,9}}k? ?{_UNIT}|"
    # "tng u 50": a bare number right behind whom it is for, if it is no time and no count of something else.
    r"\b(?:u|you|awak|awk|ko|kau|hang) \d{2,4}\b(?! ?(?:am|pm|min|minit|jam|hari|days?|times|kali|%|:))"
)
_I = r"(?:i|i'll|ill|i will|i can|imma|lemme|let me|gonna|uncle|abg|abang|akak|kak|aku|saya|sy|kita|naan|nan)"
_GIVE = (
    r"(?:send|sent|transfer|transferred|tf|bank(?:ed)? ?in|bankin|pay|paid|top ?up|reload|load|give|gave|buy|bought|gift|duit ?now|tng|"
    r"gpay|spay|put|bagi|beri|hantar|kasi|masuk(?:kan)?|belanja|anup\w{0,8}|th?ar\w{0,6}|pod\w{0,8}|panren)"
)
_YOU = r"(?:u|you|ur|your|awak|awk|ko|kau|hang|adik|dik|sayang|unaku|unakku|ungaluku)"
_OFFERED = re.compile(
    # I … send … you; I … to you … send (Tamil, in Latin letters).
    rf"\b{_I}\b[^.?!\n]{{0,24}}\b{_GIVE}\b[^.?!\n]{{0,30}}\b{_YOU}\b|\b{_I}\b[^.?!\n]{{0,16}}\b{_YOU}\b[^.?!\n]{{0,30}}\b{_GIVE}\b|"
    # Without a subject: "tng u rm50".
    rf"(?:^|[,.!;] ?|\bok(?:ay)? |\blater |\bnanti )(?:tng|duit ?now|transfer|tf|bank ?in|reload|top ?up|gpay|spay)(?:kan)? ?{_YOU}\b|"
    r"(?:我|哥哥?|姐姐?|叔叔|老师)[^。？！?!\n]{0,10}(?:给|給|帮|幫|送|转|轉|发|發|打|充)[^。？！?!\n]{0,10}[你妳]|"
    r"(?:我|哥哥?|姐姐?|叔叔|老师)[^。？！?!\n]{0,6}[给給帮幫][你妳][^。？！?!\n]{0,8}[转轉发發打充]|[给給帮幫][你妳][^。？！?!\n]{0,4}[转轉发發打充]|"
    r"(?:நான்|அண்ணா)[^.?!\n]{0,24}(?:உனக்கு|உங்களுக்கு)[^.?!\n]{0,30}(?:அனுப்ப|தர|போடு|போட்)"
)
# Asked of the child, or only asked about: no offer.
_ASKED = re.compile(
    r"\b(?:can|could|please|pls|plz|boleh|tolong)\b ?(?:u|you|awak|awk|ko)? ?(?:pls |please |tolong )?(?:send|transfer|tf|bank ?in|tng|pay|duit ?now|top ?up) (?:me|i|saya|aku)\b|"
    r"[你妳](?:能|可以)?(?:先)?[转轉]我|[转轉]给我|轉給我"
)
_REASON = re.compile(
    r"\b(?:pa(?:y|id|ying) ?(?:u |you )?back|owe[ds]?|lunch|dinner|breakfast|food|pizza|drinks?|tea|share|split|my part|half|tickets?|bus|fare|books?|"
    r"notes|school|class|club|fees?|tuition|groceries|change|balance|debt|loan|bill|deposit|refund|jersey|present for|"
    r"hutang|bayar balik|makan|nasi|minum|air|yuran|tambang|tiket|buku|sekolah|kelas|tuisyen|baki|kongsi|barang|pinjam|duit raya|"
    r"kadan|saapadu|sapadu|aa)\b|"
    r"还你|還你|还钱|還錢|午餐|晚餐|早餐|饭|飯|学费|學費|班费|班費|车费|車費|补习|補習|书|書|分摊|分攤|票|கடன்|சாப்பா|பள்ளி|கட்டண|புத்தக"
)


class Payment:
    """An offer to pay by a named channel, with the sum; strength is low, since friends and families use the same channels."""

    name = "payment"

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        """Yield at most one signal of inducement."""
        text = message.text
        # Most messages hold no digit: they must cost next to nothing.
        if by != "contact" or _DIGIT.search(text) is None or len(text) > _LONGEST:
            return
        text = text.casefold()
        channel = _CHANNEL.search(text)
        if channel is None:
            return
        amount = _near(text, channel)
        if amount is None or _OFFERED.search(text) is None or _ASKED.search(text) is not None:
            return
        yield Signal(
            tactic="inducement",
            group="game_currency" if _OF_GAMES.search(text) else "money",
            by=by,
            strength=WEAK if _REASON.search(text) else OFFER,
            messages=(message.id,),
            detector=self.name,
            because=f"{channel.group()} · {amount.group()}"[:80],
        )


def _near(text: str, channel: re.Match[str]) -> re.Match[str] | None:
    """The first amount that stands near the channel."""
    return _AMOUNT.search(text, max(0, channel.start() - _NEAR), channel.end() + _NEAR)
