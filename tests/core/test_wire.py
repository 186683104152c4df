"""Facts about the wire forms of a push and the decoder that reads them all."""

import json
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statuspush.core.contract import Wire
from statuspush.core.fragment import json_array, json_lines, sample_fragments
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission
from statuspush.core.wire import NotAPush, body, decode, encoded_size, fit

FIRST = (
    b'{"sid":"b3f2a9c1d4e84f60a7c5e2d190b8f7a6","uid":"order-1001",'
    b'"user_receive_time":"2024-05-17 10:22:33","duration":15,"error_msg":null,'
    b'"mobile":"15205201314","report_status":"SUCCESS"}'
)
SECOND = (
    b'{"sid":"0c7d5e8f1a2b4c3d9e6f708192a3b4c5","uid":null,'
    b'"user_receive_time":"2024-05-17 10:23:05","duration":0,'
    b'"error_msg":"\\u7528\\u6237\\u4fe1\\u53f7\\u4e0d\\u4f73\\u3001\\u5173\\u673a\\u7b49",'
    b'"mobile":"\\u002b37258483726","report_status":"FAIL"}'
)
_FIRST_ENCODED = (
    b"%7B%22sid%22%3A%22b3f2a9c1d4e84f60a7c5e2d190b8f7a6%22%2C%22uid%22%3A%22order-1001%22%2C"
    b"%22user_receive_time%22%3A%222024-05-17%2010%3A22%3A33%22%2C%22duration%22%3A15%2C"
    b"%22error_msg%22%3Anull%2C%22mobile%22%3A%2215205201314%22%2C"
    b"%22report_status%22%3A%22SUCCESS%22%7D"
)
_SECOND_ENCODED_TO_ERROR_MSG = (
    b"%7B%22sid%22%3A%220c7d5e8f1a2b4c3d9e6f708192a3b4c5%22%2C%22uid%22%3Anull%2C"
    b"%22user_receive_time%22%3A%222024-05-17%2010%3A23%3A05%22%2C%22duration%22%3A0%2C"
    b"%22error_msg%22%3A%22"
)
ROBUST_BODY = (
    b"voice_status=%5B" + _FIRST_ENCODED + b"%2C" + _SECOND_ENCODED_TO_ERROR_MSG
    + b"%5Cu7528%5Cu6237%5Cu4fe1%5Cu53f7%5Cu4e0d%5Cu4f73%5Cu3001%5Cu5173%5Cu673a%5Cu7b49"
    b"%22%2C%22mobile%22%3A%22%5Cu002b37258483726%22%2C%22report_status%22%3A%22FAIL%22%7D%5D"
)  # fmt: skip
PLAIN_BODY = (
    b"voice_status=%5B" + _FIRST_ENCODED + b"%2C" + _SECOND_ENCODED_TO_ERROR_MSG
    + b"%E7%94%A8%E6%88%B7%E4%BF%A1%E5%8F%B7%E4%B8%8D%E4%BD%B3%E3%80%81%E5%85%B3%E6%9C%BA%E7%AD%89"
    b"%22%2C%22mobile%22%3A%22%2B37258483726%22%2C%22report_status%22%3A%22FAIL%22%7D%5D"
)  # fmt: skip
DOUBLE_BODY = (
    b"voice_status=%255B%257B%2522sid%2522%253A%2522b3f2a9c1d4e84f60a7c5e2d190b8f7a6%2522%252C"
    b"%2522uid%2522%253A%2522order-1001%2522%252C%2522user_receive_time%2522%253A%2522"
    b"2024-05-17%252010%253A22%253A33%2522%252C%2522duration%2522%253A15%252C%2522error_msg%2522"
    b"%253Anull%252C%2522mobile%2522%253A%252215205201314%2522%252C%2522report_status%2522%253A"
    b"%2522SUCCESS%2522%257D%252C%257B%2522sid%2522%253A%25220c7d5e8f1a2b4c3d9e6f708192a3b4c5"
    b"%2522%252C%2522uid%2522%253Anull%252C%2522user_receive_time%2522%253A%25222024-05-17%2520"
    b"10%253A23%253A05%2522%252C%2522duration%2522%253A0%252C%2522error_msg%2522%253A%2522"
    b"%25E7%2594%25A8%25E6%2588%25B7%25E4%25BF%25A1%25E5%258F%25B7%25E4%25B8%258D%25E4%25BD%25B3"
    b"%25E3%2580%2581%25E5%2585%25B3%25E6%259C%25BA%25E7%25AD%2589%2522%252C%2522mobile%2522%253A"
    b"%2522%252B37258483726%2522%252C%2522report_status%2522%253A%2522FAIL%2522%257D%255D"
)
BODIES = {Wire.ROBUST: ROBUST_BODY, Wire.PLAIN: PLAIN_BODY, Wire.DOUBLE: DOUBLE_BODY}

