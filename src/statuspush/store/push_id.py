"""Push ids: 63-bit numbers in the order of creation, shown as ``psh_`` and 13 letters.

The upper 43 bits are the milliseconds of creation, so that a time is a bound on ids, new rows
go to the end of every index, and a receiver learns nothing of how much others are sent.
"""

from statuspush.clock import Milliseconds

_PREFIX = "psh_"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_LETTERS = 13
_COUNTER_BITS = 20
_LAST_MOMENT = (1 << 43) - 1
EPOCH: Milliseconds = 1_577_836_800_000
"""2020-01-01T00:00:00Z, the first moment an id can express."""


def first_id_at(moment: Milliseconds) -> int:
    """The lowest id of a push created at or after ``moment``."""
    return min(max(0, moment - EPOCH), _LAST_MOMENT) << _COUNTER_BITS


def next_id(last: int, now: Milliseconds) -> int:
    """An id for a push created now, above ``last`` even if the clock went back."""
    return max(last + 1, first_id_at(now))


def show(push: int) -> str:
    """The id as people and programs outside see it; sorts as the number does."""
    return _PREFIX + "".join(
        _ALPHABET[(push >> shift) & 31] for shift in range((_LETTERS - 1) * 5, -1, -5)
    )


def read(shown: str) -> int | None:
    """The number behind :func:`show`; None if the text is no push id."""
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
