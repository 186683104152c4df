"""The reports of one submission as the store takes them in: stored form and fingerprints.

A batch is made where the submission was checked, so that an engine neither writes JSON nor
hashes text, and it pickles as four flat values.
"""

from array import array
from collections.abc import Sequence
from itertools import chain, islice
from struct import Struct
from typing import Final

import msgspec
import xxhash

from statuspush.core.fragment import fragment, fragments
from statuspush.core.report import Submission

NO_UID: Final = 0
"""Stands where a report has no uid; no text has it as its fingerprint."""

_hash: Final = xxhash.xxh3_64_intdigest
_pack_one: Final = Struct("=3Q").pack


class Batch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The reports of one submission, grouped by account; made by :func:`make_batch`."""

    accounts: list[str]
    """Each account once, in the order of its first report."""
    counts: list[int]
    """How many reports each account has."""
    bodies: list[bytes]
    """Each account's fragments (core.fragment), newline-joined, in the submission's order."""
    keys: bytes
    """Fingerprints in the order of ``bodies``, 8 bytes each in the machine's byte order: all
    sids, then all mobiles, then all uids (:data:`NO_UID` for none)."""

    @property
    def reports(self) -> int:
        """How many reports it holds."""
        return len(self.keys) // (3 * 8)


def fingerprint(text: str) -> int:
    """64 bits, never 0, that stand for a sid, mobile or uid; whoever finds one compares texts."""
    try:
        return _hash(text.encode()) or 1
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        return _hash(text.encode("utf-8", "surrogatepass")) or 1


def make_batch(submissions: Sequence[Submission]) -> Batch:
    """Write the reports in their stored form and group them by account."""
    if len(submissions) == 1:
        return _batch_of_one(submissions[0])
    groups = _by_account(submissions)
    ordered = submissions
    if len(groups) == 1:
        bodies = [b"\n".join(fragments(submissions))]
    elif len(groups) == len(submissions):
        bodies = fragments(submissions)
    else:
        ordered = list(chain.from_iterable(groups.values()))
        lines = iter(fragments(ordered))
        bodies = [b"\n".join(islice(lines, len(group))) for group in groups.values()]
    return Batch(list(groups), list(map(len, groups.values())), bodies, _keys(ordered))


def join_batches(batches: Sequence[Batch]) -> Batch:
    """The reports of several submissions, in their order, as one batch.

    An account that several have occurs as often.
    """
    sizes = [len(batch.keys) // 3 for batch in batches]
    return Batch(
        [account for batch in batches for account in batch.accounts],
        [count for batch in batches for count in batch.counts],
        [body for batch in batches for body in batch.bodies],
        b"".join(
            [
                batch.keys[kind * size : (kind + 1) * size]
                for kind in range(3)
                for batch, size in zip(batches, sizes, strict=True)
            ]
        ),
    )


def _batch_of_one(report: Submission) -> Batch:
    """The same at two thirds of the cost: a platform may submit every report by itself."""
    uid = NO_UID if report.uid is None else fingerprint(report.uid)
    keys = _pack_one(fingerprint(report.sid), fingerprint(report.mobile), uid)
    return Batch([report.account], [1], [fragment(report)], keys)


def _by_account(submissions: Sequence[Submission]) -> dict[str, Sequence[Submission]]:
    accounts = [submission.account for submission in submissions]
    names = dict.fromkeys(accounts)
    if len(names) == 1:
        return {accounts[0]: submissions}
    groups: dict[str, list[Submission]] = {name: [] for name in names}
    for account, submission in zip(accounts, submissions, strict=True):
        groups[account].append(submission)
    return dict(groups)


def _keys(reports: Sequence[Submission]) -> bytes:
    keys = array("Q", [fingerprint(report.sid) for report in reports])
    keys.extend([fingerprint(report.mobile) for report in reports])
    keys.extend([NO_UID if (uid := report.uid) is None else fingerprint(uid) for report in reports])
    return keys.tobytes()
