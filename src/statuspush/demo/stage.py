"""The demo's API calls: create the accounts, stream reports, watch, ask at the end."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any, Final

import httpx

from statuspush.api_client import require_success
from statuspush.demo.customers import TEMPERS, Customer
from statuspush.demo.journal import Journal
from statuspush.demo.voices import voice_report

_TICK: Final = 0.05
"""Seconds between submissions."""
_MOST_IN_A_REQUEST: Final = 5_000
_WATCH: Final = 0.5
_CONCURRENT_LOOKUPS: Final = 16


@dataclass(slots=True)
class Watched:
    """What the service says about one account, as of the last look."""

    waiting: int = 0
    oldest_seconds: float | None = None
    failing: bool = False
    says: str = ""
    """The last outcome in plain words."""
    sending: int = 0


@dataclass(slots=True)
class Scene:
    """How far the demo is."""

    began: float = field(default_factory=monotonic)
    phase: str = "running"
    watched: dict[str, Watched] = field(default_factory=dict)
    refusals: int = 0
    """Submissions that the service answered with "later"."""


class Stage:
    """The demo's service, customers and journal, and what is done with them."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        journal: Journal,
        scene: Scene,
        rng: Random,
    ) -> None:
        self._client = client
        self._journal = journal
        self._scene = scene
        self._rng = rng

    async def open_accounts(self, customers: Iterable[Customer]) -> None:
        """An account for each customer, with push on."""
        for customer in customers:
            temper = customer.temper
            settings: dict[str, object] = {"mode": "on", "url": customer.url}
            if temper.dead:
                # A demo can't wait a quarter of a minute for each send that hangs.
                settings |= {"connect_seconds": 1.0, "timeout_seconds": 2.0}
            path = f"/v1/accounts/{temper.account}"
            require_success(await self._client.put(path, json={"name": temper.what}))
            require_success(await self._client.patch(f"{path}/push", json=settings))

    async def stream_reports(self, rate: float, stop: asyncio.Event) -> None:
        """Submit ``rate`` reports per second until stopped."""
        began = monotonic()
        submitted = 0
        while not stop.is_set():
            due = int((monotonic() - began) * rate) - submitted
            if due > 0:
                due = min(due, _MOST_IN_A_REQUEST)
                await self._submit(due)
                submitted += due
            if due < _MOST_IN_A_REQUEST:
                await _wait(stop, _TICK)

    async def _submit(self, count: int) -> None:
        accounts = self._rng.choices(
            [temper.account for temper in TEMPERS], [temper.share for temper in TEMPERS], k=count
        )
        sids: dict[str, list[str]] = {}
        lines = []
        for account in accounts:
            sid, line = voice_report(self._rng, account)
            sids.setdefault(account, []).append(sid)
            lines.append(line)
        for account, some in sids.items():
            self._journal.submitting(account, some)
        await self._hand_in(b"\n".join(lines))
        for account, some in sids.items():
            self._journal.accepted(account, some)

    async def _hand_in(self, body: bytes) -> None:
        """Submit until the service says 202; like any platform, the demo retries after "later"."""
        while True:
            response = await self._client.post(
                "/v1/reports", content=body, headers={"Content-Type": "application/x-ndjson"}
            )
            if response.status_code not in (429, 503):
                require_success(response)
                return
            self._scene.refusals += 1
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))

    async def watch(self) -> None:
        """Keep ``scene.watched`` up to date, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_WATCH)

    async def look(self) -> None:
        """One look at all accounts."""
        response = await self._client.get("/v1/accounts")
        require_success(response)
        for item in response.json()["items"]:
            health = item["health"]
            failing = health["state"] == "failing"
            says = "acknowledged" if health["state"] == "ok" else ""
            if failing:
                says = await self._last_hint(item["account"]) or health["hint"] or ""
            self._scene.watched[item["account"]] = Watched(
                waiting=item["waiting_reports"],
                oldest_seconds=item["oldest_waiting_age_seconds"],
                failing=failing,
                says=says,
                sending=item["counts"]["reports"]["sending"],
            )

    async def _last_hint(self, account: str) -> str | None:
        """The last verdict on the newest push that was sent."""
        response = await self._client.get(f"/v1/accounts/{account}/pushes", params={"limit": 5})
        require_success(response)
        for item in response.json()["items"]:
            if item["attempts"]:
                push = await self._client.get(f"/v1/pushes/{item['id']}")
                require_success(push)
                attempt = push.json()["attempts"][-1]
                return f"attempt {attempt['number']}: {attempt['hint']}"
        return None

    async def settle(self, seconds: float, hurry: asyncio.Event) -> None:
        """Wait until customers in good standing have everything, for at most ``seconds``."""
        deadline = monotonic() + seconds
        while monotonic() < deadline and not hurry.is_set():
            await self.look()
            watched = self._scene.watched.values()
            if not any(w.waiting or w.sending for w in watched if not w.failing):
                return
            await _wait(hurry, 0.2)

    async def ask(self, account: str, sids: set[str]) -> dict[str, str | None]:
        """What the service says about these reports: state by sid, None for unknown ones."""
        states: dict[str, str | None] = {}
        await self._ask_pushes(account, sids, states)
        rest = sorted(sids - states.keys())
        turn = asyncio.Semaphore(_CONCURRENT_LOOKUPS)

        async def look_up(sid: str) -> None:
            async with turn:
                response = await self._client.get(
                    "/v1/reports", params={"account": account, "sid": sid}
                )
            require_success(response)
            items = response.json()["items"]
            states[sid] = items[0]["state"] if items else None
            self._scene.phase = (
                f"asking for each report of {account}: {len(states):,} of {len(sids):,}"
            )

        async with asyncio.TaskGroup() as tasks:
            for sid in rest:
                tasks.create_task(look_up(sid))
        return states

    async def _ask_pushes(
        self, account: str, sids: set[str], states: dict[str, str | None]
    ) -> None:
        """The quick way for most of them: one push answers for up to 500 reports."""
        cursor: str | None = None
        while True:
            params = {"state": "exhausted", "limit": "100"} | ({"cursor": cursor} if cursor else {})
            response = await self._client.get(f"/v1/accounts/{account}/pushes", params=params)
            require_success(response)
            page: dict[str, Any] = response.json()
            for item in page["items"]:
                push = await self._client.get(f"/v1/pushes/{item['id']}")
                require_success(push)
                for report in push.json()["reports"]:
                    if report["sid"] in sids:
                        states[report["sid"]] = item["state"]
            cursor = page["next"]
            if cursor is None:
                return


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Sleep, but not longer than until the event."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
