"""The language that a client wants its answer in."""

from typing import Final

from statuspush.core.words import Language

_DEFAULT: Final[Language] = "en"


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
    chinese_first = wanted.get("zh", anything) > wanted.get("en", anything)
    return "zh" if chinese_first else _DEFAULT
