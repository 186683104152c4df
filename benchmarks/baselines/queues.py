"""What the queues in Redis tell: are the workers waiting for tasks, is everything done."""

from benchmarks.baselines.broker import Client, Reply


def clients_in(redis: Client, command: str) -> int:
    """How many clients are in this command; workers wait in a blocking one."""
    listed = redis.command("CLIENT", "LIST")
    assert isinstance(listed, bytes)
    return listed.count(b" cmd=%s " % command.encode())


def celery_done(redis: Client) -> bool:
    """Nothing is queued; nothing is with a worker or waits for its retry there."""
    return redis.number("LLEN", "celery") == 0 and redis.number("HLEN", "unacked") == 0


def taskiq_done(redis: Client) -> bool:
    """The group has read the whole stream and acknowledged all of it; no retry is scheduled."""
    stream = _fields(redis.command("XINFO", "STREAM", "taskiq"))
    groups = redis.command("XINFO", "GROUPS", "taskiq")
    assert isinstance(groups, list)
    group = _fields(groups[0])
    return (
        group[b"last-delivered-id"] == stream[b"last-generated-id"]
        and group[b"pending"] == 0
        and redis.command("KEYS", "schedule:data:*") == []
    )


def _fields(reply: Reply) -> dict[Reply, Reply]:
    assert isinstance(reply, list)
    return dict(zip(reply[::2], reply[1::2], strict=True))
