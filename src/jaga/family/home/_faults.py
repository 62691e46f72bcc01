"""What a reader sees when a page cannot be given: one clear sentence and a way back, never a trace."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException

from jaga.errors import JagaError, StoreError, UsageError
from jaga.family.home._web import language_of, page, sentence, visitor_or_none
from jaga.words import words

__all__ = ["answer_faults"]

_log = logging.getLogger(__name__)


def _fault(request: Request, status: int, what: str, why: str) -> Response:
    return page(request, "fault.html", status=status, what=what, why=why)


def answer_faults(app: FastAPI) -> None:
    """Put our own pages in place of the framework's."""

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        say = words(language_of(request))
        if error.status_code in (301, 302, 303, 307, 308):
            return RedirectResponse((error.headers or {}).get("location", "/"), status_code=303)
        if error.status_code == 403:
            why = say("This page is for somebody else in the family.")
            visitor = visitor_or_none(request)
            if visitor is not None and visitor.person.role == "guardian":
                why = say("Only a parent can change this. You can see alerts and what to do.")
            return _fault(request, 403, say("Not for you"), why)
        if error.status_code == 404:
            return _fault(request, 404, say("Not found"), say("There is no such page, or it is no longer there."))
        if error.status_code == 405:
            return PlainTextResponse("Method not allowed", status_code=405, headers=error.headers)
        return _fault(request, error.status_code, say("That did not work"), say("Go back and try once more."))

    @app.exception_handler(RequestValidationError)
    def _form(request: Request, error: Exception) -> Response:
        say = words(language_of(request))
        return _fault(
            request, 422, say("Something in the form is missing"), say("Go back, look it over, and send it once more.")
        )

    @app.exception_handler(JagaError)
    def _ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, JagaError)
        say = words(language_of(request))
        status = 422 if isinstance(error, UsageError) else 503 if isinstance(error, StoreError) else 500
        if status != 422:
            _log.error("%s %s: %s", request.method, request.url.path, error)
        return _fault(request, status, say("That did not work"), sentence(say, error))

    @app.exception_handler(Exception)
    def _unknown(request: Request, error: Exception) -> Response:
        # Written down with its place for whoever mends it; the reader gets no inner workings, and no words of a message.
        _log.error("%s %s: %s", request.method, request.url.path, type(error).__name__, exc_info=error)
        return PlainTextResponse(
            "Jaga met a fault of its own. Nothing you entered was changed. See the log, and report it.",
            status_code=500,
        )
