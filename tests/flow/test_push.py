"""The push itself, as the customer sees it (contract section 2 and 5)."""

import base64
import json
from itertools import chain

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from statuspush.core.contract import Wire
from statuspush.core.kinds import VOICE_STATUS

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()

BODY = (
    b"voice_status=%5B"
    b"%7B%22sid%22%3A%22acme-0%22%2C%22uid%22%3Anull%2C"
    b"%22user_receive_time%22%3A%222026-01-02%2011%3A00%3A00%22%2C%22duration%22%3A15%2C"
    b"%22error_msg%22%3A%2250%5Cu0025%22%2C%22mobile%22%3A%22%5Cu002b37258483726%22%2C"
    b"%22report_status%22%3A%22SUCCESS%22%7D"
    b"%5D"
)


async def test_the_push_is_this_request_byte_for_byte(house, customers):
    """One POST to the URL, the contract's two headers first, the reports in the robust form."""
    await house.account("acme")
    await house.submit("acme", mobile="+37258483726", uid=None, error_msg="50%")
    await house.settle()
    (posted,) = customers.to("acme")
    (push,) = await house.pushes("acme")
    assert posted.request.url == "https://acme.example/voice"
    assert posted.request.body == BODY
    assert list(posted.headers.items()) == [
        ("Accept", "application/json;charset=utf-8;"),
        ("Content-Type", "application/x-www-form-urlencoded;charset=utf-8;"),
        ("webhook-id", push.id),
        ("X-Push-Attempt", "1"),
    ]
    assert (posted.request.connect_seconds, posted.request.timeout_seconds) == (5.0, 15.0)


async def test_headers_of_the_account_are_sent_too(house, customers):
    """A customer's own headers come with each push, in their order."""
    await house.account("acme", headers=(("X-Key", "k1"), ("X-Other", "2")))
    await house.submit("acme")
    await house.settle()
    assert list(customers.to("acme")[0].headers.items())[2:4] == [("X-Key", "k1"), ("X-Other", "2")]


async def test_the_limits_of_the_account_hold_for_its_sends(house, customers):
    """Connect and total limits are the account's."""
    await house.account("acme", connect_seconds=1.5, timeout_seconds=2.5)
    await house.submit("acme")
    await house.settle()
    request = customers.to("acme")[0].request
    assert (request.connect_seconds, request.timeout_seconds) == (1.5, 2.5)


async def test_every_send_of_a_signed_push_verifies_and_bears_the_same_id(house, customers):
    """The signature covers the raw body and holds for a library that knows only the standard."""
    await house.account("acme", secret=SECRET)
    customers.answer("acme", customers.WRONG)
    await house.submit("acme", 3, error_msg="用户信号不佳、关机等")
    await house.settle()
    for _ in range(3):
        await house.after(300)
    sent = customers.to("acme")
    assert [post.attempt for post in sent] == [1, 2, 3, 4]
    assert len({post.push for post in sent}) == 1
    for post in sent:
        # The library reads the body as JSON once the signature has held; a form is none.
        with pytest.raises(json.JSONDecodeError):
            Webhook(SECRET).verify(post.request.body, post.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(post.request.body + b" ", post.headers)


async def test_without_a_secret_nothing_is_signed(house, customers):
    """The signature headers come with the secret and go with it."""
    await house.account("acme", secret=SECRET)
    await house.submit("acme")
    await house.settle()
    await house.change("acme", secret=None)
    await house.submit("acme")
    await house.settle()
    first, second = (set(post.headers) for post in customers.to("acme"))
    assert first - second == {"webhook-timestamp", "webhook-signature"}


async def test_a_push_holds_at_most_500_reports(house, customers):
    """1,201 waiting reports go as 500, 500 and 201, in order."""
    await house.account("acme")
    sids = await house.submit("acme", 1201)
    await house.settle()
    assert [len(push) for push in customers.sids("acme")] == [500, 500, 201]
    assert [*chain.from_iterable(customers.sids("acme"))] == sids


async def test_each_wire_form_carries_the_same_reports(house, customers):
    """What is decoded does not depend on how it was encoded."""
    for wire in Wire:
        await house.account(wire.value, wire=wire)
        await house.submit(wire.value, 2, mobile="+37258483726", error_msg="50% %2B a+b 用户")
    await house.settle()
    for wire in Wire:
        for report in customers.to(wire.value)[0].reports:
            assert report["mobile"] == "+37258483726"
            assert report["error_msg"] == "50% %2B a+b 用户"


async def test_the_byte_cap_of_an_account_limits_its_pushes(house, customers):
    """A push is cut before its body outgrows the cap; none of the reports is left out."""
    await house.account("acme", max_bytes=1000)
    sids = await house.submit("acme", 20)
    await house.settle()
    assert all(len(post.request.body) <= 1000 for post in customers.to("acme"))
    assert all(len(push) > 1 for push in customers.sids("acme"))
    assert [*chain.from_iterable(customers.sids("acme"))] == sids


async def test_a_test_push_sends_the_samples_outside_the_queue(house, customers):
    """It stores nothing, is judged like any push, and its id says that it is a test."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG)
    tested = await house.send.test_push((await house.state("acme")).push, VOICE_STATUS.name)
    (posted,) = customers.to("acme")
    assert posted.push.startswith("test_")
    assert not tested.verdict.acknowledged
    assert (tested.verdict.answer, tested.reports) == (b"OK", 2)
    assert tested.body_bytes == len(posted.request.body)
    assert await house.pushes("acme") == []
