"""Marks: 64 bits that stand for one account's sid.

The sid's fingerprint alone would be the same for all accounts that use the same sids, and each of
their reports would have to be compared with those of all the others.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

_STEP: Final = 0x9E3779B97F4A7C15
"""Odd, so that no two accounts have the same multiple of it."""
_MASK: Final = (1 << 64) - 1

Fingerprints = npt.NDArray[np.uint64]


def mark_of(sid: int, account: int) -> int:
    """The mark of one sid, given by its fingerprint."""
    return sid ^ account * _STEP & _MASK


def marks_of(sids: Fingerprints, accounts: Fingerprints) -> Fingerprints:
    """The mark of each sid with its account."""
    return sids ^ accounts * np.uint64(_STEP)
