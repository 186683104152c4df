"""The document of the benchmarks: what is kept, what is named as missing, what is worked out."""

import json

import pytest
from benchmarks import peers
from benchmarks.report import document, results
from benchmarks.report.document import written_parts
from benchmarks.report.goals import GOALS, Goal, at_size, between_sizes, key
from benchmarks.report.parts import PARTS, whole_rounds
from benchmarks.report.results import Result

NAMES = [part.name for part in PARTS]
MACHINE = {"cpu": "a cpu", "cores": 2, "fdatasync_ms": 0.2}


def a_result(part, runs, **changed):
    """A result as it is kept."""
    known = {"date": "2026-03-04T05:06:07+00:00", "machine": MACHINE, "quick": False}
    return Result(part, **{**known, "seconds": 60.0, "runs": runs, **changed})


def codec(*encodes):
    """Results of a codec that took these times to encode."""
    runs = [
        {"round": n, "encode": us, "decode": 1.0, "decode_form": 2.0, "good": True}
        for n, us in enumerate(encodes)
    ]
    return {"codec": a_result("codec", runs)}


def made(found, written=None, charts=()):
    """The text of the document."""
    return document.document(found, NAMES, written or {}, charts)


def test_what_is_written_by_hand_stays_where_it_is():
    """Letter for letter, however often the document is made."""
    text = "Two lines\n\nwith `marks`.\n"
    first = made({}, {"summary": text, "tried": "lost\n"})
    assert written_parts(first)["summary"] == text
    assert made({}, written_parts(first)) == first


def test_what_has_no_place_any_more_goes_to_the_end():
    """Nothing that a person wrote is lost."""
    text = made({}, {"of-old": "still here\n"})
    assert text.endswith("<!-- written:of-old:start -->\nstill here\n<!-- written:of-old:end -->\n")


def test_the_file_keeps_it_too(tmp_path):
    """From the document that is there."""
    path = tmp_path / "docs" / "performance.md"
    document.write(path, {}, NAMES)
    path.write_text(path.read_text().replace("left:start -->\n", "left:start -->\nby hand\n"))
    document.write(path, codec(1.0), NAMES)
    assert written_parts(path.read_text())["left"] == "by hand\n"
    assert "µs" in path.read_text()


def test_missing_results_are_named():
    """At the top, and in each line of the table with the way to get them."""
    text = made(codec(1.0))
    missing = ", ".join(name for name in NAMES if name != "codec")
    assert f"**Not measured: {missing}.**" in text
    assert "not measured (`report --only latency`)" in text
    assert "--only codec" not in text


def test_nothing_is_missing_of_the_document_without_results():
    """It can be made before anything was measured."""
    assert f"Not measured: {', '.join(NAMES)}" in made({})


def test_a_line_has_the_median_and_the_range():
    """And says what it reaches."""
    text = made(codec(0.9, 0.3, 0.7))
    row = "| encode, 500 reports | 1 µs | 0.5 µs | 0.70 µs (0.30 – 0.90) | must |"
    assert row in text


@pytest.mark.parametrize(
    ("values", "least", "reached"),
    [
        ([10.0], True, "aim"),
        ([9.996], True, "aim"),
        ([5.0], True, "must"),
        ([4.9], True, "**no**"),
        ([5.0], False, "aim"),
        ([10.0], False, "must"),
        ([10.1], False, "**no**"),
    ],
)
def test_what_is_reached_is_judged_as_shown(values, least, reached):
    """By the median, at the bounds too."""
    must, aim = (5, 10) if least else (10, 5)
    goal = Goal("it", "part", lambda runs: values, ".2f", "", must, aim, least=least)
    assert goal.reached({"part": a_result("part", [])}) == reached


def test_what_has_no_aim_is_good_or_not():
    """Such as a time that must not be exceeded."""
    good, bad = (
        Goal("it", "part", lambda runs, ms=ms: [ms], ".0f", "ms", 50, least=False)
        for ms in (50.0, 51.0)
    )
    found = {"part": a_result("part", [])}
    assert (good.reached(found), bad.reached(found)) == ("yes", "**no**")


def test_a_goal_without_results_reaches_nothing():
    """Neither good nor bad."""
    assert {goal.reached({}) for goal in GOALS} == {""}


def test_every_goal_belongs_to_a_part():
    """Or it would be missing for ever."""
    assert {goal.part for goal in GOALS} <= set(NAMES)


def test_sizes_are_compared_round_by_round():
    """As the machine's speed changes from round to round."""
    runs = [
        {"work": "even", "stored": size, "reports_per_second": rate}
        for size, rates in ((0, (10.0, 20.0)), (5, (9.0, 16.0)))
        for rate in rates
    ]
    assert at_size("even", 1)(runs) == [9.0, 16.0]
    assert between_sizes("even", 1, 0)(runs) == [0.9, 0.8]


def test_peers_are_compared_by_medians():
    """With the faster of the ways to run Celery."""
    rates = {
        peers.OURS: (100.0, 300.0, 200.0),
        "celery-prefork": (10.0, 10.0, 10.0),
        "celery-threads": (20.0, 25.0, 20.0),
    }
    runs = [
        {"round": turn, "name": name, "per_second": rate}
        for name, some in rates.items()
        for turn, rate in enumerate(some)
    ]
    assert peers.faster_celery(runs) == "celery-threads"
    assert peers.ratio(runs, "celery-threads") == 10.0
    assert peers.ratios(runs, "celery-threads") == [5.0, 12.0, 10.0]


def test_runs_are_chosen_by_their_values():
    """All of them must be as wanted."""
    runs = [{"rate": 200, "p50": 1.0}, {"rate": 1000, "p50": 2.0}]
    assert key("p50", rate=1000)(runs) == [2.0]


def test_trials_and_losses_are_told():
    """Nobody shall take a trial for a measurement, or overlook a loss."""
    runs = [{"encode": 1.0, "decode": 1.0, "decode_form": 1.0, "good": False}]
    text = made({"codec": a_result("codec", runs, quick=True)})
    assert "Only a quick trial, which says little: codec." in text
    assert "Something was lost, repeated or wrong in: codec." in text


def test_charts_are_shown_if_they_were_drawn():
    """Else there would be a broken image."""
    assert "performance/latency.svg" in made({}, charts=["latency"])
    assert ".svg" not in made({})


def test_results_are_kept(tmp_path):
    """As JSON, a file a part; what is not there is left out."""
    result = codec(1.0, 2.0)["codec"]
    results.save(result, tmp_path)
    assert results.load(NAMES, tmp_path) == {"codec": result}
    assert json.loads((tmp_path / "codec.json").read_text())["part"] == "codec"


def test_an_error_costs_only_the_round_it_comes_in():
    """What was measured in an hour is not lost to one run."""

    def measuring(rounds):
        for turn in range(rounds):
            yield {"round": turn, "kind": "with"}
            yield {"round": turn, "kind": "without"}
        raise OSError("broken")

    runs, broke_off = whole_rounds(measuring(3))
    assert [run["round"] for run in runs] == [0, 0, 1, 1]
    assert broke_off == "OSError: broken"
    with pytest.raises(OSError, match="broken"):
        whole_rounds(measuring(1))
    assert "Broke off, with fewer runs: codec." in made(
        {"codec": a_result("codec", [], broke_off=broke_off)}
    )
