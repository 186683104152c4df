"""Reading files of reports: three formats, one result; mistakes by line; never whole in memory."""

import csv
import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspush.core.errors import InputError
from statuspush.core.kinds import VOICE_STATUS
from statuspush.intake.read import MAX_LINE_BYTES, Counted, Format, read_reports

COLUMNS = "account,sid,uid,user_receive_time,duration,error_msg,mobile,report_status"


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a slow pipe does."""

    def __init__(self, data, size):
        self._stream = io.BytesIO(data)
        self._size = size

    def read(self, size=-1):
        return self._stream.read(min(size, self._size))


def read(data, form=Format.AUTO, name="-", account=None, piece=None):
    if isinstance(data, str):
        data = data.encode()
    source = Counted(io.BytesIO(data)) if piece is None else Trickle(data, piece)
    return list(read_reports(source, form, name, account, VOICE_STATUS))


def values(lines):
    assert not [line.error for line in lines if line.error]
    return [json.loads(line.json) for line in lines]


def as_csv(reports, delimiter=","):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(reports[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(reports)
    return text.getvalue()


def spellings(reports):
    plain = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in reports)
    return {
        "ndjson": plain,
        "ndjson with CRLF and no end": plain.replace("\n", "\r\n").rstrip(),
        "ndjson with empty lines": "\n\n" + plain.replace("\n", "\n \n"),
        "ndjson in ASCII": "".join(json.dumps(r) + "\n" for r in reports),
        "array on one line": json.dumps(reports),
        "array on many lines": json.dumps(reports, indent=2, ensure_ascii=False),
        "array with CRLF": json.dumps(reports, indent=2).replace("\n", "\r\n") + "\r\n",
        "objects on many lines": "\n".join(json.dumps(r, indent=1) for r in reports),
        "csv": as_csv(reports),
        "csv with BOM": "\ufeff" + as_csv(reports),
        "csv with semicolons": as_csv(reports, ";"),
        "csv with tabs": as_csv(reports, "\t"),
    }


@pytest.mark.parametrize("piece", [None, 1, 7, 4096])
def test_every_format_reads_the_same(reports, piece):
    """Whatever pieces the bytes come in, and wherever they cut a character."""
    wanted = reports(20)
    for name, text in spellings(wanted).items():
        assert values(read(text, piece=piece)) == wanted, name


def test_lines_are_numbered_as_an_editor_does(reports):
    """The line where a report begins, also after cells and objects that span lines."""
    wanted = reports(3, error_msg="two\nlines")
    assert [line.number for line in read(as_csv(wanted))] == [2, 4, 6]
    assert [line.number for line in read(json.dumps(wanted, indent=1))] == [2, 12, 22]
    assert [line.number for line in read("\n{}\n\n{}")] == [2, 4]
    assert [line.number for line in read("[\n\n{},\n{}\n]")] == [3, 4]


def test_the_account_is_filled_in_where_it_is_missing():
    """A report that names one keeps it."""
    for text in (
        '{"sid":"1"}\n{"account":"b","sid":"2"}',
        '[{"sid":"1"},{"account":"b","sid":"2"}]',
    ):
        assert values(read(text, account="a")) == [
            {"account": "a", "sid": "1"},
            {"account": "b", "sid": "2"},
        ]
    rows = f"{COLUMNS}\n,1,,,0,,,\nb,2,,,0,,,\n"
    assert [line.account for line in read(rows, account="a")] == ["a", "b"]
    assert values(read("{ }", account="a")) == [{"account": "a"}]


def test_the_format_goes_by_ending_then_by_content():
    """And can be forced."""
    row = f"{COLUMNS}\na,1,,,0,,,\n"
    assert len(read(row, name="x.csv")) == len(read(row, name="x.json")) == 1
    assert read("{}", name="x.csv.jsonl")[0].json == b"{}"
    assert read("{}", form=Format.JSON)[0].json == b"{}"
    with pytest.raises(InputError, match="columns"):
        read("{}", form=Format.CSV)
    assert read("") == read(" \n ") == read("[]") == read("[ ]\n") == []


def test_empty_cells_of_uid_and_error_msg_are_null():
    """And a column of them may be left out; other cells stay text."""
    (report,) = values(read(f"{COLUMNS}\na,1,,2024-05-17 10:22:33,007,,+372,SUCCESS\n"))
    assert (report["uid"], report["error_msg"], report["duration"]) == (None, None, 7)
    assert report["mobile"] == "+372"
    short = "sid,user_receive_time,duration,mobile,report_status\n1,t,0,+1,SUCCESS\n"
    assert "uid" not in values(read(short, account="a"))[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sid,colour\n", "line 1: unknown columns 'colour'; missing columns account, duration"),
        (COLUMNS + ",sid\n", "a column appears twice"),
        (f'{COLUMNS}\n"a"b,1\n', "line 2: not CSV"),
        (f'{COLUMNS}\na,1,,,0,,,\n"a', "line 3: not CSV"),
        ("[{}", "line 1: the array has no end"),
        ("[{},\n{} {}]", "line 2: reports of an array are separated by commas"),
        ("[{}]\n{}", "line 2: something follows"),
        ("[\n{},\n{\n]", "line 4: not JSON"),
        ('[{"sid":"a\nb"}]', r"not JSON \(Invalid control"),
        ("[" * 5000, "not JSON|nested too deeply"),
        ("x" * (MAX_LINE_BYTES + 300_000), "longer than"),
        ('["' + "x" * (MAX_LINE_BYTES + 300_000), "not JSON"),
        ("号".encode("gb18030"), "iconv -f GB18030"),
        (b'[{"sid":"\xba\xc5"}]', "iconv -f GB18030"),
    ],
)
def test_a_file_that_breaks_off_making_sense_is_an_error(text, words):
    """With the line where it can be told."""
    with pytest.raises(InputError, match=words):
        read(text)


@pytest.mark.parametrize(
    ("text", "number", "words"),
    [
        (f"{COLUMNS}\na,1,,,0,,,\na,1,,,ten,,,\n", 3, "duration: must be an integer, not 'ten'"),
        (f"{COLUMNS}\na,1,,,1.5,,,\n", 2, "duration"),
        (f"{COLUMNS}\na,1,,,,,,\n", 2, "duration: must be an integer, not ''"),
        (f"{COLUMNS}\na,1\n", 2, "2 cells, but the header has 8"),
        ('{}\n\n{"sid":}\n', 3, "not a JSON object"),
        ("{}\n[]\n", 2, "not a JSON object"),
        ("[{}, 5]", 1, "not a JSON object"),
        ('{}\n{"sid":NaN}\n', 2, "not a JSON object"),
        (b'{}\n{"account":"\xff"}', 2, "not a JSON object"),
        (b'{}\n{"uid":"\xff"}', 2, "not a JSON object"),
    ],
)
def test_a_line_that_is_no_report_is_told_by_its_number(text, number, words):
    """The lines before and after it can still be read."""
    (wrong,) = [line for line in read(text) if line.error]
    assert (wrong.number, wrong.json) == (number, b"")
    assert words in wrong.error


def test_values_are_passed_on_as_they_are_written():
    """A wrong type is for the service to refuse; nothing is coerced on the way."""
    text = '{"account":7,"sid":1E400,"duration":"10","mobile":15205201314}'
    assert read(text)[0].json == text.encode()
    assert read(f"[{text}]")[0].json == text.encode()


def test_a_large_array_is_never_whole_in_memory(reports):
    """10 MB of JSON in a few."""
    one = json.dumps(reports(1)[0]).encode()

    class Endless:
        left = 40_000

        def read(self, _):
            if self.left == 0:
                return b""
            first, count = self.left == 40_000, min(1000, self.left)
            self.left -= count
            joined = b",".join([one] * count)
            return (b"[" if first else b",") + joined + (b"]" if self.left == 0 else b"")

    tracemalloc.start()
    count = sum(1 for _ in read_reports(Endless(), Format.AUTO, "-", None, VOICE_STATUS))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 6 * 1024 * 1024


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["account", "sid", "uid", "x"]),
            st.none() | st.text() | st.integers() | st.lists(st.text(max_size=3), max_size=3),
        ),
        max_size=5,
    ),
    st.integers(1, 30),
    st.sampled_from([None, 1]),
)
def test_any_objects_survive_any_layout(objects, piece, indent):
    """Strings may hold brackets, commas and line ends."""
    text = json.dumps(objects, indent=indent, ensure_ascii=indent is None)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    assert values(read(data, Format.JSON, piece=piece)) == objects
