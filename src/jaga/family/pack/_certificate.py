"""The template of a certificate for evidence made by a computer (Malaysia: Evidence Act 1950, s.90A), to be signed by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from importlib import resources

import msgspec

from jaga import __version__
from jaga.errors import CatalogueError
from jaga.family.pack._blocks import Document, Facts, Form, Heading, Items, Para, Part
from jaga.family.pack._content import PackContent
from jaga.family.pack._visible import in_line

__all__ = ["CERTIFIED_COUNTRIES", "as_certificate"]

# Countries for which there is a template.
CERTIFIED_COUNTRIES = frozenset(("my",))


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    draft: str
    person: str
    person_form: tuple[str, ...]
    say: str
    points: tuple[str, ...]
    exception_form: tuple[str, ...]
    computer: str
    computer_form: tuple[str, ...]
    export: str
    export_note: str
    export_form: tuple[str, ...]
    outputs: str
    inputs: str
    file: str
    size: str
    kept: str
    pictures: str
    signature: str
    signature_form: tuple[str, ...]


class _Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    ms: _Text
    en: _Text


def as_certificate(
    content: PackContent, outputs: Iterable[tuple[str, int, str]], *, now: datetime, signed_by: str
) -> Document:
    """In Malay, then in English. `outputs`: name, size in bytes and SHA-256 of each document of the pack.

    Raises: CatalogueError, if the template is broken.
    """
    raw = (resources.files("jaga.family.pack") / "certificate.toml").read_bytes()
    try:
        template = msgspec.toml.decode(raw, type=_Template)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(str(error), where="family/pack/certificate.toml") from error
    produced = tuple(outputs)
    return Document(
        title=template.ms.title,
        language="ms",
        blocks=(
            Part(language="ms", blocks=_one(template.ms, "Bahasa Malaysia", content, produced, now)),
            Part(language="en", blocks=_one(template.en, f"English: {template.en.title}", content, produced, now)),
        ),
        foot=f"Jaga {__version__} · {signed_by}",
    )


def _one(
    text: _Text, heading: str, content: PackContent, outputs: tuple[tuple[str, int, str], ...], now: datetime
) -> tuple[Heading | Para | Items | Facts | Form, ...]:
    made_at = now.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    *points, last = (point.format(program=f"Jaga {__version__}", made_at=made_at) for point in text.points)
    blocks: list[Heading | Para | Items | Facts | Form] = [
        Heading(level=2, text=heading),
        Para(text=text.draft, tone="warn"),
        Heading(level=3, text=text.person),
        Form(labels=text.person_form),
        Para(text=text.say),
        Items(items=(*points, last), ordered=True),
        Form(labels=text.exception_form),
        Heading(level=3, text=text.computer),
        Form(labels=text.computer_form),
        Heading(level=3, text=text.export),
        Para(text=text.export_note, tone="small"),
        Form(labels=text.export_form),
        Heading(level=3, text=text.outputs),
    ]
    blocks += [
        Facts(rows=((text.file, name), (text.size, f"{size:,}"), ("SHA-256", hashed))) for name, size, hashed in outputs
    ]
    blocks.append(Heading(level=3, text=text.inputs))
    blocks += [
        Facts(
            rows=(
                (text.file, in_line(original.name)),
                (text.size, f"{original.size_bytes:,}"),
                ("SHA-256", original.sha256),
                (text.kept, in_line(original.kept_where or "-")),
            )
        )
        for original in content.originals
    ]
    blocks += [
        Para(text=text.pictures, tone="warn"),
        Heading(level=3, text=text.signature),
        Form(labels=text.signature_form),
    ]
    return tuple(blocks)
