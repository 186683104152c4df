"""Progress while a survey runs, and its result on the terminal."""

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

from statuspush.bench import survey_words
from statuspush.bench.survey import Survey
from statuspush.bench.trial import Workload
from statuspush.core.words import Language, Words

_REDRAWS_PER_SECOND: Final = 4


@contextlib.contextmanager
def progress(
    workloads: list[Workload], language: Language, *, live: bool
) -> Iterator[Callable[[Workload, str], None]]:
    """One bar per workload on stderr if ``live``; yields a callback for the start of each phase."""
    if not live:
        yield lambda workload, phase: None
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
        mover = _Mover(bars, workloads, language)
        try:
            yield mover.begin
        finally:
            mover.stop()


class _Mover:
    """Moves the bars: by the clock while reports are submitted, else by phases."""

    def __init__(self, bars: Progress, workloads: list[Workload], language: Language) -> None:
        self._bars = bars
        self._language = language
        self._tasks: dict[str, TaskID] = {
            workload.name: bars.add_task(
                survey_words.WORKLOADS[workload.name].to(language),
                total=workload.seconds,
                start=False,
                phase="",
            )
            for workload in workloads
        }
        self._loading: tuple[TaskID, float] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self, workload: Workload, phase: str) -> None:
        """A phase of a workload begins."""
        task = self._tasks[workload.name]
        if phase == "start":
            for earlier in self._tasks.values():
                if earlier < task:
                    self._bars.update(earlier, phase="✓")
                    self._bars.stop_task(earlier)
            self._bars.start_task(task)
        self._loading = (task, time.monotonic()) if phase == "load" else None
        if phase in ("drain", "reconcile"):
            self._bars.update(task, completed=workload.seconds)
        self._bars.update(task, phase=survey_words.PHASES[phase].to(self._language))

    def stop(self) -> None:
        """The end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1 / _REDRAWS_PER_SECOND):
            if (loading := self._loading) is not None:
                task, began = loading
                self._bars.update(task, completed=time.monotonic() - began)


def show(survey: Survey, console: Console, language: Language) -> None:
    """Print the result, the figures, the limits and how they were found."""
    console.print(Text(survey_words.answer(survey).to(language), style="bold"))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)  # fits 80 columns
    for index, column in enumerate(survey_words.COLUMNS):
        table.add_column(column.to(language), justify="right" if index else "left", no_wrap=True)
    for run in survey.runs:
        table.add_row(*(cell.to(language) for cell in survey_words.row(run)))
    console.print()
    console.print(table, crop=False)
    console.print()
    console.print(Text(survey_words.LEGEND.to(language), style="dim"))
    console.print()
    console.print(Words("The limit:", "瓶颈：").to(language))
    for run in survey.runs:
        title = survey_words.WORKLOADS[run.work].to(language) + Words(": ", "：").to(language)
        text = Text.assemble((title, "bold"), survey_words.limit(run).to(language))
        console.print(Padding(text, (0, 0, 0, 2), expand=False))
    console.print()
    for remark in survey_words.remarks(survey):
        console.print(Text(remark.to(language)))
    summary = survey_words.summary(survey).to(language)
    console.print(Text(summary, style="" if survey.good else "bold red"))
    if (unclean := survey_words.unclean(survey)) is not None:
        console.print(Text(unclean.to(language), style="bold red"))
