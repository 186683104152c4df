"""The standing of an account's endpoint: what its attempts say about it, and what may be sent.

While an endpoint fails, its waiting retry is the probe: nothing else is sent until that retry has
succeeded or is exhausted (contract section 4). A person who redrives, or changes the URL, says
that it works again; that holds until the outcome of a later claim.
"""

from typing import Final

import msgspec

from statuspush.core.lifecycle import Decision, Deliver, Halve
from statuspush.core.moment import Milliseconds
from statuspush.core.outcome import Outcome, Verdict


class Standing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known about an endpoint."""

    failures: int = 0
    """Failed attempts since the last acknowledgement, over all pushes."""
    slow: bool = False
    """The last send was slow."""
    trusted_since: int | None = None
    """Token of the last claim before a person said that the endpoint works again."""
    last_verdict: Verdict | None = None
    last_attempt_at: Milliseconds | None = None
    last_delivered_at: Milliseconds | None = None

    @property
    def failing(self) -> bool:
        """The last attempt failed, and nobody has said since that the endpoint works again."""
        return self.failures > 0 and self.trusted_since is None

    @property
    def suspect(self) -> bool:
        """The last attempt failed or was slow: sends to it have their own capacity."""
        return self.failures > 0 or self.slow


NEW: Final = Standing()
"""The standing of an endpoint that was never sent anything."""


def after_attempt(
    standing: Standing,
    verdict: Verdict,
    decision: Decision,
    *,
    token: int,
    started_at: Milliseconds,
    ended_at: Milliseconds,
    slow: bool,
) -> Standing:
    """The standing after an attempt of the claim with that token.

    An attempt that we broke off says nothing about the endpoint. One that was claimed before a
    person said that the endpoint works again does not overrule that. A 413 is not a failure: the
    endpoint is there, and wants less.
    """
    if verdict.outcome is Outcome.INTERRUPTED:
        return standing
    trusted_since = standing.trusted_since
    if trusted_since is not None and token > trusted_since:
        trusted_since = None
    if isinstance(decision, Deliver):
        # Nobody asks for the text of an acknowledgement.
        last = Verdict(verdict.outcome, verdict.http_status)
        return Standing(0, slow, trusted_since, last, started_at, ended_at)
    failures = standing.failures if isinstance(decision, Halve) else standing.failures + 1
    return Standing(failures, slow, trusted_since, verdict, started_at, standing.last_delivered_at)


def trusted(standing: Standing, last_token: int) -> Standing:
    """The standing after a person said that the endpoint works; later claims than that decide."""
    return msgspec.structs.replace(standing, trusted_since=last_token)
