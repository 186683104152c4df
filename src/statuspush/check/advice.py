"""Advice to the owner of an endpoint, in both languages.

What a single answer means is said by :mod:`statuspush.core.hints`; here is what takes more than
one answer to know.
"""

import json
from collections.abc import Sequence
from typing import Final

from statuspush.core.contract import Wire
from statuspush.core.hints import hint
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.words import Words


def slow(seconds: float) -> Words:
    """An answer that took too long."""
    return Words(
        f"the answer took {seconds:.1f} s: store the reports, answer SUCCESS, and do the work "
        "afterwards",
        f"应答用时 {seconds:.1f} 秒：请先保存报告并返回 SUCCESS，之后再做处理",
    )


ACKNOWLEDGED_RUBBISH: Final = Words(
    "a request that is not a push was acknowledged: an error while reading must not end in "
    "SUCCESS, or reports are lost unnoticed; answer 400",
    "不是推送的请求也得到了确认：读取出错时绝不能返回 SUCCESS，否则报告会悄悄丢失；请返回 400",
)

ACKNOWLEDGED_METHOD: Final = Words(
    "a request that is not a POST was acknowledged: answer SUCCESS to POST only, else 405",
    "非 POST 请求也得到了确认：请只对 POST 返回 SUCCESS，其他方法返回 405",
)

SILENT_ON_RUBBISH: Final = Words(
    "a request that is not a push got no answer in time: answer 400 immediately",
    "不是推送的请求没有及时得到应答：请立即返回 400",
)

CLOSED_ON_RUBBISH: Final = Words(
    "a request that is not a push got no answer, the connection was closed: answer 400, and see "
    "whether the program crashed",
    "不是推送的请求没有得到应答，连接被断开：请返回 400，并检查程序是否崩溃",
)

CRASHED_ON_RUBBISH: Final = Words(
    "a request that is not a push was refused as if the fault were yours (HTTP 5xx): answer 400 "
    "and log why, so that your alarms mean something",
    "对不是推送的请求以 HTTP 5xx 拒绝，看起来像是服务端故障：请返回 400 并记录原因，"
    "以免告警失去意义",
)

CAUTIOUS: Final = Words(
    "a push whose body arrives slowly was refused: on a slow network every push would fail; allow "
    "bodies some seconds",
    "请求体到达较慢的推送被拒绝：网络较慢时每次推送都会失败；请允许请求体用数秒到达",
)

HELD_UP: Final = Words(
    "a push waited until a slow one was done: handle requests concurrently (more threads or "
    "workers), or put nginx in front, which buffers slow bodies",
    "一次推送一直等到旁边缓慢的推送结束：请并行处理请求（增加线程或进程），"
    "或在前面放置 nginx，由它先收完缓慢的请求体",
)

GIVEN_UP: Final = Words(
    "several requests got no answer in time, so the rest was not sent: first find out what the "
    "endpoint waits for",
    "多个请求没有及时得到应答，其余的不再发送：请先查明接收端在等待什么",
)


def unsteady(verdict: Verdict) -> Words:
    """The same push failed and was acknowledged a moment later."""
    said = hint(verdict, VOICE_STATUS)
    return Words(
        f"the same push failed first and was acknowledged when it was sent again; first: {said.en}",
        f"同一推送第一次失败，再次发送时得到确认；第一次：{said.zh}",
    )


def concurrent(good: int, all_of_them: int, verdict: Verdict) -> Words:
    """Some of those sent at the same time failed."""
    said = hint(verdict, VOICE_STATUS)
    return Words(
        f"of {all_of_them} concurrent pushes {good} were acknowledged; the others: {said.en}",
        f"同时发送的 {all_of_them} 次推送中 {good} 次得到确认；其余：{said.zh}",
    )


_DECODED_TWICE: Final = Words(
    "it seems to be decoded once too often, which breaks % and +: stop at the first text that is "
    "JSON",
    "似乎多解码了一次，因而破坏了 % 和 +：文本一旦是 JSON 就停止解码",
)


def encoded_twice(verdict: Verdict) -> Words:
    """Pushes that are encoded twice fail, and other forms of them pass."""
    said = _short(verdict)
    return Words(
        f"pushes encoded twice are not read ({said.en}): decode until the text is JSON",
        f"无法读取编码两次的推送（{said.zh}）：请一直解码，直到文本成为 JSON",
    )


