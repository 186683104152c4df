"""Voice reports as a platform would submit them, invented."""

import json
from datetime import datetime
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

_ZONE: Final = ZoneInfo("Asia/Shanghai")
_FAILURES: Final = (
    "用户信号不佳、关机等",
    "用户未接听",
    "用户正在通话中",
    "空号",
    "Send Exception",
    "被叫拒接（50% 时段）",
)


def voice_report(rng: Random, account: str) -> tuple[str, bytes]:
    """A report of the account: its sid, and the line of NDJSON that submits it.

    Three of four calls succeed. Numbers are from the mainland or, with ``+``, from Estonia, and
    texts hold what a careless encoder breaks: Chinese, spaces, ``+`` and ``%``.
    """
    sid = f"{rng.getrandbits(128):032x}"
    answered = rng.random() < 0.75
    report = {
        "account": account,
        "sid": sid,
        "uid": f"order+{rng.randrange(10**6)}" if rng.random() < 0.8 else None,
        "user_receive_time": f"{datetime.now(_ZONE):%Y-%m-%d %H:%M:%S}",
        "duration": rng.randrange(3, 90) if answered else 0,
        "error_msg": None if answered else rng.choice(_FAILURES),
        "mobile": _mobile(rng),
        "report_status": "SUCCESS" if answered else "FAIL",
    }
    return sid, json.dumps(report, ensure_ascii=False).encode()


def _mobile(rng: Random) -> str:
    if rng.random() < 0.2:
        return f"+3725{rng.randrange(10**7):07d}"
    return f"15{rng.randrange(10**9):09d}"
