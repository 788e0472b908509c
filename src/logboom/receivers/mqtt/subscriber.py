"""The client of the broker: each message is acknowledged when it is stored, and comes again otherwise.

paho runs its network on a thread; messages go to the event loop through a bounded queue, and acknowledgements back.
"""

import asyncio
import ssl
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from logboom.model import Report, Verdict
from logboom.receivers.mqtt import SESSION_S, MqttSettings
from logboom.receivers.mqtt.topic_entries import Published, batch_of_messages
from logboom.receivers.outward import Storage

KEEP_ALIVE_S: Final = 60
QOS: Final = 1
BATCH_MESSAGES_MAX: Final = 500
QUEUE_MESSAGES_MAX: Final = 1000
"""Messages that wait for storage; the connection is not read while there are more."""

_NOT_STORED: Final = frozenset({Verdict.FAILED, Verdict.LIMITED})


class Subscriber:
    """See `receivers.outward.ClientReceiver`."""

    def __init__(self, settings: MqttSettings) -> None:
        self.address = f"{settings.broker}:{settings.broker_port}"
        self._settings = settings

    async def run(self, storage: Storage, report: Report) -> None:
        """Connect, and store until cancelled.

        Raises:
            OSError: the broker cannot be reached, has ended the session, or a message could not be stored; the
                broker sends what is not acknowledged again after the next connection.
        """
        session = _Session(self._settings, asyncio.get_running_loop())
        try:
            await asyncio.to_thread(session.connect)
            await session.opened
            report("connected", f"connected to the broker {self.address}")
            await self._store(session, storage)
        finally:
            await asyncio.shield(asyncio.to_thread(session.close))

    async def _store(self, session: "_Session", storage: Storage) -> None:
        settings = self._settings
        while True:
            messages = await session.take()
            wanted = [one for one in messages if settings.retained or not one.retain]
            if wanted:
                published = [Published(one.topic, bytes(one.payload)) for one in wanted]
                batch = batch_of_messages(published, settings.topics, settings.line_bytes_max)
                receipt = await storage.store(batch)
                if not _NOT_STORED.isdisjoint(receipt.verdicts):
                    raise OSError("messages could not be stored; the broker keeps them")
            session.acknowledge(messages)


class _Session:
    """One connection to the broker.

    Args:
        settings: of the listener.
        loop: the event loop.
    """

    def __init__(self, settings: MqttSettings, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._loop = loop
        self._queue: asyncio.Queue[MQTTMessage] = asyncio.Queue(QUEUE_MESSAGES_MAX)
        self.opened: asyncio.Future[None] = loop.create_future()
        """Done when the broker has accepted the session and the subscriptions."""
        self._ended: asyncio.Future[None] = loop.create_future()
        self._is_5 = settings.version == "5"
        self._client = self._new_client()

    def _new_client(self) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            settings.client_id,
            clean_session=None if self._is_5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if settings.username:
            client.username_pw_set(settings.username, settings.password)
        if settings.tls:
            client.tls_set_context(ssl.create_default_context(cafile=settings.tls_ca or None))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def connect(self) -> None:
        """Connect; called on another thread. Raises OSError."""
        settings = self._settings
        more: dict[str, Any] = {}
        if self._is_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_S
            properties.ReceiveMaximum = settings.unacknowledged_max
            more = {"clean_start": False, "properties": properties}
        self._client.connect(settings.broker, settings.broker_port, KEEP_ALIVE_S, **more)
        self._client.loop_start()

    async def take(self) -> list[MQTTMessage]:
        """Wait for messages. Raises OSError when the connection has ended."""
        waiting = asyncio.ensure_future(self._queue.get())
        try:
            await asyncio.wait((waiting, self._ended), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                self._ended.result()
            messages = [waiting.result()]
        finally:
            waiting.cancel()
        while len(messages) < BATCH_MESSAGES_MAX and not self._queue.empty():
            messages.append(self._queue.get_nowait())
        return messages

    def acknowledge(self, messages: list[MQTTMessage]) -> None:
        """Acknowledge stored messages. Raises OSError when the connection has ended: they come again."""
        for message in messages:
            if message.qos and self._client.ack(message.mid, message.qos) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise OSError("the connection has ended")

    def close(self) -> None:
        """Disconnect; called on another thread. The broker keeps the session."""
        self._client.on_message = None
        while not self._queue.empty():
            self._loop.call_soon_threadsafe(self._drop)
            break
        self._client.disconnect()
        self._client.loop_stop()

    def _drop(self) -> None:
        """Make room for the thread that waits to queue a message, so that it can end."""
        while not self._queue.empty():
            self._queue.get_nowait()

    # --- called on paho's thread ---

    def _on_connect(self, client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._fail(f"the broker refuses the connection: {reason}")
            return
        client.subscribe([(topic, QOS) for topic in self._settings.topics])

    def _on_subscribe(
        self, _client: Client, _userdata: Any, _mid: int, reasons: Any, _properties: Any
    ) -> None:
        refused = [
            topic for topic, reason in zip(self._settings.topics, reasons, strict=False) if reason.is_failure
        ]
        if refused:
            self._fail(f"the broker refuses the subscription of {', '.join(refused)}")
        else:
            self._loop.call_soon_threadsafe(_resolve, self.opened)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        asyncio.run_coroutine_threadsafe(self._queue.put(message), self._loop).result()

    def _on_disconnect(
        self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        self._fail(f"the connection to the broker has ended: {reason}")

    def _fail(self, text: str) -> None:
        for future in (self.opened, self._ended):
            self._loop.call_soon_threadsafe(_reject, future, text)


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _reject(future: "asyncio.Future[None]", text: str) -> None:
    if not future.done():
        future.set_exception(OSError(text))
        future.exception()  # it is not always waited for
