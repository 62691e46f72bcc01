"""The application: pages, static files, and what stands in front of them all."""

from __future__ import annotations

import importlib
import pkgutil

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from jaga import __version__
from jaga.family.home import _faults, _security, pages
from jaga.family.home._house import House

__all__ = ["create_app"]


def create_app(house: House, *, openapi: bool = False) -> FastAPI:
    """The app over a house. Every module in `pages` that has a `router` is part of it.

    `openapi`: also serve its description at /openapi.json, for tests that try every form; nobody else needs it.
    """
    app = FastAPI(
        title="Jaga",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if openapi else None,
    )
    app.state.house = house
    _security.guard(app)
    _faults.answer_faults(app)
    app.mount("/static", StaticFiles(packages=[("jaga.family.home", "static")]), name="static")
    for module in sorted(pkgutil.iter_modules(pages.__path__), key=lambda one: one.name):
        found = importlib.import_module(f"{pages.__name__}.{module.name}")
        if hasattr(found, "router"):
            app.include_router(found.router)
    return app
