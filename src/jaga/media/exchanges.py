"""Hash exchanges: banks that follow a list which somebody else keeps, through the clients of python-threatexchange.

NCMEC's hash-sharing API, StopNCII.org, ThreatExchange, Tech Against Terrorism and a file on this machine are spoken by that library;
an extension of it (a module with `TX_MANIFEST`) brings more. Nothing is asked of anybody unless an exchange was added here and is fetched.

A fetch comes in parts. Each part is one transaction: what it adds or withdraws, together with the place from which the next fetch goes on.
So a fetch that dies has lost nothing and doubled nothing. A hash that the source withdraws is disabled, never deleted; it stays while another
entry of the source still has it.
"""

from __future__ import annotations

import dataclasses
import enum
import logging
import time
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from threatexchange.exchanges import auth
from threatexchange.exchanges.clients.ncmec.hash_api import FeedbackType, FingerprintType, NCMECEntryUpdate
from threatexchange.exchanges.clients.stopncii import api as stopncii
from threatexchange.exchanges.fetch_state import FetchCheckpointBase, FetchDelta, NoCheckpointing
from threatexchange.exchanges.impl.fb_threatexchange_api import FBThreatExchangeSignalExchangeAPI
from threatexchange.exchanges.impl.file_api import LocalFileSignalExchangeAPI
from threatexchange.exchanges.impl.ncmec_api import NCMECSignalExchangeAPI
from threatexchange.exchanges.impl.static_sample import StaticSampleSignalExchangeAPI
from threatexchange.exchanges.impl.stop_ncii_api import (
    StopNCIICheckpoint,
    StopNCIISignalExchangeAPI,
    StopNCIISignalMetadata,
)
from threatexchange.exchanges.impl.techagainstterrorism_api import TATSignalExchangeAPI
from threatexchange.exchanges.signal_exchange_api import SignalExchangeAPIWithSimpleUpdates
from threatexchange.extensions.manifest import ThreatExchangeExtensionManifest
from threatexchange.signal_type.md5 import VideoMD5Signal
from threatexchange.signal_type.pdq.signal import PdqSignal
from threatexchange.signal_type.sha256 import VideoSHA256Signal

from jaga.errors import ServiceError, StoreError, UsageError
from jaga.files import whole_file
from jaga.media._hash_types import hash_type
from jaga.media.banks import BankStore, Change, Exchange, Item
from jaga.records import Problem

__all__ = ["Fetched", "apis", "fetch", "has_credentials", "needs", "schema", "set_credentials", "tell", "validated"]

Opinion = Literal["seen", "false_positive"]

_log = logging.getLogger(__name__)

# The kinds that can be matched here, by the names that the library gives them.
_KINDS = {"pdq": "pdq", "video_md5": "md5", "video_sha256": "sha256", "md5": "md5", "sha1": "sha1", "sha256": "sha256"}
_SIGNAL_TYPES: list[Any] = [PdqSignal, VideoMD5Signal, VideoSHA256Signal]
_NCMEC_KINDS = {"md5": "md5", "sha1": "sha1", "pdq": "pdq"}
_NCMEC_VOTES = {"md5": FingerprintType.md5, "sha1": FingerprintType.sha1, "pdq": FingerprintType.pdq}
_CREDENTIALS = "credentials.json"


class _StopNcii(StopNCIISignalExchangeAPI):
    """StopNCII as the library speaks it, with two things put right.

    A case that was withdrawn says so in `hashStatus` (the library looks for it in the hash). And the next fetch begins at the time given with
    the last page only: begun at that of an earlier one, it would leave out the pages between.
    """

    def fetch_iter(self, _types: Sequence[Any], checkpoint: StopNCIICheckpoint | None) -> Iterator[Any]:
        start = stopncii.StopNCIIAPI.DEFAULT_START_TIME if checkpoint is None else checkpoint.update_time
        names = {
            stopncii.StopNCIISignalType.ImagePDQ: "pdq",
            stopncii.StopNCIISignalType.VideoMD5: "video_md5",
        }
        gone = (stopncii.StopNCIICaseStatus.Withdrawn, stopncii.StopNCIICaseStatus.Deleted)
        for page in self.api.fetch_hashes_iter(start_timestamp=start):
            updates = {
                (names[one.signalType], one.hashValue): (
                    None if one.hashStatus in gone else StopNCIISignalMetadata(one.CSPFeedbacks)
                )
                for one in page.hashRecords
                if one.signalType in names
            }
            reached = checkpoint
            if not page.hasMoreRecords:
                reached = StopNCIICheckpoint(page.nextSetTimestamp, int(time.time()))
            yield FetchDelta(updates, reached)


