"""Every error that the API answers with, as RFC 9457 problem documents.

An error from any room becomes a :class:`Problem` in :func:`problem_of`, and bytes in
:func:`render`; nothing else in this package writes an error answer.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from statuspush.core.errors import InputError, Overloaded, ServiceError
from statuspush.core.push_settings import InvalidSettings
from statuspush.core.report import FieldError, InvalidReports, MalformedBody, TooManyReports
from statuspush.core.values import Mistake
from statuspush.core.words import Language, Words
from statuspush.store.base import (
    Conflict,
    StoreBroken,
    StoreUnavailable,
    UnknownAccount,
    UnknownPush,
)

MEDIA_TYPE: Final = "application/problem+json"
MAX_LISTED_ERRORS: Final = 100

_RETRY_SECONDS: Final = 5
"""What Retry-After says by default: a full disk or a restart takes a while."""


@dataclass(frozen=True, slots=True, eq=False)
class ProblemType:
    """A type of problem; its URI ``/problems/<name>`` answers with ``meaning``."""

    name: str
    status: HTTPStatus
    title: Words
    meaning: Words

    @property
    def uri(self) -> str:
        """The ``type`` of the problem document, relative to the service."""
        return f"/problems/{self.name}"


MALFORMED: Final = ProblemType(
    "malformed",
    HTTPStatus.BAD_REQUEST,
    Words("The request can't be read", "无法读取请求"),
    Words(
        "The body is not JSON, or not of the shape that this call takes. Nothing was changed.",
        "请求体不是 JSON，或不是该接口要求的形式。未做任何改动。",
    ),
)
UNAUTHORIZED: Final = ProblemType(
    "unauthorized",
    HTTPStatus.UNAUTHORIZED,
    Words("The operator token is missing or wrong", "缺少运营方令牌或令牌错误"),
    Words(
        "Everything below /v1 asks for the header Authorization: Bearer <operator token>.",
        "/v1 下的所有接口都需要请求头 Authorization: Bearer <运营方令牌>。",
    ),
)
NOT_FOUND: Final = ProblemType(
    "not-found",
    HTTPStatus.NOT_FOUND,
    Words("There is no such thing", "不存在"),
    Words(
        "The path, or the account or push that it names, does not exist.",
        "该路径，或其中的账户或推送，不存在。",
    ),
)
METHOD_NOT_ALLOWED: Final = ProblemType(
    "method-not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    Words("The path does not take this method", "该路径不支持此方法"),
    Words("The header Allow names the methods that it takes.", "响应头 Allow 列出可用的方法。"),
)
TIMEOUT: Final = ProblemType(
    "timeout",
    HTTPStatus.REQUEST_TIMEOUT,
    Words("The request took too long to arrive", "请求传输超时"),
    Words(
        "The body did not arrive in time. Nothing was stored; send it again.",
        "请求体未在限定时间内到齐。未存储任何内容，请重新发送。",
    ),
)
CONFLICT: Final = ProblemType(
    "conflict",
    HTTPStatus.CONFLICT,
    Words("Not possible in the present state", "当前状态下无法执行"),
    Words(
        "The call makes sense, but not now; the detail says why. Nothing was changed.",
        "请求本身有效，但当前状态下无法执行，原因见 detail。未做任何改动。",
    ),
)
PRECONDITION_FAILED: Final = ProblemType(
    "precondition-failed",
    HTTPStatus.PRECONDITION_FAILED,
    Words("Changed since it was read", "内容在读取之后已被修改"),
    Words(
        "The header If-Match names another revision than the present one. Nothing was changed; "
        "read it again and repeat the change.",
        "请求头 If-Match 指定的版本不是当前版本。未做任何改动；请重新读取后再修改。",
    ),
)
TOO_LARGE: Final = ProblemType(
    "too-large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Words("The request is too large", "请求过大"),
    Words(
        "Too many bytes, or more reports than one request may hold. Nothing was stored; send "
        "the reports in several requests.",
        "字节数或报告条数超出单次请求的上限。未存储任何内容，请分多次提交。",
    ),
)
UNSUPPORTED: Final = ProblemType(
    "unsupported-media-type",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Words("The body is of a type that this call does not take", "不支持的请求体类型"),
    Words(
        "Bodies are JSON in UTF-8 (Content-Type: application/json), reports also NDJSON "
        "(application/x-ndjson), without Content-Encoding.",
        "请求体须为 UTF-8 编码的 JSON（Content-Type: application/json），提交报告也可用 NDJSON"
        "（application/x-ndjson），不得使用 Content-Encoding。",
    ),
)
VALIDATION: Final = ProblemType(
    "validation",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    Words("The request holds values that are not allowed", "请求中有不合规的值"),
    Words(
        "`errors` names each wrong field, and for reports the index of the report, counted from "
        "0; it holds the first 100, `error_count` says how many there are. Nothing was changed.",
        "`errors` 列出每个错误字段，对报告还给出从 0 开始的序号；最多列出前 100 个，"
        "`error_count` 为错误总数。未做任何改动。",
    ),
)
OVERLOADED: Final = ProblemType(
    "overloaded",
    HTTPStatus.TOO_MANY_REQUESTS,
    Words("Too much at once", "提交过于密集"),
    Words(
        "More is being submitted than can be held in memory. Nothing was stored; send it again "
        "after Retry-After seconds.",
        "正在提交的数据超出内存上限。未存储任何内容，请在 Retry-After 秒后重新发送。",
    ),
)
INTERNAL: Final = ProblemType(
    "internal",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    Words("An error on our side", "服务内部错误"),
    Words(
        "A mistake in the service. `incident` leads the operator to the lines in the log.",
        "服务内部出错。运维人员可凭 `incident` 在日志中找到详情。",
    ),
)
UNAVAILABLE: Final = ProblemType(
    "unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    Words("Not available at the moment", "暂时不可用"),
    Words(
        "The service is starting or shutting down, or can't write to its disk. Nothing was "
        "stored; send it again after Retry-After seconds.",
        "服务正在启动或关闭，或暂时无法写盘。未存储任何内容，请在 Retry-After 秒后重新发送。",
    ),
)

KINDS: Final[Mapping[str, ProblemType]] = {
    kind.name: kind
    for kind in (
        MALFORMED,
        UNAUTHORIZED,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        TIMEOUT,
        CONFLICT,
        PRECONDITION_FAILED,
        TOO_LARGE,
        UNSUPPORTED,
        VALIDATION,
        OVERLOADED,
        INTERNAL,
        UNAVAILABLE,
    )
}
"""All kinds by name."""


@dataclass(eq=False)
class Problem(Exception):
    """An error on its way to the client; raised by handlers, caught by the application."""

    kind: ProblemType
    detail: Words
    errors: Sequence[Mistake] = ()
    error_count: int | None = None
    """All mistakes found, when ``errors`` holds only the first of them."""
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)
    """Additional members of the document."""

    def __str__(self) -> str:
        return self.detail.en


def invalid(*errors: Mistake) -> Problem:
    """The problem of a request with these mistakes."""
    first = errors[0]
    if len(errors) == 1:
        return Problem(VALIDATION, first.message, errors, 1)
    return Problem(
        VALIDATION,
        Words(
            f"{len(errors)} fields are wrong, first: {first.message.en}",
            f"有 {len(errors)} 个字段错误，第一处：{first.message.zh}",
        ),
        errors,
        len(errors),
    )


def unavailable(detail: Words, retry_after: int = _RETRY_SECONDS) -> Problem:
    """The problem of a service that can't do it now but can after ``retry_after`` seconds."""
    return Problem(UNAVAILABLE, detail, headers={"Retry-After": str(retry_after)})


