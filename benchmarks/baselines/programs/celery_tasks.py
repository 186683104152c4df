"""The Celery application: one task, which pushes one report and retries by the contract."""

import os
import threading
from typing import Any

import requests
from celery import Celery
from contract import (
    CONNECT_SECONDS,
    RETRIES,
    RETRY_SECONDS,
    TIMEOUT_SECONDS,
    NotAcknowledged,
    form,
    judge,
)

app = Celery("push", broker=os.environ["BASELINE_REDIS_URL"])
app.conf.update(
    # A task is acknowledged after it is done, and goes back if its process dies.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # A retry waits unacknowledged in the worker: it must not be taken for lost meanwhile.
    broker_transport_options={"visibility_timeout": 3 * RETRY_SECONDS},
    # Nobody reads results; events, gossip and remote control cost without use here.
    task_ignore_result=True,
    worker_enable_remote_control=False,
    worker_disable_rate_limits=True,
    broker_connection_retry_on_startup=True,
)

_local = threading.local()


def _session() -> requests.Session:
    """The session of this process or thread; it keeps connections to customers open."""
    session: requests.Session | None = getattr(_local, "session", None)
    if session is None:
        session = _local.session = requests.Session()
        session.trust_env = False  # no look at proxies and .netrc before every request
    return session


@app.task(bind=True, max_retries=RETRIES, default_retry_delay=RETRY_SECONDS)
def push(self: Any, url: str, report: dict[str, Any]) -> None:
    """Push one report to a customer."""
    try:
        answer = _session().post(
            url,
            data=form(report),
            timeout=(CONNECT_SECONDS, TIMEOUT_SECONDS),
            allow_redirects=False,
        )
        judge(answer.status_code, answer.content)
    except (requests.RequestException, NotAcknowledged) as error:
        raise self.retry(exc=error) from error
