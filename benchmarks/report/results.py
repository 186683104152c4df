"""Raw results, a JSON file for each part, kept in ``benchmarks/results``."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.benchmark import Run

FOLDER = Path(__file__).parents[1] / "results"
"""Where they are kept."""


@dataclass(frozen=True)
class Result:
    """A part as it was measured."""

    part: str
    date: str
    """UTC, ISO 8601."""
    machine: Mapping[str, Any]
    quick: bool
    """A small trial, whose figures say little."""
    seconds: float
    """How long the measuring took."""
    runs: list[Run]
    broke_off: str = ""
    """What ended the measuring early; the rounds that were whole are kept."""


Results: TypeAlias = Mapping[str, Result]
"""What has been measured, by part."""


def save(result: Result, folder: Path = FOLDER) -> None:
    """Keep a result in place of the one before."""
    folder.mkdir(exist_ok=True)
    text = json.dumps(asdict(result), indent=1, ensure_ascii=False, default=float)
    (folder / f"{result.part}.json").write_text(f"{text}\n", "utf-8")


def load(parts: Iterable[str], folder: Path = FOLDER) -> dict[str, Result]:
    """What is kept of these parts."""
    return {
        part: Result(**json.loads(path.read_text("utf-8")))
        for part in parts
        if (path := folder / f"{part}.json").exists()
    }
