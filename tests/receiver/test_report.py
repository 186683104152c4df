"""Facts about a report as its receiver sees it."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from statuspush.core.kinds import VOICE_STATUS
from statuspush.receiver import Report, Status

FIELDS = {
    "sid": "s1",
    "uid": None,
    "user_receive_time": "2024-05-17 10:23:05",
    "duration": 0,
    "error_msg": "用户信号不佳、关机等",
    "mobile": "+37258483726",
    "report_status": "FAIL",
}


def report(**fields):
    return Report(FIELDS | fields)


def test_the_attributes_are_what_was_sent():
    for key, value in FIELDS.items():
        assert getattr(report(), key) == value


def test_the_time_is_aware_and_of_the_platforms_zone():
    expected = datetime(2024, 5, 17, 10, 23, 5, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert report().time == expected
    assert report().time.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01 00:00:00", None, 7])
def test_what_is_no_time_has_none(text):
    assert report(user_receive_time=text).time is None


@pytest.mark.parametrize(
    ("status", "known"),
    [("SUCCESS", Status.SUCCESS), ("FAIL", Status.FAIL), ("success", None), (None, None)],
)
def test_the_status_is_one_of_two_words(status, known):
    assert report(report_status=status).status is known


@pytest.mark.parametrize(
    ("mobile", "e164"),
    [
        ("15205201314", "+8615205201314"),
        (15205201314, "+8615205201314"),
        ("+37258483726", "+37258483726"),
        ("unknown", None),
        ("1", None),
        ("", None),
        (None, None),
    ],
)
def test_a_number_is_normalised_beside_the_original(mobile, e164):
    assert report(mobile=mobile).mobile_e164 == e164


def test_numbers_written_as_text_and_text_as_numbers_have_the_right_type():
    found = report(duration="15", uid=1001)
    assert (found.duration, found.uid) == (15, "1001")
    assert found.as_dict()["duration"] == "15"


def test_a_key_that_is_missing_is_none_and_stays_missing():
    bare = Report({"sid": "s1"})
    assert (bare.uid, bare.duration, bare.mobile, bare.time, bare.status) == (None,) * 5
    assert bare.json() == b'{"sid":"s1"}'


def test_json_has_the_contracts_keys_in_order_and_the_others_after_them():
    shuffled = Report({"more": [1], **dict(reversed(FIELDS.items()))})
    assert list(json.loads(shuffled.json())) == [*FIELDS, "more"]
    assert shuffled.extra == {"more": [1]}


def test_half_a_surrogate_pair_can_be_written():
    assert json.loads(report(error_msg="\ud83d").json())["error_msg"] == "\ud83d"


def test_a_report_never_shows_a_number_in_a_log():
    assert FIELDS["mobile"] not in repr(report())


def test_equal_reports_of_two_accounts_differ():
    assert Report(FIELDS, "a") != Report(FIELDS, "b")
    assert len({Report(FIELDS, "a"), Report(dict(FIELDS), "a")}) == 1


def test_the_samples_of_the_sender_are_understood():
    keys = [each for each in VOICE_STATUS.samples[1].__struct_fields__ if each != "account"]
    sent = {key: getattr(VOICE_STATUS.samples[1], key) for key in keys}
    assert Report(sent).error_msg == VOICE_STATUS.samples[1].error_msg
