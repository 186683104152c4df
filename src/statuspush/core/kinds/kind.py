"""A kind of report: one value with everything that differs from kind to kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from statuspush.core.kinds.fields import Field
from statuspush.core.kinds.received import Received

SEARCH_KEYS: Final = 3
"""Most search keys of a kind; an engine keeps this many fingerprints of each report."""

Texts = tuple[str, str | None, str | None]
"""The values of a report's search keys, the unique id first; ``None`` where it has none."""


class SubmittedReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A report as it is submitted; each kind derives its own and adds its keys.

    Bounds written in its annotations are enforced when JSON is read, not by the constructor.
    """

    account: str
    """Name of the account that the report is for."""


S = TypeVar("S", bound=SubmittedReport)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind(Generic[S]):
    """One kind of report: what the contract fixes for it, and its code for the hot path.

    The functions of a kind handle many reports in one call and are written for its keys. The
    parts have to agree with each other; if they don't, :class:`ValueError` is raised.
    """

    name: str
    """The name by which accounts refer to it."""
    parameter: str
    """Name of the form parameter that carries the JSON."""
    fields: tuple[Field, ...]
    """The keys of a report with their rules, in the order in which they are written."""
    search: tuple[str, ...]
    """The keys by which a report can be found: at most three, all texts. The first is the unique
    id: an account stores and pushes a report with it once."""

    max_reports: int
    """Most reports in one push."""
    retries: int
    """Sends after the first one."""
    retry_interval_seconds: int
    """Seconds from the end of a failed send to the next one."""
    answers: tuple[bytes, ...]
    """Answers that acknowledge a push, letter for letter; the first is the one to recommend."""
    max_answer_bytes: int
    """An answer longer than this (before trimming) is never an acknowledgement."""

    submission: type[S]
    """A report as it is submitted."""
    checked: Callable[[list[S], ZoneInfo], list[S] | None]
    """Check what decoding to ``submission`` does not, for all reports together; their accounts
    are already checked. Returns them with times in the contract's form, or ``None`` when at least
    one breaks a rule. Must accept exactly what the rules of ``fields`` accept."""
    fragments: Callable[[Sequence[S]], list[bytes]]
    """Write checked reports as they are stored (:mod:`statuspush.core.fragment`)."""
    spelled: tuple[tuple[bytes, bytes], ...]
    """The control bytes of that form and the text that each stands for. They are in files: entries
    may be added, never changed."""
    received: type[Received]
    """A report as the receiver sees it."""
    samples: tuple[S, ...]
    """Reports for a test push and the API document."""

    keys: tuple[str, ...] = field(init=False)
    """The keys of a report, in the order in which they are written."""
    unique: str = field(init=False)
    """The key of the unique id."""
    form_start: bytes = field(init=False)
    """The name of the parameter and ``=``, as in a form."""
    read_one: Callable[[bytes], S] = field(init=False)
    """Decode a submitted report."""
    read_many: Callable[[bytes], list[S]] = field(init=False)
    """Decode an array of submitted reports."""
    read_found: Callable[[bytes], list[Any]] = field(init=False)
    """Decode an array of stored reports to objects that have the search keys as attributes."""
    read_unique: Callable[[bytes], Any] = field(init=False)
    """Decode one report to an object that has the unique id as its attribute, and nothing else."""
    read_uniques: Callable[[bytes], list[Any]] = field(init=False)
    """The same of an array."""
    unique_of: Callable[[Any], str] = field(init=False)
    """The unique id of a submitted or decoded report."""
    texts_of: Callable[[Any], Texts] = field(init=False)
    """The values of the search keys of a submitted or decoded report, in their order."""
    columns_of: tuple[Callable[[Any], str | None], ...] = field(init=False)
    """The same for many reports: a function for each search key."""

    def __post_init__(self) -> None:
        """Derive the remaining attributes."""
        by_key = {each.key: each for each in self.fields}
        self._check(by_key)
        searched: list[Any] = [
            (key, str | None, None) if by_key[key].nullable else (key, str) for key in self.search
        ]
        # What may be null has a default, and defaults come last.
        searched.sort(key=len)
        found = msgspec.defstruct("Found", searched, gc=False, module=__name__)
        unique = msgspec.defstruct("Unique", [(self.search[0], str)], gc=False, module=__name__)
        derived = {
            "keys": tuple(by_key),
            "unique": self.search[0],
            "form_start": self.parameter.encode() + b"=",
            "read_one": msgspec.json.Decoder(self.submission).decode,
            "read_many": msgspec.json.Decoder(list[self.submission]).decode,  # type: ignore[name-defined]
            "read_found": msgspec.json.Decoder(list[found]).decode,  # type: ignore[valid-type]
            "read_unique": msgspec.json.Decoder(unique).decode,
            "read_uniques": msgspec.json.Decoder(list[unique]).decode,  # type: ignore[valid-type]
            "unique_of": attrgetter(self.search[0]),
            "texts_of": _texts_of(self.search),
            "columns_of": tuple(map(attrgetter, self.search)),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def max_sends(self) -> int:
        """Most sends of the same reports before the push is exhausted."""
        return 1 + self.retries

    def interval_ms(self, given: int | None) -> int:
        """Milliseconds from a failed send to the next: ``given``, or the kind's own if None."""
        return self.retry_interval_seconds * 1000 if given is None else given

    def _check(self, by_key: dict[str, Field]) -> None:
        submitted = {each.name for each in msgspec.structs.fields(self.submission)}
        if submitted != {"account", *by_key} or len(by_key) != len(self.fields):
            raise ValueError(f"{self.name}: the submission does not have the keys of the fields")
        if self.received.keys != tuple(by_key) or self.received.unique != self.search[0]:
            raise ValueError(f"{self.name}: the received report does not have the keys in order")
        if not 1 <= len(self.search) <= SEARCH_KEYS or by_key[self.search[0]].nullable:
            raise ValueError(f"{self.name}: one to three search keys, the first never null")
        controls = [control for control, _ in self.spelled]
        if len(set(controls)) < len(controls) or not all(
            len(control) == 1 and control < b" " and control != b"\n" for control in controls
        ):
            raise ValueError(f"{self.name}: a stored form is shortened by control bytes")


def _texts_of(search: Sequence[str]) -> Callable[[Any], Texts]:
    match search:
        case (one,):
            get_one = attrgetter(one)
            return lambda report: (get_one(report), None, None)
        case (one, two):
            get_two = attrgetter(one, two)
            return lambda report: (*get_two(report), None)
    return attrgetter(*search)
