"""Reads paths with every source: recognise, group into units, read, and say what could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from jaga.errors import JagaError
from jaga.records import Message, Problem, Record
from jaga.sources._base import Context, Source
from jaga.sources._files import locate
from jaga.sources._registry import all_sources
from jaga.sources._tree import Entry, Tree, media_kind

__all__ = ["Unit", "read_path"]


class Unit(msgspec.Struct, frozen=True, tag=True):
    """Marks where one unit begins in the stream: the records after it came from `source`, from the files named."""

    path: str
    source: str
    where: str
    # Bytes of the unit, for progress; None when unknown.
    size_bytes: int | None = None


def read_path(
    path: Path, context: Context, *, skip: frozenset[str] = frozenset(), sources: Sequence[Source] | None = None
) -> Iterator[Unit | Record]:
    """Yield everything that can be read below `path`: a `Unit` before the records of each unit.

    `skip` names units (by `Unit.where`) to pass over: the ones that killed a worker before.
    Raises: UnreadableInput, if the path itself cannot be opened. All else becomes a Problem.
    """
    trees = Tree.of(path)
    chosen = all_sources() if sources is None else sources
    known = 0
    media = 0
    unknown: list[Entry] = []
    try:
        for tree in trees:
            yield from tree.problems
            by_source: dict[str, list[Entry]] = {}
            for entry in list(tree.entries.values()):
                try:
                    source = _recognise(entry, chosen)
                except (OSError, JagaError) as error:
                    yield _problem(error, entry.display)
                    continue
                if source is not None:
                    by_source.setdefault(source.name, []).append(entry)
                elif _is_media(entry):
                    media += 1
                else:
                    unknown.append(entry)
            for source in chosen:
                if source.name in by_source:
                    known += 1
                    yield from _read_units(str(path), source, by_source[source.name], context, skip)
        if not known and not any(tree.problems for tree in trees):
            yield _nothing(path, trees, unknown, media)
    finally:
        for tree in trees:
            tree.close()


def _recognise(entry: Entry, sources: Sequence[Source]) -> Source | None:
    if entry.size == 0 or media_kind(entry.head) is not None:
        return None
    if entry.name.endswith(("-wal", "-shm", "-journal")):
        return None
    for source in sources:
        if source.recognises(entry):
            return source
    return None


def _is_media(entry: Entry) -> bool:
    return bool(entry.size) and media_kind(entry.head) is not None


def _read_units(
    path: str, source: Source, entries: Sequence[Entry], context: Context, skip: frozenset[str]
) -> Iterator[Unit | Record]:
    for unit in source.units(entries):
        where = unit[0].display if len(unit) == 1 else f"{unit[0].display} (+{len(unit) - 1})"
        if where in skip:
            continue
        sizes = [entry.size for entry in unit]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        yield Unit(path=path, source=source.name, where=where, size_bytes=total)
        try:
            for record in source.read(unit, context):
                if isinstance(record, Message) and record.attachments:
                    record = locate(record, unit[0])
                yield record
        except (OSError, JagaError, MemoryError) as error:
            yield _problem(error, where)
        except Exception as error:  # noqa: BLE001
            # A parser met what its author did not foresee. The export is hostile or new: say so, read the rest.
            kind = type(error).__name__
            yield Problem(
                where=where,
                what=f"could not be read further ({source.name}: {kind}: {str(error)[:200]}); please report this layout",
                fatal=True,
                skipped=0,
            )


def _problem(error: BaseException, where: str) -> Problem:
    if isinstance(error, JagaError):
        what = error.what if error.remedy is None else f"{error.what} ({error.remedy})"
        return Problem(where=error.where or where, what=what, fatal=True, skipped=0)
    if isinstance(error, MemoryError):
        return Problem(where=where, what="needs more memory than allowed: left out", fatal=True, skipped=0)
    what = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Problem(where=where, what=f"cannot be read: {what}", fatal=True, skipped=0)


def _nothing(path: Path, trees: Sequence[Tree], unknown: Sequence[Entry], media: int) -> Problem:
    remedy = "see docs/how-to-export.md for what each app exports"
    if not any(tree.entries for tree in trees):
        what = f"is empty: nothing to read ({remedy})"
    elif media and not unknown:
        what = f"holds only pictures, sound or video, no chat Jaga can read ({remedy})"
    elif all(entry.size == 0 for entry in unknown):
        what = f"is empty: nothing to read ({remedy})"
    else:
        what = f"is not a chat export that Jaga knows ({remedy})"
    return Problem(where=str(path), what=what, fatal=True, skipped=0)
