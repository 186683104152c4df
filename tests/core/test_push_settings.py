"""Facts about the table of account settings, and about changing and storing settings."""

import dataclasses
import json

import pytest

from statuspush.core.contract import Mode, Wire
from statuspush.core.errors import InputError, StoreRefused
from statuspush.core.push_settings import (
    PUSH_SETTINGS,
    SCHEMA,
    InvalidSettings,
    PushSettings,
    apply,
    as_document,
    body_limit,
    from_document,
    learned_is_obsolete,
    read_changes,
    shown,
)

URL = "https://customer.example/"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHERS = {
    "mode": "paused",
    "url": URL,
    "wire": "double",
    "max_reports": 7,
    "max_bytes": 100_000,
    "max_in_flight": 3,
    "connect_seconds": 1.25,
    "timeout_seconds": 9.5,
    "secret": SECRET,
    "headers": {"X-One": "1", "X-Two": "é"},
}
"""For each setting a JSON value that is not its default."""


def mistakes(raised):
    return {one.field: one.message.en for one in raised.value.mistakes}


# the table


def test_each_field_is_an_entry_with_words_in_both_languages():
    assert [s.name for s in PUSH_SETTINGS] == [f.name for f in dataclasses.fields(PushSettings)]
    for setting in PUSH_SETTINGS:
        for words in (setting.description, setting.form.expected, setting.form.typed):
            assert words.en.isascii()
            assert not words.zh.isascii()


def test_defaults_are_allowed_as_they_are_shown():
    values = shown(PushSettings())
    assert apply(PushSettings(), read_changes(values)) == PushSettings()


def test_the_schema_has_a_described_member_for_each_entry():
    assert list(SCHEMA["properties"]) == list(OTHERS) == [s.name for s in PUSH_SETTINGS]
    assert all(member["description"] for member in SCHEMA["properties"].values())


def test_what_is_secret_is_in_no_repr():
    settings = PushSettings(secret=SECRET, headers=(("X-Key", "password"),))
    assert SECRET not in repr(settings)
    assert "password" not in repr(settings)


def test_what_is_secret_is_masked_where_settings_are_shown():
    settings = PushSettings(secret=SECRET, headers=(("X-Key", "password"),))
    assert shown(settings)["secret"] == "set"
    assert shown(settings)["headers"] == {"X-Key": "***"}


# reading changes


@pytest.mark.parametrize("name", OTHERS)
def test_a_change_is_read_without_knowing_the_account(name):
    changes = read_changes({name: OTHERS[name]})
    assert list(changes) == [name]
    assert getattr(apply(PushSettings(url=URL), changes), name) == changes[name]


def test_all_mistakes_are_found_together():
    with pytest.raises(InvalidSettings) as raised:
        read_changes({"max_reports": 0, "wire": "x", "nonsense": 1, "max_in_flight": 2})
    assert set(mistakes(raised)) == {"max_reports", "wire", "nonsense"}
    assert raised.value.changes == {"max_in_flight": 2}


def test_mistakes_of_several_settings_together_are_added():
    with pytest.raises(InvalidSettings) as raised:
        read_changes({"mode": "on", "max_reports": 0})
    whole = raised.value.together_with(PushSettings())
    assert {one.field for one in whole.mistakes} == {"max_reports", "url"}
    assert raised.value.together_with(PushSettings(url=URL)) is raised.value


def test_the_message_of_one_mistake_is_that_of_the_error():
    with pytest.raises(InvalidSettings) as raised:
        read_changes({"max_bytes": 1})
    words = raised.value.words
    assert words.en == (
        "max_bytes must be a whole number from 1,000 to 100,000,000, or null, got the number 1"
    )
    assert words.zh == "max_bytes 必须是 1,000 到 100,000,000 的整数，或 null，收到的是数字 1"


@pytest.mark.parametrize("value", ["whsec_c2hvcnQ=", "s3cret", ["s3cret"]])
def test_a_secret_is_never_repeated(value):
    with pytest.raises(InvalidSettings) as raised:
        read_changes({"secret": value})
    for text in raised.value.words:
        assert "c2hvcnQ" not in text
        assert "s3cret" not in text


# applying them


