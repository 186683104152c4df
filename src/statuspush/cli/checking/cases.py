"""What an endpoint is tried with: real pushes that are marked as tests, and what is no push."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from statuspush.core.contract import VOICE_STATUS, Wire
from statuspush.core.fragment import fragments
from statuspush.core.report import Submission
from statuspush.core.wire import body

Expected = Literal["acknowledged", "refused", "either"]

_RECEIVED: Final = "2024-05-17 10:22:33"
_REASON: Final = "用户信号不佳、关机等"
_LONG_REASON: Final = "被叫号码所在地区的线路繁忙，请稍后再试；用户信号不佳、关机等"


@dataclass(frozen=True)
class Case:
    """One request, and what a right endpoint does with it."""

    name: str
    title: str
    title_zh: str
    body: bytes
    expected: Expected = "acknowledged"
    reports: Sequence[Submission] = ()
    method: str = "POST"
    push: str = ""
    """Its ``webhook-id``; the same again for a repeat."""
    attempt: int = 1


@dataclass
class Cases:
    """Makes cases; each report of a run has a sid that no other has."""

    run: str = field(default_factory=lambda: f"{time.time_ns() // 1000:x}")
    _made: int = 0

    def report(self, **fields: object) -> Submission:
        """A report marked as test data, with these fields."""
        self._made += 1
        sample = Submission(
            account="check",
            sid=f"check{self.run}{self._made:05d}",
            uid=f"statuspush-check-{self._made}",
            user_receive_time=_RECEIVED,
            duration=15,
            error_msg=None,
            mobile="15205201314",
            report_status="SUCCESS",
        )
        given = {key: getattr(sample, key) for key in sample.__struct_fields__}
        return Submission(**(given | fields))

    def push(
        self, name: str, title: str, title_zh: str, wire: Wire, reports: Sequence[Submission]
    ) -> Case:
        """A push of these reports."""
        content = body(b"\n".join(fragments(reports)), wire)
        push = f"check_{self.run}_{name}"
        return Case(name, title, title_zh, content, reports=tuple(reports), push=push)

    def wire_forms(self) -> list[Case]:
        """A report in each encoding that platforms use."""
        titles = {
            Wire.ROBUST: ("robust form, one report", "稳健编码，一条报告"),
            Wire.PLAIN: ("encoded once", "编码一次"),
            Wire.DOUBLE: ("encoded twice", "编码两次"),
        }
        return [self.push(wire.value, *titles[wire], wire, [self.report()]) for wire in titles]

    def values(self) -> list[Case]:
        """What comes out wrong where decoding is wrong, in each encoding."""
        return [
            self.push(
                f"values-{wire.value}",
                f"difficult values, {wire.value}",
                f"特殊取值，{wire.value}",
                wire,
                [
                    self.report(mobile="+37258483726", uid=None),
                    self.report(error_msg="50%", report_status="FAIL", duration=0),
                    self.report(error_msg="a+b", uid=""),
                    self.report(error_msg="%2B %41"),
                    self.report(error_msg="say \"no\" \\ to 'it' & <more>=;"),
                    self.report(error_msg=_REASON, report_status="FAIL", uid=None),
                ],
            )
            for wire in Wire
        ]

    def repeat(self, case: Case) -> Case:
        """The same push again, as after an answer that was lost."""
        return replace(case, name="repeat", title="a repeat", title_zh="重复推送", attempt=2)

    def full(self, wire: Wire, count: int = VOICE_STATUS.max_reports) -> Case:
        """As many reports as a push holds, with long messages."""
        reports = [
            self.report(error_msg=_LONG_REASON, report_status="FAIL", mobile="+8615205201314")
            for _ in range(count)
        ]
        return self.push(
            f"full-{wire.value}",
            f"{count} reports, {wire.value}",
            f"{count} 条报告，{wire.value}",
            wire,
            reports,
        )

    def no_pushes(self) -> list[Case]:
        """What must not be acknowledged."""
        good = self.push("half", "half a body", "不完整的请求体", Wire.ROBUST, [self.report()])
        return [
            Case("empty-array", "an empty array", "空数组", b"voice_status=%5B%5D", "either"),
            Case("no-parameter", "no parameter", "缺少参数", b"hello=world", "refused"),
            Case("not-json", "not JSON", "不是 JSON", b"voice_status=hello", "refused"),
            Case(
                "bad-encoding",
                "bad percent-encoding",
                "错误的百分号编码",
                b"voice_status=%5B%7B%22sid%22%3A%zz",
                "refused",
            ),
            replace(good, body=good.body[: len(good.body) // 2], expected="refused", reports=()),
            Case("get", "a GET", "GET 请求", b"", "refused", method="GET"),
            Case("put", "a PUT", "PUT 请求", good.body, "refused", method="PUT"),
        ]

    def concurrent(self, count: int = 8) -> list[Case]:
        """Pushes to be sent at once."""
        return [
            self.push(f"at-once-{n + 1}", "at once", "并发", Wire.ROBUST, [self.report()])
            for n in range(count)
        ]