_APIS: tuple[Any, ...] = (
    FBThreatExchangeSignalExchangeAPI,
    LocalFileSignalExchangeAPI,
    NCMECSignalExchangeAPI,
    StaticSampleSignalExchangeAPI,
    _StopNcii,
    TATSignalExchangeAPI,
)
_NAMES = {_StopNcii: StopNCIISignalExchangeAPI.get_name()}


class Fetched(msgspec.Struct, kw_only=True):
    """What a fetch brought."""

    exchange: str
    # Entries that the source told of: new, changed or withdrawn.
    entries: int = 0
    added: int = 0
    withdrawn: int = 0
    returned: int = 0
    problems: list[Problem] = msgspec.field(default_factory=list)
    more_problems: int = 0


def apis(extensions: Sequence[str] = ()) -> dict[str, Any]:
    """Name to client class. `extensions`: modules with a TX_MANIFEST. Raises: UsageError, if one cannot be loaded."""
    found = {_NAMES.get(one, one.get_name()): one for one in _APIS}
    for module in extensions:
        try:
            manifest = ThreatExchangeExtensionManifest.load_from_module_name(module)
        except ValueError as error:
            raise UsageError(f"the extension {module!r} cannot be loaded: {error}") from error
        found |= {one.get_name(): one for one in manifest.apis}
    return found


def _api(name: str, extensions: Sequence[str] = ()) -> Any:
    known = apis(extensions)
    if name not in known:
        raise UsageError(f"no exchange speaks {name!r}", remedy=f"there are: {', '.join(sorted(known))}")
    return known[name]


def schema(name: str, extensions: Sequence[str] = ()) -> dict[str, Any]:
    """What settings an exchange of this kind takes, as JSON schema."""
    fields = [
        one for one in _fields(_api(name, extensions).get_config_cls()) if one.name not in ("name", "api", "enabled")
    ]
    return {
        "type": "object",
        "properties": {one.name: _json_type(one) for one in fields},
        "required": [one.name for one in fields if _needed(one)],
        "additionalProperties": False,
    }


def needs(name: str, extensions: Sequence[str] = ()) -> dict[str, Any] | None:
    """What credentials it takes, as JSON schema; None if it takes none."""
    api = _api(name, extensions)
    if not issubclass(api, auth.SignalExchangeWithAuth):
        return None
    fields = _fields(api.get_credential_cls())
    return {
        "type": "object",
        "properties": {one.name: _json_type(one) for one in fields},
        "required": [one.name for one in fields if _needed(one)],
        "additionalProperties": False,
    }


