"""How to export from every app, with a drawn screen for each step."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException

from jaga.family.home._guides import fitted, guides
from jaga.family.home._web import Visitor, grown_up, language_of, page
from jaga.words import words

router = APIRouter()

# Room for letters on the marked place, in units of the picture (templates/screens.html).
_ROOM = {"list": 96, "sheet": 96, "tick": 78, "mail": 76, "computer": 118, "files": 96, "bring": 60}


@router.get("/guides")
def every(request: Request, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    return page(request, "guides.html", guides=guides().guides)


@router.get("/guides/{app}")
def one(request: Request, app: str, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    say = words(language_of(request))
    known = guides()
    found = next((guide for guide in known.guides if guide.id == app), None)
    if found is None:
        raise HTTPException(404)
    return page(
        request,
        "guide.html",
        guide=found,
        steps=[
            {"text": step.text, "screen": step.screen, "label": fitted(say, step.label, _ROOM.get(step.screen, 90))}
            for step in (*found.steps, known.last)
        ],
        checked_on=known.checked_on.isoformat(),
    )