_TEXT = st.text(
    st.one_of(
        st.sampled_from("+%&=#;\"\\/ '2B5bu0\n\x7f!*()@$,?<>^`|~{}[]:"),
        st.characters(exclude_categories=("Cs",), exclude_characters="\0"),
    ),
    max_size=24,
)
_SUBMISSIONS = st.lists(
    st.builds(
        Submission,
        account=st.just("acme"),
        sid=_TEXT.filter(bool),
        user_receive_time=st.just("2024-05-17 10:22:33"),
        duration=st.integers(0, 2**31 - 1),
        mobile=st.from_regex(r"\+?[0-9]{3,20}", fullmatch=True),
        report_status=st.sampled_from(["SUCCESS", "FAIL"]),
        uid=st.none() | _TEXT,
        error_msg=st.none() | _TEXT,
    ),
    min_size=1,
    max_size=4,
)


def as_sent(submissions):
    return [{key: getattr(each, key) for key in VOICE_STATUS.keys} for each in submissions]


def fragment(submission):
    """The stored form of one report."""
    (written,) = VOICE_STATUS.fragments([submission])
    return written


def joined(submissions):
    return b"\n".join(VOICE_STATUS.fragments(submissions))


def form(text):
    return b"voice_status=" + text.encode()


@pytest.mark.parametrize(
    ("sample", "written"), [(VOICE_STATUS.samples[0], FIRST), (VOICE_STATUS.samples[1], SECOND)]
)
def test_a_fragment_spells_compact_ascii_json_in_the_order_of_the_contract(sample, written):
    assert json_lines(fragment(sample), VOICE_STATUS) == written


def test_a_fragment_is_stored_as_it_was_since_the_first_file():
    """Byte for byte: files of every version hold it."""
    assert fragment(VOICE_STATUS.samples[0]) == (
        b'\x01"b3f2a9c1d4e84f60a7c5e2d190b8f7a6"\x03"order-1001"\x04'
        b"2024-05-17 10:22:33\x0515\x0615205201314\x0e"
    )
    assert fragment(VOICE_STATUS.samples[1]) == (
        b'\x01"0c7d5e8f1a2b4c3d9e6f708192a3b4c5"\x022024-05-17 10:23:05\x050'
        b'\x07"\\u7528\\u6237\\u4fe1\\u53f7\\u4e0d\\u4f73\\u3001\\u5173\\u673a\\u7b49"'
        b"\x08\\u002b37258483726\x0f"
    )


@pytest.mark.parametrize("wire", list(Wire))
def test_json_as_older_files_hold_it_is_sent_alike(wire):
    assert body(FIRST + b"\n" + SECOND, wire, VOICE_STATUS) == BODIES[wire]


@given(_SUBMISSIONS)
def test_no_byte_that_shortens_occurs_in_what_is_spelled_out(submissions):
    spelled = json_lines(joined(submissions), VOICE_STATUS)
    assert not {byte for byte, _ in VOICE_STATUS.spelled} & {bytes((byte,)) for byte in spelled}
    assert json.loads(json_array(joined(submissions), VOICE_STATUS)) == as_sent(submissions)


def test_a_body_of_many_blocks_is_that_of_its_reports():
    """What is encoded at a time ends in the midst of a report."""
    many = joined(VOICE_STATUS.samples * 250)
    assert body(many, Wire.ROBUST, VOICE_STATUS) == form(
        quote(json_array(many, VOICE_STATUS).decode(), safe="")
    )


