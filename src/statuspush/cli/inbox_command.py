"""``statuspush inbox``: what a receiver keeps, and where its handlers failed for good."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from statuspush.cli.terminal import (
    JsonFlag,
    add_command,
    age,
    examples,
    print_json,
    print_table,
)
from statuspush.core.errors import InputError, ServiceError

if TYPE_CHECKING:
    import sqlite3

app = typer.Typer(
    help="Look into a receiver's inbox, even while the receiver runs.", no_args_is_help=True
)

_SCHEME: Final = "sqlite:///"
_BUSY_MS: Final = 10_000
InboxUrl = Annotated[str, typer.Option("--inbox", metavar="URL", help="sqlite:///PATH.")]
_DEFAULT: Final = "sqlite:///inbox.db"
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="As listed.")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter.")]


@contextmanager
def _opened(url: str) -> "Iterator[sqlite3.Connection]":
    import sqlite3  # noqa: PLC0415

    from statuspush.storage.file import connect  # noqa: PLC0415

    path = Path(url.removeprefix(_SCHEME))
    if not url.startswith(_SCHEME) or not path.is_file():
        raise InputError(f"{url}: there is no such inbox; name it as sqlite:///PATH")
    with closing(connect(path)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        try:
            yield connection
        except sqlite3.Error as error:
            raise ServiceError(f"{url}: {error}") from None


def list_troubles(
    inbox: InboxUrl = _DEFAULT,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also reports that will be tried again.")
    ] = False,
    sid: Annotated[str | None, typer.Option(help="Only this report.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N")] = 100,
    json: JsonFlag = False,
) -> None:
    """List the dead letters: reports whose handler failed for good, newest first."""
    from statuspush.core.lines import read_line  # noqa: PLC0415
    from statuspush.receiver.inbox import ledger  # noqa: PLC0415

    with _opened(inbox) as connection:
        found = ledger.list_troubles(connection, dead=not everything, sid=sid, limit=limit)
    if json:
        print_json(
            [
                {
                    "id": each.id,
                    "handler": each.handler,
                    "account": each.account,
                    "attempts": each.attempts,
                    "due_at": _moment(each.due_at),
                    "failed_at": _moment(each.failed_at),
                    "error": each.error,
                    "report": read_line(each.report),
                }
                for each in found
            ]
        )
        return
    now = datetime.now(UTC).timestamp()
    rows = [
        (
            *(each.id, each.sid, each.handler, each.attempts),
            age(now - each.failed_at / 1000),
            _moment(each.due_at) or "never",
            each.error,
        )
        for each in found
    ]
    print_table(("id", "sid", "handler", "attempts", "failed", "again", "error"), rows)


def find(
    value: Annotated[str, typer.Argument(help="A sid, or a number or uid as it was sent.")],
    inbox: InboxUrl = _DEFAULT,
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N")] = 100,
) -> None:
    """Print the reports with this sid, number or uid as JSON lines, newest first.

    Exit status 1 if there is none within the window.
    """
    from statuspush.core.kinds import VOICE_STATUS  # noqa: PLC0415
    from statuspush.core.kinds.voice_status import Report  # noqa: PLC0415
    from statuspush.receiver.inbox import ledger  # noqa: PLC0415

    with _opened(inbox) as connection:
        count = 0
        for arrived_at, account, fields in ledger.find_reports(
            connection, VOICE_STATUS.search, value, limit
        ):
            about = {"arrived_at": _moment(arrived_at), "account": account}
            typer.echo(Report(about | dict(Report(fields).as_dict())).json())
            count += 1
    raise typer.Exit(0 if count else 1)


def replay(ids: Ids = None, inbox: InboxUrl = _DEFAULT, *, everything: All = False) -> None:
    """Have dead letters handled again, with all attempts; a running receiver notices soon."""
    from statuspush.receiver.inbox import ledger  # noqa: PLC0415

    now = round(datetime.now(UTC).timestamp() * 1000)
    wanted = _chosen(ids, everything=everything)
    with _opened(inbox) as connection:
        count = ledger.replay(connection, now, wanted)
    typer.echo(f"{count} will be handled again")


def purge(ids: Ids = None, inbox: InboxUrl = _DEFAULT, *, everything: All = False) -> None:
    """Delete dead letters for good."""
    from statuspush.receiver.inbox import ledger  # noqa: PLC0415

    wanted = _chosen(ids, everything=everything)
    with _opened(inbox) as connection:
        count = ledger.purge(connection, wanted)
    typer.echo(f"{count} deleted")


def _chosen(ids: list[int] | None, *, everything: bool) -> list[int] | None:
    if everything == bool(ids):
        raise InputError("name the dead letters by their ids, or give --all")
    return ids


def _moment(milliseconds: int | None) -> Any:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


add_command(
    app, "list", examples("statuspush inbox list", "statuspush inbox list --all"), list_troubles
)
add_command(app, "find", examples("statuspush inbox find 15205201314"), find)
add_command(app, "replay", examples("statuspush inbox replay 17 18"), replay)
add_command(app, "purge", examples("statuspush inbox purge --all"), purge)
