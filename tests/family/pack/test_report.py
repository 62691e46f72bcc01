"""The report as a person sees it: a PDF that meets its standards and shapes every script, and a page in which nothing strange runs."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import pikepdf
import pypdfium2
import pytest
from selectolax.lexbor import LexborHTMLParser

from jaga.family.pack import _typeset as typesetting
from jaga.family.pack import pack_bytes
from jaga.family.pack._blocks import Document, Para
from jaga.family.pack._pdf import as_pdf
from jaga.family.pack._visible import visible
from tests.family.pack.samples import KEY, LINES, NOW, content

PDFS = ("report.pdf", "certificate-s90a.pdf")
HOSTILE = {
    "markup": '<script>alert(1)</script><img src=x onerror=alert(1)> #strong[x] #import "@preview/x" $ \\input{/etc/passwd} {{7*7}}',
    "controls": "a\x00b\x1b[31m\x07\x08",
    "turned": "\u202egnp.exe\u202c \u2066x",
    "long word": "x" * 100_000,
    "long link": "https://example.com/" + "a" * 500,
    "many lines": "\n" * 100_000,
    "marks": "Z" + "\u0334\u0335\u0336" * 500,
    "private and unassigned": "\ue000\U000f0000\U0003ffff\ufdd0\uffff",
    "rare scripts": "𐌀𐍈 ᚠᛇᚻ 𓀀 ᐃᓄᒃ ⲁ",
    "right to left": "مرحبا كيف حالك؟ אני",
    "emoji": "😀👍🏽❤️👨‍👩‍👧‍👦🇲🇾🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "many scripts": "안녕 こんにちは สวัสดี नमस्ते ကျေးဇူး 繁體 ਸਤ ជំរាប",
    "empty": "",
    "spaces": " \u3000\u00a0\u2003\u200b ",
}


@cache
def made(language: str = "en", **options: Any) -> dict[str, bytes]:
    raw, without_pdf = pack_bytes(content(language, **options), signing_key=KEY, now=NOW, isolated=False)
    assert without_pdf is None
    with zipfile.ZipFile(io.BytesIO(raw)) as box:
        return {name: box.read(name) for name in box.namelist()}


def text_of(raw: bytes) -> str:
    with_pages = pypdfium2.PdfDocument(raw)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in with_pages)
    finally:
        with_pages.close()


@pytest.mark.parametrize("name", PDFS)
@pytest.mark.parametrize("language", ["ms", "en", "zh", "ta"])
def test_the_pdf_says_and_keeps_what_its_standards_ask(language: str, name: str) -> None:
    """What can be checked without veraPDF: PDF/A-2a and PDF/UA-1 are claimed, and their main rules are kept."""
    with pikepdf.open(io.BytesIO(made(language)[name])) as document:
        root = document.Root
        with document.open_metadata() as told:
            assert told.pdfa_status == "2A"
            assert told["{http://www.aiim.org/pdfua/ns/id/}part"] == "1"
            assert told["dc:title"]
        assert str(root.Lang) == ("ms" if name != "report.pdf" else language)
        assert bool(root.MarkInfo.Marked)
        assert bool(root.ViewerPreferences.DisplayDocTitle)
        assert root.OutputIntents[0].DestOutputProfile is not None
        assert not document.is_encrypted
        assert not {"/Names", "/AA", "/OpenAction"} & set(root.keys())
        fonts = 0
        for one in document.objects:
            if not isinstance(one, pikepdf.Dictionary | pikepdf.Stream):
                continue
            assert one.get("/Subtype") != "/Image"
            assert one.get("/S") not in ("/JavaScript", "/Launch", "/URI")
            if one.get("/Type") == "/Font" and one.get("/Subtype") == "/Type0":
                fonts += 1
                assert "/ToUnicode" in one
                descriptor = one.DescendantFonts[0].FontDescriptor
                assert {"/FontFile2", "/FontFile3"} & set(descriptor.keys())
        assert fonts
        roles = Counter(roles_in(root.StructTreeRoot))
        assert roles["/H1"] >= 1
        if name == "report.pdf":
            assert roles["/Table"] >= 3
            assert roles["/TH"] >= 9
            assert roles["/BlockQuote"] >= 6


def roles_in(node: Any) -> list[str]:
    """Depth first, with a stack: the tree of a long report is deep."""
    found, waiting = [], [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, pikepdf.Array):
            waiting.extend(one)
        elif isinstance(one, pikepdf.Dictionary):
            if "/S" in one:
                found.append(str(one.S))
            if "/K" in one:
                waiting.append(one.K)
    return found


@pytest.mark.parametrize(
    ("language", "heading"),
    [("ms", "Secara ringkas"), ("en", "In short"), ("zh", "简要"), ("ta", "சுருக்கமாக")],
)
def test_pdf_and_page_say_the_same_in_the_language_of_the_pack(language: str, heading: str) -> None:
    files = made(language)
    page = LexborHTMLParser(files["report.html"])
    assert page.root is not None
    assert page.root.attributes["lang"] == ("zh-Hans" if language == "zh" else language)
    told = text_of(files["report.pdf"])
    assert heading in told
    assert heading in [node.text() for node in page.css("h2")]
    for said in ("我送你钻石", "This is our secret", "line 10" if language == "en" else "KingRay.txt"):
        assert said in told
        assert said in page.root.text()


def inked(text: str, language: str = "ta") -> Any:
    """The ink of one line of text as a PDF page shows it: rows and columns of 0 to 255, cropped."""
    document = Document(title="t", language=language, blocks=(Para(text=text),), foot="")
    rendered = pypdfium2.PdfDocument(as_pdf(document, now=NOW, isolated=False))
    try:
        page = 255 - np.asarray(rendered[0].render(scale=6).to_pil().convert("L"), dtype=np.int16)
    finally:
        rendered.close()
    # Below the title, above the foot.
    page = page[int(page.shape[0] * 0.085) : int(page.shape[0] * 0.8)]
    columns = np.flatnonzero(page.max(axis=0) > 60)
    rows = np.flatnonzero(page.max(axis=1) > 60)
    return page[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def differs(one: Any, other: Any) -> float:
    """Mean difference of ink where both are, after cropping to the lower height: 0 is the same."""
    height = min(one.shape[0], other.shape[0])
    return float(np.abs(one[-height:] - other[-height:]).mean())


def test_tamil_vowel_signs_stand_where_tamil_puts_them() -> None:
    ka, kaa, ke, ko = (inked(text) for text in ("க", "கா", "கெ", "கொ"))
    width = ka.shape[1]
    # கா: the letter, then the sign. கெ is written sign first although the letter is stored first.
    assert differs(kaa[:, :width], ka) < 12
    assert differs(ke[:, -width:], ka) < 12
    assert differs(ke[:, :width], ka) > 30
    # கொ: one sign stored after the letter is drawn on both sides of it.
    assert ko.shape[1] > kaa.shape[1] > width
    assert differs(ko[:, : ke.shape[1] - width], ke[:, : ke.shape[1] - width]) < 12


def test_tamil_joins_what_tamil_joins() -> None:
    joined, apart = inked("க்ஷ").shape[1], inked("க்").shape[1] + inked("ஷ").shape[1]
    assert joined < 0.97 * apart
    assert inked("ஸ்ரீ").shape[1] < 0.97 * (inked("ஸ்").shape[1] + inked("ரீ").shape[1])


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_messages_are_shown_as_text_in_every_form(kind: str) -> None:
    text = HOSTILE[kind]
    files = made(lines=(*LINES, ("KingRay", text)), every=True, name=text[:500] or None)
    page = LexborHTMLParser(files["report.html"])
    assert page.css("script, img, iframe, object, embed, link, form, [onerror], [onclick]") == []
    assert page.root is not None
    assert "default-src 'none'" in files["report.html"].decode()
    quotes = page.css("blockquote")
    assert len(quotes) == len(LINES) + 1
    shown = quotes[-1].text()
    assert len(shown) < 30_000
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", shown)
    assert len(files["report.pdf"]) < 3_000_000
    pages = pypdfium2.PdfDocument(files["report.pdf"])
    assert len(pages) < 30
    pages.close()
    if kind == "markup":
        assert "#strong[x]" in text_of(files["report.pdf"])
        assert "<script>alert(1)</script>" in shown
    if kind == "rare scripts":
        assert "[U+10300 OLD ITALIC LETTER A]" in " ".join(text_of(files["report.pdf"]).split())
    if kind == "long word":
        assert "98,000 more characters are in report.json." in page.root.text()
        assert len(files["report.json"]) > 100_000


def test_a_message_from_right_to_left_runs_so() -> None:
    page = LexborHTMLParser(made(lines=(*LINES, ("KingRay", HOSTILE["right to left"])), every=True)["report.html"])
    assert [node.attributes["dir"] for node in page.css("blockquote")][-2:] == ["ltr", "rtl"]


def test_no_letter_the_fonts_have_is_refused() -> None:
    """Every letter that has a glyph (of the tens of thousands of Chinese ones each sixteenth) in one document."""
    known = sorted(one for one in typesetting.fonts().known if not 0x3400 <= one < 0xD7A4 or one % 16 == 0)
    assert len(known) > 10_000
    text = visible(" ".join(map(chr, known)))
    raw = as_pdf(Document(title="t", language="en", blocks=(Para(text=text),), foot=""), now=NOW, isolated=False)
    assert raw.startswith(b"%PDF")


def test_what_typst_refuses_all_the_same_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    have = typesetting.fonts()
    # A letter that is said to be known and is not.
    monkeypatch.setattr(typesetting, "fonts", lambda: have._replace(known=have.known | {0x10300}))
    raw = as_pdf(
        Document(title="t", language="en", blocks=(Para(text="old 𐌀 italic"),), foot=""), now=NOW, isolated=False
    )
    assert "old [U+10300 OLD ITALIC LETTER A] italic" in text_of(raw)


def test_nothing_accuses_and_the_warning_stands_first() -> None:
    told = " ".join(LexborHTMLParser(made()["report.html"]).body.text().split())  # type: ignore[union-attr]
    assert told.index("do not open, copy, print or forward") < told.index("In short")
    assert "never proves guilt" in told
    for word in ("guilty", "criminal", "offender", "predator", "perpetrator", "pedophile", "paedophile"):
        assert word not in told.lower()


def test_the_certificate_names_what_was_made_and_what_was_read() -> None:
    files = made("ta")
    told = text_of(files["certificate-s90a.pdf"])
    for name in ("report.pdf", "report.html", "report.json"):
        assert sha256(files[name]).hexdigest() in told
    assert "seksyen 90A" in told
    assert "section 90A" in told
    assert "WhatsApp Chat with KingRay.txt" in told
