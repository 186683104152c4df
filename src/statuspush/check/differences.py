"""Why a field was not understood as it was sent."""

import html
import re
from datetime import datetime
from typing import Final
from urllib.parse import unquote, unquote_plus

from statuspush.core.words import Words

_KEEP_TEXT: Final = Words(
    "keep it as text: as a number it loses a leading + and zeros",
    "请保留为文本：作为数字会丢失开头的 + 和 0",
)
_TOO_OFTEN: Final = Words("it was URL-decoded once too often", "多做了一次 URL 解码")
_CHARSETS: Final = {"latin-1": "ISO-8859-1", "cp1252": "Windows-1252", "gbk": "GBK"}
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")


def why(sent: object, understood: object) -> Words | None:
    """The likely mistake, if it is one of those that endpoints make."""
    if sent is None or understood is None:
        return _of_null(sent, understood)
    if isinstance(sent, str):
        if not isinstance(understood, str):
            return _KEEP_TEXT
        return _of_text(sent, understood)
    if isinstance(understood, str) and understood == str(sent):
        return Words("it is a number, not text", "它是数字，不是文本")
    return None


def _of_null(sent: object, understood: object) -> Words | None:
    if sent is None:
        if understood == "":
            return Words("null is not the empty string", "null 不是空字符串")
        if isinstance(understood, str) and understood.lower() in ("null", "none", "nil"):
            return Words("null became a word", "null 变成了单词")
        return None
    if sent == "":
        return Words("the empty string is not null", "空字符串不是 null")
    return Words("it was lost", "它丢失了")


def _of_text(sent: str, got: str) -> Words | None:  # noqa: PLR0911 - one for each mistake
    if got in (unquote_plus(sent), unquote(sent)):
        return _TOO_OFTEN
    if sent in (unquote_plus(got), unquote(got)):
        return Words("it needs one more URL-decoding", "少做了一次 URL 解码")
    if "+" in sent and got == sent.replace("+", ""):
        return _KEEP_TEXT
    if html.unescape(got) == sent:
        return Words(
            "it was escaped as HTML; do that when it is shown, not when it is stored",
            "被转义为 HTML；请在显示时转义，而不是保存时",
        )
    if not sent.isascii() and (words := _of_charset(sent, got)):
        return words
    if sent.startswith(got):
        return Words(
            f"it was cut off after {len(got)} characters", f"在第 {len(got)} 个字符处被截断"
        )
    if got.strip() == sent.strip():
        return Words("white space was added or removed", "增加或去掉了空白")
    return _of_time(sent, got)


def _of_charset(sent: str, got: str) -> Words | None:
    for codec, name in _CHARSETS.items():
        if got == sent.encode().decode(codec, "replace"):
            return Words(
                f"its UTF-8 was read as {name}: set the request's charset to UTF-8",
                f"UTF-8 被当作 {name} 读取：请将请求的字符集设为 UTF-8",
            )
    if got in (_NOT_ASCII.sub("?", sent), _NOT_ASCII.sub("\N{REPLACEMENT CHARACTER}", sent)):
        return Words(
            "Chinese was lost on the way into storage: use UTF-8 there (in MySQL utf8mb4)",
            "中文在保存途中丢失：请使用 UTF-8（MySQL 为 utf8mb4）",
        )
    if r"\u" in got or "\\u" in got:
        return Words(
            r"the \u escapes of JSON are still in it: read it with a JSON parser",
            r"其中仍有 JSON 的 \u 转义：请用 JSON 解析器读取",
        )
    return None


def _of_time(sent: str, got: str) -> Words | None:
    try:
        meant, shown = datetime.fromisoformat(sent), datetime.fromisoformat(got)
    except ValueError:
        return None
    hours = (shown.replace(tzinfo=None) - meant).total_seconds() / 3600
    if hours:
        return Words(
            f"it was shifted by {hours:+g} h: it is the platform's local time, keep it as it is",
            f"被移动了 {hours:+g} 小时：它是平台的当地时间，请原样保留",
        )
    return Words("the same time in another form", "时间相同，格式不同")