def values(labels: Sequence[Words], wire: Wire, verdict: Verdict) -> Words:
    """Reports with these values fail, others of the same push pass."""
    said = _short(verdict)
    why = Words("look for the error in your log", "请查看日志中的错误")
    if wire is not Wire.ROBUST and all("%" in label.en or "+" in label.en for label in labels):
        why = _DECODED_TWICE
    return Words(
        f"these make a push fail ({said.en}): {', '.join(label.en for label in labels)}; {why.en}",
        f"以下取值使推送失败（{said.zh}）：{'、'.join(label.zh for label in labels)}；{why.zh}",
    )


def size(taken: int, refused: int, verdict: Verdict, likely: Sequence[tuple[str, str]]) -> Words:
    """Bodies of ``taken`` bytes pass, of ``refused`` bytes fail; ``likely``: (whose, setting)."""
    said, cap = _short(verdict), taken // 1000 * 1000
    en = (
        f"{said.en} at {refused / 1000:.0f} kB, while {taken / 1000:.0f} kB pass: raise the limit "
        "for request bodies to 1 MB"
    )
    zh = (
        f"{refused / 1000:.0f} kB 时{said.zh}，{taken / 1000:.0f} kB 可以通过："
        "请把请求体上限调大到 1 MB"
    )
    if likely:
        defaults = [f"{whose}: {setting}" for whose, setting in likely]
        en += f" (it looks like the default of {', or of '.join(defaults)})"
        zh += f"（很像以下默认值，{'；或 '.join(defaults)}）"
    en += f", or have the platform set max_bytes to {cap} for you"
    zh += f"，或请平台把您的 max_bytes 设为 {cap}"
    if verdict.http_status != 413:
        en += "; there is no 413, so larger pushes are not halved but fail four times"
        zh += "；没有返回 413，过大的推送不会对半拆分，而是失败四次"
    return Words(en, zh)


def _short(verdict: Verdict) -> Words:
    if verdict.http_status is not None:
        return Words(f"HTTP {verdict.http_status}", f"返回 HTTP {verdict.http_status}")
    if verdict.outcome is Outcome.CONNECTION_RESET:
        return Words("connection closed", "连接被断开")
    return Words("no answer", "没有应答")


ECHO_EMPTY: Final = Words(
    "the echo shows no report of this check: does it show what the endpoint understood, one JSON "
    "object per line",
    "回显中没有本次检查的任何报告：它是否逐行给出接收端所理解的 JSON 对象",
)


def unreadable_echo(error: str) -> Words:
    """The echo could not be read at the end."""
    return Words(f"the echo can't be read: {error}", f"无法读取回显：{error}")


def missing(count: int, first: str, cases: Sequence[Words]) -> Words:
    """Reports were acknowledged but do not turn up."""
    return Words(
        f"acknowledged but missing: {count} reports, first {first} "
        f"({', '.join(case.en for case in cases)}); answer SUCCESS only once they are stored",
        f"已确认但未出现：{count} 条报告，第一条 {first}"
        f"（{'、'.join(case.zh for case in cases)}）；请在保存之后再返回 SUCCESS",
    )


def twice(count: int, first: str, times: int) -> Words:
    """Reports turn up more than once."""
    return Words(
        f"handled more than once: {count} reports, first {first}, {times} times; a push may come "
        "again, so remember each sid and skip those you have",
        f"被重复处理：{count} 条报告，第一条 {first}，{times} 次；推送可能重复到达，"
        "请记住每个 sid，已有的不再处理",
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def difference(
    key: str, examples: Sequence[tuple[object, object]], more: int, why: Words | None
) -> Words:
    """A field was not understood as sent; examples are (sent, understood)."""
    en = "; ".join(f"sent {_json(sent)}, you understood {_json(got)}" for sent, got in examples)
    zh = "；".join(f"发送 {_json(sent)}，接收端解析为 {_json(got)}" for sent, got in examples)
    if more:
        en, zh = f"{en}; and {more} more", f"{zh}；另有 {more} 处"
    if why is not None:
        en, zh = f"{en}: {why.en}", f"{zh}：{why.zh}"
    return Words(f"{key}: {en}", f"{key}：{zh}")
