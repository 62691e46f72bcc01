"""Project VIC's VICS JSON 1.3 and 2.0, and CAID's JSON, which is a dialect of it.

Reference: github.com/ICMEC/ProjectVic (1.3), github.com/VICSDATAMODEL/ProjectVic (2.0). A document holds media, flat
or inside cases; MD5 in either case of letters; other hashes under AlternativeHashes. The key that names the model may
come first or last, so media are told by their place and not by it. Read as a stream: a list may have millions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import ijson
import msgspec
from ijson.common import ObjectBuilder

from jaga.errors import UnreadableInput
from jaga.media.banks import Item
from jaga.media.lists._base import BOM, kind_named, parse_all, read_json
from jaga.records import Problem

__all__ = ["Vics", "write_vics"]

_CONTEXT = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#Media"
_MARKS = (b"DataModels/", b"#Media", b"#Cases", b'"MD5"', b'"MediaID"')
_LONGEST_NOTE = 2000


class Vics:
    """VICS 1.3, VICS 2.0 and CAID."""

    name = "vics"

    def recognises(self, head: bytes) -> bool:
        """A JSON object that names the model, or begins with media."""
        return head.removeprefix(BOM).lstrip().startswith(b"{") and any(mark in head for mark in _MARKS)

    def read(self, path: Path, *, kind: str | None = None) -> Iterator[Item | Problem]:
        """Yield items in file order; an entry without a hash that can be read is a Problem."""
        if not (yield from read_json(path, _media, _item, "media")):
            raise UnreadableInput("holds no media", where=str(path))


def _media(file: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
    """("media", it) for each, wherever in the document it stands; nothing larger is ever held."""
    building: ObjectBuilder | None = None
    root = ""
    # Prefix and start of a case, whose own keys are of no use here.
    for prefix, event, value in ijson.parse(file, use_float=True):
        if building is None:
            if event == "start_map" and prefix in ("value.item", "value.item.Media.item"):
                building, root = ObjectBuilder(), prefix
                building.event(event, value)
            continue
        if root == "value.item" and prefix == "value.item" and event == "map_key" and value == "Media":
            # Not media but a case; its media come next, one by one.
            building = None
            continue
        building.event(event, value)
        if event == "end_map" and prefix == root:
            if isinstance(building.value, dict) and (root != "value.item" or "CaseID" not in building.value):
                yield "media", building.value
            building = None


def _item(_: str, media: dict[str, Any], where: str) -> Iterator[Item | Problem]:
    name = media.get("MediaID")
    if name is not None:
        where = f"{where} (MediaID {name})"[:300]
    texts = [(kind, str(media[key])) for kind, key in (("md5", "MD5"), ("sha1", "SHA1")) if media.get(key)]
    others: set[str] = set()
    alternatives = media.get("AlternativeHashes")
    for each in alternatives if isinstance(alternatives, list) else []:
        if not isinstance(each, dict) or not each.get("HashName") or not each.get("HashValue"):
            continue
        kind = kind_named(str(each["HashName"]))
        if kind is None:
            others.add(str(each["HashName"])[:40])
        else:
            texts.append((kind, str(each["HashValue"])))
    values, problems = parse_all(texts, where)
    if not values:
        what = "; ".join(problem.what for problem in problems) or "has no hash of a kind that is installed"
        if others:
            what += f" (left out: {', '.join(sorted(others))})"
        yield Problem(where=where, what=what)
        return
    yield from problems
    category = media.get("Category")
    words = [str(media[key]) for key in ("Series", "Comments") if media.get(key)]
    yield Item(
        hashes=values,
        name=None if name is None else str(name)[:200],
        category=None if category is None else str(category)[:100],
        note="; ".join(words)[:_LONGEST_NOTE] or None,
        source=where,
    )


def write_vics(items: Iterable[Item], out: BinaryIO) -> int:
    """Write items as VICS 2.0, a flat list of media; returns how many. Raises: OSError.

    MediaID is the place in the list, since VICS wants a number; what the item was called goes into Comments.
    """
    out.write(b'{"@odata.context":' + msgspec.json.encode(_CONTEXT) + b',"value":[')
    number = 0
    for number, item in enumerate(items, 1):
        media: dict[str, Any] = {"MediaID": number}
        if item.category is not None:
            media["Category"] = (
                int(item.category) if item.category.isascii() and item.category.isdigit() else item.category
            )
        more = []
        for kind, value in item.hashes:
            key = {"md5": "MD5", "sha1": "SHA1"}.get(kind)
            if key is not None and key not in media:
                media[key] = value.hex().upper()
            else:
                more.append({"HashName": kind.upper(), "HashValue": value.hex()})
        if more:
            media["AlternativeHashes"] = more
        comment = "; ".join(text for text in (item.name, item.note) if text)
        if comment:
            media["Comments"] = comment
        out.write((b"," if number > 1 else b"") + b"\n" + msgspec.json.encode(media))
    out.write(b"\n]}\n")
    return number
