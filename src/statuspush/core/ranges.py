"""Arithmetic on ranges of seqs, for what pushes cover."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Range = tuple[int, int]
"""Seqs [first, end) of one account."""


@dataclass(frozen=True, slots=True)
class Covered:
    """Seqs [first, end) and the newest push that has them."""

    first: int
    end: int
    push: int


def united(ranges: Iterable[Range]) -> list[Range]:
    """The same seqs in as few ranges as possible, in order; touching ones are joined."""
    result: list[Range] = []
    for first, end in sorted(ranges):
        if result and first <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        elif first < end:
            result.append((first, end))
    return result


def newest(pushes: Sequence[tuple[int, int, int]]) -> list[Covered]:
    """The parts of each (push, first, end) that are in no newer push (higher id), in order."""
    starting = sorted(pushes, key=lambda push: push[1])
    bounds = sorted({seq for _, first, end in pushes for seq in (first, end)})
    open_pushes: list[tuple[int, int]] = []  # (-id, end): the newest on top
    result: list[Covered] = []
    at = 0
    for first, end in pairwise(bounds):
        while at < len(starting) and starting[at][1] == first:
            heapq.heappush(open_pushes, (-starting[at][0], starting[at][2]))
            at += 1
        while open_pushes and open_pushes[0][1] <= first:
            heapq.heappop(open_pushes)
        if not open_pushes:
            continue
        push = -open_pushes[0][0]
        if result and result[-1].push == push and result[-1].end == first:
            result[-1] = Covered(result[-1].first, end, push)
        else:
            result.append(Covered(first, end, push))
    return result
