"""The result of a check as a table for people, and its progress on a terminal."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from statuspush.check.findings import Finding
from statuspush.cli.terminal import console, stderr_is_terminal
from statuspush.core.words import Language, Words

_GRADES: Final = {
    "ok": ("✓", Words("ok", "通过"), "green"),
    "warn": ("!", Words("warn", "注意"), "yellow"),
    "fail": ("✗", Words("fail", "失败"), "bold red"),
}
_SHOWN_CASES: Final = 5


def print_found(found: Sequence[Finding], language: Language) -> None:
    """A table of the cases, and below it what to fix and what is worth improving."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    out = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(Words("case", "项目").to(language))
    table.add_column(Words("verdict", "判定").to(language))
    table.add_column("HTTP", justify="right")
    table.add_column("ms", justify="right")
    for finding in found:
        mark, word, style = _GRADES[finding.grade]
        time = finding.milliseconds
        table.add_row(
            Text(finding.title.to(language)),
            Text(f"{mark} {word.to(language)}", style),
            "–" if finding.status is None else str(finding.status),
            "–" if time is None else f"{time:,}",
        )
    out.print(table, crop=False)
    headings = {
        "fail": Words("To fix", "需要修正"),
        "warn": Words("Worth improving", "建议"),
    }
    for grade, heading in headings.items():
        advised = _advised(found, grade)
        if not advised:
            continue
        out.print(Text(heading.to(language), _GRADES[grade][2]))
        for number, (words, titles) in enumerate(advised, start=1):
            out.print(Text(f"{number}. {words.to(language)}"), soft_wrap=True)
            out.print(Text(f"   {_listed(titles, language)}", "dim"), soft_wrap=True)
        out.print()
    out.print(Text(_summary(found).to(language), "bold"), soft_wrap=True)


def _advised(found: Sequence[Finding], grade: str) -> list[tuple[Words, list[Words]]]:
    """Each piece of advice once, with the cases that it is for."""
    grouped: dict[Words, list[Words]] = {}
    for finding in found:
        if finding.grade == grade and finding.advice is not None:
            grouped.setdefault(finding.advice, []).append(finding.title)
    return list(grouped.items())


def _listed(titles: Sequence[Words], language: Language) -> str:
    """The cases that an advice is for; only the first few where it is nearly all of them."""
    shown = ("；" if language == "zh" else "; ").join(
        title.to(language) for title in titles[:_SHOWN_CASES]
    )
    more = len(titles) - _SHOWN_CASES
    if more <= 0:
        return shown
    return shown + Words(f"; and {more} more", f"；另有 {more} 项").to(language)


def _summary(found: Sequence[Finding]) -> Words:
    fails, warns = (len(_advised(found, grade)) for grade in ("fail", "warn"))
    if fails:
        return Words(f"{fails} to fix", f"需要修正 {fails} 处")
    if warns:
        return Words(f"right; {warns} worth improving", f"正确，有 {warns} 条建议")
    return Words("all right", "全部正确")


@contextmanager
def progress(language: Language) -> Iterator[Callable[[Words], None]]:
    """Yield a callback that takes each case's title; a terminal shows it while the case runs."""
    if not stderr_is_terminal():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with Console(stderr=True).status("") as status:
        yield lambda title: status.update(Text(title.to(language)))
