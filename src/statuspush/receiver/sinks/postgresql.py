"""Reports in a PostgreSQL table, a row a sid."""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from statuspush.core.contract import VOICE_STATUS
from statuspush.core.errors import InputError, ServiceError
from statuspush.extras import missing
from statuspush.receiver.report import Report

if TYPE_CHECKING:
    import psycopg

TABLE: Final = "voice_status"
"""The table where the URL names none."""
TIMEOUT_SECONDS: Final = 60.0
"""For a batch; a server that has gone without a word must not hold the others for ever."""

_CONNECT_SECONDS: Final = 10
_COLUMNS: Final[dict[str, str]] = {
    "sid": "text",
    "uid": "text",
    "user_receive_time": "text",
    "duration": "integer",
    "error_msg": "text",
    "mobile": "text",
    "report_status": "text",
    "account": "text",
    "extra": "jsonb",
}
_MAX_INTEGER: Final = 2**31 - 1
_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


class PostgresqlSink:
    """Inserts a batch in one statement; a sid that is there already is overwritten.

    The column ``extra`` holds what came beside the contract's keys, and what does not fit its
    column. Two things no PostgreSQL text can hold and are replaced: the character NUL by U+FFFD,
    half of a surrogate pair by a question mark.
    """

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Take ``postgresql://user:password@host/database/table``, or ``…/database?table=name``.

        Other parameters of the query are the server's (``sslmode=require``). A table can be named
        with its schema: ``archive.voice_status``.
        """
        self._conninfo, self._table = _split(url)
        self._timeout_seconds: Final = timeout_seconds
        self._upsert: psycopg.sql.Composed | None = None
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def open(self) -> None:
        """Connect, and make the table if there is none."""
        try:
            import psycopg  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise missing("postgresql", "PostgreSQL") from error
        try:
            await self._connect()
        except (psycopg.Error, OSError, TimeoutError) as error:
            await self._drop()
            raise ServiceError(f"PostgreSQL: {error}") from error

    async def deliver(self, reports: Sequence[Report]) -> None:
        """Upsert the reports; returns when the server has committed them."""
        if self._connection is None:
            await self.open()
        connection, upsert = self._connection, self._upsert
        assert connection is not None
        assert upsert is not None
        # A statement cannot touch a row twice; of two reports with one sid the later one stays.
        rows = [_row(report) for report in {report.sid: report for report in reports}.values()]
        columns = [list(column) for column in zip(*rows, strict=True)]
        try:
            async with asyncio.timeout(self._timeout_seconds):
                # Outside of a transaction block a statement is a transaction by itself.
                await connection.execute(upsert, columns)
        except BaseException:
            await self._drop()
            raise

    async def close(self) -> None:
        """Close the connection."""
        await self._drop()

    async def _connect(self) -> None:
        import psycopg  # noqa: PLC0415 - an extra
        from psycopg import sql  # noqa: PLC0415

        table = sql.Identifier(*self._table)
        self._upsert = _upsert(table)
        async with asyncio.timeout(self._timeout_seconds):
            # Prepared statements break behind a pooler, and one round trip a batch is cheap.
            self._connection = connection = await psycopg.AsyncConnection.connect(
                self._conninfo,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=_CONNECT_SECONDS,
            )
            async with connection.transaction():
                # Two receivers may start at the same time on an empty database.
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext('statuspush'))")
                # Asked first, since even IF NOT EXISTS needs the right to make tables.
                found = await connection.execute(
                    "SELECT to_regclass(%s)", [table.as_string(connection)]
                )
                if await found.fetchone() == (None,):
                    await connection.execute(_create(table))

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _split(url: str) -> tuple[str, tuple[str, ...]]:
    """Divide a URL into what the server's library takes and the parts of the table's name."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    named = query.pop("table", "")
    segments = [unquote(segment) for segment in parts.path.strip("/").split("/") if segment]
    if len(segments) == 2 and not named:
        named = segments.pop()
    if len(segments) != 1:
        raise InputError("the PostgreSQL URL is not postgresql://…/DATABASE/TABLE")
    name = tuple((named or TABLE).split("."))
    if not all(name) or len(name) > 2:
        raise InputError(f'"{named}" is not the name of a table')
    path = "/" + quote(segments[0], safe="")
    return urlunsplit(
        ("postgresql", parts.netloc, path, urlencode(query, quote_via=quote), "")
    ), name


def _create(table: "psycopg.sql.Identifier") -> "psycopg.sql.Composed":
    from psycopg import sql  # noqa: PLC0415 - an extra

    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    text = columns.replace("sid text", "sid text PRIMARY KEY", 1)
    return sql.SQL("CREATE TABLE {} ({}, received_at timestamptz DEFAULT now())").format(
        table, sql.SQL(text)
    )


def _upsert(table: "psycopg.sql.Identifier") -> "psycopg.sql.Composed":
    from psycopg import sql  # noqa: PLC0415 - an extra

    names = ", ".join(_COLUMNS)
    arrays = ", ".join(f"%s::{'text' if kind == 'jsonb' else kind}[]" for kind in _COLUMNS.values())
    values = ", ".join(
        f"{name}::jsonb" if kind == "jsonb" else name for name, kind in _COLUMNS.items()
    )
    changes = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "sid")
    return sql.SQL(
        "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS given({})"
        " ON CONFLICT (sid) DO UPDATE SET {}"
    ).format(table, *(sql.SQL(part) for part in (names, values, arrays, names, changes)))


def _row(report: Report) -> list[object]:
    duration = report.duration
    columns: dict[str, object] = {
        "sid": report.sid,
        "uid": report.uid,
        "user_receive_time": report.user_receive_time,
        "duration": duration if duration is None or duration <= _MAX_INTEGER else None,
        "error_msg": report.error_msg,
        "mobile": report.mobile,
        "report_status": report.report_status,
    }
    unfit = {
        key: report.fields[key]
        for key in VOICE_STATUS.keys
        if columns[key] is None and report.fields.get(key) is not None
    }
    values = [*columns.values(), report.account]
    extra = report.extra | unfit
    return [
        *(_text(value) if isinstance(value, str) else value for value in values),
        _json(extra) if extra else None,
    ]


def _text(text: str) -> str:
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _json(value: object) -> str:
    try:
        text = msgspec.json.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair
        loose = json.dumps(value, ensure_ascii=False).encode(errors="replace")
        text = msgspec.json.encode(json.loads(loose))
    return _NUL.sub(rb"\1\\ufffd", text).decode()
