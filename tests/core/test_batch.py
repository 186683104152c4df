"""Facts about batches: what the store is handed of a submission."""

import pickle
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspush.core import batch
from statuspush.core.batch import NO_TEXT, fingerprint, make_batch
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission

REPORTS = st.lists(
    st.builds(
        Submission,
        account=st.sampled_from("abc"),
        sid=st.text(min_size=1, max_size=5),
        user_receive_time=st.just("2026-01-02 11:00:00"),
        duration=st.integers(0, 9),
        mobile=st.sampled_from(["152", "+372"]),
        report_status=st.just("SUCCESS"),
        uid=st.none() | st.text(max_size=3),
    ),
    max_size=12,
)


def report(account, sid, uid=None):
    return Submission(account, sid, "2026-01-02 11:00:00", 0, "152", "FAIL", uid)


def keys(made):
    """The three lists of fingerprints."""
    found = struct.unpack(f"={made.reports * 3}Q", made.keys)
    return [list(found[at * made.reports : (at + 1) * made.reports]) for at in range(3)]


def test_accounts_stand_in_the_order_of_their_first_report():
    made = make_batch([report("b", "1"), report("a", "2"), report("b", "3")], VOICE_STATUS)
    assert made.accounts == ["b", "a"]
    assert made.counts == [2, 1]


@given(reports=REPORTS)
def test_an_accounts_body_is_its_fragments_in_the_order_of_the_submission(reports):
    made = make_batch(reports, VOICE_STATUS)
    for account, count, body in zip(made.accounts, made.counts, made.bodies, strict=True):
        own = [one for one in reports if one.account == account]
        assert (count, body) == (len(own), b"\n".join(VOICE_STATUS.fragments(own)))
    assert sum(made.counts) == made.reports == len(reports)


@given(reports=REPORTS)
def test_fingerprints_stand_in_the_order_of_the_bodies(reports):
    made = make_batch(reports, VOICE_STATUS)
    ordered = [one for account in made.accounts for one in reports if one.account == account]
    sids, mobiles, uids = keys(made)
    assert sids == [fingerprint(one.sid) for one in ordered]
    assert mobiles == [fingerprint(one.mobile) for one in ordered]
    assert uids == [NO_TEXT if one.uid is None else fingerprint(one.uid) for one in ordered]


def test_an_empty_uid_is_a_uid():
    assert keys(make_batch([report("a", "1", ""), report("a", "2")], VOICE_STATUS))[2][0] != NO_TEXT


def test_nothing_makes_an_empty_batch():
    assert make_batch([], VOICE_STATUS).reports == 0
    assert make_batch([], VOICE_STATUS).accounts == []


@given(reports=REPORTS)
def test_a_batch_survives_the_way_to_another_process(reports):
    made = make_batch(reports, VOICE_STATUS)
    assert pickle.loads(pickle.dumps(made, pickle.HIGHEST_PROTOCOL)) == made


@pytest.mark.parametrize("text", ["", "电", "\ud800", "a\x00"])
def test_a_fingerprint_stands_for_any_text(text):
    assert 0 < fingerprint(text) < 2**64


def test_a_fingerprint_is_never_what_stands_for_no_uid(monkeypatch):
    monkeypatch.setattr(batch, "_hash", lambda data: 0)
    assert fingerprint("a") == fingerprint("\ud800") == 1
