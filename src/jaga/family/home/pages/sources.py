"""Sources: what was last heard of each app, bringing exports in, what was found in them, and folders that are watched."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import orm
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from jaga.errors import HostileInput, JagaError, StoreError
from jaga.family.home._guides import guide_of
from jaga.family.home._heard import heard_of
from jaga.family.home._present import (
    ago,
    app_name,
    children_of,
    day_words,
    one_line,
    own_row,
    shown_name,
    zone_of_family,
)
from jaga.family.home._upload import LARGEST, Received, Upload
from jaga.family.home._web import Visitor, a_parent, back, grown_up, house_of, language_of, own_child, page
from jaga.family.sentences import source_words
from jaga.sources import InputSummary
from jaga.store import add_account, audit, queue_import
from jaga.store._tables import Child, Import, Watched
from jaga.words import Words, words

router = APIRouter()

_GOING_ON = ("waiting", "reading")
_SHOWN = 15
_PROBLEMS = 100
_EVERY_S = 900


@router.get("/sources")
def sources(
    request: Request,
    who: Annotated[Visitor, Depends(grown_up)],
    child: Annotated[str, Query(pattern="^[0-9]{0,18}$")] = "",
) -> Response:
    return _page(request, who, child=int(child) if child else None)


def _page(
    request: Request, who: Visitor, *, child: int | None = None, fault: str = "", typed: str = "", status: int = 200
) -> Response:
    house = house_of(request)
    now = house.now()
    say = words(language_of(request))
    zone = zone_of_family(who.family)
    with house.store.session(read_only=True) as session:
        children = children_of(session, who)
        if child is not None:
            own_child(session, who, child)
        names = {one.id: shown_name(one.name) for one in children}
        return page(
            request,
            "sources.html",
            status=status,
            fault=fault,
            typed=typed,
            may_watch=who.person.role == "parent",
            chosen=child,
            children=[{"id": one.id, "name": names[one.id], "told": one.told_at is not None} for one in children],
            heard=[
                {
                    "child": names[one.id],
                    "id": one.id,
                    "apps": [
                        {
                            "name": app_name(heard.platform),
                            "guide": guide_of(heard.platform),
                            "brought": ago(say, heard.brought_at, now),
                            "newest": day_words(say, heard.newest_at, zone) if heard.newest_at else "–",
                            "long": (now - heard.brought_at).days > 21,
                        }
                        for heard in heard_of(session, one.id)
                    ],
                }
                for one in children
                if child is None or one.id == child
            ],
            imports=_imports(session, names, say, now),
            watched=[
                {
                    "id": one.id,
                    "child": names[one.child],
                    # A path is shown whole: the end tells more than the beginning.
                    "path": one_line(one.path[-200:]),
                    "looked": ago(say, one.looked_at, now) if one.looked_at else "",
                    "problem": one_line(say.found(one.problem)) if one.problem else "",
                }
                for one in session.scalars(sa.select(Watched).where(Watched.child.in_(names)).order_by(Watched.id))
            ],
            gib=LARGEST >> 30,
        )


@router.get("/sources/imports")
def imports(request: Request, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    """The list alone, asked for every two seconds while something is being read."""
    house = house_of(request)
    say = words(language_of(request))
    with house.store.session(read_only=True) as session:
        names = {one.id: shown_name(one.name) for one in children_of(session, who)}
        return page(request, "imports.html", imports=_imports(session, names, say, house.now()))


def _imports(session: orm.Session, names: dict[int, str], say: Words, now: datetime) -> dict[str, Any]:
    rows = session.scalars(
        sa.select(Import).where(Import.child.in_(names)).order_by(Import.id.desc()).limit(_SHOWN)
    ).all()
    return {
        "going_on": any(row.state in _GOING_ON for row in rows),
        "rows": [
            {
                "id": row.id,
                "name": shown_name(row.name),
                "child": names[row.child],
                "state": row.state if row.state in ("waiting", "reading", "done", "failed") else "waiting",
                "state_words": _state_words(say, row),
                "lost": sum(item.get("skipped", 0) for item in row.inputs or ()),
                "unknown": sum(item.get("source") is None for item in row.inputs or ()),
                "ago": ago(say, row.asked_at, now),
            }
            for row in rows
        ],
    }


def _state_words(say: Words, row: Import) -> str:
    if row.state == "waiting":
        return say("waits its turn")
    if row.state == "reading":
        return say.plural("being read: {count} message so far", "being read: {count} messages so far", row.read)
    if row.state == "failed":
        return say("waits for your answer") if row.people else say("could not be read")
    return say.plural(
        "read: {count} message, {new} new", "read: {count} messages, {new} new", row.read, new=f"{row.new:,}"
    )


@router.get("/sources/imports/{import_id}")
def one_import(request: Request, import_id: int, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    house = house_of(request)
    now = house.now()
    say = words(language_of(request))
    with house.store.session(read_only=True) as session:
        row, child = own_row(session, who, Import, import_id)
        inputs = msgspec.convert(row.inputs or [], type=list[InputSummary])
        problems = [problem for item in inputs for problem in item.problems]
        problems.sort(key=lambda one: one.note)
        return page(
            request,
            "import.html",
            id=row.id,
            name=shown_name(row.name),
            child=shown_name(child.name),
            state=row.state,
            state_words=_state_words(say, row),
            ago=ago(say, row.asked_at, now),
            error=one_line(say.found(row.error[:2000])) if row.error and not row.people else "",
            people=[{"name": one, "shown": shown_name(one)} for one in row.people[:50]],
            inputs=[
                {
                    "path": shown_name(item.path.replace("\\", "/").rsplit("/", 1)[-1]),
                    "known": item.source is not None,
                    "format": source_words(say, item.source),
                    "conversations": item.conversations,
                    "messages": item.messages,
                    "lost": max(item.skipped, sum(1 for problem in item.problems if not problem.note)),
                }
                for item in inputs[:_PROBLEMS]
            ],
            more_inputs=max(0, len(inputs) - _PROBLEMS),
            problems=[
                {
                    "where": _place(say, problem.where),
                    "what": one_line(say.found(problem.what[:2000])),
                    "note": problem.note,
                }
                for problem in problems[:_PROBLEMS]
            ],
            more_problems=max(0, len(problems) - _PROBLEMS),
        )


def _place(say: Words, where: str) -> str:
    """The place, without the folders in which the file lay while it was read."""
    name, colon, rest = say.place(where[:2000]).rpartition(": ")
    short = (name or rest).replace("\\", "/").rsplit("/", 1)[-1]
    return one_line(f"{short}{colon}{rest}" if colon else short, 200)


@router.post("/sources/imports/{import_id}/who")
def who_is_it(
    request: Request,
    import_id: int,
    who: Annotated[Visitor, Depends(grown_up)],
    name: Annotated[str, Form(min_length=1, max_length=1000)],
) -> Response:
    """Under which of the names in an export the child writes; then it is read after all."""
    house = house_of(request)
    with house.store.session() as session:
        row, child = own_row(session, who, Import, import_id)
        # Only what the export offers: a name typed by hand could turn a contact into the child.
        if name not in row.people:
            raise HTTPException(422)
        add_account(session, child.id, None, name)
        row.state, row.error, row.people, row.done_at = "waiting", None, [], None
        audit(
            session,
            "import.child_named",
            at=house.now(),
            family=who.family.id,
            person=who.person.id,
            subject=f"import:{row.id}",
            child=child.id,
        )
    return back(f"/sources/imports/{import_id}")


@router.post("/sources/upload")
async def upload(request: Request, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    """Files as they arrive (see _upload.py); then they wait to be read."""
    house = house_of(request)
    say = words(language_of(request))
    try:
        receiving = Upload(house.store, request.headers.get("content-type", ""), who.csrf)
    except JagaError as error:
        return await run_in_threadpool(_page, request, who, fault=_fault(say, error), status=400)
    fault: JagaError | None = None
    done: list[Received] = []
    try:
        async for data in request.stream():
            # What is wrong is said at the end: a browser that is cut off while it sends shows no answer.
            if fault is None:
                try:
                    await run_in_threadpool(receiving.feed, data)
                except JagaError as error:
                    fault = error
        if fault is None:
            done = await run_in_threadpool(receiving.finish)
    except JagaError as error:
        fault = error
    except ClientDisconnect:
        await run_in_threadpool(receiving.abandon)
        raise
    if fault is not None:
        await run_in_threadpool(receiving.abandon)
        own = isinstance(fault, HostileInput) and fault.remedy is None
        status = 507 if isinstance(fault, StoreError) else 403 if own else 413
        return await run_in_threadpool(_page, request, who, fault=_fault(say, fault), status=status)
    return await run_in_threadpool(_queue, request, who, receiving.fields.get("child", ""), done)


def _queue(request: Request, who: Visitor, asked: str, done: list[Received]) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    try:
        with house.store.session(read_only=True) as session:
            child = own_child(session, who, int(asked) if asked.isdecimal() and len(asked) < 19 else -1)
        if child.told_at is None:
            _drop(done)
            told = say(
                "{child} has not been told about Jaga yet: nothing is read before.", child=shown_name(child.name)
            )
            return _page(request, who, fault=told, status=409)
    except HTTPException:
        _drop(done)
        raise
    if not done:
        return _page(request, who, child=child.id, fault=say("No file was chosen, or it was empty."), status=400)
    for one in done:
        queue_import(house.store, child.id, Path(one.path), one.name, by=who.person.id, uploaded=True, now=house.now())
    house.wake()
    return back("/sources#imports")


def _drop(done: list[Received]) -> None:
    for one in done:
        with contextlib.suppress(OSError):
            Path(one.path).unlink(missing_ok=True)


def _fault(say: Words, error: JagaError) -> str:
    what = say.found(error.what)
    return say("{what} ({remedy})", what=what, remedy=say.found(error.remedy)) if error.remedy else what


@router.post("/sources/watch")
def watch(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    child: Annotated[int, Form()],
    path: Annotated[str, Form(max_length=4096)],
) -> Response:
    house = house_of(request)
    now = house.now()
    say = words(language_of(request))
    with house.store.session() as session:
        own = own_child(session, who, child)
        fault = _unfit(say, path, house.folder)
        if not fault and own.told_at is None:
            fault = say("{child} has not been told about Jaga yet: nothing is read before.", child=shown_name(own.name))
        if not fault:
            folder = str(Path(path.strip()).expanduser().resolve())
            known = session.scalar(sa.select(Watched.id).where(Watched.child == own.id, Watched.path == folder))
            if known is None:
                row = Watched(child=own.id, path=folder, every_s=_EVERY_S, looked_at=None, problem=None, known={})
                session.add(row)
                session.flush()
                audit(
                    session,
                    "watched.added",
                    at=now,
                    family=who.family.id,
                    person=who.person.id,
                    subject=f"watched:{row.id}",
                    child=own.id,
                )
    if fault:
        return _page(request, who, fault=fault, typed=path[:4096], status=422)
    house.wake()
    return back("/sources#watched")


def _unfit(say: Words, path: str, home: Path) -> str:
    """Why a folder cannot be watched; empty if it can."""
    try:
        folder = Path(path.strip()).expanduser()
        if not folder.is_absolute():
            return say("Write the whole path of the folder, from its beginning.")
        folder = folder.resolve()
        if not folder.is_dir():
            return say("There is no such folder on this machine.")
        own = home.resolve()
        if own == folder or own in folder.parents or folder in own.parents:
            return say("This folder holds Jaga's own store; choose the one your exports are put into.")
        next(folder.iterdir(), None)
    except (OSError, ValueError, RuntimeError):
        return say("Jaga may not look into that folder.")
    return ""


@router.post("/sources/watch/{watched_id}/remove")
def unwatch(request: Request, watched_id: int, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    house = house_of(request)
    with house.store.session() as session:
        row = session.scalar(
            sa.select(Watched)
            .join(Child, Child.id == Watched.child)
            .where(Watched.id == watched_id, Child.family == who.family.id)
        )
        if row is None:
            raise HTTPException(404)
        audit(
            session,
            "watched.removed",
            at=house.now(),
            family=who.family.id,
            person=who.person.id,
            subject=f"watched:{row.id}",
            child=row.child,
        )
        session.delete(row)
    return back("/sources#watched")