def test_only_what_is_named_changes():
    before = PushSettings(url=URL, max_reports=7)
    after = apply(before, {"wire": Wire.PLAIN})
    assert after == dataclasses.replace(before, wire=Wire.PLAIN)


def test_on_needs_a_url():
    with pytest.raises(InvalidSettings) as raised:
        apply(PushSettings(), {"mode": Mode.ON})
    assert mistakes(raised) == {"url": "url is needed to switch push on"}
    with pytest.raises(InvalidSettings):
        apply(PushSettings(mode=Mode.ON, url=URL), {"url": None})


@pytest.mark.parametrize(
    "changes", [{"timeout_seconds": 3.0}, {"timeout_seconds": 3.0, "connect_seconds": 10.0}]
)
def test_the_limit_for_connecting_is_lowered_to_that_of_the_whole_send(changes):
    assert apply(PushSettings(), changes) == PushSettings(timeout_seconds=3.0, connect_seconds=3.0)


def test_a_mask_is_the_value_that_is_stored_at_that_moment():
    changes = read_changes({"headers": {"x-a": "***", "X-B": "new"}})
    for stored in ("1", "2"):
        current = PushSettings(headers=(("X-A", stored), ("X-C", "3")))
        assert apply(current, changes).headers == (("x-a", stored), ("X-B", "new"))


def test_a_mask_without_a_stored_value_is_refused():
    with pytest.raises(InvalidSettings) as raised:
        apply(PushSettings(), read_changes({"headers": {"X-A": "***"}}))
    assert list(mistakes(raised)) == ["headers"]


@pytest.mark.parametrize("name", OTHERS)
def test_the_url_and_sizes_make_a_learned_size_obsolete(name):
    before = PushSettings()
    after = apply(before, read_changes({name: OTHERS[name]}))
    assert learned_is_obsolete(before, after) == (name in {"url", "max_reports", "max_bytes"})


@pytest.mark.parametrize(
    ("given", "learned", "limit"),
    [(None, None, None), (5, None, 5), (None, 7, 7), (5, 7, 5), (7, 5, 5)],
)
def test_the_smaller_limit_of_a_body_holds(given, learned, limit):
    assert body_limit(PushSettings(max_bytes=given), learned) == limit


# storing them


def test_defaults_are_not_stored():
    assert as_document(PushSettings()) == {}


@pytest.mark.parametrize("name", OTHERS)
def test_a_setting_comes_back_as_it_was_stored(name):
    settings = apply(PushSettings(), read_changes({name: OTHERS[name]}))
    document = as_document(settings)
    assert list(document) == [name]
    restored = from_document(json.loads(json.dumps(document)))
    assert restored == settings
    assert type(getattr(restored, name)) is type(getattr(settings, name))


@pytest.mark.parametrize("document", [{"colour": "red"}, {"mode": "sometimes"}, {"headers": 5}])
def test_what_a_later_version_stored_is_refused_in_plain_words(document):
    with pytest.raises(StoreRefused, match="later version") as raised:
        from_document(document)
    assert "更高版本" in raised.value.words.zh


# words of a command line


@pytest.mark.parametrize(
    ("name", "words", "value"),
    [
        ("mode", ["on"], "on"),
        ("url", ["none"], None),
        ("url", [URL], URL),
        ("max_reports", ["12"], 12),
        ("max_reports", ["none"], "none"),
        ("max_bytes", ["none"], None),
        ("max_bytes", ["1e4"], "1e4"),
        ("timeout_seconds", ["2.5"], 2.5),
        ("timeout_seconds", ["x"], "x"),
        ("secret", ["none"], None),
        ("headers", ["none"], {}),
        ("headers", ["X-A: 1", "X-B:2:3"], {"X-A": "1", "X-B": "2:3"}),
    ],
)
def test_words_of_a_command_line_become_json(name, words, value):
    (form,) = [setting.form for setting in PUSH_SETTINGS if setting.name == name]
    assert form.parse(words) == value


@pytest.mark.parametrize("words", [["x"], ["X-A: 1", "x-a: 2"], [": 1"]])
def test_a_header_that_cannot_be_written_in_json_is_refused(words):
    (form,) = [setting.form for setting in PUSH_SETTINGS if setting.name == "headers"]
    with pytest.raises(InputError):
        form.parse(words)
