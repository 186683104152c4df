"""The taskiq application: one task, which pushes one report; retries wait in a schedule."""

import os
from typing import Any

import aiohttp
from contract import CONNECT_SECONDS, RETRIES, RETRY_SECONDS, TIMEOUT_SECONDS, form, judge
from taskiq import SmartRetryMiddleware, TaskiqEvents, TaskiqScheduler, TaskiqState
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListRedisScheduleSource, RedisStreamBroker

_URL = os.environ["BASELINE_REDIS_URL"]
_CONNECTIONS = 100

# Streams know no delay: without a schedule, taskiq would retry at once.
retries = ListRedisScheduleSource(_URL, serializer=ORJSONSerializer())
broker = (
    RedisStreamBroker(
        _URL,
        consumer_id="0",  # also what was enqueued before the first worker came
        max_connection_pool_size=_CONNECTIONS,
        # A task whose worker has died is taken over after this many milliseconds.
        idle_timeout=60_000,
        unacknowledged_lock_timeout=10,
        maxlen=1_000_000,  # acknowledged entries stay in a stream until it is trimmed
    )
    .with_serializer(ORJSONSerializer())
    .with_middlewares(
        SmartRetryMiddleware(
            default_retry_label=True,
            default_retry_count=1 + RETRIES,  # it counts the first send as well
            default_delay=RETRY_SECONDS,
            schedule_source=retries,
        )
    )
)
scheduler = TaskiqScheduler(broker, [retries])

_sessions: list[aiohttp.ClientSession] = []


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def _open(_state: TaskiqState) -> None:
    """Open the session of this process; it keeps connections to customers open."""
    _sessions.append(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
    )


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def _close(_state: TaskiqState) -> None:
    await _sessions.pop().close()


@broker.task
async def push(url: str, report: dict[str, Any]) -> None:
    """Push one report to a customer."""
    async with _sessions[0].post(url, data=form(report), allow_redirects=False) as answer:
        judge(answer.status, await answer.read())
