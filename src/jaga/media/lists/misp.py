"""MISP's core format: the hashes of events, from attributes and from objects, read as a stream; and written as one event.

Reference: draft-dulaunoy-misp-core-format-20 (2025). An attribute of type md5, sha1, sha256 or `filename|md5` (and so on) is an item of its own; an object is one item
with all the hashes it has. MISP has no type for PDQ: a text whose relation in its object is `pdq` is taken for one, and written so. What is marked
as deleted is passed over. MISP's `category` says how a thing was found, not what it is, and is left aside.
"""

from __future__ import annotations

import datetime as dt
import uuid
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

__all__ = ["Misp", "write_misp"]

_MARKS = (b'"Event"', b'"Attribute"', b'"Object"')
_LONGEST_NOTE = 2000
# Where an item's own words stand in an object that we wrote.
_CATEGORY = "classification"
# The template of MISP's `file` object (github.com/MISP/misp-objects).
_FILE = {
    "name": "file",
    "meta-category": "file",
    "template_uuid": "688c46fb-5edb-40a3-8273-1af7923e2215",
    "template_version": "25",
}
_OURS = uuid.UUID("9f1f0d5c-2f77-5a55-8f5b-0d1f0c9a6a11")


class Misp:
    """Events, or the attributes that a search of MISP gives."""

    name = "misp"

    def recognises(self, head: bytes) -> bool:
        """JSON that names an event, an attribute or an object."""
        return head.removeprefix(BOM).lstrip()[:1] in (b"{", b"[") and any(mark in head for mark in _MARKS)

    def read(self, path: Path, *, kind: str | None = None) -> Iterator[Item | Problem]:
        """Yield items in file order; an attribute of another type is passed over, a broken hash is a Problem."""
        if not (yield from read_json(path, _parts, _item, "part")):
            raise UnreadableInput("holds no attribute and no object", where=str(path))


def _parts(file: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
    """("attribute" or "object", it), wherever in the document it stands; nothing larger is ever held."""
    building: ObjectBuilder | None = None
    root = ""
    for prefix, event, value in ijson.parse(file, use_float=True):
        if building is None:
            if event == "start_map" and prefix.endswith(("Attribute.item", "Object.item")):
                building, root = ObjectBuilder(), prefix
                building.event(event, value)
            continue
        building.event(event, value)
        if event == "end_map" and prefix == root:
            if isinstance(building.value, dict):
                yield ("object" if root.endswith("Object.item") else "attribute"), building.value
            building = None


def _item(what: str, found: dict[str, Any], where: str) -> Iterator[Item | Problem]:
    if _deleted(found):
        return
    name = found.get("uuid")
    if name is not None:
        where = f"{where} (uuid {name})"[:300]
    inside = found.get("Attribute") if what == "object" else [found]
    texts: list[tuple[str, str]] = []
    category: str | None = None
    for one in inside if isinstance(inside, list) else []:
        if not isinstance(one, dict) or _deleted(one) or not isinstance(one.get("value"), str):
            continue
        if one.get("object_relation") == _CATEGORY:
            category = one["value"][:100]
        hashed = _hash(one)
        if hashed is not None:
            texts.append(hashed)
    if not texts:
        # Addresses, domains and the like: most of what MISP holds is none of ours.
        return
    values, problems = parse_all(texts, where)
    if not values:
        yield Problem(where=where, what="; ".join(problem.what for problem in problems))
        return
    yield from problems
    comment = found.get("comment")
    yield Item(
        hashes=values,
        name=None if name is None else str(name)[:200],
        category=category,
        note=comment[:_LONGEST_NOTE] if isinstance(comment, str) and comment else None,
        source=where,
    )


def _deleted(found: dict[str, Any]) -> bool:
    return found.get("deleted") in (True, 1, "1", "true")


def _hash(one: dict[str, Any]) -> tuple[str, str] | None:
    """(kind, digits) of an attribute; None if it is no hash of a kind that is installed."""
    kind = str(one.get("type", ""))
    value = str(one["value"])
    if kind.startswith("filename|"):
        kind, value = kind.removeprefix("filename|"), value.rpartition("|")[2]
    if kind in ("text", "other"):
        kind = str(one.get("object_relation", ""))
    known = kind_named(kind)
    return None if known is None else (known, value)


def write_misp(items: Iterable[Item], out: BinaryIO, *, info: str, to_ids: bool, day: dt.date | None = None) -> int:
    """Write items as one event, each as a `file` object; returns how many. Raises: OSError.

    The event is for the owner's organisation only (distribution 0) and unpublished: whom it goes to is said in MISP, not here. The same item has the same uuid
    in every export, so that a list imported twice is one.
    """
    event = {
        "uuid": str(uuid.uuid5(_OURS, info)),
        "info": info,
        "date": (day or dt.datetime.now(dt.timezone.utc).date()).isoformat(),
        "threat_level_id": "4",
        "analysis": "2",
        "distribution": "0",
        "published": False,
    }
    out.write(b'{"Event":' + msgspec.json.encode(event)[:-1] + b',"Object":[')
    number = 0
    for number, item in enumerate(items, 1):
        own = uuid.uuid5(_OURS, "|".join(f"{kind}:{value.hex()}" for kind, value in item.hashes))
        attributes = [_attribute(own, kind, value.hex(), to_ids) for kind, value in item.hashes]
        if item.category is not None:
            attributes.append(_attribute(own, _CATEGORY, item.category, False))
        told = {
            **_FILE,
            "uuid": str(own),
            "distribution": "0",
            "comment": "; ".join(text for text in (item.name, item.note) if text),
            "Attribute": attributes,
        }
        out.write((b"," if number > 1 else b"") + b"\n" + msgspec.json.encode(told))
    out.write(b"\n]}}\n")
    return number


def _attribute(own: uuid.UUID, relation: str, value: str, to_ids: bool) -> dict[str, Any]:
    return {
        "uuid": str(uuid.uuid5(own, f"{relation}:{value}")),
        "type": relation if relation in ("md5", "sha1", "sha256") else "text",
        "category": "Other" if relation == _CATEGORY else "Payload delivery",
        "object_relation": relation,
        "value": value,
        "to_ids": to_ids and relation in ("md5", "sha1", "sha256"),
        "disable_correlation": relation == _CATEGORY,
        "distribution": "0",
    }
