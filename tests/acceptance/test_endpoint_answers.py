"""A push and its acknowledgement, through the whole service: contract sections 2 and 3."""

import gzip
from urllib.parse import quote

import pytest
from tests.acceptance.customers import (
    Endpoint,
    answer,
    answering,
    ask,
    attempted,
    in_state,
    metric,
    running,
    send_one,
)

BOM = b"\xef\xbb\xbf"

REPORTS = [
    {
        "account": "tour",
        "sid": "b3f2a9c1d4e84f60a7c5e2d190b8f7a6",
        "uid": "order-1001",
        "user_receive_time": "2024-05-17 10:22:33",
        "duration": 15,
        "error_msg": None,
        "mobile": "15205201314",
        "report_status": "SUCCESS",
    },
    {
        "account": "tour",
        "sid": 'a+b%2B "\\',
        "user_receive_time": "2024-05-17T02:23:05Z",
        "duration": 0,
        "error_msg": "用户 50%",
        "mobile": "+37258483726",
        "report_status": "FAIL",
    },
]

# Written by hand from section 2 of the contract; nothing of the program's own encoder is used.
ROBUST = (
    "voice_status="
    "%5B%7B%22sid%22%3A%22b3f2a9c1d4e84f60a7c5e2d190b8f7a6%22%2C%22uid%22%3A%22order-1001%22%2C"
    "%22user_receive_time%22%3A%222024-05-17%2010%3A22%3A33%22%2C%22duration%22%3A15%2C"
    "%22error_msg%22%3Anull%2C%22mobile%22%3A%2215205201314%22%2C"
    "%22report_status%22%3A%22SUCCESS%22%7D%2C"
    "%7B%22sid%22%3A%22a%5Cu002bb%5Cu00252B%20%5C%22%5C%5C%22%2C%22uid%22%3Anull%2C"
    "%22user_receive_time%22%3A%222024-05-17%2010%3A23%3A05%22%2C%22duration%22%3A0%2C"
    "%22error_msg%22%3A%22%5Cu7528%5Cu6237%2050%5Cu0025%22%2C"
    "%22mobile%22%3A%22%5Cu002b37258483726%22%2C%22report_status%22%3A%22FAIL%22%7D%5D"
)
PLAIN_JSON = (
    '[{"sid":"b3f2a9c1d4e84f60a7c5e2d190b8f7a6","uid":"order-1001",'
    '"user_receive_time":"2024-05-17 10:22:33","duration":15,"error_msg":null,'
    '"mobile":"15205201314","report_status":"SUCCESS"},'
    '{"sid":"a+b%2B \\"\\\\","uid":null,"user_receive_time":"2024-05-17 10:23:05","duration":0,'
    '"error_msg":"用户 50%","mobile":"+37258483726","report_status":"FAIL"}]'
)
WIRES = {
    "robust": ROBUST,
    "plain": f"voice_status={quote(PLAIN_JSON, safe='')}",
    "double": f"voice_status={quote(quote(PLAIN_JSON, safe=''), safe='')}",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.mark.parametrize("wire", WIRES)
def test_tour(service, wire):
    """From a new account to an acknowledged push; every view of it says the same."""
    tour = f"tour-{wire}"
    created = ask(service, "PUT", f"/v1/accounts/{tour}", {"name": "Tour"})
    assert created.status == 201
    assert len(created.json["apikey"]) > 30
    assert created.json["push"]["mode"] == "off"
    again = ask(service, "PUT", f"/v1/accounts/{tour}", {"name": "Tour Ltd."})
    assert (again.status, again.json["name"], "apikey" in again.json) == (200, "Tour Ltd.", False)
    send_one(service, tour, "early-1")  # before it is switched on: never pushed by itself

    with Endpoint(answering(answer(b"SUCCESS"))) as endpoint:
        service.set_push(tour, mode="on", url=f"{endpoint.url}?customer=7", wire=wire)
        before = metric(service, 'statuspush_attempts_total{outcome="acknowledged"}')
        answered = ask(service, "POST", "/v1/reports", [{**r, "account": tour} for r in REPORTS])
        assert (answered.status, answered.json) == (202, {"accepted": 2, "duplicates": 0})
        (arrival,) = endpoint.wait_for(1)
        (delivered,) = in_state(service, tour, "delivered")

        # The wire, byte by byte.
        assert arrival.line == "POST /voice_status?customer=7 HTTP/1.1"
        names = [name for name, _ in arrival.header_list]
        assert names.count("Accept") == names.count("Content-Type") == 1
        assert arrival.headers["accept"] == "application/json;charset=utf-8;"
        assert arrival.headers["content-type"] == "application/x-www-form-urlencoded;charset=utf-8;"
        assert arrival.headers["host"] == f"127.0.0.1:{endpoint.port}"
        assert arrival.headers["webhook-id"] == delivered["id"]
        assert arrival.headers["x-push-attempt"] == "1"
        assert "webhook-signature" not in arrival.headers
        assert arrival.body == WIRES[wire].encode()

        # What the service says of it.
        push = service.push(delivered["id"])
        assert push["account"] == tour
        assert [r["sid"] for r in push["reports"]] == [r["sid"] for r in REPORTS]
        assert push["reports"][1]["mobile"] == "+37258483726"
        assert push["delivered_at"] is not None
        assert push["due_at"] is None
        (attempt,) = push["attempts"]
        assert attempt["outcome"] == "acknowledged"
        assert (attempt["number"], attempt["http_status"]) == (1, 200)
        assert (attempt["answer"], attempt["hint"]) == ("SUCCESS", "acknowledged")
        assert attempt["reports"] == 2

        mobile = quote("+37258483726", safe="")
        (found,) = service.api("GET", f"/v1/reports?account={tour}&mobile={mobile}")["items"]
        assert found["report"]["error_msg"] == "用户 50%"
        assert found["state"] == "delivered"
        assert [p["id"] for p in found["pushes"]] == [delivered["id"]]
        assert found["pushes"][0]["attempts"] == [attempt]
        (early,) = service.api("GET", f"/v1/reports?account={tour}&sid=early-1")["items"]
        assert not [p for p in early["pushes"] if p["attempts"]]

        account = service.api("GET", f"/v1/accounts/{tour}")
        assert account["counts"]["reports"]["delivered"] == 2
        assert account["waiting_reports"] == 0
        assert account["oldest_waiting_age_seconds"] is None
        assert account["health"]["state"] == "ok"
        assert account["health"]["last_outcome"] == "acknowledged"
        now = metric(service, 'statuspush_attempts_total{outcome="acknowledged"}')
        assert now == before + 1

        # The same sid a second time is stored and pushed once.
        repeat = ask(service, "POST", "/v1/reports", [{**r, "account": tour} for r in REPORTS])
        assert repeat.json == {"accepted": 0, "duplicates": 2}
        tested = service.api("POST", f"/v1/accounts/{tour}/push/test")
        assert tested["acknowledged"]
        assert tested["reports"] == 2
        arrivals = endpoint.wait_for(2)
        assert tested["body_bytes"] == len(arrivals[1].body)
        assert len(endpoint.arrivals) == 2


ACKNOWLEDGED = {
    "SUCCESS": answer(b"SUCCESS"),
    "zero": answer(b"0"),
    "BOM": answer(BOM + b"SUCCESS"),
    "BOM and zero": answer(BOM + b"0\r\n"),
    "white space": answer(b"\r\n\t SUCCESS \r\n"),
    "BOM, then white space": answer(BOM + b" \nSUCCESS\n"),
    "64 bytes": answer(b"SUCCESS".ljust(64)),
    "201": answer(b"SUCCESS", "201 Created"),
    "as JSON by type": answer(b"SUCCESS", "200 OK", "Content-Type: application/json"),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nSUC\r\n4\r\nCESS\r\n0\r\n\r\n",
    "after 100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"SUCCESS"),
    "LF alone in the head": b"HTTP/1.1 200 OK\nContent-Length: 7\n\nSUCCESS",
}

_QUOTES = ("quotation marks around SUCCESS", "带有引号")
_CAPITALS = ("not in capital letters", "不是全大写")
_EMPTY = ("the answer is empty", "应答为空")
_LONG = ("longer than 64 bytes", "超过 64 字节")
_OTHER = ("other text besides SUCCESS", "之外还有其他内容")
_NEITHER = ("neither SUCCESS nor 0", "既不是 SUCCESS 也不是 0")
_ZEROS = ("more than one zero", "0 不止一个")
_COMPRESSED = ("compressed", "被压缩")
_REDIRECT = ("never followed", "不会跟随重定向")
_ELSEWHERE = "Location: http://127.0.0.1:1/"

FAILED = {
    "quotation marks": (answer(b'"SUCCESS"'), "wrong_answer", *_QUOTES),
    "single quotation marks": (answer(b"'SUCCESS'"), "wrong_answer", *_QUOTES),
    "zero in quotation marks": (
        answer(b'"0"'),
        "wrong_answer",
        "quotation marks around 0",
        "带有引号",
    ),
    "lower case": (answer(b"success"), "wrong_answer", *_CAPITALS),
    "mixed case": (answer(b"Success"), "wrong_answer", *_CAPITALS),
    "00": (answer(b"00"), "wrong_answer", *_ZEROS),
    "empty": (answer(b""), "wrong_answer", *_EMPTY),
    "blank": (answer(b" \r\n"), "wrong_answer", *_EMPTY),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", "wrong_answer", *_EMPTY),
    "JSON": (answer(b'{"code":0,"msg":"SUCCESS"}'), "wrong_answer", "is JSON", "是 JSON"),
    "HTML": (answer(b"<html>SUCCESS</html>"), "wrong_answer", "HTML page", "HTML 页面"),
    "more text": (answer(b"SUCCESS."), "wrong_answer", *_OTHER),
    "a NUL": (answer(b"SUCCESS\0"), "wrong_answer", *_OTHER),
    "no-break space": (answer(b"SUCCESS\xc2\xa0"), "wrong_answer", *_OTHER),
    "white space before the BOM": (answer(b" " + BOM + b"SUCCESS"), "wrong_answer", *_OTHER),
    "two BOMs": (answer(BOM + BOM + b"SUCCESS"), "wrong_answer", *_OTHER),
    "UTF-16": (answer("SUCCESS".encode("utf-16")), "wrong_answer", *_NEITHER),
    "1": (answer(b"1"), "wrong_answer", *_NEITHER),
    "OK": (answer(b"OK"), "wrong_answer", *_NEITHER),
    "65 bytes": (answer(b"SUCCESS".ljust(65)), "wrong_answer", *_LONG),
    "65 bytes with the BOM": (answer(BOM + b"SUCCESS".ljust(62)), "wrong_answer", *_LONG),
    "gzip": (
        answer(gzip.compress(b"SUCCESS"), "200 OK", "Content-Encoding: gzip"),
        "wrong_answer",
        *_COMPRESSED,
    ),
    "gzip unsaid": (answer(gzip.compress(b"SUCCESS")), "wrong_answer", *_COMPRESSED),
    "plain, said to be gzip": (
        answer(b"SUCCESS", "200 OK", "Content-Encoding: gzip"),
        "wrong_answer",
        *_COMPRESSED,
    ),
    "500 with SUCCESS": (
        answer(b"SUCCESS", "500 Oops"),
        "http_error",
        "but with HTTP 500",
        "但状态码是 HTTP 500",
    ),
    "502": (answer(b"bad", "502 Bad Gateway"), "http_error", "gateway", "网关"),
    "404": (answer(b"no", "404 Not Found"), "http_error", "HTTP 404", "HTTP 404"),
    "401": (answer(b"no", "401 Unauthorized"), "http_error", "asks for a login", "要求登录"),
    "301": (answer(b"SUCCESS", "301 Moved", _ELSEWHERE), "redirect", *_REDIRECT),
    "302": (answer(b"SUCCESS", "302 Found", _ELSEWHERE), "redirect", *_REDIRECT),
    "307": (answer(b"SUCCESS", "307 Temporary", _ELSEWHERE), "redirect", *_REDIRECT),
    "308": (answer(b"SUCCESS", "308 Permanent", _ELSEWHERE), "redirect", *_REDIRECT),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", "redirect", *_REDIRECT),
    "413": (answer(b"", "413 Too Large"), "too_large", "size of the body", "请求体的大小"),
    "not HTTP": (b"SUCCESS\r\n\r\n", "invalid_response", "not HTTP", "不是 HTTP"),
    "HTTP/0.9": (b"SUCCESS", "invalid_response", "not HTTP", "不是 HTTP"),
    "101": (
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nSUCCESS",
        "invalid_response",
        "not HTTP",
        "不是 HTTP",
    ),
}


def _account(name: str, prefix: str) -> str:
    return prefix + "-" + "".join(c if c.isalnum() else "-" for c in name)


@pytest.mark.parametrize("name", ACKNOWLEDGED)
def test_acknowledged(service, name):
    """Sent once, delivered."""
    account = _account(name, "yes")
    with Endpoint(answering(ACKNOWLEDGED[name])) as endpoint:
        service.account(account, endpoint.url)
        send_one(service, account)
        (delivered,) = in_state(service, account, "delivered")
        assert delivered["attempts"] == len(endpoint.arrivals) == 1
        assert service.api("POST", f"/v1/accounts/{account}/push/test")["acknowledged"]


@pytest.mark.parametrize("name", FAILED)
def test_failed(service, name):
    """A failure, told in plain words in the reader's language, by push, test push and health."""
    reply, outcome, english, chinese = FAILED[name]
    account = _account(name, "no")
    with Endpoint(answering(reply)) as endpoint:
        service.account(account, endpoint.url)
        send_one(service, account)
        push = attempted(service, account)
        service.set_push(account, mode="off")
        path = f"/v1/pushes/{push['id']}"
        for language, words in (("en-GB,zh;q=0.5", english), ("zh-CN,zh;q=0.9,en;q=0.8", chinese)):
            shown = ask(service, "GET", path, language=language).json["attempts"][0]
            assert shown["outcome"] == outcome
            assert words in shown["hint"]
            tested = ask(
                service, "POST", f"/v1/accounts/{account}/push/test", language=language
            ).json
            assert (tested["acknowledged"], tested["outcome"]) == (False, outcome)
            assert words in tested["hint"]
            assert tested["http_status"] == shown["http_status"]
        health = service.api("GET", f"/v1/accounts/{account}")["health"]
        assert (health["state"], health["last_outcome"]) == ("failing", outcome)
        assert english in health["hint"]
