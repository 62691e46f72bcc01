"""A document as a row of blocks: what the HTML and the PDF are both made of, so that they say the same."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Block", "Document", "Facts", "Form", "Heading", "Items", "Para", "Part", "Said", "Table"]


class Heading(msgspec.Struct, frozen=True, kw_only=True, tag="heading"):
    # 2 or 3; the document's title is 1.
    level: int
    text: str


class Para(msgspec.Struct, frozen=True, kw_only=True, tag="para"):
    text: str
    tone: Literal["plain", "small", "strong", "warn"] = "plain"


class Items(msgspec.Struct, frozen=True, kw_only=True, tag="items"):
    items: tuple[str, ...]
    ordered: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True, tag="facts"):
    """Names with what they are: a table without a head."""

    rows: tuple[tuple[str, str], ...]


class Table(msgspec.Struct, frozen=True, kw_only=True, tag="table"):
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    # Shares of the width.
    widths: tuple[int, ...]


class Said(msgspec.Struct, frozen=True, kw_only=True, tag="said"):
    """One message."""

    # What others refer to it by; None for a line of context.
    number: str | None
    head: str
    text: str
    # BCP 47, where known.
    language: str | None
    # The text runs from right to left.
    rtl: bool
    # Under the text: why it is shown, where it stands.
    notes: tuple[str, ...]
    context: bool


class Form(msgspec.Struct, frozen=True, kw_only=True, tag="form"):
    """Lines to be written on by hand."""

    labels: tuple[str, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True, tag="part"):
    """Blocks in another language than the document."""

    language: str
    blocks: tuple[Heading | Para | Items | Facts | Table | Said | Form, ...]


Block = Heading | Para | Items | Facts | Table | Said | Form | Part


class Document(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    # BCP 47.
    language: str
    blocks: tuple[Block, ...]
    # At the foot of each page.
    foot: str
