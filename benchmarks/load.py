"""A cheap load generator: requests made before the clock starts, sent over raw connections."""

import asyncio
import random
import time
from collections.abc import Sequence

_MESSAGE = "\\u7528\\u6237\\u4fe1\\u53f7\\u4e0d\\u4f73\\u3001\\u5173\\u673a\\u7b49"


def report(account: str, number: int, tag: str) -> bytes:
    """One submitted report as JSON; a third of them failed calls, some numbers abroad."""
    failed = number % 3 == 0
    mobile = (
        f"+372{58000000 + number % 1000000}"
        if number % 5 == 0
        else str(15200000000 + number % 100000000)
    )
    return (
        f'{{"account":"{account}","sid":"{tag}{number:020x}","uid":'
        f"{'null' if number % 2 else chr(34) + 'order-' + str(number) + chr(34)},"
        f'"user_receive_time":"2026-03-04 05:06:{number % 60:02d}","duration":'
        f'{0 if failed else number % 90},"error_msg":'
        f'{chr(34) + _MESSAGE + chr(34) if failed else "null"},"mobile":"{mobile}",'
        f'"report_status":"{"FAIL" if failed else "SUCCESS"}"}}'
    ).encode()


def requests(
    accounts: Sequence[str], *, reports: int, per_request: int, token: str, tag: str
) -> list[bytes]:
    """HTTP requests that submit so many reports, spread evenly over the accounts."""
    made = []
    for start in range(0, reports, per_request):
        body = b"[%s]" % b",".join(
            report(accounts[n % len(accounts)], n, tag)
            for n in range(start, min(start + per_request, reports))
        )
        made.append(
            b"POST /v1/reports HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (token.encode(), len(body), body)
        )
    return made


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().index(b"content-length:")
    await reader.readexactly(int(head[at + 15 :].split(b"\r\n", 1)[0]))
    return int(head[9:12])


async def submit(port: int, made: Sequence[bytes], *, connections: int) -> list[float]:
    """Send all requests, each connection one after the other; return seconds of each answer."""
    times: list[float] = []
    queue = iter(made)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in queue:
            while True:
                began = time.perf_counter()
                writer.write(request)
                status = await _answer(reader)
                if status == 202:
                    times.append(time.perf_counter() - began)
                    break
                if status != 429:
                    raise RuntimeError(f"answered {status}")
                await asyncio.sleep(0.05)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return times


async def submit_at(port: int, made: Sequence[bytes], *, rate: float) -> list[float]:
    """Send requests at random times with a mean rate a second; return when each was sent."""
    rng = random.Random(7)
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    sent: list[float] = []

    async def one(request: bytes) -> None:
        reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
        sent.append(time.time())
        writer.write(request)
        if await _answer(reader) != 202:
            raise RuntimeError("not accepted")
        idle.append((reader, writer))

    at = time.perf_counter()
    tasks = []
    for request in made:
        at += rng.expovariate(rate)
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        tasks.append(asyncio.create_task(one(request)))
    await asyncio.gather(*tasks)
    for _, writer in idle:
        writer.close()
    return sent
