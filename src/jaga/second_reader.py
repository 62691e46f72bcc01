"""A second reader, if the owner wants one: a language model on this machine reads the few messages cited as evidence.

Any server that speaks the chat-completions interface of OpenAI (Ollama, llama.cpp, vLLM, LM Studio). Off unless asked for. Its answer is shown
beside the judgement, and changes nothing in it: such models can be talked into anything by what they read, and a contact may try.

- It is given the cited messages, who wrote each (contact or child) and on which day; no names, no ids, no other message.
- They leave this machine only if the owner says so (`anywhere`): else every address of the host must be a loopback one. The connection goes to the
  address that was checked, through no proxy, and follows no redirect.
- Of its answer, one of three words is taken, and a short reason, which is dropped if it holds a link or a number.

Interface: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import re
import socket
import ssl
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import msgspec

from jaga.assessment import Assessment, Evidence
from jaga.errors import ServiceError, UsageError
from jaga.signals.pictures import PICTURES

__all__ = ["VERDICTS", "Opinion", "SecondReader", "Verdict", "as_asked"]

Verdict = Literal["worrying", "unclear", "harmless"]
VERDICTS: tuple[Verdict, ...] = ("worrying", "unclear", "harmless")

# The most telling messages, and characters of each.
_MESSAGES = 16
_TEXT = 300
_REASON = 240
# A reason of so many characters that stands in the policy word by word is an echo.
_ECHO = 24
# Room for a model that thinks aloud before it answers.
_TOKENS = 1200
# Bytes of an answer; what is longer is none.
_MOST = 1 << 18
_WHERE = "second reader"
_PORTS = {"http": 80, "https": 443}
# What a contact could have put into a reader's mouth for a parent to act on: links, addresses, numbers to call or pay to.
_ACTIONABLE = re.compile(r"(?i)https?:|www\.|@|\b[a-z0-9-]+\.(?:com|net|org|io|my|me|app|link|xyz)\b|\d[\d .()-]{4,}\d")
_LANGUAGES = {"ms": "Malay", "en": "English", "zh": "Simplified Chinese", "ta": "Tamil"}
_SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": list(VERDICTS)},
        "reason": {"type": "string", "maxLength": _REASON},
    },
    "required": ["verdict", "reason"],
    "additionalProperties": False,
}
# Servers that do not know the wish for a schema answer so.
_REFUSED = (400, 415, 422, 501)


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What the second reader said about one relationship. It never changes a score or a level."""

    model: str
    # Whether the messages stayed on this machine.
    local: bool
    # None: it gave no usable answer, and `problem` says why, in English.
    verdict: Verdict | None = None
    # Text of a model that read what strangers wrote: show it as such, escaped, and act on nothing in it.
    reason: str | None = None
    problem: str | None = None


