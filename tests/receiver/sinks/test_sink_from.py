"""The text after ``--to`` names a sink, or the error says what is wrong with it."""

import pytest

from statuspush.core.errors import InputError
from statuspush.receiver.sinks import FORMS, sink_from


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("stdout", "StdoutSink"),
        (" stdout ", "StdoutSink"),
        ("jsonl:/var/reports", "JsonLinesSink"),
        ("command:gzip >> reports.gz", "CommandSink"),
        ("python:mine:take", "PythonSink"),
        ("http://127.0.0.1:8080/reports", "ForwardSink"),
        ("https://name:word@example.com/", "ForwardSink"),
        ("HTTPS://example.com/", "ForwardSink"),
        ("postgresql://u:p@db/voice/reports", "PostgresqlSink"),
        ("postgres://db/voice?table=archive.reports", "PostgresqlSink"),
        ("nats://127.0.0.1:4222/voice.status", "NatsSink"),
        ("nats://a:4222,b:4222/voice", "NatsSink"),
        ("kafka://a:9092,b:9092/voice", "KafkaSink"),
        ("amqp://u:p@rabbit/voice", "RabbitSink"),
        ("amqps://u:p@rabbit/host/voice?routing_key=x", "RabbitSink"),
        ("redis://127.0.0.1:6379/voice", "RedisSink"),
        ("rediss://:p@cache/2/voice?kind=channel", "RedisSink"),
    ],
)
def test_a_text_names_a_sink(text, made):
    assert type(sink_from(text)).__name__ == made


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no sink is named"),
        ("stdin", 'no sink is named "stdin"'),
        ("jsonl:", 'nothing follows "jsonl:"'),
        ("command: ", 'nothing follows "command:"'),
        ("python:module", '"module" is not MODULE:FUNCTION'),
        ("http:example.com", '"http:" is not followed by "//"'),
        ("https:///reports", "the URL has no host"),
        ("http://[::1/", "http: "),
        ("postgresql://db", "postgresql://…/DATABASE/TABLE"),
        ("postgresql://db/a/b/c", "postgresql://…/DATABASE/TABLE"),
        ("postgresql://db/a?table=a.b.c", '"a.b.c" is not the name of a table'),
        ("nats://127.0.0.1:4222", "the nats URL does not end with a name"),
        ("nats:///subject", "the nats URL has no host"),
        ("nats://127.0.0.1/a/b", "the nats URL has too many parts"),
        ("kafka://u:p@host/topic", "kafka: a user in the URL is not supported"),
        ("redis://host/name?kind=list", "redis: kind is stream or channel"),
    ],
)
def test_an_error_names_the_mistake_and_the_forms(text, told):
    with pytest.raises(InputError) as caught:
        sink_from(text)
    assert told in str(caught.value)
    assert all(form in str(caught.value) for form in FORMS)


def test_an_error_never_repeats_a_password():
    with pytest.raises(InputError) as caught:
        sink_from("postgesql://user:word-of-secrecy@db/voice/reports")
    assert "word-of-secrecy" not in str(caught.value)
