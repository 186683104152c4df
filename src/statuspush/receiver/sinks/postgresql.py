"""Reports in a PostgreSQL table, one row per unique id."""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from statuspush.core.errors import InputError, ServiceError
from statuspush.core.kinds import VOICE_STATUS, Kind, Received
from statuspush.extras import missing

if TYPE_CHECKING:
    import psycopg

TIMEOUT_SECONDS: Final = 60.0
"""Limit for a batch: a server that has silently gone must not hold up the others for ever."""

_CONNECT_SECONDS: Final = 10
_TYPES: Final = {"string": "text", "integer": "integer"}
"""Type of a column, by the type of its JSON values."""
_MAX_INTEGER: Final = 2**31 - 1
_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


class PostgresqlSink:
    """Inserts a batch in one statement; a row with the same unique id is overwritten.

    There is a column for each key of the kind. The column ``extra`` holds other keys that came, and
    values that do not fit their column. Two things that no PostgreSQL text can hold are replaced:
    the character NUL by U+FFFD, half of a surrogate pair by a question mark.
    """

    def __init__(
        self,
        url: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
        kind: Kind[Any] = VOICE_STATUS,
    ) -> None:
        """Take ``postgresql://user:password@host/database/table``, or ``…/database?table=name``.

        Other query parameters go to the server (``sslmode=require``). A table can be named with
        its schema: ``archive.voice_status``. Without a name it has the name of the kind.
        """
        self._kind: Final = kind
        self._conninfo, self._table = _split(url, kind.name)
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

    async def deliver(self, reports: Sequence[Received]) -> None:
        """Upsert the reports; returns when the server has committed them."""
        if self._connection is None:
            await self.open()
        connection, upsert = self._connection, self._upsert
        assert connection is not None
        assert upsert is not None
        # A statement cannot touch a row twice; of two reports with one id the later one stays.
        rows = [
            _row(report, self._kind)
            for report in {report.id: report for report in reports}.values()
        ]
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
        self._upsert = _upsert(table, self._kind)
        async with asyncio.timeout(self._timeout_seconds):
            # Prepared statements break behind a pooler, and one round trip per batch is cheap.
            self._connection = connection = await psycopg.AsyncConnection.connect(
                self._conninfo,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=_CONNECT_SECONDS,
            )
            async with connection.transaction():
                # Two receivers may start at the same time on an empty database.
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext('statuspush'))")
                # Asked first, since even IF NOT EXISTS needs the privilege to create tables.
                found = await connection.execute(
                    "SELECT to_regclass(%s)", [table.as_string(connection)]
                )
                if await found.fetchone() == (None,):
                    await connection.execute(_create(table, self._kind))

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _split(url: str, table: str) -> tuple[str, tuple[str, ...]]:
    """Split a URL into what the client library takes and the parts of the table's name."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    named = query.pop("table", "")
    segments = [unquote(segment) for segment in parts.path.strip("/").split("/") if segment]
    if len(segments) == 2 and not named:
        named = segments.pop()
    if len(segments) != 1:
        raise InputError("the PostgreSQL URL is not postgresql://…/DATABASE/TABLE")
    name = tuple((named or table).split("."))
    if not all(name) or len(name) > 2:
        raise InputError(f'"{named}" is not the name of a table')
    path = "/" + quote(segments[0], safe="")
    return urlunsplit(
        ("postgresql", parts.netloc, path, urlencode(query, quote_via=quote), "")
    ), name


def _columns(kind: Kind[Any]) -> dict[str, str]:
    """The columns that a report fills, with their types."""
    keys = {field.key: _TYPES[field.json_type] for field in kind.fields}
    return {**keys, "account": "text", "extra": "jsonb"}


def _create(table: "psycopg.sql.Identifier", kind: Kind[Any]) -> "psycopg.sql.Composed":
    from psycopg import sql  # noqa: PLC0415 - an extra

    text = ", ".join(
        f"{name} {type_} PRIMARY KEY" if name == kind.unique else f"{name} {type_}"
        for name, type_ in _columns(kind).items()
    )
    return sql.SQL("CREATE TABLE {} ({}, received_at timestamptz DEFAULT now())").format(
        table, sql.SQL(text)
    )


def _upsert(table: "psycopg.sql.Identifier", kind: Kind[Any]) -> "psycopg.sql.Composed":
    from psycopg import sql  # noqa: PLC0415 - an extra

    columns = _columns(kind)
    names = ", ".join(columns)
    arrays = ", ".join(
        f"%s::{'text' if type_ == 'jsonb' else type_}[]" for type_ in columns.values()
    )
    values = ", ".join(
        f"{name}::jsonb" if type_ == "jsonb" else name for name, type_ in columns.items()
    )
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != kind.unique)
    return sql.SQL(
        "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS given({})"
        " ON CONFLICT ({}) DO UPDATE SET {}"
    ).format(
        table,
        *(sql.SQL(part) for part in (names, values, arrays, names, kind.unique, changes)),
    )


def _row(report: Received, kind: Kind[Any]) -> list[object]:
    fitting = {key: _fitting(value) for key, value in report.typed().items()}
    unfit = {
        key: report.fields[key]
        for key in kind.keys
        if fitting[key] is None and report.fields.get(key) is not None
    }
    extra = report.extra | unfit
    return [*fitting.values(), _text(report.account), _json(extra) if extra else None]


def _fitting(value: object) -> object:
    """The value as its column takes it; None if the column cannot hold it."""
    if isinstance(value, int):
        return value if value <= _MAX_INTEGER else None
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _json(value: object) -> str:
    try:
        text = msgspec.json.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair
        loose = json.dumps(value, ensure_ascii=False).encode(errors="replace")
        text = msgspec.json.encode(json.loads(loose))
    return _NUL.sub(rb"\1\\ufffd", text).decode()