SHUTTING_DOWN: Final = Words("the service is shutting down", "服务正在关闭")


def problem_of(error: Exception) -> Problem | None:  # noqa: PLR0911 - one line per error
    """The problem for an error of another room; None for an unexpected one."""
    match error:
        case Problem():
            return error
        case UnknownAccount() | UnknownPush():
            return Problem(NOT_FOUND, error.words)
        case Conflict():
            return Problem(CONFLICT, error.words)
        case MalformedBody():
            return Problem(MALFORMED, error.words)
        case TooManyReports():
            return Problem(TOO_LARGE, error.words)
        case InvalidSettings():
            return invalid(*error.mistakes)
        case InvalidReports():
            return Problem(
                VALIDATION,
                error.words,
                [_mistake(field_error) for field_error in error.errors],
                error.total,
            )
        case Overloaded():
            return Problem(
                OVERLOADED,
                error.words,
                headers={"Retry-After": str(error.retry_after)},
            )
        case StoreUnavailable():
            # The engine's own message names files and devices; it is for the log.
            return unavailable(
                Words("the store can't be written at the moment", "存储暂时无法写入")
            )
        case StoreBroken():
            return unavailable(
                Words(
                    "the store failed; the service has to be restarted", "存储故障，需要重启服务"
                ),
                retry_after=30,
            )
        case ServiceError():
            return unavailable(error.words)
        case InputError():
            return Problem(VALIDATION, error.words)
    return None


def _mistake(error: FieldError) -> Mistake:
    return Mistake(error.field, error.words, error.index)


def render(problem: Problem, language: Language) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer in that language."""
    document: dict[str, Any] = {
        "type": problem.kind.uri,
        "title": problem.kind.title.to(language),
        "status": problem.kind.status.value,
        "detail": problem.detail.to(language),
        **problem.members,
    }
    if problem.kind is VALIDATION:
        document["errors"] = [
            {
                **({} if mistake.index is None else {"index": mistake.index}),
                "field": mistake.field,
                "message": mistake.message.to(language),
            }
            for mistake in problem.errors[:MAX_LISTED_ERRORS]
        ]
        document["error_count"] = problem.error_count or len(problem.errors)
    # Messages repeat field names and values of the request; what is not UTF-8 is escaped.
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Language": language,
        "Vary": "Accept-Language",
        "Content-Length": str(len(body)),
        **problem.headers,
    }
    return problem.kind.status.value, headers, body
