"""Push ids: 63-bit numbers in the order of creation, shown as ``psh_`` and 13 letters.

The upper 43 bits are the milliseconds of creation, so that a time is a bound on ids, new rows
go to the end of every index, and receivers don't learn how much is sent to others.
"""

from itertools import product
from typing import Final

from statuspush.core.moment import Milliseconds

_PREFIX: Final = "psh_"
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u
_PAIRS: Final = tuple(map("".join, product(_ALPHABET, repeat=2)))
"""Two characters for each value of ten bits."""
_VALUES: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_LETTERS: Final = 13
_COUNTER_BITS: Final = 20
_LAST_MOMENT: Final = (1 << 43) - 1
EPOCH: Final[Milliseconds] = 1_577_836_800_000
"""2020-01-01T00:00:00Z, the first moment an id can express."""


def first_id_at(moment: Milliseconds) -> int:
    """The lowest id of a push created at or after ``moment``."""
    return min(max(0, moment - EPOCH), _LAST_MOMENT) << _COUNTER_BITS


def show(push: int) -> str:
    """The id as people and other programs see it; sorts like the number."""
    pairs = _PAIRS
    return (
        f"psh_{_ALPHABET[push >> 60]}{pairs[push >> 50 & 1023]}{pairs[push >> 40 & 1023]}"
        f"{pairs[push >> 30 & 1023]}{pairs[push >> 20 & 1023]}{pairs[push >> 10 & 1023]}"
        f"{pairs[push & 1023]}"
    )


def read(shown: str) -> int | None:
    """The number behind :func:`show`; None if the text is not a push id."""
    letters = shown.removeprefix(_PREFIX)
    if not shown.startswith(_PREFIX) or len(letters) != _LETTERS:
        return None
    push = 0
    for letter in letters:
        value = _VALUES.get(letter)
        if value is None:
            return None
        push = push << 5 | value
    return push if push < 1 << 63 else None


def created_at(push: int) -> Milliseconds:
    """When the push of that id was created."""
    return EPOCH + (push >> _COUNTER_BITS)
