"""Plain words for the person who debugs an endpoint: what came back, and what to change.

Each hint is one sentence, chosen by what the sender keeps of an attempt (contract section 3, last
sentence).
"""

from typing import Any, Final, assert_never

from statuspush.core.kinds.kind import Kind
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.words import Words

_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"

_ACKNOWLEDGED: Final = Words("acknowledged", "已确认")


def hint(verdict: Verdict, kind: Kind[Any]) -> Words:
    """Say in one sentence what came back and what to change at the endpoint.

    ``kind`` is the push's; kinds may differ in the answers that acknowledge.

    An acknowledged push gives just ``acknowledged``. When no answer came, the message of the
    library or operating system follows the sentence in brackets.
    """
    words = _words(verdict, kind)
    if verdict.http_status is None and verdict.detail:
        return Words(f"{words.en} ({verdict.detail})", f"{words.zh}（{verdict.detail}）")
    return words


def _words(verdict: Verdict, kind: Kind[Any]) -> Words:  # noqa: PLR0911 PLR0912 -- one line per outcome
    status, word = verdict.http_status, _word(kind)
    match verdict.outcome:
        case Outcome.ACKNOWLEDGED:
            return _ACKNOWLEDGED
        case Outcome.WRONG_ANSWER:
            return _wrong_answer(verdict.answer, verdict.detail, kind)
        case Outcome.HTTP_ERROR:
            return _http_error(status, verdict.answer, kind)
        case Outcome.REDIRECT:
            return Words(
                f"the answer was a redirect (HTTP {status}), which is never followed: enter the "
                "final URL; often http should be https, or a slash at the end is missing or extra",
                f"返回了重定向（HTTP {status}），推送不会跟随重定向：请填写最终的 URL，"
                "常见原因是 http 应为 https，或末尾多了或少了斜杠",
            )
        case Outcome.TOO_LARGE:
            return Words(
                "the endpoint refused the size of the body (HTTP 413): raise its limit for request "
                "bodies, or set a byte cap for the account; larger pushes are halved meanwhile",
                "接收端拒绝了请求体的大小（HTTP 413）：请调大请求体上限，或为账户设置字节上限；"
                "在此之前推送会被对半拆分",
            )
        case Outcome.INVALID_URL:
            return Words(
                "the URL cannot be used: enter a full http:// or https:// address",
                "URL 无法使用：请填写完整的 http:// 或 https:// 地址",
            )
        case Outcome.ADDRESS_REFUSED:
            return Words(
                "the host name leads to an address that may not be called, such as a private or "
                "local one: use a publicly reachable address, or have it allowed",
                "域名指向了不允许访问的地址（如内网或本机地址）：请使用公网可达的地址，或申请放行",
            )
        case Outcome.DNS_FAILED:
            return Words(
                "the host name could not be resolved: check its spelling and its DNS records",
                "域名解析失败：请检查域名拼写和 DNS 记录",
            )
        case Outcome.CONNECTION_REFUSED:
            return Words(
                "nothing accepts connections at this host and port: check that the server runs and "
                "that the port is right",
                "该主机端口没有接受连接：请检查服务是否在运行、端口是否正确",
            )
        case Outcome.CONNECT_TIMEOUT:
            return Words(
                "no connection was established in time: check that firewalls let our addresses in",
                "连接超时：请检查防火墙是否放行了推送来源地址",
            )
        case Outcome.PROXY_FAILED:
            return Words(
                "the outgoing proxy did not let the connection through: this is on the sending "
                "side, tell the platform",
                "出口代理未能建立连接：问题在发送方，请联系平台",
            )
        case Outcome.TLS_FAILED:
            return Words(
                "the TLS handshake failed: check that the certificate is valid, made for this host "
                "name and sent with its intermediate certificates",
                "TLS 握手失败：请检查证书是否有效、与域名是否一致、是否附带中间证书",
            )
        case Outcome.CONNECTION_RESET:
            return Words(
                "the connection was closed before the answer was complete: check the endpoint and "
                "any proxy before it for crashes and size limits",
                "应答完成之前连接被断开：请检查接收端及其前置代理是否崩溃或有大小限制",
            )
        case Outcome.TIMEOUT:
            return Words(
                f"no complete answer came in time: store the reports, answer {word} immediately "
                "and do the work afterwards",
                f"未在规定时间内收到完整应答：请先保存报告、立即返回 {word}，再做后续处理",
            )
        case Outcome.INVALID_RESPONSE:
            return Words(
                "what came back is not HTTP: check that the URL names the right port and scheme",
                "返回的内容不是 HTTP：请检查 URL 的端口和协议是否正确",
            )
        case Outcome.INTERRUPTED:
            return Words(
                "our own process ended during the send: the push is sent again and this send does "
                "not count; the endpoint may see it twice",
                "发送过程中我方进程中断，将重新推送且本次不计次数；接收端可能收到两次",
            )
    assert_never(verdict.outcome)


def _word(kind: Kind[Any]) -> str:
    """The answer to recommend."""
    return kind.answers[0].decode()


