"""``statuspush send``: one push to any URL, as the contract defines it, and the verdict."""

import asyncio
from dataclasses import dataclass
from time import perf_counter, time
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import typer

from statuspush.cli.files import opened
from statuspush.cli.terminal import JsonFlag, LangFlag, console, examples, language_of, print_json
from statuspush.core.contract import Wire
from statuspush.core.customer_headers import parse_header
from statuspush.core.errors import InputError
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.words import Language, Words

if TYPE_CHECKING:
    from statuspush.core.outcome import Verdict
    from statuspush.core.push_request import PostRequest

EXAMPLES: Final = examples(
    "statuspush send http://127.0.0.1:5000/voice_status",
    "statuspush send https://acme.example/status --file reports.json --wire double",
    "statuspush send https://acme.example/status --secret whsec_… --header 'X-Team: voice'",
    "statuspush send https://acme.example/status --lang zh || echo 未确认",
)

_ZONE: Final = "Asia/Shanghai"
_ACCOUNT: Final = "send"
"""Reports need an account to be checked; it is not part of a push."""


def send(
    target: Annotated[str, typer.Argument(metavar="URL", help="Where to push.")],
    *,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-", help="Reports: JSON, JSON lines or CSV. [default: two samples]"
        ),
    ] = None,
    wire: Annotated[Wire, typer.Option(help="How the JSON is encoded.")] = Wire.ROBUST,
    secret: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Sign the push: whsec_… and base64.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="A further header; repeatable."),
    ] = None,
    attempt: Annotated[int, typer.Option(min=1, metavar="N", help="What X-Push-Attempt says.")] = 1,
    timeout: Annotated[
        float,
        typer.Option(min=0.05, max=300, metavar="SECONDS", help="Limit for the whole request."),
    ] = 15.0,
    connect_timeout: Annotated[
        float, typer.Option(min=0.05, max=300, metavar="SECONDS", help="Limit for connecting.")
    ] = 5.0,
    allow_private: Annotated[
        bool,
        typer.Option(
            "--allow-private/--no-allow-private",
            help="Private and local addresses too; the service itself refuses them by default.",
        ),
    ] = True,
    lang: LangFlag = None,
    json: JsonFlag = False,
) -> None:
    """Push reports to a URL once, and say what the answer means.

    The request is the one the service would send, by the same code. Nothing is stored and
    nothing is retried. Exit status 0 if the push was acknowledged, 1 if not.
    """
    fragments = _fragments(file)
    push = _Push(target, fragments, wire, secret, _extra(header), attempt, timeout, connect_timeout)
    verdict, seconds, size = asyncio.run(_send(push, allow_private=allow_private))
    if json:
        print_json(_document(verdict, seconds, size, fragments))
    else:
        _print(verdict, seconds, size, fragments, language_of(lang))
    raise typer.Exit(0 if verdict.acknowledged else 1)


@dataclass(frozen=True, slots=True)
class _Push:
    """What is to be sent."""

    url: str
    fragments: bytes
    wire: Wire
    secret: str | None
    extra: list[tuple[str, str]]
    attempt: int
    timeout: float
    connect_timeout: float

    def request(self) -> "PostRequest":
        """The POST that the service would send."""
        from statuspush.core.push_request import push_request  # noqa: PLC0415
        from statuspush.core.wire import body  # noqa: PLC0415

        now = time()
        return push_request(
            self.url,
            body(self.fragments, self.wire, VOICE_STATUS),
            push=f"test_{int(now * 1000)}",
            attempt=self.attempt,
            signed_at=int(now),
            secret=self.secret,
            extra_headers=self.extra,
            connect_seconds=min(self.connect_timeout, self.timeout),
            timeout_seconds=self.timeout,
        )


