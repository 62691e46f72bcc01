"""What lets a browser install Jaga as an app: the manifest and the service worker, which keeps static files only."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from jaga import __version__
from jaga.family.home._web import language_of
from jaga.words import words

router = APIRouter()


@router.get("/manifest.webmanifest")
def manifest(request: Request) -> Response:
    language = language_of(request)
    say = words(language)
    icons = [
        {"src": f"/static/icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for size in (192, 512)
        for purpose in ("any", "maskable")
    ]
    icons.append({"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"})
    return JSONResponse(
        {
            "name": "Jaga",
            "short_name": "Jaga",
            "description": say("Hears early if somebody is after more than friendship with your child"),
            "lang": language,
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": "#faf8f4",
            "theme_color": "#0b6e6e",
            "icons": icons,
        },
        media_type="application/manifest+json",
    )


@router.get("/service-worker.js")
def service_worker() -> Response:
    source = resources.files("jaga.family.home").joinpath("static", "service-worker.js").read_text(encoding="utf-8")
    return Response(
        source.replace("VERSION", __version__),
        media_type="text/javascript",
        headers={"service-worker-allowed": "/"},
    )
