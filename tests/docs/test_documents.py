"""What holds of every document: links lead somewhere, and nothing of a machine is in it."""

import re
import unicodedata

import pytest

ARCHITECTURE_LINES = 150
TRANSLATED = ("README", "docs/contract", "docs/operation", "docs/receiver")

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_MACHINE = re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work|workspace|mnt)/[\w.-]+")
_REGISTRY = re.compile(r"pypi\.|pythonhosted|npmjs|crates\.io|registry\.|index-url")


def _anchors(document):
    """Anchors of the headings, as GitHub makes them."""
    found = set()
    for heading in document.headings:
        kept = [
            c for c in heading.lower() if c in " -_" or unicodedata.category(c)[0] in ("L", "N")
        ]
        found.add("".join(kept).replace(" ", "-"))
    return found


def test_relative_links_lead_to_files_and_headings(documents, document, root):
    """In every document, the anchor too."""
    broken = []
    for doc in documents:
        for link in _LINK.findall(doc.prose):
            if link.startswith(("https://", "http://")):
                continue
            path, _, anchor = link.partition("#")
            target = (doc.path.parent / path).resolve() if path else doc.path
            if not target.is_file() or not target.is_relative_to(root):
                broken.append(f"{doc.path.name}: {link}")
            elif anchor and anchor not in _anchors(document(target.relative_to(root))):
                broken.append(f"{doc.path.name}: {link} (no such heading)")
    assert broken == []


def test_nothing_of_a_machine_is_in_the_documents(documents):
    """No tabs, no paths of somebody's machine, no hosts of package registries."""
    found = [
        f"{doc.path.name}: {match[0]!r}"
        for doc in documents
        for pattern in (re.compile("\t"), _MACHINE, _REGISTRY)
        for match in pattern.finditer(doc.text)
    ]
    assert found == []


def test_no_placeholder_is_left(documents):
    """Words that mean that somebody was not done."""
    found = [
        f"{doc.path.name}: {match[0]}"
        for doc in documents
        for match in re.finditer(r"\b(TODO|FIXME|XXX|TBD)\b|@@", doc.text)
    ]
    assert found == []


@pytest.mark.parametrize("name", TRANSLATED)
def test_translations_link_to_each_other_at_the_top(document, name):
    """And have the same headings, counted by rank, and the same code."""
    english, chinese = document(f"{name}.md"), document(f"{name}.zh.md")
    top = "\n".join(english.text.splitlines()[:4]), "\n".join(chinese.text.splitlines()[:4])
    assert chinese.path.name in top[0]
    assert english.path.name in top[1]
    ranks = [
        [len(mark) for mark in re.findall(r"^(#+) ", doc.prose, re.MULTILINE)]
        for doc in (english, chinese)
    ]
    assert ranks[0] == ranks[1]
    shell = [
        [x for lang, x in doc.blocks() if lang in ("sh", "ini", "toml", "python")]
        for doc in (english, chinese)
    ]
    assert shell[0] == shell[1]


def test_the_architecture_is_short(document):
    """It is read in ten minutes or not at all."""
    assert len(document("docs/architecture.md").text.splitlines()) <= ARCHITECTURE_LINES


def test_the_architecture_names_modules_that_exist(document, root):
    """Paths in its tables and prose."""
    text = document("docs/architecture.md").prose
    source = root / "src" / "statuspush"
    rooms = {path.name for path in source.rglob("*")}
    named = set(re.findall(r"`(?:[\w]+/)*(\w+\.py)`", text))
    assert named - rooms == set()
    assert len(named) > 30


def test_the_licence_is_apache_2(root):
    """The full text, with our name."""
    text = (root / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert re.search(r"Copyright \d{4} The statuspush authors", text)


def test_tasks_in_the_documents_are_tasks_of_the_runner(documents, root):
    """./dev knows every one that is named."""
    runner = (root / "dev").read_text()
    tasks = set(re.findall(r"^    ([a-z]+)\) .*;;", runner, re.MULTILINE))
    named = {match[1] for doc in documents for match in re.finditer(r"\./dev ([a-z]+)\b", doc.text)}
    assert named - tasks == set()