def test_the_sample_fragments_are_separated_by_a_line_feed():
    assert sample_fragments(VOICE_STATUS) == b"\n".join(map(fragment, VOICE_STATUS.samples))


def test_no_reports_have_no_fragments():
    assert VOICE_STATUS.fragments([]) == []


@pytest.mark.parametrize("wire", list(Wire))
def test_the_body_of_the_samples_is_exact_to_the_byte(wire):
    assert body(sample_fragments(VOICE_STATUS), wire, VOICE_STATUS) == BODIES[wire]


@pytest.mark.parametrize("wire", list(Wire))
@pytest.mark.parametrize("character", [chr(code) for code in range(1, 128)])
def test_every_ascii_character_is_encoded_as_the_url_rules_say(wire, character):
    sample = Submission("a", character, "2024-05-17 10:22:33", 0, "110", "FAIL")
    written = fragment(sample)
    text = json_array(written, VOICE_STATUS).decode()
    if wire is not Wire.ROBUST:
        text = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    encoded = quote(text, safe="")
    expected = quote(encoded, safe="") if wire is Wire.DOUBLE else encoded
    # Plain JSON may spell a control character in more than one way.
    if character >= " ":
        assert body(written, wire, VOICE_STATUS) == form(expected)
    assert decode(body(written, wire, VOICE_STATUS), VOICE_STATUS)[0]["sid"] == character


@given(_SUBMISSIONS)
def test_fragments_hold_neither_line_feeds_nor_plus_nor_percent(submissions):
    for written in VOICE_STATUS.fragments(submissions):
        assert written.isascii()
        assert not set(b"\n\r+%") & set(written)


@pytest.mark.parametrize(
    "receiver",
    [
        unquote_plus,
        lambda text: unquote_plus(unquote_plus(text)),
        lambda text: unquote(unquote(text)),
        lambda text: unquote(unquote_plus(text)),
        lambda text: unquote_plus(unquote_plus(unquote_plus(text))),
        lambda text: unquote(unquote(unquote(text))),
        lambda text: unquote_plus(unquote_plus(text, "gbk"), "gbk"),
        lambda text: unquote_plus(text, "latin-1"),
    ],
    ids=["once", "twice +", "twice", "form then twice", "thrice +", "thrice", "gbk", "latin-1"],
)
@settings(max_examples=40)
@given(submissions=_SUBMISSIONS)
def test_the_robust_form_survives_every_receiver(receiver, submissions):
    sent = body(joined(submissions), Wire.ROBUST, VOICE_STATUS).decode("ascii")
    assert json.loads(receiver(sent.removeprefix("voice_status="))) == as_sent(submissions)


@given(_SUBMISSIONS)
def test_the_plain_form_is_exact_for_receivers_that_decode_once(submissions):
    sent = body(joined(submissions), Wire.PLAIN, VOICE_STATUS).decode("ascii")
    received = unquote_plus(sent.removeprefix("voice_status="))
    assert json.loads(received) == as_sent(submissions)


@pytest.mark.parametrize("decoder", [unquote, unquote_plus])
@given(submissions=_SUBMISSIONS)
def test_the_double_form_is_exact_for_receivers_that_decode_twice(decoder, submissions):
    sent = body(joined(submissions), Wire.DOUBLE, VOICE_STATUS).decode("ascii")
    received = decoder(decoder(sent.removeprefix("voice_status=")))
    assert json.loads(received) == as_sent(submissions)


@pytest.mark.parametrize("wire", list(Wire))
@given(submissions=_SUBMISSIONS)
def test_what_is_encoded_is_decoded_to_the_same(wire, submissions):
    assert decode(body(joined(submissions), wire, VOICE_STATUS), VOICE_STATUS) == as_sent(
        submissions
    )


@pytest.mark.parametrize("wire", list(Wire))
@given(submissions=_SUBMISSIONS)
def test_the_encoded_size_is_the_length_of_the_body(wire, submissions):
    text = joined(submissions)
    assert encoded_size(text, wire, VOICE_STATUS) == len(body(text, wire, VOICE_STATUS))


