"""One root for every error, with the two branches that matter: the caller's fault and ours.

A customer's endpoint that fails is not an error here but a value (:mod:`statuspush.core.ack`).
"""

from statuspush.core.words import Words, verbatim


class StatuspushError(Exception):
    """Root of all errors that statuspush raises on purpose.

    :param text: what went wrong, for people; a plain string is the same in every language.
    """

    def __init__(self, text: Words | str) -> None:
        self.words = verbatim(text) if isinstance(text, str) else text
        """What went wrong, in every language; ``str()`` of the error is the English text."""
        super().__init__(self.words.en)


class InputError(StatuspushError):
    """The caller's input is wrong; repeating the call unchanged cannot help."""


class ServiceError(StatuspushError):
    """The fault is ours or the machine's; the same call may succeed later."""


class StoreRefused(ServiceError):
    """Stored data can't be opened: wrong schema version, or another process holds the file."""


class Overloaded(ServiceError):
    """More is being accepted right now than the configured memory allows."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            Words(
                "too much is being submitted at the moment; try again shortly",
                "同时提交的数据过多，请稍后重试",
            )
        )
        self.retry_after = retry_after
        """Seconds after which the submitter should try again."""
