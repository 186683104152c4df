"""The documents of the repository, taken apart into blocks, tables, links and headings."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Document:
    """One Markdown file."""

    def __init__(self, path):
        self.path = path
        self.text = path.read_text("utf-8")

    def blocks(self, text=None):
        """(language, content) of every fenced block, in order."""
        return [(m[1], m[2]) for m in _FENCE.finditer(self.text if text is None else text)]

    @property
    def prose(self):
        """The text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    def between(self, name):
        """What stands between the comments ``<!-- name:start -->`` and ``<!-- name:end -->``."""
        _, start, rest = self.text.partition(f"<!-- {name}:start -->\n")
        inside, end, _ = rest.partition(f"<!-- {name}:end -->")
        assert start, f"{self.path.name} has no <!-- {name}:start -->"
        assert end, f"{self.path.name} has no <!-- {name}:end -->"
        return inside

    def rows(self, text=None):
        """Cells of every row of every table, heads and rules left out."""
        found = []
        lines = (self.prose if text is None else text).splitlines()
        for number, line in enumerate(lines):
            if not line.startswith("|") or re.fullmatch(r"[|: -]+", line):
                continue
            if number + 1 < len(lines) and re.fullmatch(r"\|[|: -]+", lines[number + 1]):
                continue
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            found.append([cell.strip().replace("\\|", "|") for cell in cells])
        return found

    @property
    def headings(self):
        """Texts of all headings."""
        return re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)

    def section(self, heading):
        """What stands below a heading, up to the next one of its rank or higher."""
        lines = self.text.splitlines(keepends=True)
        start = next(i for i, x in enumerate(lines) if re.fullmatch(rf"#+ {heading}\n", x))
        rank = len(lines[start]) - len(lines[start].lstrip("#"))
        end = start + 1
        fenced = False
        while end < len(lines):
            fenced ^= lines[end].startswith("```")
            if not fenced and re.match(rf"#{{1,{rank}}} ", lines[end]):
                break
            end += 1
        return "".join(lines[start + 1 : end])


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def document():
    """A document by its path in the repository."""
    return lambda name: Document(ROOT / name)


@pytest.fixture(scope="session")
def documents():
    """All documents."""
    return [Document(path) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])]