@pytest.mark.parametrize("wire", list(Wire))
@given(submissions=_SUBMISSIONS, cap=st.integers(0, 6000))
def test_as_many_reports_fit_as_stay_under_the_cap(wire, submissions, cap):
    written = VOICE_STATUS.fragments(submissions)
    sizes = [
        len(body(b"\n".join(written[:n]), wire, VOICE_STATUS)) for n in range(1, len(written) + 1)
    ]
    count = fit(b"\n".join(written), wire, cap, VOICE_STATUS)
    assert count == max(1, sum(size <= cap for size in sizes))


@pytest.mark.parametrize("wire", list(Wire))
def test_a_cap_of_exactly_the_size_lets_all_reports_through(wire):
    size = encoded_size(sample_fragments(VOICE_STATUS), wire, VOICE_STATUS)
    assert fit(sample_fragments(VOICE_STATUS), wire, size, VOICE_STATUS) == 2
    assert fit(sample_fragments(VOICE_STATUS), wire, size - 1, VOICE_STATUS) == 1


def _encode_uri(text):
    """Encode as JavaScript's encodeURI does, which leaves a plus alone."""
    return quote(text, safe=";,/?:@&=+$-_.!~*'()#")


_SENDERS = {
    "once": [quote],
    "once +": [quote_plus],
    "twice": [quote, quote],
    "twice, inner +": [quote_plus, quote],
    "twice +": [quote_plus, quote_plus],
    "thrice": [quote, quote, quote],
    "thrice +": [quote_plus, quote_plus, quote_plus],
    "encodeURI then form": [_encode_uri, quote_plus],
}


@pytest.mark.parametrize("ascii_only", [True, False], ids=["ascii", "utf-8"])
@pytest.mark.parametrize("pretty", [None, 1], ids=["compact", "pretty"])
@pytest.mark.parametrize("encoders", list(_SENDERS.values()), ids=list(_SENDERS))
def test_delicate_values_come_out_exact_from_every_sender(encoders, pretty, ascii_only):
    reports = [
        {
            "sid": "1",
            "uid": "a+b",
            "user_receive_time": "2024-05-17 10:22:33",
            "error_msg": "50% %2B %20 %252B 用户",
            "mobile": "+37258483726",
        }
    ]
    text = json.dumps(reports, ensure_ascii=ascii_only, indent=pretty)
    for encode in encoders:
        text = encode(text) if encode is not quote else quote(text, safe="")
    assert decode(form(text), VOICE_STATUS) == reports


@given(
    st.lists(
        st.fixed_dictionaries({"sid": _TEXT.filter(bool), "t": st.just("1 2")} | {"x": _TEXT})
    ),
    st.lists(st.sampled_from([quote_plus, lambda text: quote(text, safe="")]), max_size=5),
)
def test_up_to_five_encodings_of_either_style_are_taken_off(reports, encoders):
    text = json.dumps(reports, ensure_ascii=False)
    for encode in encoders:
        text = encode(text)
    # Not encoded at all, a form cannot hold "&".
    if encoders:
        assert decode(form(text), VOICE_STATUS) == reports
    assert decode(json.dumps(reports, ensure_ascii=False).encode(), VOICE_STATUS) == reports


@given(st.lists(st.sampled_from([b"%", b"=", b"2", b"B", b"a", b"\n", b"\r", b"+", b"%5b", b"{"])))
def test_malformed_escapes_are_refused_and_never_mend_themselves(pieces):
    with pytest.raises(NotAPush):
        decode(b"voice_status=" + b"".join(pieces) + b"%zz", VOICE_STATUS)


def test_the_parameter_is_found_among_others():
    sent = b"a=1&my_voice_status=no&" + PLAIN_BODY + b"&sign=abc"
    assert decode(sent, VOICE_STATUS) == as_sent(VOICE_STATUS.samples)


def test_lower_case_escapes_are_decoded():
    assert decode(form("%5b%7b%22sid%22%3a%22%c3%a9%22%7d%5d"), VOICE_STATUS) == [{"sid": "é"}]


def test_json_in_the_form_without_any_encoding_is_read_as_it_stands():
    assert decode(form('[{"sid": "%2B+"}]'), VOICE_STATUS) == [{"sid": "%2B+"}]


def test_bare_json_needs_no_parameter():
    assert decode(b'\xef\xbb\xbf [{"sid":"a&voice_status=+%41"}]', VOICE_STATUS) == [
        {"sid": "a&voice_status=+%41"}
    ]


