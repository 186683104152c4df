"""Facts about the signature of a push."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from statuspush.core.errors import InputError
from statuspush.core.signature import sign, validate_secret, verify

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
BODY = b"voice_status=%5B%7B%22sid%22%3A%221%22%7D%5D"


def secret_of(size):
    return "whsec_" + b64encode(b"k" * size).decode()


def headers(signature, timestamp, message_id="push_1"):
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


def test_the_signature_is_the_one_of_the_specification():
    # The example of the Standard Webhooks reference libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("size", [24, 32, 64])
def test_the_reference_verifier_accepts_what_is_signed(size):
    now = int(datetime.now(UTC).timestamp())
    signature = sign(secret_of(size), "push_1", now, BODY)
    verifier = Webhook(secret_of(size))
    with pytest.raises(ValueError, match="Expecting value"):
        # It checks the signature first and then wants JSON, which a form is not.
        verifier.verify(BODY, headers(signature, now))


def test_the_reference_verifier_accepts_a_body_of_json():
    now = int(datetime.now(UTC).timestamp())
    signature = sign(SECRET, "push_1", now, b"[]")
    assert Webhook(SECRET).verify(b"[]", headers(signature, now)) == []


@pytest.mark.parametrize(
    ("body", "message_id"), [(b"[1]", "push_1"), (b"[]", "push_2")], ids=["body", "id"]
)
def test_the_reference_verifier_refuses_what_was_changed(body, message_id):
    now = int(datetime.now(UTC).timestamp())
    signature = sign(SECRET, "push_1", now, b"[]")
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers(signature, now, message_id))


@pytest.mark.parametrize("size", [24, 64])
def test_a_secret_of_24_to_64_bytes_is_valid(size):
    validate_secret(secret_of(size))


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("", "begin with whsec_"),
        (SECRET.removeprefix("whsec_"), "begin with whsec_"),
        ("whsec_", "24 to 64 bytes"),
        (secret_of(23), "24 to 64 bytes long, this one has 23"),
        (secret_of(65), "24 to 64 bytes"),
        ("whsec_not base64!", "base64"),
        ("whsec_密", "base64"),
        (SECRET.rstrip("="), "base64"),
    ],
)
def test_any_other_secret_is_refused_and_not_repeated(secret, words):
    with pytest.raises(InputError, match=words) as caught:
        validate_secret(secret)
    assert secret in {"", "whsec_"} or secret not in str(caught.value)


def test_a_signature_of_ours_is_verified_by_ours():
    made = sign(SECRET, "push_1", 1_700_000_000, BODY)
    assert verify([SECRET], "push_1", "1700000000", BODY, made)
    assert verify([secret_of(24), SECRET], "push_1", "1700000000", BODY, f"v1,AAAA {made}")


@pytest.mark.parametrize(
    ("message_id", "timestamp", "body"),
    [
        ("push_2", "1700000000", BODY),
        ("push_1", "1700000001", BODY),
        ("push_1", "-1700000000", BODY),
        ("push_1", "", BODY),
        ("push_1", "１７００００００００", BODY),
        ("push_1", "1700000000", BODY + b" "),
    ],
)
def test_a_signature_of_anything_else_is_not(message_id, timestamp, body):
    made = sign(SECRET, "push_1", 1_700_000_000, BODY)
    assert not verify([SECRET], message_id, timestamp, body, made)