def _wrong_answer(answer: bytes, detail: str, kind: Kind[Any]) -> Words:  # noqa: PLR0911 -- one line per mistake
    """Tell apart the mistakes that endpoints make in an answer of status 2xx."""
    text = answer.removeprefix(_BOM).strip()
    bare = text.strip(b"\"'").strip()
    word = _word(kind)
    if detail.startswith("content-encoding") or answer.startswith(_GZIP):
        return Words(
            f"the answer is compressed: send {word} without Content-Encoding",
            f"应答被压缩了：请不要使用 Content-Encoding，直接返回 {word}",
        )
    if not text:
        return Words(
            f"the answer is empty: answer with the bare text {word}",
            f"应答为空：请返回文本 {word}",
        )
    if text[:1] == b"<":
        return Words(
            "the answer is an HTML page: the URL leads to a web page or a login, not to the "
            f"endpoint that answers {word}",
            f"应答是 HTML 页面：URL 指向了网页或登录页，而不是返回 {word} 的接口",
        )
    if text[:1] in (b"{", b"["):
        return Words(
            f"the answer is JSON: answer with the bare string {word} instead",
            f"应答是 JSON：请直接返回字符串 {word}",
        )
    if bare != text and bare in kind.answers:
        return Words(
            f"the answer has quotation marks around {bare.decode()}: send it without them, often "
            "by answering text/plain instead of JSON",
            f"应答的 {bare.decode()} 带有引号：请去掉引号，通常应返回 text/plain 而不是 JSON",
        )
    if len(answer) > kind.max_answer_bytes or detail == "incomplete":
        return Words(
            f"the answer is longer than {kind.max_answer_bytes} bytes: answer {word} and nothing "
            "else",
            f"应答超过 {kind.max_answer_bytes} 字节：请只返回 {word}",
        )
    if bare.upper() == word.encode():
        return Words(
            f"the answer is not in capital letters: answer {word}, letter for letter",
            f"应答不是全大写：请严格返回 {word}",
        )
    if b"0" in kind.answers and text.strip(b"0") == b"":
        return Words(
            f"the answer has more than one zero: answer a single 0 or {word}",
            f"应答中的 0 不止一个：请返回单个 0 或 {word}",
        )
    if word.encode() in text:
        return Words(
            f"the answer has other text besides {word}: answer {word} and nothing else",
            f"应答中 {word} 之外还有其他内容：请只返回 {word}",
        )
    return _none_of(kind, word)


def _none_of(kind: Kind[Any], word: str) -> Words:
    answers = [answer.decode() for answer in kind.answers]
    if len(answers) == 1:
        return Words(
            f"the answer is not {word}: answer it once the reports are stored",
            f"应答不是 {word}：请在保存报告后返回 {word}",
        )
    return Words(
        f"the answer is neither {' nor '.join(answers)}: answer {word} once the reports are stored",
        f"应答既不是 {' 也不是 '.join(answers)}：请在保存报告后返回 {word}",
    )


_STATUS_TEXTS: Final = {
    401: Words(
        "the endpoint asks for a login (HTTP 401): let pushes in without one; they can be "
        "recognised by their signature",
        "接收端要求登录（HTTP 401）：请放行推送请求，可通过签名识别推送",
    ),
    403: Words(
        "the endpoint forbids the request (HTTP 403): check its firewall, address list and "
        "CSRF protection",
        "接收端禁止访问（HTTP 403）：请检查防火墙、IP 白名单和 CSRF 防护",
    ),
    404: Words(
        "there is nothing at this URL (HTTP 404): check the path of the URL",
        "该 URL 不存在（HTTP 404）：请检查 URL 的路径",
    ),
    405: Words(
        "the URL does not take POST (HTTP 405): let the endpoint accept POST requests",
        "该 URL 不接受 POST（HTTP 405）：请让接口接受 POST 请求",
    ),
    415: Words(
        "the endpoint does not take forms (HTTP 415): accept application/x-www-form-urlencoded",
        "接收端不接受表单（HTTP 415）：请接受 application/x-www-form-urlencoded",
    ),
    429: Words(
        "the endpoint limits the rate of requests (HTTP 429): exempt the pushes from the limit",
        "接收端限制了请求频率（HTTP 429）：请将推送请求排除在限流之外",
    ),
}


def _http_error(status: int | None, answer: bytes, kind: Kind[Any]) -> Words:
    if (text := answer.removeprefix(_BOM).strip()) in kind.answers:
        word = text.decode()
        return Words(
            f"the answer was {word}, but with HTTP {status}: answer it with status 200",
            f"应答是 {word}，但状态码是 HTTP {status}：请以状态码 200 返回",
        )
    if status is not None and (known := _STATUS_TEXTS.get(status)):
        return known
    if status in (502, 503, 504):
        return Words(
            f"the gateway in front of the endpoint answered HTTP {status}: check that the "
            "application behind it runs and answers in time",
            f"接收端的网关返回了 HTTP {status}：请检查其后的应用是否运行正常、响应及时",
        )
    if status is not None and 500 <= status <= 599:
        return Words(
            f"the endpoint failed with HTTP {status}: look for the error in its log",
            f"接收端出错（HTTP {status}）：请查看其日志中的错误",
        )
    return Words(
        f"the answer had HTTP {status}: answer {_word(kind)} with status 200",
        f"应答的状态码是 HTTP {status}：请以状态码 200 返回 {_word(kind)}",
    )
