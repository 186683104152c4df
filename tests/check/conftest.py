"""The check, run on an endpoint as its callers run it."""

import asyncio

import pytest
from tests.check.checking_servers import serving

from statuspush.check import course, echo
from statuspush.check.checking import check_endpoint, document
from statuspush.check.echo import Echo
from statuspush.check.findings import Finding


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(course, "DRIP_SECONDS", 0.4)
    monkeypatch.setattr(echo, "WAIT_SECONDS", 0.4)


async def _all(events):
    return [event async for event in events]


def findings_of(url, **options):
    """Check a URL on this machine; the findings."""
    events = asyncio.run(_all(check_endpoint(url, **{"allow_private": True, **options})))
    return [event for event in events if isinstance(event, Finding)]


@pytest.fixture
def checked(tmp_path):
    """Check an endpoint; whether it is right, and the cases of the document by name.

    ``echo`` is "file" or "url": where the endpoint shows what it understood; else an Echo.
    """

    def check(kind, echo=None, **options):
        shown = tmp_path / "echo"
        shown.touch()
        check.endpoint = kind(shown)
        with serving(check.endpoint) as url:
            places = {"file": Echo(file=shown), "url": Echo(url=url.replace("status", "echo"))}
            found = findings_of(url, echo=places.get(echo, echo), **options)
        result = document(url, found)
        return result["right"], {case["name"]: case for case in result["cases"]}

    return check
