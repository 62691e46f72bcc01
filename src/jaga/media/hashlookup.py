"""Asks a hashlookup server which files it knows: CIRCL's, or one's own. Only on the owner's command, for it sends hashes of files to that server.

Source: hashlookup.circl.lu (OpenAPI) and hashlookup-server: POST /bulk/sha1 {"hashes": [...]} answers with a list of what is known of them. Such servers
hold lists of published software (NSRL and others): what they know came from somewhere, which says neither good nor bad.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import msgspec

from jaga.errors import ServiceError, UsageError

__all__ = ["CIRCL", "Hashlookup", "Published"]

CIRCL = "https://hashlookup.circl.lu"
_AT_ONCE = 500
_TIMEOUT_S = 30.0
_LONGEST_ANSWER = 64 << 20


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says of one file. Texts are the server's: escape them."""

    sha1: str
    name: str | None
    source: str | None
    # Who calls it malicious; None if nobody does.
    malicious: str | None


class Hashlookup:
    """A server at an address. Raises: UsageError, if that is none, or one to which hashes would travel in the open."""

    def __init__(self, url: str = CIRCL) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError("is not the address of a server", where=url, remedy=f"give one like {CIRCL}")
        if parts.scheme == "http" and not _here(parts.hostname):
            raise UsageError("hashes would travel in the open", where=url, remedy="use https")
        self.url = url.rstrip("/")
        self._parts = parts

    def known(self, sha1: Iterable[bytes]) -> Iterator[Published]:
        """What is known of these files, each once at most; what is not known is not among them. Raises: ServiceError."""
        waiting = iter(dict.fromkeys(sha1))
        while some := list(islice(waiting, _AT_ONCE)):
            asked = {one.hex().upper() for one in some}
            for found in self._ask(sorted(asked)):
                told = found.get("SHA-1") if isinstance(found, dict) else None
                # An answer to what nobody asked is none.
                if not isinstance(told, str) or told.upper() not in asked:
                    continue
                asked.discard(told.upper())
                yield Published(
                    sha1=told.lower(),
                    name=_text(found.get("FileName")),
                    source=_text(found.get("source")) or _text(found.get("db")),
                    malicious=_text(found.get("KnownMalicious")),
                )

    def _ask(self, hashes: list[str]) -> list[Any]:
        parts = self._parts
        host = parts.hostname or ""
        # Straight to the server that was named: no proxy, and a redirection is an error.
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(
                host, parts.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
        try:
            body = json.dumps({"hashes": hashes})
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            connection.request("POST", f"{parts.path.rstrip('/')}/bulk/sha1", body, headers)
            answer = connection.getresponse()
            raw = answer.read(_LONGEST_ANSWER + 1)
            # Nothing of it is known.
            if answer.status == 404:
                return []
            if answer.status != 200:
                raise ServiceError(f"answered {answer.status}", where=self.url, remedy="try again later")
            if len(raw) > _LONGEST_ANSWER:
                raise ServiceError("answered more than it was asked", where=self.url)
            found = json.loads(raw)
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError(
                f"cannot be reached: {error}", where=self.url, remedy="check the address and the network"
            ) from error
        except (ValueError, RecursionError) as error:
            raise ServiceError("answered what is no JSON", where=self.url) from error
        finally:
            connection.close()
        if not isinstance(found, list):
            raise ServiceError("answered something else than a list", where=self.url)
        return found


def _here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in value[:300])
