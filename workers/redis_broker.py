"""The Redis broker, with a count of messages that survives a broker that does not answer.

Kombu counts a message as being worked on until its acknowledgement has reached Redis. Where that
fails, Celery writes a line and goes on, the count stays, and a worker that takes one message at a
time never takes another. Here the count goes down whatever happens: Redis gives such a message
again after the visibility timeout, and nothing is found to claim.
"""

from kombu.transport import redis, virtual


class QoS(redis.QoS):
    """Which messages of a channel are being worked on."""

    def ack(self, delivery_tag: str) -> None:
        """A message is done.

        Raises:
            RedisError: The broker does not know.
        """
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call] # kombu's are not
        except BaseException:
            virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call] # likewise
            raise

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's
        """A message is given back, or away.

        Raises:
            RedisError: The broker does not know.
        """
        try:
            super().reject(delivery_tag, requeue)  # type: ignore[no-untyped-call] # likewise
        except BaseException:
            virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call] # likewise
            raise


class Channel(redis.Channel):
    """A channel that counts so."""

    QoS = QoS


class Transport(redis.Transport):
    """Named in Celery's `broker_transport`."""

    Channel = Channel