class SecondReader:
    """A chat-completions server.

    `url`: its base, such as http://127.0.0.1:11434/v1. `model`: its name there; None if it has only one. `anywhere`: it may be on another
    machine. `key`: if it asks for one. `seconds`: for one answer, all together.
    Raises: UsageError, if the address is none, is not this machine, or would carry messages unencrypted over the internet.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        anywhere: bool = False,
        key: str | None = None,
        seconds: float = 120,
    ) -> None:
        self._seconds = seconds
        self._key = key
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in _PORTS or not parts.hostname or port == -1 or parts.query or parts.username:
            raise UsageError("is not an address", where=_asked(url), remedy="give one like http://127.0.0.1:11434/v1")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = port or _PORTS[parts.scheme]
        self._base = parts.path.rstrip("/") or "/v1"
        self._address, self.local = self._resolved(url, anywhere=anywhere)
        self._model = model

    def _resolved(self, url: str, *, anywhere: bool) -> tuple[str, bool]:
        """An address of the host, and whether all of them are this machine."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UsageError(
                f"has no address: {error}", where=_asked(url), remedy="see whether the server runs"
            ) from None
        addresses = [_plain(str(entry[4][0])) for entry in found]
        if all(address.is_loopback for address in addresses):
            return str(addresses[0]), True
        if not anywhere:
            raise UsageError(
                "is not this machine: the child's messages would leave it",
                where=_asked(url),
                remedy="run the reader here, or say --second-reader-anywhere",
            )
        if not self._tls and not all(address.is_private or address.is_loopback for address in addresses):
            raise UsageError(
                "would carry the child's messages unencrypted over the internet", where=_asked(url), remedy="use https"
            )
        return str(addresses[0]), False

    @property
    def model(self) -> str:
        """Its name. Raises: ServiceError, if none was given and the server has not exactly one."""
        if self._model is None:
            try:
                answer = self._ask("GET", "/models", None)
                names = [str(one["id"]) for one in answer["data"]]
            except (KeyError, TypeError) as error:
                raise ServiceError("does not say which models it has", where=_WHERE) from error
            if len(names) != 1:
                raise ServiceError(
                    f"has {len(names)} models", where=_WHERE, remedy=f"choose one of: {', '.join(names[:20]) or '-'}"
                )
            self._model = names[0]
        return self._model

    def read(self, one: Assessment, *, language: str = "en") -> Opinion:
        """Its opinion on one relationship. Never raises for what a server does: then the opinion says what went wrong."""
        try:
            model = _shown(self.model)
            asked = as_asked(one, language)
            body = {
                "model": self.model,
                "messages": asked,
                "temperature": 0,
                "max_tokens": _TOKENS,
                "stream": False,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "opinion", "strict": True, "schema": _SCHEMA},
                },
            }
            answer = self._ask("POST", "/chat/completions", body)
        except ServiceError as error:
            return Opinion(model=_shown(self._model or "?"), local=self.local, problem=error.what)
        try:
            said = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            said = None
        found = _opinion(said) if isinstance(said, str) else None
        if found is None:
            what = "gave no usable answer"
            return Opinion(model=model, local=self.local, problem=what)
        verdict, reason = found
        if reason is not None and len(reason) >= _ECHO and reason in " ".join(asked[0]["content"].split()):
            # Small models repeat what they were asked.
            reason = None
        return Opinion(model=model, local=self.local, verdict=verdict, reason=reason)

    # ------------------------------------------------------------ the wire

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        """The JSON of an answer. Raises: ServiceError."""
        status, raw = self._exchange(method, path, body)
        if status in _REFUSED and body is not None and "response_format" in body:
            status, raw = self._exchange(method, path, {k: v for k, v in body.items() if k != "response_format"})
        if 300 <= status < 400:
            raise ServiceError(
                f"sends elsewhere (HTTP {status})", where=_WHERE, remedy="give the address it sends to, if you trust it"
            )
        if status != 200:
            raise ServiceError(f"answers with an error (HTTP {status})", where=_WHERE)
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise ServiceError("does not answer in JSON", where=_WHERE) from None

    def _exchange(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Host": _host(self._host, self._port, tls=self._tls)}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        payload = None if body is None else json.dumps(body).encode()
        # To the address that was looked at: asked again, the name could answer with another one.
        connection = _Pinned(
            self._address, self._port, timeout=self._seconds, tls_name=self._host if self._tls else None
        )
        # A server that sends a letter now and then would never time out by itself.
        deadline = threading.Timer(self._seconds, connection.cut)
        deadline.daemon = True
        deadline.start()
        try:
            connection.request(method, self._base + path, payload, headers)
            response = connection.getresponse()
            raw = response.read(_MOST + 1)
        except (OSError, http.client.HTTPException) as error:
            if connection.was_cut or isinstance(error, TimeoutError):
                raise ServiceError(f"gave no answer within {self._seconds:g} seconds", where=_WHERE) from None
            raise ServiceError(
                f"cannot be reached: {error}" if str(error) else "cannot be reached", where=_WHERE
            ) from None
        finally:
            deadline.cancel()
            connection.close()
        if connection.was_cut:
            raise ServiceError(f"gave no answer within {self._seconds:g} seconds", where=_WHERE)
        if len(raw) > _MOST:
            raise ServiceError("answers without end", where=_WHERE)
        return response.status, raw


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, over TLS if the host has a name to check."""

    def __init__(self, address: str, port: int, *, timeout: float, tls_name: str | None) -> None:
        super().__init__(address, port, timeout=timeout)
        self._tls_name = tls_name
        # Its own: the base class lets go of the socket while an answer is still being read from it.
        self._open: socket.socket | None = None
        self.was_cut = False

    def connect(self) -> None:
        super().connect()
        if self._tls_name is not None:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._tls_name)
        self._open = self.sock

    def cut(self) -> None:
        """End it from another thread, whatever it waits for."""
        self.was_cut = True
        if self._open is not None:
            with contextlib.suppress(OSError):
                self._open.shutdown(socket.SHUT_RDWR)


def as_asked(one: Assessment, language: str = "en") -> list[dict[str, str]]:
    """The two messages that are sent: the policy, and the evidence as data. Everything that leaves this process is in them."""
    policy = (resources.files("jaga.guidance") / "second_reader" / "policy.md").read_text(encoding="utf-8")
    day_one = min((piece.sent_at for piece in _window(one)), default=None)
    quoted = [
        {
            "from": "child" if piece.author == one.child else "contact",
            "day": 1 + (piece.sent_at - day_one).days if day_one is not None else 1,
            "text": piece.text[:_TEXT],
        }
        for piece in _window(one)
    ]
    return [
        {"role": "system", "content": policy.replace("{language}", _LANGUAGES.get(language, "English"))},
        # Escaped to ASCII: no letter of a message can end the quotation, or look as if it did.
        {"role": "user", "content": json.dumps({"messages": quoted}, ensure_ascii=True)},
    ]


def _window(one: Assessment) -> list[Evidence]:
    """The most telling of the cited messages, each once, in time order."""
    pieces: dict[str, Evidence] = {}
    added: dict[str, float] = {}
    for finding in one.tactics:
        if finding.tactic in PICTURES:
            # Nobody tells a model of pictures, and there are no words in them to read.
            continue
        for piece in finding.evidence:
            pieces.setdefault(piece.message, piece)
            added[piece.message] = added.get(piece.message, 0.0) + piece.added
    chosen = sorted(pieces, key=lambda message: (-added[message], pieces[message].sent_at, message))[:_MESSAGES]
    return sorted((pieces[message] for message in chosen), key=lambda piece: (piece.sent_at, piece.message))


def _opinion(said: str) -> tuple[Verdict, str | None] | None:
    """Verdict and reason of an answer; the last one in it, as models think aloud before they answer."""
    for answer in reversed(list(_objects(said))):
        verdict = answer.get("verdict")
        if isinstance(verdict, str) and verdict.strip().lower() in VERDICTS:
            reason = answer.get("reason")
            told = _clean(reason, _REASON) if isinstance(reason, str) else ""
            return cast(Verdict, verdict.strip().lower()), told if told and not _ACTIONABLE.search(told) else None
    return None


def _objects(said: str) -> Iterator[Mapping[str, Any]]:
    """Every JSON object in a text, whatever stands around them."""
    decoder = json.JSONDecoder()
    at = said.find("{")
    # What opens a thousand braces is no answer.
    for _ in range(1000):
        if at < 0:
            return
        try:
            found, end = decoder.raw_decode(said, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(found, dict):
                yield found
        at = said.find("{", end)


def _clean(text: str, most: int) -> str:
    """One line of plain characters."""
    kept = "".join(
        " " if letter.isspace() else letter
        for letter in text[: 10 * most]
        if letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    kept = " ".join(kept.split())
    return kept if len(kept) <= most else kept[: most - 1].rstrip() + "…"


def _shown(model: str) -> str:
    """A model's name for people: llama.cpp gives the path of its file."""
    return _clean(re.split(r"[/\\]", model)[-1] if model[:1] in "/\\." or model[1:2] == ":" else model, 80)


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _host(host: str, port: int, *, tls: bool) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == _PORTS["https" if tls else "http"] else f"{name}:{port}"


def _asked(url: str) -> str:
    return f"--second-reader {url}"
