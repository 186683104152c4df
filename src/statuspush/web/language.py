"""Texts in two languages, and which of them a client wants."""

from typing import Final, Literal, NamedTuple

Language = Literal["en", "zh"]

_DEFAULT: Final[Language] = "en"


class Words(NamedTuple):
    """One text for a person, in both languages."""

    en: str
    zh: str

    def to(self, language: Language) -> str:
        """The text in that language."""
        return self.zh if language == "zh" else self.en


def words(error: Exception) -> Words:
    """What an error says: its text, and ``message_zh`` where it has one."""
    en = str(error)
    return Words(en, getattr(error, "message_zh", en))


def preferred(accept_language: str | None) -> Language:
    """Choose by an ``Accept-Language`` header (RFC 9110, section 12.5.4); English if in doubt."""
    if not accept_language:
        return _DEFAULT
    wanted: dict[str, float] = {}
    for item in accept_language.split(","):
        tag, _, parameters = item.partition(";")
        language = tag.strip().lower().partition("-")[0]
        name, _, value = parameters.partition("=")
        try:
            quality = float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            continue
        wanted[language] = max(quality, wanted.get(language, 0.0))
    anything = wanted.get("*", 0.0)
    en, zh = wanted.get("en", anything), wanted.get("zh", anything)
    return "zh" if zh > en else _DEFAULT
