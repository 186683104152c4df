"""What is to be said of what an endpoint did, in both languages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from statuspush.cli.checking.probe import Seen
from statuspush.core.contract import VOICE_STATUS
from statuspush.core.hints import hint
from statuspush.core.outcome import Outcome

Grade = Literal["ok", "warn", "fail"]

SLOW_SECONDS: Final = 1.0
TOO_SLOW_SECONDS: Final = 5.0

_LIMITS: Final = (
    (60_000, "koa-bodyparser (56 kB)", "formLimit: '4mb'"),
    (110_000, "Express (100 kB)", "express.urlencoded({limit: '4mb'})"),
    (210_000, "Jetty (200 kB)", "maxFormContentSize"),
    (525_000, "Werkzeug, Flask (500 kB)", "MAX_FORM_MEMORY_SIZE"),
)
"""Limits that receivers have by default: up to so many bytes it is likely this one."""


@dataclass(frozen=True)
class Finding:
    """A grade of one case, with what to change."""

    name: str
    title: str
    title_zh: str
    grade: Grade
    status: int | None
    milliseconds: int
    en: str = ""
    zh: str = ""


def of_case(seen: Seen) -> Finding:
    """Judge one case by its answer and its time."""
    case, verdict = seen.case, seen.verdict
    grade, en, zh = _answer(seen)
    if grade == "ok" and seen.seconds > SLOW_SECONDS:
        grade = "fail" if seen.seconds > TOO_SLOW_SECONDS else "warn"
        en = f"it took {seen.seconds:.1f} s: store the reports, answer, and do the work afterwards"
        zh = f"用时 {seen.seconds:.1f} 秒：请先保存报告并应答，之后再做处理"
    took = round(seen.seconds * 1000)
    return Finding(case.name, case.title, case.title_zh, grade, verdict.status, took, en, zh)


def _answer(seen: Seen) -> tuple[Grade, str, str]:  # noqa: PLR0911 - one for each way to be wrong
    case, verdict = seen.case, seen.verdict
    acknowledged = verdict.acknowledged
    if case.expected == "acknowledged" and not acknowledged:
        return ("fail", *_hints(seen))
    if case.expected == "either" and not acknowledged:
        return (
            "warn",
            "an empty array was not acknowledged; no platform should send one, but a push without "
            "reports has nothing that could fail",
            "未确认空数组；平台一般不会发送空数组，但没有报告的推送也没有可失败之处",
        )
    if case.expected != "refused":
        return ("ok", "", "")
    if acknowledged:
        return (
            "fail",
            "this is no push and was acknowledged all the same: an error while decoding must not "
            "end in SUCCESS, or reports are lost unseen",
            "这不是有效的推送却得到了确认：解码出错时绝不能返回 SUCCESS，否则报告会悄悄丢失",
        )
    if verdict.outcome is Outcome.TIMEOUT:
        return ("fail", "no answer came; say 400 at once", "没有应答；应立即返回 400")
    if verdict.status is not None and verdict.status >= 500:
        return (
            "warn",
            f"refused with {verdict.status}, as if the fault were yours; a 400 with the reason is "
            "easier to find in a log",
            f"以 {verdict.status} 拒绝，看起来像是服务端故障；返回 400 并说明原因更便于排查",
        )
    return ("ok", "", "")


def _hints(seen: Seen) -> tuple[str, str]:
    v = seen.verdict
    return (
        hint(v.outcome, v.status, v.answer, v.detail, "en"),
        hint(v.outcome, v.status, v.answer, v.detail, "zh"),
    )


def of_size(taken: int, refused: int, seen: Seen) -> Finding:
    """Bodies of ``taken`` bytes are acknowledged, those of ``refused`` bytes are not."""
    likely = next((entry for entry in _LIMITS if taken < entry[0] and refused > taken), None)
    where = f"{refused / 1000:.0f} kB"
    en = f"bodies of {where} fail, {taken / 1000:.0f} kB pass: raise the limit for request bodies"
    zh = f"{where} 的请求体失败，{taken / 1000:.0f} kB 可以通过：请调大请求体上限"
    if likely is not None:
        en += f"; this looks like the default of {likely[1]}: {likely[2]}"
        zh += f"；很像 {likely[1]} 的默认值：{likely[2]}"
    en += f"; or have the platform set max_bytes to {taken}"
    zh += f"；或请平台将 max_bytes 设为 {taken}"
    took = round(seen.seconds * 1000)
    return Finding("size", "size", "大小", "fail", seen.verdict.status, took, en, zh)


def of_echo(sent: Iterable[Seen], understood: Sequence[Mapping[str, object]]) -> list[Finding]:
    """Compare each field of what was acknowledged with what the endpoint shows it understood."""
    by_sid: dict[str, list[Mapping[str, object]]] = {}
    for each in understood:
        by_sid.setdefault(str(each.get("sid")), []).append(each)
    found: dict[tuple[str, str], Finding] = {}

    def say(name: str, case: str, en: str, zh: str) -> None:
        found.setdefault(
            (name, case),
            Finding(f"echo-{name}", f"echo, {case}", f"回显，{case}", "fail", None, 0, en, zh),
        )

    once = {
        report.sid: seen
        for seen in sent
        if seen.verdict.acknowledged
        for report in seen.case.reports
    }
    for sid, seen in once.items():
        report = next(each for each in seen.case.reports if each.sid == sid)
        case, shown = seen.case.name, by_sid.get(sid, [])
        if not shown:
            say(
                "missing", case, f"{sid} was acknowledged and is not there", f"{sid} 已确认但未出现"
            )
            continue
        if len(shown) > 1:
            say(
                "twice",
                case,
                f"{sid} was handled {len(shown)} times: remember the sid of what you have",
                f"{sid} 被处理了 {len(shown)} 次：请记住已有的 sid",
            )
        for key in VOICE_STATUS.keys:
            meant, got = getattr(report, key), shown[0].get(key)
            if meant != got or (meant is None) != (got is None):
                why, why_zh = _why(meant, got)
                say(
                    key,
                    case,
                    f"{key}: sent {meant!r}, you understood {got!r}{why}",
                    f"{key}：发送的是 {meant!r}，您理解为 {got!r}{why_zh}",
                )
    return list(found.values())


def _why(meant: object, got: object) -> tuple[str, str]:
    if not isinstance(meant, str):
        return ("", "")
    if got is None or not isinstance(got, str):
        return (": keep it as text", "：请保留为文本")
    if "+" in meant and meant.replace("+", " ") == got:
        return (
            ": it was URL-decoded once too often, where a plus is a space",
            "：多做了一次 URL 解码，加号变成了空格",
        )
    if "%" in meant:
        return (": it was URL-decoded once too often", "：多做了一次 URL 解码")
    if not meant.isascii():
        return (": decode the bytes as UTF-8", "：请按 UTF-8 解码")
    return ("", "")
