"""Who may push, and how much: checked before a body is parsed."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import parse_qsl

from statuspush.core.errors import InputError
from statuspush.core.signature import validate_secret, verify

MAX_BODY_BYTES: Final = 4 << 20
BODY_SECONDS: Final = 10.0
TOLERANCE_SECONDS: Final = 300
"""How far a signature's time may be from ours, as the Standard Webhooks specification advises."""
_MIN_TOKEN: Final = 16
_BEARER: Final = "bearer "


class Refused(Exception):
    """A push that is refused; the answer says why without revealing what would be right."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        """Keep the HTTP status, the reason as a word for programs, and a sentence for people."""
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Gate:
    """What a push must present. Without tokens, networks and secrets anybody may push."""

    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Account -> its token, which is the last part of the URL's path
    (``https://host/voice/TOKEN``), its query's ``token``, or an ``Authorization: Bearer``."""
    networks: Sequence[str] = ()
    """Addresses and networks that may push: ``203.0.113.7``, ``2001:db8::/32``."""
    secrets: Sequence[str] = field(default=(), repr=False)
    """Signing secrets (``whsec_…``); with one, an unsigned push is refused. Two while the platform
    changes from one to the other."""
    max_body_bytes: int = MAX_BODY_BYTES
    body_seconds: float = BODY_SECONDS
    """How long a body may take to arrive."""
    tolerance_seconds: int = TOLERANCE_SECONDS

    def __post_init__(self) -> None:
        """Raise InputError for values that can't be meant."""
        for account, token in self.tokens.items():
            if len(token) < _MIN_TOKEN or not token.isascii() or "/" in token:
                raise InputError(
                    f"the token of {account!r} must be at least {_MIN_TOKEN} ASCII characters"
                    " without a slash"
                )
        for secret in self.secrets:
            validate_secret(secret)
        object.__setattr__(self, "_networks", [_network(each) for each in self.networks])

    def account(self, path: str, query: str, headers: Mapping[str, str], client: str | None) -> str:
        """Whose push it is, before its body is read; empty without tokens.

        :param headers: with names in lower case.
        :param client: the caller's address, as reported by the server or a proxy in front of it.

        Raises :class:`Refused`.
        """
        networks: list[IPv4Network | IPv6Network] = self.__dict__["_networks"]
        if networks and not _within(client, networks):
            raise Refused(403, "address", "this address may not push here")
        if not self.tokens:
            return ""
        given = _token(path, query, headers).encode()
        # All of them, so that the time does not reveal which one matched.
        found = [
            account
            for account, token in self.tokens.items()
            if hmac.compare_digest(given, token.encode())
        ]
        if not found:
            raise Refused(401, "token", "the token is missing or wrong")
        return found[0]

    def check_signature(self, headers: Mapping[str, str], body: bytes, now_seconds: float) -> None:
        """Raise :class:`Refused` unless this body was signed recently with one of the secrets."""
        if not self.secrets:
            return
        push, stamp, signature = (
            headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
        )
        if not (push and stamp and signature):
            raise Refused(401, "signature", "the push is not signed")
        if not verify(self.secrets, push, stamp, body, signature):
            raise Refused(401, "signature", "the signature is not that of this body")
        if abs(now_seconds - int(stamp)) > self.tolerance_seconds:
            raise Refused(401, "signature", "the signature is too old, or a clock is wrong")

    def check_size(self, size: int) -> None:
        """Raise :class:`Refused` for a body that is too large."""
        if size > self.max_body_bytes:
            raise Refused(
                413, "too_large", f"the body is larger than {self.max_body_bytes:,} bytes"
            )


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise InputError(f"{text!r} is not an address or network: {error}") from None


def _within(client: str | None, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(client or "")
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in networks)


def _token(path: str, query: str, headers: Mapping[str, str]) -> str:
    authorization = headers.get("authorization", "")
    if authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip()
    in_query = dict(parse_qsl(query)).get("token") if "token=" in query else None
    return in_query or path.rstrip("/").rpartition("/")[2]
