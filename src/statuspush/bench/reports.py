"""Invented reports, and the requests that submit them.

All requests of a run are made beforehand except for one number: a template has a placeholder for
it, and one replacement makes the next request. So a run may be long without filling the memory, and
every report has a different sid, uid and mobile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Final

_STAMP: Final = "#######"
_MESSAGE: Final = "\\u7528\\u6237\\u4fe1\\u53f7\\u4e0d\\u4f73\\u3001\\u5173\\u673a\\u7b49"
_INDEX_DIGITS: Final = 13

MOST_REQUESTS: Final = 10**7
"""Numbers that fit the placeholder."""


def _as_json(account: str, sid: str, mobile: str, uid: str | None, number: int) -> str:
    """A submitted report; a third of them are failed calls."""
    failed = number % 3 == 0
    return (
        f'{{"account":"{account}","sid":"{sid}","uid":{_quoted(uid)},'
        f'"user_receive_time":"2026-03-04 05:06:{number % 60:02d}",'
        f'"duration":{0 if failed else number % 90},'
        f'"error_msg":{_quoted(_MESSAGE if failed else None)},"mobile":"{mobile}",'
        f'"report_status":"{"FAIL" if failed else "SUCCESS"}"}}'
    )


def _quoted(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


@dataclass(frozen=True)
class Plan:
    """What is submitted: request after request, each for the next accounts in turn.

    Reports are numbered consecutively from 0, ``per_request`` per request; report n belongs to
    account n modulo the length of ``accounts``, where one that is named more often has more of
    them. Every sid begins with ``tag``, to tell runs apart.
    """

    accounts: Sequence[str]
    per_request: int
    tag: str

    def templates(self, token: str) -> list[bytes]:
        """Whole HTTP requests; request n is made from template n modulo their number."""
        return [self._template(position, token) for position in range(self._cycle)]

    def report(self, number: int) -> str:
        """A report by itself, as JSON."""
        request, index = divmod(number, self.per_request)
        first = request % self._cycle * self.per_request
        return self._report(first + index, index).replace(_STAMP, f"{request:07d}")

    def account(self, number: int) -> str:
        """The account that the report belongs to."""
        return self.accounts[number % len(self.accounts)]

    def number(self, sid: str) -> int | None:
        """Which report a sid belongs to; None if it is not one of this plan."""
        digits = sid[len(self.tag) :]
        if not sid.startswith(self.tag) or len(digits) != _INDEX_DIGITS + len(_STAMP):
            return None
        if not (digits.isascii() and digits.isdigit()):
            return None
        return int(digits[_INDEX_DIGITS:]) * self.per_request + int(digits[:_INDEX_DIGITS])

    @property
    def _cycle(self) -> int:
        """After this many requests the accounts are in the same places again."""
        return len(self.accounts) // gcd(len(self.accounts), self.per_request)

    def _template(self, position: int, token: str) -> bytes:
        first = position * self.per_request
        body = ",".join(self._report(first + n, n) for n in range(self.per_request))
        content = f"[{body}]".encode()
        head = (
            "POST /v1/reports HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content

    def _report(self, number: int, index: int) -> str:
        abroad = number % 5 == 0
        return _as_json(
            account=self.account(number),
            sid=f"{self.tag}{index:0{_INDEX_DIGITS}d}{_STAMP}",
            mobile=f"{'+372' if abroad else '1'}{_STAMP}{index % 1000:03d}",
            uid=None if number % 2 else f"order-{_STAMP}-{index}",
            number=number,
        )


def stamped(template: bytes, number: int) -> bytes:
    """Request ``number`` (below :data:`MOST_REQUESTS`) of its template."""
    return template.replace(_STAMP_BYTES, b"%07d" % number)


_STAMP_BYTES: Final = _STAMP.encode()
