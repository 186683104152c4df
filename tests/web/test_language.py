"""Facts about choosing the language of texts."""

import pytest

from statuspush.web.language import preferred


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB, zh;q=0.5", "en"),
        ("zh;q=0.4, en;q=0.8", "en"),
        ("ZH-hans-CN", "zh"),
        ("fr", "en"),
        ("fr, zh;q=0.1", "zh"),
        ("*", "en"),
        ("*;q=0.1, zh;q=0", "en"),
        ("en;q=0, *", "zh"),
        ("zh;q=nonsense", "en"),
        (",;,=;q", "en"),
    ],
)
def test_the_language_is_the_one_wanted_most(header, language):
    assert preferred(header) == language
