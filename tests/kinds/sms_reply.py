"""A second kind of report, as somebody would add one: all of it is here."""

from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quoted
from zoneinfo import ZoneInfo

from statuspush.core.kinds import Kind, Received
from statuspush.core.kinds.fields import PhoneNumber, Text, WholeNumber
from statuspush.core.kinds.kind import SubmittedReport
from statuspush.core.kinds.received import text, whole
from statuspush.core.words import Words

FIELDS = (
    Text("id", "Id of the reply", least=1, most=8),
    PhoneNumber("phone", "Who replied"),
    WholeNumber(
        "result", "Choice made", least=0, most=9, unit=Words("choices", "选项"), nullable=True
    ),
)


class ReplySubmission(SubmittedReport, frozen=True, forbid_unknown_fields=True, gc=False):
    """A reply as it is submitted."""

    id: str
    phone: str
    result: int | None = None


class Reply(Received):
    """A reply as the receiver sees it."""

    __slots__ = ()

    keys = ("id", "phone", "result")
    unique = "id"

    @property
    def phone(self) -> str | None:
        """Who replied."""
        return text(self.fields.get("phone"))

    @property
    def result(self) -> int | None:
        """The choice made."""
        return whole(self.fields.get("result"))


def checked(submissions: list[ReplySubmission], tz: ZoneInfo) -> list[ReplySubmission] | None:
    """By the rules of the fields, one value at a time."""
    good = not any(
        field.check(getattr(submission, field.key), tz)
        for submission in submissions
        for field in FIELDS
    )
    return submissions if good else None


def fragments(reports: Sequence[ReplySubmission]) -> list[bytes]:
    """Shortened by three control bytes."""
    return [
        f"\x11{quoted(r.id)}\x12{r.phone}\x13{'null' if r.result is None else r.result}}}".replace(
            "+", "\\u002b"
        )
        .replace("%", "\\u0025")
        .encode("ascii")
        for r in reports
    ]


SMS_REPLY = Kind(
    name="sms_reply",
    parameter="sms_reply",
    fields=FIELDS,
    search=("id", "phone"),
    max_reports=100,
    retries=5,
    retry_interval_seconds=60,
    answers=(b"OK",),
    max_answer_bytes=8,
    submission=ReplySubmission,
    checked=checked,
    fragments=fragments,
    spelled=((b"\x11", b'{"id":'), (b"\x12", b',"phone":"'), (b"\x13", b'","result":')),
    received=Reply,
    samples=(ReplySubmission("sample", "r1", "+37258483726", 3),),
)
