"""``statuspush check``: is this endpoint right, whatever it is written in."""

import asyncio
import json as json_module
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from statuspush.cli.account import parse_header
from statuspush.cli.terminal import JsonFlag, chinese, console, examples, print_json
from statuspush.core.errors import InputError

if TYPE_CHECKING:
    from statuspush.cli.checking.findings import Finding

EXAMPLES: Final = examples(
    "statuspush check http://127.0.0.1:5000/voice_status",
    "statuspush check https://acme.example/status --secret whsec_… --lang zh",
    "statuspush check http://127.0.0.1:5000/ --echo-file reports.jsonl   [dim]each field too[/dim]",
)

_ANYWHERE: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_MARKS: Final = {"ok": "[green]✓[/green]", "warn": "[yellow]![/yellow]", "fail": "[red]✗[/red]"}


def check(
    target: Annotated[str, typer.Argument(metavar="URL", help="The endpoint.")],
    *,
    secret: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Sign the pushes: whsec_… and base64.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="A further header; repeatable."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=300, metavar="SECONDS", help="Limit for each request.")
    ] = 15.0,
    echo_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where a GET gives what was understood, a JSON object a line."
        ),
    ] = None,
    echo_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file with what was understood, likewise."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Without large, slow and concurrent pushes.")
    ] = False,
    allow_private: Annotated[
        bool,
        typer.Option("--allow-private/--no-allow-private", help="Private and local addresses too."),
    ] = True,
    lang: Annotated[
        str | None,
        typer.Option(metavar="en|zh", help="Language of the advice. [default: the locale's]"),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Try an endpoint with everything that platforms send, and say what to fix and how.

    Sends about thirty real pushes, marked as tests (their sids begin with "check"), in each
    encoding, with difficult values, with 1 and 500 reports, again, at once and slowly; and what is
    no push, which must not be acknowledged. With an echo, each field is compared with what the
    endpoint understood. Exit status 0 if all is right, 1 if there is something to fix.
    """
    from statuspush.cli.checking.course import Course  # noqa: PLC0415
    from statuspush.cli.checking.probe import Probe  # noqa: PLC0415
    from statuspush.core.signature import validate_secret  # noqa: PLC0415
    from statuspush.transport import AddressGuard, Transport, validate_header  # noqa: PLC0415

    if echo_url and echo_file:
        raise InputError("give --echo-url or --echo-file, not both")
    if secret is not None:
        validate_secret(secret)
    headers = [parse_header(line) for line in header or ()]
    for name, value in headers:
        validate_header(name, value)

    async def run() -> "list[Finding]":
        transport = Transport(guard=AddressGuard(_ANYWHERE if allow_private else ()))
        try:
            probe = Probe(target, transport, secret, headers, timeout)
            return await Course(probe, quick=quick, echo_url=echo_url, echo_file=echo_file).run()
        finally:
            await transport.close()

    findings = asyncio.run(run())
    wrong = any(finding.grade == "fail" for finding in findings)
    if json:
        print_json(_document(target, findings))
    else:
        _print(findings, zh=chinese(lang))
    raise typer.Exit(1 if wrong else 0)


def _document(url: str, findings: "list[Finding]") -> dict[str, Any]:
    return {
        "url": url,
        "right": not any(finding.grade == "fail" for finding in findings),
        "cases": [
            {
                "name": finding.name,
                "grade": finding.grade,
                "status": finding.status,
                "milliseconds": finding.milliseconds,
                "advice": finding.en,
                "advice_zh": finding.zh,
            }
            for finding in findings
        ],
    }


def _print(findings: "list[Finding]", *, zh: bool) -> None:
    from rich.markup import escape  # noqa: PLC0415

    out = console()
    for finding in findings:
        title = finding.title_zh if zh else finding.title
        said = "–" if finding.status is None else str(finding.status)
        out.print(f"{_MARKS[finding.grade]} {title}  [dim]{said}  {finding.milliseconds} ms[/dim]")
        advice = finding.zh if zh else finding.en
        if advice:
            out.print(f"    {escape(advice)}")
    fails = sum(finding.grade == "fail" for finding in findings)
    warns = sum(finding.grade == "warn" for finding in findings)
    if fails:
        out.print(f"需要修正 {fails} 处" if zh else f"{fails} to fix")
    elif warns:
        out.print(f"正确，{warns} 条建议" if zh else f"right, with {warns} remarks")
    else:
        out.print("全部正确" if zh else "all right")


def read_lines(text: str) -> list[dict[str, object]]:
    """JSON objects, one a line; raises InputError for anything else."""
    try:
        lines = [json_module.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise InputError(f"the echo is not JSON lines: {error}") from None
    if not all(isinstance(line, dict) for line in lines):
        raise InputError("the echo is not a JSON object a line")
    return lines
