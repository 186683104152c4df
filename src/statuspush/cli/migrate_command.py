"""``statuspush migrate``: bring a database file to the schema of this version."""

from typing import Annotated, Final

import typer

from statuspush.cli.setting_flags import takes_settings
from statuspush.cli.terminal import examples
from statuspush.config import Loaded
from statuspush.core.errors import InputError
from statuspush.extras import require_server

EXAMPLES: Final = examples(
    "statuspush migrate --check    [dim]exit status 1 if there is something to do[/dim]",
    "statuspush migrate --database sqlite:////var/lib/statuspush/statuspush.db",
)


@takes_settings("database")
def migrate(
    loaded: Loaded,
    check: Annotated[bool, typer.Option("--check", help="Only look; change nothing.")] = False,
) -> None:
    """Bring the database to the schema of this version.

    "serve" does this itself when it starts; this command is for those who want to choose the time.
    The service must be stopped. A database of a newer version is refused, never changed; keep a
    copy of the file if you may want to go back.
    """
    require_server("statuspush migrate")
    from statuspush.storage.file import migrate_file, schema_version  # noqa: PLC0415
    from statuspush.store.sqlite import SCHEMA  # noqa: PLC0415

    path = loaded.settings.database_path
    if not path.exists():
        raise InputError(f"{path}: there is no such database; 'statuspush serve' makes one")
    if check:
        present, newest = schema_version(path, SCHEMA)
        if present < newest:
            typer.echo(f"{path}: schema version {present}, this version needs {newest}")
            raise typer.Exit(1)
        typer.echo(f"{path}: schema version {present} is up to date")
        return
    old, new = migrate_file(path, SCHEMA)
    if old == new:
        typer.echo(f"{path}: schema version {new} is up to date")
    else:
        typer.echo(f"{path}: migrated from schema version {old} to {new}")
