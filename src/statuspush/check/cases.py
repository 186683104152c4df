"""The test cases: real pushes, marked as tests, and requests that are not pushes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import msgspec

from statuspush.core.contract import Wire
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission
from statuspush.core.wire import body
from statuspush.core.words import Words

Expected = Literal["acknowledged", "refused", "either"]

_SAMPLE: Final = Submission(
    account="check",
    sid="",
    uid="statuspush-check",
    user_receive_time="2024-05-17 10:22:33",
    duration=15,
    error_msg=None,
    mobile="15205201314",
    report_status="SUCCESS",
)
_REASON: Final = "用户信号不佳、关机等"
_LONG_REASON: Final = "被叫号码所在地区的线路繁忙，请稍后再试；用户信号不佳、关机等"


def _failed(error_msg: str | None) -> dict[str, object]:
    return {"error_msg": error_msg, "report_status": "FAIL", "duration": 0}


_VALUES: Final[tuple[tuple[Words, dict[str, object]], ...]] = (
    (Words("mobile +37258483726", "mobile +37258483726"), {"mobile": "+37258483726"}),
    (Words("error_msg 50%", "error_msg 50%"), _failed("50%")),
    (Words("error_msg a+b", "error_msg a+b"), _failed("a+b")),
    (Words("error_msg %2B", "error_msg %2B"), _failed("%2B")),
    (Words("Chinese in error_msg", "error_msg 中的中文"), _failed(_REASON)),
    (
        Words("quotation marks and a backslash", "引号和反斜杠"),
        _failed("say \"no\" \\ to 'it' & <more>=;"),
    ),
    (Words("uid null", "uid 为 null"), {"uid": None}),
    (Words("uid an empty string", "uid 为空字符串"), {"uid": ""}),
    (Words("FAIL with error_msg null", "FAIL 且 error_msg 为 null"), _failed(None)),
)
"""Values that a faulty endpoint gets wrong or fails on."""

_FORMS: Final = {
    Wire.ROBUST: Words("robust form", "稳健编码"),
    Wire.PLAIN: Words("encoded once", "编码一次"),
    Wire.DOUBLE: Words("encoded twice", "编码两次"),
}


@dataclass(frozen=True)
class Case:
    """One request, and what a correct endpoint does with it."""

    name: str
    title: Words
    body: bytes
    expected: Expected = "acknowledged"
    reports: Sequence[Submission] = ()
    method: str = "POST"
    push: str = ""
    """Its ``webhook-id``; a repeat has the same one."""
    attempt: int = 1
    wire: Wire = Wire.ROBUST


@dataclass
class Cases:
    """Makes cases; each report of a run has a sid that no other has."""

    run: str = field(default_factory=lambda: f"{time.time_ns() // 1000:x}")
    _made: int = 0

    def report(self, **fields: object) -> Submission:
        """A report marked as test data, with these fields."""
        self._made += 1
        own = {
            "sid": f"check{self.run}{self._made:05d}",
            "uid": f"statuspush-check-{self._made}",
        }
        return msgspec.structs.replace(_SAMPLE, **(own | fields))

    def push(
        self, name: str, title: Words, reports: Sequence[Submission], wire: Wire = Wire.ROBUST
    ) -> Case:
        """A push of these reports."""
        content = body(b"\n".join(VOICE_STATUS.fragments(reports)), wire, VOICE_STATUS)
        return Case(
            name, title, content, reports=tuple(reports), push=self._push_id(name), wire=wire
        )

    def _push_id(self, name: str) -> str:
        return f"check_{self.run}_{name}"

    def wire_forms(self) -> list[Case]:
        """One report in each encoding that platforms use."""
        return [
            self.push(
                wire.value,
                Words(f"one report, {form.en}", f"一条报告，{form.zh}"),
                [self.report()],
                wire,
            )
            for wire, form in _FORMS.items()
        ]

    def values(self, wire: Wire) -> Case:
        """A push of all difficult values."""
        form = _FORMS[wire]
        title = Words(f"difficult values, {form.en}", f"特殊取值，{form.zh}")
        return self.push(
            f"values-{wire.value}", title, [self.report(**each) for _, each in _VALUES], wire
        )

    def values_alone(self, wire: Wire) -> list[Case]:
        """Each difficult value in a separate push, titled by the value."""
        return [
            self.push(f"values-{wire.value}-{number}", label, [self.report(**each)], wire)
            for number, (label, each) in enumerate(_VALUES, start=1)
        ]

    def repeat(self, case: Case) -> Case:
        """The same push again, as after an answer that was lost."""
        return replace(case, name="repeat", title=Words("a repeat", "重复推送"), attempt=2)

    def full(self, wire: Wire, count: int = VOICE_STATUS.max_reports) -> Case:
        """As many reports as a push holds, all of them failed calls.

        The messages are long in the robust form and ordinary when encoded twice: the bodies are
        as large as real ones get, some 260 kB.
        """
        reason = _LONG_REASON if wire is Wire.ROBUST else _REASON
        reports = [self.report(mobile="+8615205201314", **_failed(reason)) for _ in range(count)]
        form = _FORMS[wire]
        title = Words(f"{count} reports, {form.en}", f"{count} 条报告，{form.zh}")
        return self.push(f"full-{wire.value}", title, reports, wire)

    def no_pushes(self) -> list[Case]:
        """What must not be acknowledged; for an empty array it does not matter."""
        good = self.push("half", Words("half a body", "不完整的请求体"), [self.report()])
        cases = [
            Case(
                "empty-array", Words("an empty array", "空数组"), b"voice_status=%5B%5D", "either"
            ),
            Case("no-parameter", Words("no parameter", "缺少参数"), b"hello=world"),
            Case("not-json", Words("not JSON", "不是 JSON"), b"voice_status=hello"),
            Case(
                "bad-encoding",
                Words("bad percent-encoding", "错误的百分号编码"),
                b"voice_status=%5B%7B%22sid%22%3A%zz",
            ),
            replace(good, body=good.body[: len(good.body) // 2], reports=()),
            Case("get", Words("a GET", "GET 请求"), b"", method="GET"),
            replace(good, name="put", title=Words("a PUT", "PUT 请求"), method="PUT", reports=()),
        ]
        return [
            replace(
                case,
                push=self._push_id(case.name),
                expected="refused" if case.expected == "acknowledged" else case.expected,
            )
            for case in cases
        ]

    def concurrent(self, count: int = 8) -> list[Case]:
        """Pushes to be sent at the same time."""
        title = Words(f"{count} concurrent pushes", f"同时 {count} 次")
        return [self.push(f"at-once-{n + 1}", title, [self.report()]) for n in range(count)]

    def slow(self) -> Case:
        """A push to be sent in pieces."""
        reports = [self.report() for _ in range(20)]
        return self.push("slow", Words("a slow body", "缓慢的请求体"), reports)

    def beside(self) -> Case:
        """A push to be sent while a slow one is under way."""
        title = Words("another one meanwhile", "与此同时的另一推送")
        return self.push("beside", title, [self.report()])
