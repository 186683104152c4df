"""The reports of one submission as the store takes them: stored form and fingerprints.

A batch is made where the submission was checked, so that an engine neither writes JSON nor
hashes text, and it pickles as five flat values.
"""

from array import array
from collections.abc import Sequence
from itertools import chain, islice
from struct import Struct
from typing import Any, Final

import msgspec
import xxhash

from statuspush.core.kinds.kind import SEARCH_KEYS, Kind, S

NO_TEXT: Final = 0
"""Means that a report has no text under a search key; no text has this fingerprint."""

_hash: Final = xxhash.xxh3_64_intdigest
_pack_one: Final = Struct(f"={SEARCH_KEYS}Q").pack


class Batch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The reports of one submission, grouped by account; made by :func:`make_batch`."""

    kind: str
    """Name of the reports' kind; for several submissions joined, that of the first."""
    accounts: list[str]
    """Each account once, in the order of its first report."""
    counts: list[int]
    """How many reports each account has."""
    bodies: list[bytes]
    """Each account's fragments (core.fragment), newline-joined, in the submission's order."""
    keys: bytes
    """Fingerprints in the order of ``bodies``, as :func:`fingerprints` gives them."""

    @property
    def reports(self) -> int:
        """How many reports it holds."""
        return len(self.keys) // (SEARCH_KEYS * 8)


def fingerprint(text: str) -> int:
    """64 bits, never 0, that stand for a text; a report found by them has its text compared."""
    try:
        return _hash(text.encode()) or 1
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        return _hash(text.encode("utf-8", "surrogatepass")) or 1


def fingerprints(reports: Sequence[Any], kind: Kind[Any]) -> bytes:
    """What an engine finds reports by: 8 bytes per search key, in the machine's byte order.

    First all reports' unique ids, then all values of the second search key, then of the third;
    :data:`NO_TEXT` where a report or its kind has none. ``reports`` are submitted reports, or
    what :func:`statuspush.core.fragment.found_in` reads.
    """
    keys: list[int] = []
    for text_of in kind.columns_of:
        try:
            keys += [
                NO_TEXT if text is None else _hash(text.encode()) or 1
                for text in map(text_of, reports)
            ]
        except UnicodeEncodeError:
            keys += [
                NO_TEXT if text is None else fingerprint(text) for text in map(text_of, reports)
            ]
    keys += [NO_TEXT] * (SEARCH_KEYS * len(reports) - len(keys))
    return array("Q", keys).tobytes()


def make_batch(submissions: Sequence[S], kind: Kind[S]) -> Batch:
    """Write the reports in their stored form and group them by account."""
    if len(submissions) == 1:
        return _batch_of_one(submissions[0], kind)
    groups = _by_account(submissions)
    ordered = submissions
    if len(groups) == 1:
        bodies = [b"\n".join(kind.fragments(submissions))]
    elif len(groups) == len(submissions):
        bodies = kind.fragments(submissions)
    else:
        ordered = list(chain.from_iterable(groups.values()))
        lines = iter(kind.fragments(ordered))
        bodies = [b"\n".join(islice(lines, len(group))) for group in groups.values()]
    keys = fingerprints(ordered, kind)
    return Batch(kind.name, list(groups), list(map(len, groups.values())), bodies, keys)


def join_batches(batches: Sequence[Batch]) -> Batch:
    """The reports of several submissions, in their order, as one batch.

    An account that occurs in several of them occurs as often in the result.
    """
    return Batch(
        batches[0].kind,
        [account for batch in batches for account in batch.accounts],
        [count for batch in batches for count in batch.counts],
        [body for batch in batches for body in batch.bodies],
        join_keys([batch.keys for batch in batches]),
    )


def join_keys(keys: Sequence[bytes]) -> bytes:
    """Join what :func:`fingerprints` gave for several sequences of reports, in their order."""
    if len(keys) == 1:
        return keys[0]
    sizes = [len(each) // SEARCH_KEYS for each in keys]
    return b"".join(
        [
            each[place * size : (place + 1) * size]
            for place in range(SEARCH_KEYS)
            for each, size in zip(keys, sizes, strict=True)
        ]
    )


def no_fingerprints(reports: int) -> bytes:
    """Fingerprints of reports that nobody looks for."""
    return array("Q", [NO_TEXT] * (SEARCH_KEYS * reports)).tobytes()


def _batch_of_one(report: S, kind: Kind[S]) -> Batch:
    """:func:`make_batch` at two thirds of the cost: a platform may submit reports one by one."""
    one, two, three = kind.texts_of(report)
    try:
        keys = _pack_one(
            _hash(one.encode()) or 1,
            NO_TEXT if two is None else _hash(two.encode()) or 1,
            NO_TEXT if three is None else _hash(three.encode()) or 1,
        )
    except UnicodeEncodeError:
        keys = fingerprints((report,), kind)
    return Batch(kind.name, [report.account], [1], kind.fragments((report,)), keys)


def _by_account(submissions: Sequence[S]) -> dict[str, Sequence[S]]:
    accounts = [submission.account for submission in submissions]
    names = dict.fromkeys(accounts)
    if len(names) == 1:
        return {accounts[0]: submissions}
    groups: dict[str, list[S]] = {name: [] for name in names}
    for account, submission in zip(accounts, submissions, strict=True):
        groups[account].append(submission)
    return dict(groups)
