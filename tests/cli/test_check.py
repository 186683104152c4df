"""``check``: what the command adds to the check: exit status, JSON, a table in two languages."""

import json

import pytest
from tests.check import checking_servers as servers
from tests.check.checking_servers import serving


def test_status_and_document_follow_the_findings(cli, tmp_path):
    with serving(servers.Quotes(tmp_path / "echo")) as url:
        result = cli("check", url, "--quick", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["url"], document["right"]) == (1, url, False)
    case = next(case for case in document["cases"] if case["name"] == "robust")
    assert "quotation marks" in case["advice"]
    assert "引号" in case["advice_zh"]


def test_an_echo_that_cannot_be_read_is_a_wrong_call(cli, tmp_path):
    (tmp_path / "echo").write_text("hello\n")
    with serving(servers.Right(tmp_path / "kept")) as url:
        result = cli("check", url, "--echo-file", "echo")
    assert result.exit_code == 2
    assert "not JSON lines: line 1" in result.stderr


def test_private_addresses_can_be_refused(cli, tmp_path):
    with serving(servers.Right(tmp_path / "echo")) as url:
        result = cli("check", url, "--no-allow-private")
    assert result.exit_code == 1
    assert "may not be called" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["ftp://127.0.0.1/"],
        ["http://127.0.0.1:1/", "--secret", "short"],
        ["http://127.0.0.1:1/", "--header", "Host: x"],
        ["http://127.0.0.1:1/", "--echo-url", "http://127.0.0.1:1/", "--echo-file", "x"],
    ],
)
def test_a_wrong_call_is_status_2(cli, arguments):
    assert cli("check", *arguments).exit_code == 2


def test_people_get_a_table_in_their_language(cli, tmp_path):
    with serving(servers.Right(tmp_path / "echo")) as url:
        english = cli("check", url, "--quick").stdout
        chinese = cli("check", url, "--quick", LANG="zh_CN.UTF-8").stdout
        assert cli("check", url, "--quick", "--lang", "en", LANG="zh_CN.UTF-8").stdout.endswith(
            "all right\n"
        )
    assert english.endswith("all right\n")
    assert "one report, encoded twice" in english
    assert chinese.endswith("全部正确\n")
    assert "一条报告，编码两次" in chinese


def test_the_same_advice_is_given_once(cli, tmp_path):
    with serving(servers.Quotes(tmp_path / "echo")) as url:
        text = cli("check", url, "--quick").stdout
    assert text.count("quotation marks") == 1
    assert text.endswith("\n1 to fix\n")
