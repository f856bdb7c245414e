"""
StoreListener: the client library at work in a thread of its own, which hands each record over to the event loop.

What waits between the two is bounded: a full hand-over keeps the thread from reading on.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_plus
from uuid import UUID, uuid5

from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ProtocolError, SSLError

from gateways.addresses import Endpoint
from gateways.errors import SourceUnavailable
from gateways.processors.artifact_memory import StoredObject
from gateways.processors.artifact_options import ArtifactOptions
from gateways.processors.artifact_wire import Pool, StreamEnded, Wire, has_read_all, watched
from gateways.source_event import SourceEvent

T = TypeVar("T")

ID_NAMESPACE = UUID("0e1d3b56-6a0f-5d2b-8d6e-2f4c9b7a1c53")
"""Ids of events are uuid5 of this and `<endpoint>/<bucket>/<key>/<event name>/<sequencer>`."""
WAITING_MAX = 1024
"""Records that were read and not handed on."""
_PAGE = 1000
"""Objects that a store lists at a time."""
_ESCAPED = re.compile(r"(?:[A-Za-z0-9_.~+-]|%[0-9A-Fa-f]{2})*")
_NO_LISTENING = ("NotImplemented", "MethodNotAllowed")


class Told(NamedTuple):
    """
    An event, and which state of its object it tells of.
    """

    event: SourceEvent
    etag: str
    """Empty where the object is gone."""
    listed: StoredObject | None = None
    """Where a list showed it and no notification."""


class StoreListener:
    """
    Listens to one bucket until it ends, which it does once.

    Args:
        options: What to listen to.
        access: Access key and secret key.
        endpoint: Where the store really is.
        now: The time of a record that bears none.
        changed: Called in the loop whenever there is more to hand on, it has read all there is, or it has ended.
    """

    def __init__(
        self,
        options: ArtifactOptions,
        access: tuple[str, str],
        endpoint: Endpoint,
        *,
        now: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        self.events: deque[Told] = deque()
        """Read and not handed on; who takes one that was not listed says so by `took`."""
        self.received = 0
        """Records read so far."""
        self.failure = ""
        """Why it has ended; empty while it has not."""
        self.announced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the store has said that it will send notifications, or it has ended."""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._options = options
        self._access = access
        self._now = now
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(endpoint)
        self._connection: Any = None
        self._places = threading.Semaphore(WAITING_MAX)
        self._over = False
        self._told = False
        self._asked = False
        self._client: Minio | None = None
        self._thread = threading.Thread(target=self._run, name=f"listens to {options.bucket}", daemon=True)
        self._probing: asyncio.Future[None] | None = None

    def start(self) -> None:
        """
        Begin.
        """
        self._thread.start()

    def took(self) -> None:
        """
        One of `events` was handed on: there is room for another.
        """
        self._places.release()

    def has_read_all(self) -> bool:
        """
        Whether everything that has come to this machine is among `events`, or was. Where it is not, `changed` is called
        when it may be.
        """
        self._asked = True
        return self._connection is None or has_read_all(self._connection)

    async def probe(self) -> None:
        """
        Ask the store something over another connection, and wait for whatever it answers.
        """
        if self._probing is None or self._probing.done():
            self._probing = self._in_thread(self._probe)
        await asyncio.shield(self._probing)

    async def objects(self) -> AsyncIterator[list[StoredObject]]:
        """
        What is in the bucket under the prefix, page by page, in no order that means anything.

        Raises:
            SourceUnavailable: The store does not say.
        """
        client, options = self._client, self._options
        assert client is not None, "lists are asked for once the store has announced notifications"
        found = map(_stored, client.list_objects(options.bucket, prefix=options.prefix, recursive=True))
        while True:
            page = await self._in_thread(partial(self._page, found))
            if isinstance(page, str):
                raise SourceUnavailable(f"{options.peer}: cannot list bucket {options.bucket}: {page}")
            if not page:
                return
            yield page

    def cut(self) -> None:
        """
        End it at once: nothing more is said to the store.
        """
        self._over = True
        self._wire.cut()
        self._places.release()

    # What follows runs in the threads.

    def _run(self) -> None:
        cause = "the store ended the stream of notifications"
        try:
            self._listen()
        except Exception as error:  # whatever the library makes of what a store sends ends up in the status
            cause = cause_of(error, self._options)
        finally:
            self._wire.close()
            self._tell(partial(self._finish, cause))

    def _listen(self) -> None:
        options = self._options
        encryption = None if options.insecure else watched(ssl.create_default_context())
        pool = Pool(self._wire, encryption=encryption, announced=self._announce)
        access_key, secret_key = self._access
        client = self._client = Minio(
            options.endpoint,
            access_key,
            secret_key,
            secure=not options.insecure,
            region=options.region or None,
            http_client=pool,
        )
        wanted = (options.event,)
        for notification in client.listen_bucket_notification(options.bucket, options.prefix, options.suffix, wanted):
            for record in notification["Records"]:
                self._hand_over(told_by(record, options, self._now))

    def _announce(self, connection: Any) -> None:
        self._connection = connection
        connection.about_to_wait = self._about_to_wait
        self._tell(self._on_announced)

    def _about_to_wait(self) -> None:
        if self._asked:
            self._asked = False
            self._tell(self._changed)

    def _hand_over(self, told: Told) -> None:
        self._places.acquire()
        if self._over:
            raise StreamEnded("the connection was dropped")
        self.received += 1
        self.events.append(told)
        if not self._told:
            self._told = True
            self._tell(self._on_more)

    def _probe(self) -> None:
        client = self._client
        try:
            if client is not None:
                client.bucket_exists(self._options.bucket)
        except (MinioException, HTTPError, OSError, ValueError):
            self._asked = True  # whatever it was, the stream itself will tell

    def _page(self, found: Iterator[StoredObject]) -> list[StoredObject] | str:
        """
        The next page, or why there is none.
        """
        try:
            return list(islice(found, _PAGE))
        except Exception as error:  # whatever the library makes of what a store sends ends up in the status
            return cause_of(error, self._options)

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """
        What *work* gives, which asks the store something over another connection and must not raise.
        """
        done: asyncio.Future[T] = self._loop.create_future()

        def run() -> None:
            self._tell(partial(_finish, done, work()))

        threading.Thread(target=run, name="asks the store", daemon=True).start()
        return done

    def _tell(self, callback: Callable[[], Any]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            self._over = True  # the loop is closed; nobody waits any more

    # What follows runs in the loop.

    def _on_announced(self) -> None:
        _finish(self.announced, None)

    def _on_more(self) -> None:
        self._told = False
        self._changed()

    def _finish(self, cause: str) -> None:
        self.failure = cause
        _finish(self.announced, None)
        _finish(self.ended, None)
        self._changed()


def _finish(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _stored(found: Any) -> StoredObject:
    return StoredObject(found.object_name, found.etag or "", found.size or 0, found.last_modified)


def told_by(record: Any, options: ArtifactOptions, now: Callable[[], datetime]) -> Told:
    """
    The event that a notification's record makes.
    """
    payload = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    stored = _inside(_inside(record, "s3"), "object")
    key = key_in(str(stored.get("key", "")))
    sequencer = stored.get("sequencer")
    place = f"{options.endpoint}/{options.bucket}/{key}/{_text(record, 'eventName')}/{sequencer}"
    at = _instant(_text(record, "eventTime"))
    event = SourceEvent(
        payload,
        at if at is not None else now(),
        key,
        "application/json",
        id=str(uuid5(ID_NAMESPACE, place)) if sequencer else "",
    )
    return Told(event, _text(stored, "eTag"))


def key_in(text: str) -> str:
    """
    The object's key, which some releases of MinIO tell as it is, and others escaped as in a URL's query. Only where
    *text* could be either is it taken for escaped.
    """
    return unquote_plus(text) if _ESCAPED.fullmatch(text) else text


def _inside(value: Any, key: str) -> dict[str, Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _text(record: Any, key: str) -> str:
    value = record.get(key) if isinstance(record, dict) else None
    return value if isinstance(value, str) else ""


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def cause_of(error: BaseException, options: ArtifactOptions) -> str:
    """
    What went wrong, in a sentence that holds no secret.
    """
    while isinstance(error, MaxRetryError) and error.reason is not None:
        error = error.reason
    if isinstance(error, StreamEnded):
        return str(error)
    if isinstance(error, S3Error):
        return _refusal(error, options)
    if isinstance(error, InvalidResponseError | ServerError):
        return f"no S3 store answers there: {' '.join(str(error).split())[:200]}"
    if isinstance(error, SSLError | ssl.SSLError):
        return _tls_failure(error)
    if isinstance(error, ProtocolError) and len(error.args) > 1 and isinstance(error.args[1], OSError):
        error = error.args[1]
    if isinstance(error, NewConnectionError):
        return str(error).rpartition(": ")[2].lower()
    if isinstance(error, ConnectionError):
        return (error.strerror or "the store closed the connection").lower()
    if isinstance(error, TimeoutError | OSError) and not isinstance(error, HTTPError):
        return (error.strerror or str(error)).lower()
    if isinstance(error, ProtocolError):
        broken = str(error).lstrip("('").startswith("Connection broken")
        return "the store closed the connection" if broken else "what answers there speaks no HTTP"
    if isinstance(error, KeyError | TypeError | AttributeError):
        return "the store sent something that is no notification"
    return f"{type(error).__name__}: {error}"


def _refusal(error: S3Error, options: ArtifactOptions) -> str:
    if error.code == "NoSuchBucket":
        return f"there is no bucket {options.bucket}"
    if error.code in _NO_LISTENING:
        return f"the store does not know ListenBucketNotification, an extension of MinIO: {error.code}"
    return f"the store refuses: {error.code}: {error.message}"


def _tls_failure(error: BaseException) -> str:
    inner = next((each for each in (*error.args, error) if isinstance(each, ssl.SSLError)), None)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"TLS: {inner.verify_message}"
    reason = (inner.reason or str(inner)) if inner is not None else str(error)
    hint = "; with `insecure: true` it is reached over http" if "WRONG_VERSION" in str(reason).upper() else ""
    return f"TLS: {str(reason).lower().replace('_', ' ')}{hint}"
