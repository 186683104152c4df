"""Days of a service's life, lived on the store with a clock turned by hand.

Reports are appended, claimed, recorded as delivered and swept as the service does it, so that a
file has not only reports but the pushes that carried them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from statuspush.core.batch import make_batch
from statuspush.core.contract import Mode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission
from statuspush.core.lifecycle import Deliver
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.push import Attempt
from statuspush.store.base import ClaimedPush, Recording
from statuspush.store.contracts import Store

DAY_MS: Final = 86_400_000
_PER_REQUEST: Final = 1000
_ROUND: Final = 64
_LEASE_MS: Final = 360_000


@dataclass(frozen=True)
class Stretch:
    """A stretch of time in which reports came at a constant rate.

    They come in ``ticks``; what came in one is pushed together, so that a push carries as many
    reports of an account as one tick brings it.
    """

    began: int
    """Milliseconds since the epoch."""
    lasts: int
    reports: int
    ticks: int


async def open_accounts(store: Store, accounts: Sequence[str], now: int) -> None:
    """Create accounts that are pushed to."""
    for account in accounts:
        await store.put_account(account, account, b"", now)
        url = f"http://127.0.0.1:1/{account}"
        await store.change_push(account, {"mode": Mode.ON, "url": url}, now)


async def live(
    store: Store, accounts: Sequence[str], stretch: Stretch, *, tag: str, keep_ms: int | None
) -> None:
    """Live a stretch; with ``keep_ms``, what is older is removed meanwhile."""
    done = 0
    for tick in range(stretch.ticks):
        now = stretch.began + stretch.lasts * tick // stretch.ticks
        upto = stretch.reports * (tick + 1) // stretch.ticks
        requests = [
            make_batch(
                [_report(accounts, n, tag) for n in range(start, min(start + _PER_REQUEST, upto))],
                VOICE_STATUS,
            )
            for start in range(done, upto, _PER_REQUEST)
        ]
        done = upto
        await store.append_reports(requests, now)
        while claims := await store.claim_pushes(
            now, limit=_ROUND, suspect_limit=_ROUND, lease_ms=_LEASE_MS, owner="benchmark"
        ):
            await store.record_outcomes([_delivered(claim, now) for claim in claims], now)
        keep_from = 0 if keep_ms is None else now - keep_ms
        while (await store.sweep(now, keep_from=keep_from)).more:
            pass


def _report(accounts: Sequence[str], number: int, tag: str) -> Submission:
    failed = number % 3 == 0
    return Submission(
        account=accounts[number % len(accounts)],
        sid=f"{tag}{number:020d}",
        user_receive_time="2026-03-03 01:02:03",
        duration=0 if failed else number % 90,
        mobile=f"1{number % 10**7:07d}{len(tag):03d}",
        report_status="FAIL" if failed else "SUCCESS",
        uid=None if number % 2 else f"order-{number}",
        error_msg="用户信号不佳、关机等" if failed else None,
    )


def _delivered(claim: ClaimedPush, now: int) -> Recording:
    return Recording(
        push=claim.id,
        token=claim.token,
        attempt=Attempt(
            number=claim.attempt,
            started_at=now,
            duration_ms=2,
            verdict=Verdict(Outcome.ACKNOWLEDGED, 200, b"SUCCESS"),
            reports=claim.reports,
        ),
        decision=Deliver(),
    )
