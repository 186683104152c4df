"""Texts for people, in every language that statuspush speaks.

Every text for a customer, an operator or a submitter is a :class:`Words` from where it is written
to the edge where the reader's language is known: an HTTP answer, a terminal, a page.
"""

from typing import Final, Literal, NamedTuple

Language = Literal["en", "zh"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
"""All of them; the first is for logs and for readers whose language is unknown."""


class Words(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str

    def to(self, language: Language) -> str:
        """The text in that language."""
        return self.zh if language == "zh" else self.en


def verbatim(text: str) -> Words:
    """A text that is the same in every language: a name, a number, another program's message."""
    return Words(text, text)
