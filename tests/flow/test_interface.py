"""The three positions of the push interface, and settings changed under way (section 1)."""

from statuspush.core.contract import Mode, Wire
from statuspush.core.lifecycle import State


async def test_while_off_nothing_is_pushed(house, customers):
    """Reports are accepted and kept, and no push leaves the house."""
    await house.account("acme", mode=Mode.OFF)
    await house.submit("acme", 3)
    await house.after(3600)
    assert customers.posts == []


async def test_enabling_pushes_only_what_is_accepted_afterwards(house, customers):
    """What came while the interface was off is not sent by itself."""
    await house.account("acme", mode=Mode.OFF)
    await house.submit("acme", 3)
    await house.change("acme", mode=Mode.ON)
    await house.settle()
    assert customers.posts == []
    later = await house.submit("acme", 2)
    await house.settle()
    assert customers.sids("acme") == [later]


async def test_what_came_while_off_can_be_redriven(house, customers):
    """A person may ask for it explicitly."""
    await house.account("acme", mode=Mode.OFF)
    sids = await house.submit("acme", 3)
    await house.change("acme", mode=Mode.ON)
    (cancelled,) = await house.pushes("acme")
    assert cancelled.state is State.CANCELLED
    await house.engine.redrive_push(cancelled.id, house.clock.now())
    await house.settle()
    assert customers.sids("acme") == [sids]


async def test_switching_off_cancels_what_waits(house, customers):
    """A waiting retry and the reports gathered behind it are cancelled, and stay so."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG, customers.ACK)
    await house.submit("acme", 2)
    await house.settle()
    await house.submit("acme", 4)
    await house.change("acme", mode=Mode.OFF)
    await house.change("acme", mode=Mode.ON)
    await house.after(3600)
    assert len(customers.posts) == 1
    assert [(push.state, push.reports) for push in await house.pushes("acme")] == [
        (State.CANCELLED, 2),
        (State.CANCELLED, 4),
    ]


async def test_switching_off_lets_an_open_send_end(house, customers):
    """Acknowledged it is delivered all the same; failed it is cancelled instead of retried."""
    await house.account("acme", "bolt")
    customers.answer("acme", customers.HANG)
    customers.answer("bolt", customers.HANG)
    await house.submit("acme")
    await house.submit("bolt")
    await house.settle()
    await house.change("acme", mode=Mode.OFF)
    await house.change("bolt", mode=Mode.OFF)
    customers.release("acme", customers.ACK)
    customers.release("bolt", customers.WRONG)
    await house.after(3600)
    assert [push.state for push in await house.pushes("acme")] == [State.DELIVERED]
    assert [push.state for push in await house.pushes("bolt")] == [State.CANCELLED]
    assert len(customers.posts) == 2


async def test_while_paused_nothing_is_sent_and_all_is_kept(house, customers):
    """The backlog goes out in order, in full pushes, when the interface is on again."""
    await house.account("acme", mode=Mode.PAUSED)
    sids = [*await house.submit("acme", 2), *await house.submit("acme", 3)]
    await house.after(3600)
    assert customers.posts == []
    await house.change("acme", mode=Mode.ON)
    await house.settle()
    assert customers.sids("acme") == [sids]


async def test_a_retry_that_falls_due_while_paused_waits_for_on(house, customers):
    """Its attempt number goes on where it was."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG, customers.ACK)
    await house.submit("acme")
    await house.settle()
    await house.change("acme", mode=Mode.PAUSED)
    await house.after(3600)
    assert len(customers.posts) == 1
    await house.change("acme", mode=Mode.ON)
    await house.settle()
    assert [post.attempt for post in customers.to("acme")] == [1, 2]


async def test_without_a_url_reports_wait(house, customers):
    """Paused without an address is a backlog, not a failure."""
    await house.account("acme", mode=Mode.PAUSED, url=None)
    sids = await house.submit("acme", 2)
    await house.after(3600)
    assert customers.posts == []
    await house.change("acme", mode=Mode.ON, url="https://acme.example/voice")
    await house.settle()
    assert customers.sids("acme") == [sids]


async def test_a_changed_url_and_wire_hold_for_a_push_that_waits(house, customers):
    """The retry goes to the new address in the new form, with the same id and reports."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG)
    sids = await house.submit("acme", 2, mobile="+37258483726")
    await house.settle()
    await house.change("acme", url="https://new.example/", wire=Wire.DOUBLE)
    await house.after(300)
    (old,) = customers.to("acme")
    (new,) = customers.to("https://new.example/")
    assert new.push == old.push
    assert new.sids == sids
    assert b"%255B" in new.request.body
    assert b"%255B" not in old.request.body


async def test_a_changed_setting_leaves_a_waiting_retry_its_time(house, customers):
    """The five minutes are not cut short by an edit."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG)
    await house.submit("acme")
    await house.settle()
    await house.change("acme", timeout_seconds=3.0)
    await house.after(299.999)
    assert len(customers.posts) == 1
    await house.after(0.001)
    assert len(customers.posts) == 2