def test_a_single_object_is_a_list_of_one():
    assert decode(form(quote('{"sid":"1"}')), VOICE_STATUS) == [{"sid": "1"}]


def test_an_empty_array_holds_no_reports():
    assert decode(form("%5B%5D"), VOICE_STATUS) == []


@pytest.mark.parametrize("number", ["9527", "12345678901234567890123456789012"])
def test_a_sid_sent_as_a_number_becomes_a_string(number):
    assert decode(form(quote(f'[{{"sid":{number}}}]')), VOICE_STATUS) == [{"sid": number}]


def test_unknown_keys_are_kept_and_missing_keys_stay_missing():
    report = {"sid": "1", "colour": {"deep": [1.5, None]}}
    assert decode(form(quote(json.dumps([report]))), VOICE_STATUS) == [report]


def test_raw_control_characters_in_strings_are_tolerated():
    assert decode(form(quote('[{"sid":"1","error_msg":"a\nb"}]')), VOICE_STATUS) == [
        {"sid": "1", "error_msg": "a\nb"}
    ]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "no_parameter"),
        (b"status=1&other_voice_status=%5B%5D", "no_parameter"),
        (b"voice_status=", "not_json"),
        (b"voice_status=hello", "not_json"),
        (b"voice_status=5", "not_json"),
        (b"voice_status=%5B%7B", "not_json"),
        (b"voice_status=%5B%22\xff%22%5D", "not_json"),
        (b"voice_status=%5B%22%FF%22%5D", "not_json"),
        (b"voice_status=" + quote('[{"sid":"50%"').encode(), "not_json"),
        (b"voice_status=" + b"%5B" * 100_000, "not_json"),
        (b"voice_status=%5B%7", "bad_encoding"),
        (b"voice_status=%5B%zz", "bad_encoding"),
        (b"voice_status=100%", "bad_encoding"),
        (b"voice_status=%\n5B", "bad_encoding"),
        (b"voice_status=%5B1%5D", "not_reports"),
        (b"voice_status=%5B%5B%5D%5D", "not_reports"),
        (b"[{}]", "no_sid"),
        (b'[{"sid":null}]', "no_sid"),
        (b'[{"sid":""}]', "no_sid"),
        (b'[{"sid":true}]', "no_sid"),
        (b"not json", "no_parameter"),
    ],
)
def test_what_is_not_a_push_is_refused_with_the_reason(sent, reason):
    with pytest.raises(NotAPush) as caught:
        decode(sent, VOICE_STATUS)
    assert caught.value.reason == reason


def test_a_json_content_type_makes_the_whole_body_json():
    with pytest.raises(NotAPush) as caught:
        decode(b"not json", VOICE_STATUS, "application/json; charset=utf-8")
    assert caught.value.reason == "not_json"


def test_a_form_is_read_whatever_its_content_type_says():
    assert decode(form("%5B%5D"), VOICE_STATUS, "application/json") == []


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "piece", [b"%25", b"%2525", b"25", b"%5B", b"+", b"%", b"&", b"=", b"[", b'{"a":', b"%7B%22"]
)
def test_hostile_bodies_of_4_mib_cost_linear_time(piece):
    for prefix in (b"voice_status=", b"voice_status=%", b"voice_status=[", b""):
        with pytest.raises(NotAPush):
            decode(prefix + piece * (4 * 2**20 // len(piece)), VOICE_STATUS)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda b: b"voice_status=" + b))
def test_whatever_comes_is_reports_or_no_push(data):
    try:
        found = decode(data, VOICE_STATUS)
    except NotAPush:
        return
    assert all(isinstance(report["sid"], str) for report in found)


@given(_SUBMISSIONS, st.sampled_from(Wire), st.integers(0, 10_000), st.integers(0, 255))
def test_a_body_with_a_wrong_byte_is_reports_or_no_push(submissions, wire, place, byte):
    whole = bytearray(body(joined(submissions), wire, VOICE_STATUS))
    whole[place % len(whole)] = byte
    try:
        found = decode(bytes(whole), VOICE_STATUS)
    except NotAPush:
        return
    assert all(isinstance(report["sid"], str) for report in found)
