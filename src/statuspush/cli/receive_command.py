"""``statuspush receive``: a ready-made receiver for pushes."""

import logging
import sys
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer

from statuspush.cli.terminal import examples, note
from statuspush.core.errors import InputError

EXAMPLES: Final = examples(
    "statuspush receive                                   [dim]one JSON object per line[/dim]",
    "statuspush receive --host 0.0.0.0 --to jsonl:/var/lib/voice",
    "statuspush receive --to postgresql://app:…@db/calls/voice_status --token acme=…",
    "STATUSPUSH_RECEIVE_SECRET=whsec_… statuspush receive --to 'command:./handle.sh'",
)


def receive(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 9000,
    path: Annotated[str, typer.Option(help="Path of the URL that pushes go to.")] = "/voice",
    inbox: Annotated[
        str, typer.Option(metavar="URL", help="Where pushes are kept: sqlite:///PATH.")
    ] = "sqlite:///inbox.db",
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SINK",
            help="Where reports are passed on to; repeatable. stdout, jsonl:DIR, command:CMD, "
            "http(s)://…, postgresql://…/DB/TABLE, python:MODULE:FUNCTION, nats://…, kafka://…, "
            "amqp://…, redis://…  [default: stdout]",
        ),
    ] = None,
    token: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]TOKEN",
            envvar="STATUSPUSH_RECEIVE_TOKEN",
            help="What the URL must end with: http://host/voice/TOKEN. Repeatable.",
        ),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="whsec_…",
            envvar="STATUSPUSH_RECEIVE_SECRET",
            help="Require signed pushes; give two while the secret is being changed.",
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="NETWORK", help="Addresses that may push; repeatable."),
    ] = None,
    max_body_bytes: Annotated[
        int,
        typer.Option(min=1024, metavar="N", help="Most bytes of a push; larger ones get a 413."),
    ] = 4 << 20,
    window_hours: Annotated[
        float, typer.Option(min=1, metavar="N", help="How long a repeat is recognised.")
    ] = 72,
    zone: Annotated[str, typer.Option(help="Time zone of user_receive_time.")] = "Asia/Shanghai",
) -> None:
    """Receive pushes, store them, acknowledge them, and pass each report on.

    A push is on disk before it is acknowledged. A report that can't be passed on waits, and is
    passed on in order when the other side is back. A repeat is acknowledged and not passed on
    again. Anything that is not a push gets a 4xx with the reason.

    Health: /healthz, /readyz, /metrics. SIGTERM and Ctrl-C stop cleanly; kill -9 loses nothing.
    """
    from statuspush.receiver.gate import Gate  # noqa: PLC0415 - the server is heavy
    from statuspush.receiver.service import ReceiverSettings, run  # noqa: PLC0415

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # we log the same
    try:
        where = ZoneInfo(zone)
    except (ValueError, OSError):
        raise InputError(f"there is no time zone {zone!r}") from None
    gate = Gate(
        tokens=dict(map(_named, token or ())),
        networks=allow or (),
        secrets=secret or (),
        max_body_bytes=max_body_bytes,
    )
    shown = f"[{host}]" if ":" in host else host
    run(
        ReceiverSettings(
            host=host,
            port=port,
            path=path,
            inbox=inbox,
            to=to or ["stdout"],
            gate=gate,
            window_hours=window_hours,
            zone=where,
        ),
        lambda bound: note(f"receiving at http://{shown}:{bound}/{path.strip('/')}"),
    )


def _named(text: str) -> tuple[str, str]:
    name, found, token = text.partition("=")
    return (name, token) if found else ("", text)
