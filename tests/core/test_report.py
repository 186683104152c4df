"""Facts about reading submitted reports."""

import json
from zoneinfo import ZoneInfo

import pytest

from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission
from statuspush.core.report import (
    InvalidReports,
    MalformedBody,
    TooManyReports,
    read_submissions,
)
from statuspush.core.rules import validate_account_name

SHANGHAI = ZoneInfo("Asia/Shanghai")

GOOD = {
    "account": "acme",
    "sid": "b3f2a9c1",
    "uid": "order-1",
    "user_receive_time": "2024-05-17 10:22:33",
    "duration": 15,
    "error_msg": None,
    "mobile": "15205201314",
    "report_status": "SUCCESS",
}


def read(value, *, ndjson=False, **limits):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_submissions(body, VOICE_STATUS, ndjson=ndjson, tz=SHANGHAI, **limits)


def mistakes(value, **options):
    with pytest.raises(InvalidReports) as caught:
        read(value, **options)
    return caught.value


def the_mistake(**changes):
    (error,) = mistakes({**GOOD, **changes}).errors
    return error


def test_one_object_is_one_report():
    assert read(GOOD) == [Submission(**GOOD)]


def test_an_array_keeps_the_order_of_its_reports():
    batch = [{**GOOD, "sid": str(number)} for number in range(30)]
    assert [report.sid for report in read(batch)] == [str(number) for number in range(30)]


def test_an_empty_array_is_no_reports():
    assert read(b" [ ] ") == []


def test_blank_lines_of_ndjson_are_passed_over():
    line = json.dumps(GOOD).encode()
    assert len(read(b"\n" + line + b"\r\n  \n" + line + b"\n\n", ndjson=True)) == 2


def test_ndjson_without_a_line_is_no_reports():
    assert read(b"\n \n", ndjson=True) == []


def test_two_objects_on_one_line_of_ndjson_are_refused():
    line = json.dumps(GOOD).encode()
    with pytest.raises(MalformedBody) as caught:
        read(line + b"\n" + line + line, ndjson=True)
    assert caught.value.line == 2


def test_an_object_over_two_lines_of_ndjson_is_refused():
    with pytest.raises(MalformedBody) as caught:
        read(json.dumps(GOOD, indent=1).encode(), ndjson=True)
    assert caught.value.line == 1


def test_mistakes_in_ndjson_are_indexed_by_report_not_by_line():
    body = b"\n\n" + json.dumps(GOOD).encode() + b"\n\n" + json.dumps({**GOOD, "sid": ""}).encode()
    (error,) = mistakes(body, ndjson=True).errors
    assert (error.index, error.field) == (1, "sid")


@pytest.mark.parametrize("field", ["uid", "error_msg"])
def test_optional_fields_are_null_when_left_out(field):
    (report,) = read({key: value for key, value in GOOD.items() if key != field})
    assert getattr(report, field) is None


@pytest.mark.parametrize("field", sorted(GOOD.keys() - {"uid", "error_msg"}))
def test_a_missing_field_is_named(field):
    (error,) = mistakes({key: value for key, value in GOOD.items() if key != field}).errors
    assert (error.field, error.words.en) == (field, f"{field} is missing")
    assert error.words.zh == f"缺少 {field}"


def test_an_empty_uid_stays_an_empty_string():
    assert read({**GOOD, "uid": ""})[0].uid == ""


def test_the_last_of_two_equal_keys_counts():
    body = json.dumps(GOOD).encode()[:-1] + b', "sid": "second"}'
    assert read(body)[0].sid == "second"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sid", "x" * 32),
        ("sid", "用" * 32),
        ("uid", "u" * 256),
        ("error_msg", "用" * 1024),
        ("error_msg", "line\nfeed and \U0001f600"),
        ("error_msg", "an escaped backslash: \\u0000"),
        ("mobile", "+37258483726"),
        ("mobile", "110"),
        ("mobile", "+" + "1" * 20),
        ("duration", 0),
        ("duration", 2**31 - 1),
        ("report_status", "FAIL"),
        ("user_receive_time", "2024-02-29 23:59:59"),
        ("account", "A.b_c-9" + "x" * 57),
    ],
)
def test_values_at_the_edge_are_taken_unchanged(field, value):
    assert getattr(read({**GOOD, field: value})[0], field) == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sid", ""),
        ("sid", "x" * 33),
        ("sid", 12345),
        ("sid", None),
        ("sid", "a\x00b"),
        ("uid", "u" * 257),
        ("uid", 5),
        ("uid", "\x00"),
        ("uid", "\ud800"),
        ("error_msg", "x" * 1025),
        ("error_msg", "half \udc00 pair"),
        ("error_msg", ["x"]),
        ("mobile", "12"),
        ("mobile", "1" * 21),
        ("mobile", "152 0520"),
        ("mobile", "++372"),
        ("mobile", "+"),
        ("mobile", "１５２０５２０"),
        ("mobile", "15205201314\n"),
        ("mobile", "15205201314\n110"),
        ("mobile", 15205201314),
        ("duration", -1),
        ("duration", 2**31),
        ("duration", 10**30),
        ("duration", 10.0),
        ("duration", 1.5),
        ("duration", "10"),
        ("duration", True),
        ("duration", None),
        ("report_status", "success"),
        ("report_status", "SUCCESS "),
        ("report_status", ""),
        ("report_status", ["SUCCESS"]),
        ("user_receive_time", "2023-02-29 10:00:00"),
        ("user_receive_time", "0000-01-01 10:00:00"),
        ("user_receive_time", "2024-05-17 24:00:00"),
        ("user_receive_time", "2024-05-17 10:00:60"),
        ("user_receive_time", "2024-5-17 10:00:00"),
        ("user_receive_time", "2024-05-17T10:00:00"),
        ("user_receive_time", "2024-05-17 10:00:00\n"),
        ("user_receive_time", "２０２４-05-17 10:00:00"),
        ("user_receive_time", "2024-05-17T10:00:00+24:00"),
        ("user_receive_time", "0001-01-01T00:00:00+14:00"),
        ("user_receive_time", "9999-12-31T23:59:59Z"),
        ("user_receive_time", "20240517T100000Z"),
        ("user_receive_time", 1715912553),
        ("account", ""),
        ("account", ".hidden"),
        ("account", "a" * 65),
        ("account", "acme\n"),
        ("account", "äcme"),
        ("account", 7),
    ],
)
@pytest.mark.parametrize("ndjson", [False, True])
def test_values_beyond_the_edge_are_refused_by_field(field, value, ndjson):
    good = json.dumps(GOOD)
    bad = json.dumps({**GOOD, field: value})
    body = f"{good}\n{bad}" if ndjson else f"[{good},{bad}]"
    (error,) = mistakes(body.encode(), ndjson=ndjson).errors
    assert (error.index, error.field) == (1, field)
    assert error.words.en.startswith(field)
    assert error.words.zh.startswith(field)


