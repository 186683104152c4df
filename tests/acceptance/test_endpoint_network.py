"""Bad networks, in namespaces of their own: loss and delay, a route that swallows everything,
and a redirect to the metadata address of clouds, with somebody listening there."""

import contextlib
import time

import pytest
from tests.acceptance.conftest import unavailable
from tests.acceptance.customers import (
    Endpoint,
    answer,
    answering,
    attempted,
    bad_cable,
    command,
    inside,
    network,
    running,
    send_one,
)
from tests.acceptance.harness import reports

pytestmark = [pytest.mark.needs_root, pytest.mark.usefixtures("needs_root")]

SENDER, RECEIVER = "198.18.7.1", "198.18.7.2"
NETWORK = "198.18.7.0/24"


@pytest.fixture
def spaces():
    """The namespaces of a sender and a receiver."""
    with contextlib.ExitStack() as stack:
        try:
            spaces = [stack.enter_context(network(name)) for name in ("sender", "receiver")]
        except OSError as error:
            unavailable(f"no network namespaces: {error}")
        yield tuple(spaces)


def connect(here: str, there: str) -> None:
    """Lay a good cable between sender and receiver."""
    command(
        *("ip", "-n", here, "link", "add", "cable", "type", "veth"),
        *("peer", "name", "cable", "netns", there),
    )
    for name, address in ((here, SENDER), (there, RECEIVER)):
        command("ip", "-n", name, "address", "add", f"{address}/24", "dev", "cable")
        command("ip", "-n", name, "link", "set", "cable", "up")


def connect_badly(stack: contextlib.ExitStack, here: str, there: str) -> str:
    """Lay a cable that loses 10% both ways and takes 500 ms one way; return how."""
    try:
        connect(here, there)
        for name, delay in ((here, "500ms"), (there, "0ms")):
            command(
                *("tc", "-n", name, "qdisc", "add", "dev", "cable", "root"),
                *("netem", "loss", "10%", "delay", delay),
            )
    except OSError as error:  # a kernel without netem: the packets go by way of this process
        command("ip", "-n", here, "link", "del", "cable")
        ends = ((here, SENDER), (there, RECEIVER))
        try:
            stack.enter_context(bad_cable(ends, loss=0.1, delays=(0.5, 0.0)))
        except OSError as second:
            unavailable(f"neither netem ({error}) nor TUN ({second})")
        return "TUN"
    return "netem"


def test_loss_and_delay(spaces, tmp_path):
    """10% loss both ways and 500 ms: everything arrives whole, less than 1% of it twice."""
    here, there = spaces
    count, each = 60, 18
    with contextlib.ExitStack() as stack:
        how = connect_badly(stack, here, there)
        with inside(there):
            endpoint = stack.enter_context(Endpoint(answering(answer()), host=RECEIVER))
        stack.enter_context(inside(here))
        service = stack.enter_context(
            running(tmp_path, retry_interval_seconds="1", allow_targets=NETWORK)
        )
        accounts = [f"far-{number}" for number in range(count)]
        for account in accounts:
            service.account(account, f"http://{RECEIVER}:{endpoint.port}/{account}")
        accepted = {}
        for part in range(3):
            made = [
                item
                for account in accounts
                for item in reports(account, account, each // 3, start=part * each // 3)
            ]
            assert service.submit(made)["accepted"] == len(made)
            accepted.update({item["sid"]: item["account"] for item in made})
            time.sleep(1)
        counts = service.drained(60, every=0.2)
        received: dict[str, int] = {}
        for arrival in endpoint.arrivals:
            for sid in arrival.sids:
                assert arrival.path == f"/{accepted[sid]}"
                received[sid] = received.get(sid, 0) + 1
        twice = sum(times - 1 for times in received.values())
        lost = accepted.keys() - received.keys()
        sends = sum(push["attempts"] for a in accounts for push in service.pushes(a))
        print(
            f"{how}: {len(accepted)} reports, {sends} sends, {len(endpoint.arrivals)} arrived, "
            f"{len(lost)} lost, {twice} twice"
        )
        assert not lost
        assert counts["delivered"] == len(accepted)
        assert twice < 0.01 * len(accepted)


def test_a_route_that_swallows_everything(spaces, tmp_path):
    """SYNs that nobody answers: the connect limit ends it, not the system's two minutes."""
    here, there = spaces
    connect(here, there)
    # The receiver's firewall drops: to it the packets do come, and none goes back.
    command("ip", "-n", there, "route", "add", "blackhole", "198.18.8.1/32")
    command("ip", "-n", here, "route", "add", "198.18.8.1/32", "via", RECEIVER)
    with inside(here), running(tmp_path, allow_targets="198.18.0.0/16") as service:
        service.account("gone", "http://198.18.8.1:9999/", connect_seconds=0.5, timeout_seconds=5)
        send_one(service, "gone")
        (first, *_) = attempted(service, "gone")["attempts"]
        assert first["outcome"] == "connect_timeout"
        assert 480 <= first["duration_ms"] < 1500


def test_redirect_to_the_metadata_address(spaces, tmp_path):
    """Not followed, even where the guard would let it: nobody calls the listener there."""
    here, _ = spaces
    metadata = "169.254.169.254"
    command("ip", "-n", here, "address", "add", f"{metadata}/32", "dev", "lo")
    with contextlib.ExitStack() as stack:
        stack.enter_context(inside(here))
        target = stack.enter_context(Endpoint(answering(answer()), host=metadata, port=80))
        location = f"Location: http://{metadata}/latest/meta-data/"
        reply = answer(b"SUCCESS", "302 Found", location)
        endpoint = stack.enter_context(Endpoint(answering(reply)))
        service = stack.enter_context(running(tmp_path, allow_targets="127.0.0.0/8,169.254.0.0/16"))
        service.account("control", f"http://{metadata}/")
        assert service.api("POST", "/v1/accounts/control/push/test")["acknowledged"]
        assert target.connections == 1
        service.account("redirected", endpoint.url)
        send_one(service, "redirected")
        push = attempted(service, "redirected", 4)
        assert [a["outcome"] for a in push["attempts"]] == ["redirect"] * 4
        assert len(endpoint.arrivals) == 4
        assert target.connections == 1