async def _send(push: _Push, *, allow_private: bool) -> tuple["Verdict", float, int]:
    """The verdict, how many seconds it took, and the size of the body in bytes."""
    from statuspush.core.ack import judge  # noqa: PLC0415
    from statuspush.transport import AddressGuard, Transport  # noqa: PLC0415
    from statuspush.transport.guard import ANYWHERE  # noqa: PLC0415

    # A person at the keyboard calls their own endpoint; the guard is for customers' URLs.
    transport = Transport(guard=AddressGuard(ANYWHERE if allow_private else ()))
    request = push.request()
    began = perf_counter()
    try:
        result = await transport.post(request)
    finally:
        await transport.close()
    return judge(result, VOICE_STATUS), perf_counter() - began, len(request.body)


def _fragments(file: str | None) -> bytes:
    """The reports as they are stored, newline-joined."""
    from statuspush.core.fragment import sample_fragments  # noqa: PLC0415

    if file is None:
        return sample_fragments(VOICE_STATUS)
    from statuspush.core.report import InvalidReports, read_submissions  # noqa: PLC0415
    from statuspush.intake.read import Format, read_reports  # noqa: PLC0415

    lines = []
    with opened(file) as stream:
        for line in read_reports(stream, Format.AUTO, file, _ACCOUNT, VOICE_STATUS):
            if line.error:
                raise InputError(f"line {line.number}: {line.error}")
            lines.append(line)
            if len(lines) > VOICE_STATUS.max_reports:
                raise InputError(f"a push holds at most {VOICE_STATUS.max_reports} reports")
    if not lines:
        raise InputError(f"{file}: there are no reports in it")
    body = b"\n".join(line.json for line in lines)
    try:
        reports = read_submissions(body, VOICE_STATUS, ndjson=True, tz=ZoneInfo(_ZONE))
    except InvalidReports as error:
        found = [f"line {lines[e.index].number}: {e.field}: {e.words.en}" for e in error.errors]
        raise InputError("\n  ".join([f"{error.total} mistakes in the reports", *found])) from None
    return b"\n".join(VOICE_STATUS.fragments(reports))


def _extra(lines: list[str] | None) -> list[tuple[str, str]]:
    from statuspush.transport import validate_header  # noqa: PLC0415

    headers = [parse_header(line) for line in lines or ()]
    for name, value in headers:
        validate_header(name, value)
    return headers


def _document(verdict: "Verdict", seconds: float, size: int, fragments: bytes) -> dict[str, object]:
    from statuspush.core.hints import hint  # noqa: PLC0415

    said = hint(verdict, VOICE_STATUS)
    return {
        "acknowledged": verdict.acknowledged,
        "outcome": verdict.outcome.value,
        "http_status": verdict.http_status,
        "answer": verdict.answer.decode("utf-8", "replace"),
        "detail": verdict.detail,
        "hint": said.en,
        "hint_zh": said.zh,
        "duration_ms": round(seconds * 1000),
        "reports": fragments.count(b"\n") + 1,
        "body_bytes": size,
    }


def _print(
    verdict: "Verdict", seconds: float, size: int, fragments: bytes, language: Language
) -> None:
    from rich.text import Text  # noqa: PLC0415

    from statuspush.core.hints import hint  # noqa: PLC0415

    reports = fragments.count(b"\n") + 1
    style = "bold green" if verdict.acknowledged else "bold red"
    mark = "✓" if verdict.acknowledged else "✗"
    lines = [
        Text.assemble((f"{mark} {hint(verdict, VOICE_STATUS).to(language)}", style)),
        Text(
            Words(
                f"  {reports} reports, {size:,} bytes, {seconds * 1000:.0f} ms",
                f"  {reports} 条报告，{size:,} 字节，{seconds * 1000:.0f} ms",
            ).to(language)
        ),
    ]
    if verdict.http_status is not None:
        answer = verdict.answer.decode("utf-8", "replace")
        word = Words("answer", "应答").to(language)
        lines.append(Text(f"  HTTP {verdict.http_status}, {word} {answer!r}"))
    out = console()
    for line in lines:
        out.print(line, soft_wrap=True)
