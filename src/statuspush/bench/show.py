"""Progress while a survey runs, and its answer on the terminal."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from statuspush.bench import words
from statuspush.bench.survey import Survey
from statuspush.bench.trial import Work

_REDRAWS_PER_SECOND: Final = 4


@contextlib.contextmanager
def progress(works: list[Work], *, zh: bool, live: bool) -> Iterator[Callable[[Work, str], None]]:
    """A bar for each work on stderr while a person watches, nothing else; yields what to tell."""
    if not live:
        yield lambda work, phase: None
        return
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[phase]}", style="dim"),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=_REDRAWS_PER_SECOND,
    )
    with bars:
        teller = _Teller(bars, works, zh=zh)
        try:
            yield teller.tell
        finally:
            teller.stop()


class _Teller:
    """Moves the bars: by the clock while reports are submitted, else by phases."""

    def __init__(self, bars: Progress, works: list[Work], *, zh: bool) -> None:
        self._bars = bars
        self._zh = zh
        self._tasks: dict[str, TaskID] = {
            work.name: bars.add_task(
                words.work(work.name, zh=zh), total=work.seconds, start=False, phase=""
            )
            for work in works
        }
        self._loading: tuple[TaskID, float] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def tell(self, work: Work, phase: str) -> None:
        """A phase of a work begins."""
        task = self._tasks[work.name]
        if phase == "start":
            for earlier in self._tasks.values():
                if earlier < task:
                    self._bars.update(earlier, phase="✓")
                    self._bars.stop_task(earlier)
            self._bars.start_task(task)
        self._loading = (task, time.monotonic()) if phase == "load" else None
        if phase in ("drain", "reconcile"):
            self._bars.update(task, completed=work.seconds)
        self._bars.update(task, phase=words.PHASES[phase][self._zh])

    def stop(self) -> None:
        """The end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1 / _REDRAWS_PER_SECOND):
            if (loading := self._loading) is not None:
                task, began = loading
                self._bars.update(task, completed=time.monotonic() - began)


def show(survey: Survey, console: Console, *, zh: bool) -> None:
    """Print the answer, the figures, the limits and how they are known."""
    console.print(Text(words.answer(survey, zh=zh), style="bold"))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)  # fits 80 columns
    for index, column in enumerate(words.columns(zh=zh)):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for run in survey.runs:
        table.add_row(*words.row(run, zh=zh))
    console.print()
    console.print(table, crop=False)
    console.print()
    console.print(Text(words.legend(zh=zh), style="dim"))
    console.print()
    console.print("瓶颈：" if zh else "The limit:")
    for run in survey.runs:
        colon = "：" if zh else ": "
        text = Text.assemble((words.work(run.work, zh=zh) + colon, "bold"), words.limit(run, zh=zh))
        console.print(Padding(text, (0, 0, 0, 2), expand=False))
    console.print()
    for remark in words.remarks(survey, zh=zh):
        console.print(Text(remark))
    console.print(Text(words.reckoning(survey, zh=zh), style="" if survey.good else "bold red"))
    if (unclean := words.unclean(survey, zh=zh)) is not None:
        console.print(Text(unclean, style="bold red"))
