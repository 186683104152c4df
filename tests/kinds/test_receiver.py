"""A second kind of report at its receiver."""

import asyncio
import queue

import pytest
from tests.kinds.sms_reply import SMS_REPLY, Reply

from statuspush.core.contract import Wire
from statuspush.core.fragment import sample_fragments
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.wire import body
from statuspush.receiver import Receiver, decode
from statuspush.receiver.sinks.postgresql import PostgresqlSink, _columns, _row

FORM = {"content-type": "application/x-www-form-urlencoded;charset=utf-8;"}
PUSHED = body(sample_fragments(SMS_REPLY), Wire.ROBUST, SMS_REPLY)


def test_a_decoded_report_is_the_kinds_own_type():
    (reply,) = decode(PUSHED, kind=SMS_REPLY)
    assert isinstance(reply, Reply)
    assert (reply.id, reply.phone, reply.result) == ("r1", "+37258483726", 3)


def test_a_report_knows_what_came_beside_its_keys():
    reply = Reply({"more": 1, "result": "7", "id": "r1"})
    assert reply.extra == {"more": 1}
    assert reply.typed() == {"id": "r1", "phone": None, "result": 7}
    assert reply.json() == b'{"id":"r1","result":"7","more":1}'
    assert repr(reply) == "<Reply r1>"


@pytest.fixture
def receiving(tmp_path):
    got = queue.SimpleQueue()
    receiver = Receiver(f"sqlite:///{tmp_path}/inbox.db", kind=SMS_REPLY)
    receiver.on_report(got.put)
    receiver.start()
    yield receiver, got
    receiver.stop()


def test_a_push_is_stored_acknowledged_and_handled_once(receiving):
    receiver, got = receiving
    for _ in range(2):
        assert receiver.accept(PUSHED, FORM).acknowledged
    assert got.get(timeout=10) == Reply({"id": "r1", "phone": "+37258483726", "result": 3})
    assert receiver.counts() == {"acknowledged": 2, "reports": 1, "repeats": 1}


def test_ids_are_known_after_a_restart(tmp_path):
    for repeats in (0, 1):
        receiver = Receiver(f"sqlite:///{tmp_path}/inbox.db", kind=SMS_REPLY).start()
        receiver.accept(PUSHED, FORM)
        assert receiver.counts()["repeats"] == repeats
        receiver.stop()


def test_a_push_of_another_kind_is_refused(receiving):
    receiver, _ = receiving
    other = body(sample_fragments(VOICE_STATUS), Wire.ROBUST, VOICE_STATUS)
    assert receiver.accept(other, FORM).status == 400


def test_a_table_has_the_kinds_columns():
    assert _columns(SMS_REPLY) == {
        "id": "text", "phone": "text", "result": "integer", "account": "text", "extra": "jsonb",
    }  # fmt: skip
    reply = Reply({"id": "r1", "phone": "110", "result": 2**31}, "acme")
    assert _row(reply, SMS_REPLY) == ["r1", "110", None, "acme", '{"result":2147483648}']


def test_the_table_is_named_for_the_kind():
    sink = PostgresqlSink("postgresql://localhost/calls", kind=SMS_REPLY)
    assert sink._table == ("sms_reply",)
    asyncio.run(sink.close())
