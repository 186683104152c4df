"""The command ``statuspush``: its commands by name, and how errors are shown."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from statuspush import __version__
from statuspush.cli import (
    account,
    bench_command,
    check_command,
    config_command,
    decode_command,
    demo_command,
    inbox_command,
    migrate_command,
    receive_command,
    redrive_command,
    send_command,
    serve_command,
    submit_command,
)
from statuspush.cli.terminal import add_command, examples, note
from statuspush.core.errors import InputError, StatuspushError


class _Commands(TyperGroup):
    """Turns our errors into one line and an exit status; other errors keep their traceback.

    2 means that the command line was wrong, so repeating it can't help; 1 that it failed.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except StatuspushError as error:
            note(f"statuspush: {error}")
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from None


app = typer.Typer(
    name="statuspush",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    # A traceback with local variables would print tokens.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "statuspush demo                      [dim]see it work, in this terminal[/dim]",
        "statuspush serve                     [dim]start the service[/dim]",
        "statuspush account create acme       [dim]create an account[/dim]",
        "statuspush account push acme --url https://acme.example/status --mode on",
        "statuspush submit reports.csv        [dim]submit reports[/dim]",
        "statuspush send https://acme.example/status   [dim]try an endpoint out[/dim]",
        "statuspush receive                   [dim]the customer's side: receive pushes[/dim]",
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"statuspush {__version__}")
        raise typer.Exit


@app.callback()
def statuspush(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Push voice status reports to customers: accepted once, delivered at least once, never lost.

    Every command explains itself: statuspush COMMAND --help
    """


add_command(app, "serve", serve_command.EXAMPLES, serve_command.serve)
add_command(app, "submit", submit_command.EXAMPLES, submit_command.submit)
add_command(app, "demo", demo_command.EXAMPLES, demo_command.demo)
add_command(app, "bench", bench_command.EXAMPLES, bench_command.bench)
add_command(app, "send", send_command.EXAMPLES, send_command.send)
add_command(app, "check", check_command.EXAMPLES, check_command.check)
add_command(app, "receive", receive_command.EXAMPLES, receive_command.receive)
app.add_typer(inbox_command.app, name="inbox")
add_command(app, "decode", decode_command.EXAMPLES, decode_command.decode)
app.add_typer(account.app, name="account")
add_command(app, "redrive", redrive_command.EXAMPLES, redrive_command.redrive)
add_command(app, "config", config_command.EXAMPLES, config_command.show_config)
add_command(app, "migrate", migrate_command.EXAMPLES, migrate_command.migrate)


def main() -> None:
    """Run the command line of this process, and exit."""
    app(prog_name="statuspush")
