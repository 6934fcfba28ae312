"""A message that is being worked on must not be sent to others: on Redis, it has to be kept so.

Kombu gives a message again when it was not acknowledged for the visibility timeout. It looks into
a sorted set, `unacked_index`, where each message stands under the moment of its delivery: writing
a later moment there keeps it. Files know no such timeout. RabbitMQ closes a worker's channel after
its `consumer_timeout`, and sends the message again: the lease keeps that harmless.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

import redis
from kombu.transport.redis import Channel

from service.settings import Settings

_LOG: Final = logging.getLogger("aggpose.worker")
_PATIENCE_S: Final = 2.0


class MessageKeeper:
    """Keeps messages of one broker; its connection is opened when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        url = settings.broker_url.get_secret_value()
        self._client = None
        if url.startswith("redis"):
            self._client = redis.Redis.from_url(
                url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S
            )

    def keeper_of(self, delivery_tag: str | None) -> Callable[[], None]:
        """What keeps this message, at each call; failing is harmless: the lease decides."""
        client = self._client
        if client is None or delivery_tag is None:
            return _nothing

        def keep() -> None:
            try:
                client.zadd(Channel.unacked_index_key, {delivery_tag: time.time()}, xx=True)
            except redis.RedisError as error:
                _LOG.warning("the broker does not answer: %s", type(error).__name__)

        return keep


def _nothing() -> None:
    """What has no timeout needs no care."""
