"""The answer is whole in both languages."""

import string

import pytest
from rich.console import Console

from statuspush.bench import survey_words
from statuspush.bench.figures import Figures
from statuspush.bench.judge import Limit
from statuspush.bench.machine import Syncs
from statuspush.bench.survey import Survey, workloads
from statuspush.cli.bench_view import show
from statuspush.core.words import LANGUAGES, Words


@pytest.fixture
def survey(shares):
    """A survey in which the store's core was the limit everywhere."""

    def make(**changed):
        figures = dict.fromkeys(Figures.__dataclass_fields__, 0) | {
            "reports_per_second": 41_234.0,
            "reports": 1000,
            "shares": shares(store=0.97, store_wanted=0.98, others=0.4),
            **changed,
        }
        runs = [Figures(**{**figures, "work": work.name}) for work in workloads(1)]
        return Survey({"cpu": "a cpu"}, Syncs(0.2, 0.5), runs)

    return make


def _shown(survey, language):
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        show(survey, console, language)
    return console.export_text()


@pytest.mark.parametrize(("number", "text"), [(41_234, "41,000"), (3_870, "3,900"), (98, "98")])
def test_figures_are_rounded_to_two_digits(number, text):
    """The second digit is what a minute can know."""
    assert survey_words.rounded(number) == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_answer_names_rates_limit_and_reckoning(survey, language):
    """And fits 80 columns."""
    text = _shown(survey(), language)
    assert "41,000" in text
    assert "98%" in text
    assert Words("the core of the store process", "存储进程所用的核").to(language) in text
    assert "fdatasync" in text
    assert Words("0 lost", "丢失 0").to(language) in text
    assert "40%" in text
    assert "…" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_cores_that_others_took_are_not_called_ours(survey, shares, language):
    """More cores would not be the advice then."""
    text = _shown(survey(shares=shares(all_cores=0.97, others=0.37)), language)
    assert "37%" in text
    assert Words("Quiet cores", "空闲时会更快").to(language) in " ".join(text.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_loss_is_said(survey, language):
    """In figures, and it is not good."""
    found = survey(lost=2)
    assert not found.good
    assert Words("6 lost", "丢失 6").to(language) in _shown(found, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_service_that_did_not_stop_is_said(survey, language):
    """With its exit status."""
    found = survey(exit_status=1)
    assert not found.good
    assert Words("exit status 1", "退出状态 1").to(language) in _shown(found, language)


def test_every_limit_has_words_in_both_languages():
    """With the same places for figures."""
    assert set(survey_words._LIMITS) == set(Limit)
    for english, chinese in survey_words._LIMITS.values():
        places = [
            {field for _, field, _, _ in string.Formatter().parse(text) if field}
            for text in (english, chinese)
        ]
        assert places[0] == places[1]


def test_as_json(survey):
    """Every work with its limit."""
    document = survey().as_json()
    assert document["good"]
    assert set(document["works"]) == {"even", "large", "single"}
    assert document["works"]["even"]["limit"] == "store_core"
    assert document["works"]["even"]["shares"]["store"] == 0.97
