"""The one place where the request of a push is assembled."""

from standardwebhooks.webhooks import Webhook

from statuspush.core.contract import PUSH_HEADERS
from statuspush.core.push_request import push_request

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://acme.example/voice_status"
BODY = b"voice_status=%5B%5D"


def made(**changes):
    given = {"push": "psh_1", "attempt": 3, "signed_at": 1_700_000_000, **changes}
    return push_request(URL, BODY, **given)


def test_url_body_and_limits_go_through_as_given():
    request = made(connect_seconds=1.5, timeout_seconds=9.0)
    assert (request.url, request.body) == (URL, BODY)
    assert (request.connect_seconds, request.timeout_seconds) == (1.5, 9.0)


def test_the_contracts_headers_come_first_then_the_accounts_then_id_and_attempt():
    request = made(extra_headers=(("X-Team", "voice"),))
    assert request.shared_headers == (*PUSH_HEADERS, ("X-Team", "voice"))
    assert request.headers == [("webhook-id", "psh_1"), ("X-Push-Attempt", "3")]


def test_without_a_secret_nothing_is_signed():
    names = {name for name, _ in made().headers}
    assert not {"webhook-timestamp", "webhook-signature"} & names


def test_a_signature_is_what_standard_webhooks_makes_of_id_time_and_body():
    from datetime import UTC, datetime

    signed = dict(made(secret=SECRET).headers)
    at = datetime.fromtimestamp(1_700_000_000, UTC)
    assert signed["webhook-timestamp"] == "1700000000"
    assert signed["webhook-signature"] == Webhook(SECRET).sign("psh_1", at, BODY.decode())
