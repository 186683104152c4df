"""An inbox, a clock turned by hand, and pushes as senders make them."""

import json
from urllib.parse import quote

import pytest
from tests.scaffolding import ManualClock

from statuspush.core.kinds import VOICE_STATUS
from statuspush.receiver.endpoint import Endpoint
from statuspush.receiver.gate import Gate
from statuspush.receiver.inbox import Inbox, read_batches

FORM = {"content-type": "application/x-www-form-urlencoded;charset=utf-8;"}


def push(*reports):
    """The body of a push; a text stands for a report of that sid."""
    whole = [{"sid": each} if isinstance(each, str) else each for each in reports]
    return b"voice_status=" + quote(json.dumps(whole), safe="").encode()


def batches(inbox):
    """All that is in the inbox."""
    return inbox.run(lambda c: read_batches(c, 0, 100_000)).result(10)


def kept(inbox, account=None):
    """Sids in the inbox, in order."""
    return [
        json.loads(line)["sid"]
        for batch in batches(inbox)
        if account is None or batch.account == account
        for line in batch.body.split(b"\n")
    ]


@pytest.fixture
def inbox(tmp_path):
    opened = Inbox.open(tmp_path / "inbox.db", VOICE_STATUS)
    yield opened
    opened.close()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def endpoint(inbox, clock):
    """Make an endpoint with this gate."""
    return lambda **gate: Endpoint(inbox, Gate(**gate), clock, VOICE_STATUS)
