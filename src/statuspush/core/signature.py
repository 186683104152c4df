"""The signature of a push, as the Standard Webhooks specification defines it (section 5)."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

from statuspush.core.errors import InputError
from statuspush.core.words import Words

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 -- a prefix, not a secret
MIN_SECRET_BYTES: Final = 24
MAX_SECRET_BYTES: Final = 64
MAX_TIMESTAMP_DIGITS: Final = 15


class InvalidSecret(InputError):
    """A signing secret does not have the form that the specification asks for."""


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature`` for a push.

    ``secret`` is ``whsec_`` and base64, ``message_id`` the value of ``webhook-id``, ``timestamp``
    that of ``webhook-timestamp`` in seconds since the epoch, ``body`` the raw bytes that are sent.
    Returns ``v1,`` and the HMAC-SHA256 in base64. Raises :class:`InvalidSecret`.
    """
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    digest = hmac.digest(_key(secret), signed, "sha256")
    return f"v1,{b64encode(digest).decode()}"


def verify(
    secrets: Sequence[str], message_id: str, timestamp: str, body: bytes, signature: str
) -> bool:
    """Whether ``signature`` was made for this push with one of ``secrets``.

    Takes the values of the three headers as they came. While a secret is being replaced there are
    several secrets, and there may be several signatures, separated by spaces. The caller decides
    how old the timestamp may be. Compares in constant time. Raises :class:`InvalidSecret`.
    """
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= MAX_TIMESTAMP_DIGITS):
        return False
    given = [each.encode() for each in signature.split(" ")]
    made = [sign(secret, message_id, int(timestamp), body).encode() for secret in secrets]
    # Every pair is compared, so that the time does not reveal which one matched.
    equal = [hmac.compare_digest(one, other) for one in given for other in made]
    return True in equal


def validate_secret(secret: str) -> None:
    """Raise :class:`InvalidSecret` unless ``secret`` is ``whsec_`` and base64 of 24 to 64 bytes."""
    _key(secret)


def _key(secret: str) -> bytes:
    # The messages never repeat the secret: they end up in answers and logs.
    if not secret.startswith(SECRET_PREFIX):
        raise InvalidSecret(
            Words(
                f"a secret must begin with {SECRET_PREFIX}", f"签名密钥必须以 {SECRET_PREFIX} 开头"
            )
        )
    try:
        key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        raise InvalidSecret(
            Words(
                f"a secret must be base64 after {SECRET_PREFIX}",
                f"签名密钥在 {SECRET_PREFIX} 之后必须是 base64 编码",
            )
        ) from None
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise InvalidSecret(
            Words(
                f"a secret must be {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes long, "
                f"this one has {len(key)}",
                f"签名密钥的内容必须是 {MIN_SECRET_BYTES} 到 {MAX_SECRET_BYTES} 字节，"
                f"此密钥为 {len(key)} 字节",
            )
        )
    return key
