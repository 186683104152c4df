"""docs/receiver.md: the library's example runs as printed, and every sink is named."""

import pytest
from tests.receiver.conftest import FORM, push

from statuspush.receiver.sinks import FORMS

BOTH = pytest.mark.parametrize("name", ["docs/receiver.md", "docs/receiver.zh.md"])


@BOTH
def test_the_example_takes_a_push(document, name, tmp_path, monkeypatch):
    (source,) = [text for language, text in document(name).blocks() if language == "python"]
    monkeypatch.chdir(tmp_path)
    module = {"__name__": "example"}
    exec(compile(source, name, "exec"), module)
    receiver = module["receiver"]
    try:
        assert receiver.accept(push("a"), FORM).body == b"SUCCESS"
    finally:
        receiver.stop()
    assert module["app"] is receiver.asgi


@BOTH
def test_every_sink_is_named(document, name):
    text = document(name).text
    assert [form for form in FORMS if form.split(":")[0].removesuffix("s") not in text] == []
