"""Whether the app answers: for `jaga doctor`, containers and start-up scripts. Says nothing about the family."""

from __future__ import annotations

from fastapi import APIRouter, Request

from jaga.family.home._web import house_of

router = APIRouter()


@router.get("/health")
def health(request: Request) -> dict[str, str]:
    return {"state": house_of(request).state}