def validated(name: str, api: str, settings: Mapping[str, Any], extensions: Sequence[str] = ()) -> Any:
    """The library's configuration object from settings. Raises: UsageError that names what is wrong."""
    cls = _api(api, extensions).get_config_cls()
    hints = typing.get_type_hints(cls)
    known = {one.name for one in _fields(cls)} - {"name", "api", "enabled"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise UsageError(
            f"{api} has no setting {', '.join(unknown)}", remedy=f"it has: {', '.join(sorted(known)) or 'none'}"
        )
    values: dict[str, Any] = {}
    for key, value in settings.items():
        try:
            values[key] = _converted(value, hints[key])
        except (msgspec.ValidationError, ValueError) as error:
            raise UsageError(f"{api}: {key}: {error}") from error
    for one in dataclasses.fields(cls):
        if one.init and one.name == "api":
            values["api"] = api
    values["name"] = name
    if any(one.init and one.name == "enabled" for one in dataclasses.fields(cls)):
        values["enabled"] = True
    missing = [one.name for one in _fields(cls) if _needed(one) and one.name not in values]
    if missing:
        raise UsageError(f"{api} needs {', '.join(missing)}")
    return cls(**values)


def set_credentials(store: BankStore, api: str, given: Mapping[str, Any], extensions: Sequence[str] = ()) -> None:
    """Keep what an exchange asks for, in a file beside the banks that only this user reads. Raises: UsageError, StoreError.

    They stand there in plain text, as in every tool that logs in by itself: guard the folder.
    """
    wanted = needs(api, extensions)
    if wanted is None:
        raise UsageError(f"{api} takes no credentials")
    wrong = sorted(set(given) - set(wanted["properties"])) or [key for key in wanted["required"] if not given.get(key)]
    if wrong:
        raise UsageError(f"{api} takes {', '.join(wanted['properties'])}", remedy=f"see {', '.join(wrong)}")
    path = store.folder / _CREDENTIALS
    everything = _credentials(store)
    everything[api] = dict(given)
    try:
        with whole_file(path) as file:
            file.write(msgspec.json.encode(everything))
    except OSError as error:
        raise StoreError(f"cannot be written: {error.strerror}", where=str(path)) from error


def has_credentials(store: BankStore, api: str) -> bool:
    """Whether something was kept for it here; what the library finds in the environment does not count."""
    return api in _credentials(store)


def _credentials(store: BankStore) -> dict[str, dict[str, Any]]:
    path = store.folder / _CREDENTIALS
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise StoreError(f"cannot be read: {error}", where=str(path), remedy="give the credentials again") from error


def _client(store: BankStore, exchange: Exchange, extensions: Sequence[str]) -> Any:
    api = _api(exchange.api, extensions)
    config = validated(exchange.name, exchange.api, exchange.settings, extensions)
    kept = _credentials(store).get(exchange.api)
    try:
        if kept is not None:
            return api.for_collab(config, api.get_credential_cls()(**kept))
        return api.for_collab(config)
    except auth.SignalExchangeAPIMissingAuthException as error:
        raise UsageError(
            f"{exchange.api} asks for credentials", remedy=f"jaga media exchange login {exchange.api}"
        ) from error
    except auth.SignalExchangeAPIInvalidAuthException as error:
        raise UsageError(f"the credentials for {exchange.api} are not valid: {error.message}") from error


def fetch(store: BankStore, name: str, *, extensions: Sequence[str] = (), parts: int | None = None) -> Fetched:
    """Bring a bank up to date with its source, from where the last fetch came to; of `parts`, no more than that.

    Raises: UsageError; ServiceError, if the source cannot be reached or refuses. What came before that is kept.
    """
    exchange = store.exchange(name)
    client = _client(store, exchange, extensions)
    cls = client.get_checkpoint_cls()
    checkpoint = None
    if exchange.checkpoint is not None:
        try:
            checkpoint = msgspec.convert(exchange.checkpoint, type=cls)
        except msgspec.ValidationError as error:
            # Fetching all of it anew is slow, and right.
            _log.warning("the checkpoint of %s cannot be used: %s", name, error)
    # A checkpoint that has become too old, or none at all: what was withdrawn meanwhile can only be told by fetching everything.
    whole = checkpoint is None or checkpoint.is_stale() or cls in (FetchCheckpointBase, NoCheckpointing)
    result = Fetched(exchange=name)
    store.fetch_begins(name)
    seen: set[str] = set()
    try:
        for number, delta in enumerate(client.fetch_iter(_SIGNAL_TYPES, None if whole else checkpoint)):
            if parts is not None and number >= parts:
                whole = False
                break
            changes = list(_changes(client, exchange, delta.updates, result))
            if whole:
                seen.update(one.key for one in changes if one.items)
            reached = None if delta.checkpoint is None else msgspec.to_builtins(delta.checkpoint)
            done = store.exchange_changes(name, changes, reached)
            result.entries += len(changes)
            result.added += done.added
            result.withdrawn += done.withdrawn
            result.returned += done.returned
        if whole and exchange.checkpoint is not None:
            result.withdrawn += store.exchange_only(name, seen)
    except (OSError, ValueError, AssertionError, RuntimeError) as error:
        # requests' errors are OSErrors. What they say may hold the address asked, with keys in it: only its kind is told.
        what = f"{type(error).__name__}{_status(error)}"
        store.fetch_ended(name, problem=what)
        raise ServiceError(
            f"the exchange {name} could not be fetched: {what}", remedy="what had come is kept; fetch again later"
        ) from error
    except BaseException:
        store.fetch_ended(name, problem="stopped")
        raise
    store.fetch_ended(name)
    return result


def _status(error: Exception) -> str:
    code = getattr(getattr(error, "response", None), "status_code", None)
    return f" (HTTP {code})" if isinstance(code, int) else ""


def _changes(client: Any, exchange: Exchange, updates: Mapping[Any, Any], result: Fetched) -> Iterator[Change]:
    for key, value in updates.items():
        name = key if isinstance(key, str) else " ".join(map(str, key))
        merged = None if value is None else client.fetch_value_merge(None, value)
        if merged is None:
            yield Change(key=name, items=())
            continue
        yield Change(key=name, items=tuple(_items(client, exchange, key, name, merged, result)))


def _items(client: Any, exchange: Exchange, key: Any, name: str, value: Any, result: Fetched) -> Iterator[Item]:
    """One hash an item: sources withdraw single hashes."""
    source = f"{exchange.api}: {exchange.name}"
    if isinstance(value, NCMECEntryUpdate):
        # The library takes PDQ of pictures and MD5 of videos only; the entry has more.
        if client.collab.only_esp_ids and value.member_id not in client.collab.only_esp_ids:
            return
        pairs = [(kind, text) for kind, text in value.fingerprints.items() if kind in _NCMEC_KINDS]
        tags = (value.classification,) if value.classification else ()
        for kind, text in pairs:
            yield from _item(_NCMEC_KINDS[kind], text, name, tags, source, result)
        return
    if isinstance(client, SignalExchangeAPIWithSimpleUpdates):
        # The key is the hash. The library would only log one that is none.
        sort, text = key
        if sort in _KINDS and not _harmless(value):
            yield from _item(_KINDS[sort], text, name, _tags(value), source, result)
        return
    for signal_type, found in client.naive_convert_to_signal_type(_SIGNAL_TYPES, client.collab, {key: value}).items():
        kind = _KINDS[signal_type.get_name()]
        for text, metadata in found.items():
            if not _harmless(metadata):
                yield from _item(kind, text, name, _tags(metadata), source, result)


def _harmless(metadata: Any) -> bool:
    """Somebody found it to be harmless, and nobody the contrary."""
    return bool(metadata.get_as_aggregate_opinion().category.name == "NEGATIVE_CLASS")


def _tags(metadata: Any) -> tuple[str, ...]:
    return tuple(sorted(map(str, metadata.get_as_aggregate_opinion().tags)))


def _item(kind: str, text: str, name: str, tags: tuple[str, ...], source: str, result: Fetched) -> Iterator[Item]:
    try:
        value = hash_type(kind).parse(text)
    except UsageError as error:
        if len(result.problems) < 100:
            result.problems.append(Problem(where=f"{source}, entry {name}", what=error.what))
        else:
            result.more_problems += 1
        return
    yield Item(hashes=((kind, value),), name=name[:200], category=", ".join(tags)[:200] or None, source=source)


def tell(
    store: BankStore,
    name: str,
    item: int,
    opinion: Opinion,
    *,
    reason: str | None = None,
    extensions: Sequence[str] = (),
) -> None:
    """Tell the source of an item that it was met here, or that it is wrong. The history keeps what was told.

    NCMEC takes it as a vote on the entry, StopNCII as feedback on the hash; the library's clients carry it. `reason`: NCMEC's GUID of one,
    if it knows several. Raises: UsageError, if the item is not of this exchange or the source takes no such answer; ServiceError.
    """
    exchange = store.exchange(name)
    found = store.item(item)
    if found is None or found[0] != exchange.name or found[1].name is None:
        raise UsageError(f"item {item} is not of the exchange {name}")
    kept = found[1]
    ((kind, value),) = kept.hashes
    client = _client(store, exchange, extensions)
    try:
        if exchange.api == NCMECSignalExchangeAPI.get_name():
            if kind not in _NCMEC_VOTES:
                raise UsageError(f"NCMEC takes no votes on {kind}")
            member, _, entry = str(kept.name).partition("-")
            vote = FeedbackType.upvote if opinion == "seen" else FeedbackType.downvote
            client.get_client(client.collab.environment).submit_feedback(
                int(member), entry, _NCMEC_VOTES[kind], vote, reason
            )
        elif exchange.api == StopNCIISignalExchangeAPI.get_name():
            sort = stopncii.StopNCIISignalType.ImagePDQ if kind == "pdq" else stopncii.StopNCIISignalType.VideoMD5
            said = stopncii.StopNCIICSPFeedbackValue
            client.api._function_keys.setdefault(
                stopncii.StopNCIIEndpoint.SubmitFeedback,
                client.api._function_keys[stopncii.StopNCIIEndpoint.FetchHashes],
            )
            client.api.submit_feedback(sort, value.hex(), said.Blocked if opinion == "seen" else said.NotBlocked)
        else:
            raise UsageError(f"{exchange.api} takes no feedback")
    except (OSError, ValueError, RuntimeError) as error:
        what = f"{type(error).__name__}{_status(error)}"
        raise ServiceError(f"the exchange {name} did not take it: {what}", remedy="tell it again later") from error
    store.told(name, item, opinion)


def _fields(cls: Any) -> list[dataclasses.Field[Any]]:
    return [one for one in dataclasses.fields(cls) if one.init]


def _needed(one: dataclasses.Field[Any]) -> bool:
    return one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING


def _json_type(one: dataclasses.Field[Any]) -> dict[str, Any]:
    text = {"description": one.metadata["help"]} if "help" in one.metadata else {}
    kind = one.type
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.name for member in kind]} | text
    names = {int: "integer", bool: "boolean", float: "number", str: "string"}
    if kind in names:
        return {"type": names[kind]} | text
    return ({"type": "array"} if "Set" in str(kind) or "List" in str(kind) else {"type": "string"}) | text


def _converted(value: Any, kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        for member in kind:
            if value in (member.name, member.value):
                return member
        raise ValueError(f"{value!r} is none of {', '.join(member.name for member in kind)}")
    return msgspec.convert(value, type=kind, strict=False)
