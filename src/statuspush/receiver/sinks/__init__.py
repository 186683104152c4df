"""Sinks: where the receiver service passes reports on to (``statuspush receive --to SINK``)."""

from collections.abc import Callable
from typing import Final

from statuspush.core.errors import InputError
from statuspush.receiver.sinks.base import Sink
from statuspush.receiver.sinks.command import CommandSink
from statuspush.receiver.sinks.forward import ForwardSink
from statuspush.receiver.sinks.jsonl import JsonLinesSink
from statuspush.receiver.sinks.kafka import KafkaSink
from statuspush.receiver.sinks.nats import NatsSink
from statuspush.receiver.sinks.postgresql import PostgresqlSink
from statuspush.receiver.sinks.python import PythonSink
from statuspush.receiver.sinks.rabbit import RabbitSink
from statuspush.receiver.sinks.redis import RedisSink
from statuspush.receiver.sinks.stdout import StdoutSink

__all__ = ["FORMS", "Sink", "sink_from"]

FORMS: Final = (
    "stdout",
    "jsonl:DIRECTORY",
    "command:COMMAND",
    "python:MODULE:FUNCTION",
    "http://HOST/PATH",
    "https://HOST/PATH",
    "postgresql://USER:PASSWORD@HOST/DATABASE/TABLE",
    "nats://HOST:4222/SUBJECT",
    "kafka://HOST:9092/TOPIC",
    "amqp://USER:PASSWORD@HOST/QUEUE",
    "redis://HOST:6379/STREAM",
)
"""What :func:`sink_from` understands."""

_AFTER_COLON: Final[dict[str, Callable[[str], Sink]]] = {
    "jsonl": JsonLinesSink,
    "command": CommandSink,
    "python": PythonSink,
}
_URLS: Final[dict[str, Callable[[str], Sink]]] = {
    "http": ForwardSink,
    "https": ForwardSink,
    "postgresql": PostgresqlSink,
    "postgres": PostgresqlSink,
    "nats": NatsSink,
    "tls": NatsSink,
    "kafka": KafkaSink,
    "amqp": RabbitSink,
    "amqps": RabbitSink,
    "redis": RedisSink,
    "rediss": RedisSink,
}


def sink_from(text: str) -> Sink:
    """Make the sink that a text names; the :class:`InputError` it raises says what is wrong."""
    text = text.strip()
    kind, colon, rest = text.partition(":")
    kind = kind.lower()
    if text == "stdout":
        return StdoutSink()
    if kind in _AFTER_COLON:
        if not rest.strip():
            raise _wrong(f'nothing follows "{kind}:"')
        make, argument = _AFTER_COLON[kind], rest.strip()
    elif kind in _URLS:
        if not rest.startswith("//"):
            raise _wrong(f'"{kind}:" is not followed by "//"')
        make, argument = _URLS[kind], text
    else:
        # Not the text: a mistyped URL may have a password in it.
        raise _wrong(f'no sink is named "{kind}"' if colon or kind else "no sink is named")
    try:
        return make(argument)
    except InputError as error:
        raise _wrong(str(error)) from None
    except ValueError as error:
        raise _wrong(f"{kind}: {error}") from None


def _wrong(reason: str) -> InputError:
    return InputError(f"{reason}; a sink is one of: {', '.join(FORMS)}")
