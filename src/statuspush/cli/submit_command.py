"""``statuspush submit``: submit a file of reports to a running service."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from statuspush.api_client import (
    DEFAULT_URL,
    authorization,
    base_url,
    uses_proxy,
)
from statuspush.cli.files import opened
from statuspush.cli.service_flags import TokenFlag, UrlFlag
from statuspush.cli.terminal import JsonFlag, examples, note, print_json, stderr_is_terminal
from statuspush.core.kinds import VOICE_STATUS
from statuspush.intake.read import Counted, Format, read_reports

if TYPE_CHECKING:
    from statuspush.intake.upload import UploadCounts, UploadPlan

EXAMPLES: Final = examples(
    "statuspush submit reports.csv --account acme",
    "statuspush submit reports.ndjson --jobs 4",
    "zcat reports.json.gz | statuspush submit - --format json",
    "statuspush submit reports.csv --skip-invalid --json > result.json",
)

_SHOWN_MISTAKES: Final = 20
_REDRAWS_PER_SECOND: Final = 5


def submit(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="The reports; - is stdin.")],
    *,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Account for reports that name none.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="auto goes by the file name or the first character.")
    ] = Format.AUTO,
    batch: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="Reports per request.")
    ] = 1000,
    jobs: Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Concurrent requests.")] = 2,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Skip refused reports instead of stopping.")
    ] = False,
    patience: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="How long to retry while the service is busy or away."
        ),
    ] = 300,
    json: JsonFlag = False,
    url: UrlFlag = DEFAULT_URL,
    token: TokenFlag = None,
) -> None:
    """Submit a file of reports to a running service; repeating it is harmless.

    JSON (an array, or objects one after the other), JSON lines, or CSV whose first line names
    the columns: account, sid, uid, user_receive_time, duration, error_msg, mobile, report_status.
    Empty cells of uid and error_msg are null. Files may have any size: they are never read whole.

    Interrupted? Run it again: reports that are already in are counted as duplicates. Reports of
    one account are accepted in the order of the file, whatever --jobs is. A batch with mistakes
    is refused as a whole; the mistakes are printed with their lines and the exit status is 1.
    """
    plan_headers = authorization(token)
    # After the cheap checks, because importing an HTTP client takes a tenth of a second.
    from statuspush.intake.upload import UploadCounts, UploadPlan  # noqa: PLC0415

    service = base_url(url)
    plan = UploadPlan(
        url=service,
        headers=plan_headers,
        batch=batch,
        lanes=jobs,
        skip_invalid=skip_invalid,
        patience=patience,
        proxies=uses_proxy(service),
    )
    tally = UploadCounts()
    began = monotonic()
    with opened(file) as stream:
        try:
            _run(stream, plan, tally, file=file, form=form, account=account, quiet=json)
        except KeyboardInterrupt:
            note(
                f"interrupted after {tally.accepted + tally.duplicates:,} reports; run the same "
                "command again: those are recognised as duplicates"
            )
            raise typer.Exit(130) from None
    _summarize(tally, monotonic() - began, json=json)
    if tally.stopped:
        raise typer.Exit(1)


def _run(
    stream: BinaryIO,
    plan: "UploadPlan",
    tally: "UploadCounts",
    *,
    file: str,
    form: Format,
    account: str | None,
    quiet: bool,
) -> None:
    from statuspush.intake.upload import upload  # noqa: PLC0415

    source = Counted(stream)
    lines = read_reports(source, form, file, account, VOICE_STATUS)
    with _progress(stream, source, tally, quiet=quiet) as say:
        asyncio.run(upload(lines, plan, tally, say))


@contextmanager
def _progress(
    stream: BinaryIO, source: Counted, tally: "UploadCounts", *, quiet: bool
) -> Iterator[Callable[[str], None]]:
    """A bar on stderr while a person watches; yields what prints a line above it."""
    if quiet or not stderr_is_terminal():
        yield note
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TimeElapsedColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    class Reports(ProgressColumn):
        """Reports that are in, reports per second, and how long the rest will take."""

        def render(self, task: Task) -> Text:
            done = tally.accepted + tally.duplicates
            elapsed = max(task.elapsed or 0, 0.1)
            text = f"{done:,} reports, {done / elapsed:,.0f}/s"
            if size and 0 < source.bytes_read < size:
                text += f", {elapsed * (size / source.bytes_read - 1):,.0f} s left"
            return Text(text)

    class Position(ProgressColumn):
        """How far the file is read: the bar follows the file, whose report count nobody knows."""

        def render(self, task: Task) -> Text:
            task.completed = source.bytes_read
            return Text("")

    size = _size(stream)
    known = (BarColumn(), DownloadColumn(binary_units=True))
    columns = known if size else (SpinnerColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(
        Position(), *columns, Reports(), console=console, refresh_per_second=_REDRAWS_PER_SECOND
    ) as progress:
        progress.add_task("", total=size)
        yield lambda text: progress.console.print(text, markup=False, highlight=False)


def _size(stream: BinaryIO) -> int | None:
    """Size of a file in bytes; None for a pipe."""
    try:
        return os.fstat(stream.fileno()).st_size or None
    except OSError:
        return None


def _summarize(tally: "UploadCounts", seconds: float, *, json: bool) -> None:
    done = tally.accepted + tally.duplicates
    mistakes = sorted(tally.mistakes, key=lambda mistake: mistake.line)
    if json:
        print_json(
            {
                "accepted": tally.accepted,
                "duplicates": tally.duplicates,
                "refused": tally.refused,
                "complete": not tally.stopped,
                "seconds": round(seconds, 3),
                "errors": [
                    {"line": m.line, "field": m.field, "message": m.message} for m in mistakes
                ],
            }
        )
        return
    for mistake in mistakes[:_SHOWN_MISTAKES]:
        field = f"{mistake.field}: " if mistake.field else ""
        note(f"line {mistake.line}: {field}{mistake.message}")
    if len(mistakes) > _SHOWN_MISTAKES:
        note(f"… and {len(mistakes) - _SHOWN_MISTAKES:,} more mistakes (--json lists them)")
    least = "at least " if tally.more_refused else ""
    typer.echo(
        f"{tally.accepted:,} accepted, {tally.duplicates:,} duplicates, "
        f"{least}{tally.refused:,} refused "
        f"in {seconds:.1f} s ({done / max(seconds, 0.001):,.0f} reports/s)"
    )
    if tally.stopped:
        note(
            "stopped: fix these lines and run the same command again, or leave them out with "
            "--skip-invalid; reports that are already in are recognised as duplicates"
        )