def test_an_unknown_field_is_refused_and_named():
    error = the_mistake(colour="red")
    assert error.field == "colour"
    assert error.words.en.startswith('"colour" is not a field of a report; the fields are account')


def test_an_unknown_field_that_is_not_writable_is_shown_escaped():
    assert the_mistake(**{"\ud800": 1}).field == "\\ud800"


def test_messages_say_what_is_expected_and_what_came():
    error = the_mistake(sid="x" * 33)
    assert error.words.en == "sid must be a string of 1 to 32 characters, got 33 characters"
    assert error.words.zh == "sid 必须是 1 到 32 个字符的字符串，收到的是 33 个字符"


def test_messages_shorten_long_values():
    assert len(the_mistake(report_status="x" * 5000).words.en) < 100


def test_every_mistake_of_every_report_is_found():
    batch = [GOOD, {**GOOD, "sid": "", "duration": "10"}, 5, {**GOOD, "mobile": "x"}]
    error = mistakes(batch)
    assert [(each.index, each.field) for each in error.errors] == [
        (1, "sid"),
        (1, "duration"),
        (2, ""),
        (3, "mobile"),
    ]
    assert error.total == 4


def test_a_hundred_mistakes_are_kept_and_all_are_counted():
    error = mistakes([{**GOOD, "sid": ""}] * 150)
    assert (len(error.errors), error.total) == (100, 150)


@pytest.mark.parametrize(
    ("given", "local"),
    [
        ("2024-05-17T02:22:33Z", "2024-05-17 10:22:33"),
        ("2024-05-17T02:22:33.999999999Z", "2024-05-17 10:22:33"),
        ("2024-05-17T10:22:33+08:00", "2024-05-17 10:22:33"),
        ("2024-05-17 10:22:33+0800", "2024-05-17 10:22:33"),
        ("2024-05-17T10:22:33,5+08", "2024-05-17 10:22:33"),
        ("2024-12-31T20:00:00-01:30", "2025-01-01 05:30:00"),
    ],
)
def test_iso_times_are_rewritten_to_local_time(given, local):
    assert read({**GOOD, "user_receive_time": given})[0].user_receive_time == local


def test_iso_times_are_rewritten_on_the_slow_way_too():
    report = {**GOOD, "error_msg": "\\u0000", "user_receive_time": "2024-05-17T02:22:33Z"}
    assert read(report)[0].user_receive_time == "2024-05-17 10:22:33"


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        (b"", 1, 1),
        (b"hello", 1, 1),
        (b"[\n {]", 2, 3),
        (b'[{"sid": "a}]', 1, 10),
        (b"[NaN]", 1, 1),
        (b"[] []", 1, 4),
        (b'[\n"\xff"]', 2, 2),
        (b'"\xed\xa0\x80"', 1, 2),
        (b"\xef\xbb\xbf[]", 1, 1),
        (b"[" * 100_000, 1, 1),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_place(body, line, column):
    with pytest.raises(MalformedBody) as caught:
        read(body)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.words.zh


@pytest.mark.parametrize("body", [b"5", b'"text"', b"null", b"true", b"1" * 5000])
def test_a_body_that_is_neither_object_nor_array_is_refused(body):
    with pytest.raises(MalformedBody, match="must be a JSON object or an array of objects"):
        read(body)


def test_an_integer_of_thousands_of_digits_is_a_mistake_of_its_field():
    body = json.dumps(GOOD).replace("15,", "9" * 6000 + ",").encode()
    assert mistakes(body).errors[0].field == "duration"


@pytest.mark.parametrize("sid", ["good", ""])
def test_more_reports_than_the_limit_are_refused(sid):
    with pytest.raises(TooManyReports) as caught:
        read([{**GOOD, "sid": sid}] * 4, max_reports=3)
    assert (caught.value.count, caught.value.limit) == (4, 3)


def test_as_many_reports_as_the_limit_are_taken():
    assert len(read([GOOD] * 3, max_reports=3)) == 3


@pytest.mark.parametrize(
    ("name", "valid"), [("acme", True), ("9", True), ("-a", False), ("", False), ("a b", False)]
)
def test_account_names_are_judged_by_their_characters(name, valid):
    assert validate_account_name(name) is valid
