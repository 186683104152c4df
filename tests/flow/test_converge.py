"""Whatever the customers answer: everything ends, nothing is lost, nothing is sent too often."""

import asyncio
import json
import tempfile
from collections import Counter
from itertools import chain
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statuspush.core.fragment import json_lines
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import State
from statuspush.core.outcome import Answered, Cause, Unanswered

KINDS = st.sampled_from(["ack", "ack", "wrong", "413", "timeout", "refused", "slow"])
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["submit", "submit", "submit", "wait", "restart", "crash"]),
        st.integers(0, 2),
        st.integers(1, 12),
    ),
    min_size=1,
    max_size=20,
)


def result_of(customers, kind):
    return {
        "ack": customers.ACK,
        "wrong": Answered(200, b"OK"),
        "413": customers.TOO_LARGE,
        "timeout": customers.late(15, customers.SILENCE),
        "refused": Unanswered(Cause.CONNECTION_REFUSED),
        "slow": customers.late(2, customers.ACK),
    }[kind]


async def play(house, customers, answers, actions, in_flight):
    """Run the actions, then time alone until nothing waits; return how often we crashed."""
    names = ["a0", "a1", "a2"]
    await house.account(*names, max_reports=5, max_in_flight=in_flight)
    for name, kinds in zip(names, answers, strict=True):
        customers.answer(name, *[result_of(customers, kind) for kind in kinds])
    crashes = 0
    for action, which, number in actions:
        if action == "submit":
            await house.submit(names[which], number)
            await house.settle()
        elif action == "wait":
            await house.after(number * 30)
        elif action == "restart":
            await house.restart()
        else:
            house.losing_outcomes = True
            await house.step()
            await house.restart()
            crashes += 1
    for _ in range(400):
        due = house.engine.next_due()
        if due is None:
            break
        await house.after(max(0, due - house.clock.now()) / 1000)
        await house.settle()
    return names, crashes


async def check(house, customers, names, crashes):
    for name in names:
        sent = customers.to(name)
        # Cancelled are those that were halved: all their reports are in newer pushes.
        pushes = [p for p in await house.pushes(name) if p.superseded < p.reports]
        assert {push.state for push in pushes} <= {State.DELIVERED, State.EXHAUSTED}
        ended = {State.DELIVERED: [], State.EXHAUSTED: []}
        for push in pushes:
            for fragment in json_lines(
                (await house.push(push.id)).fragments, VOICE_STATUS
            ).splitlines():
                ended[push.state].append(json.loads(fragment)["sid"])
        assert sorted(chain.from_iterable(ended.values())) == sorted(house.submitted[name])
        assert set(ended[State.DELIVERED]) <= customers.acknowledged
        if not crashes:
            assert not set(ended[State.EXHAUSTED]) & customers.acknowledged
        # The same reports under the same id: one generation of a push.
        generations = Counter((post.push, *post.sids) for post in sent)
        assert max(generations.values(), default=0) <= 4 + crashes
        if not crashes:
            assert all(1 <= post.attempt <= 4 for post in sent)
        assert all(len(post.sids) <= 5 for post in sent)
        firsts = list(dict.fromkeys(sid for post in sent for sid in post.sids))
        assert firsts == house.submitted[name]


@given(
    answers=st.tuples(*[st.lists(KINDS, min_size=1, max_size=12)] * 3),
    actions=ACTIONS,
    in_flight=st.sampled_from([1, 3]),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_report_ends_acknowledged_or_exhausted(world, answers, actions, in_flight):
    """At most four sends of the same reports, plus one for each death; first sends in order."""

    async def run():
        with tempfile.TemporaryDirectory() as folder:
            house, customers = world(Path(folder))
            await house.open()
            try:
                names, crashes = await play(house, customers, answers, actions, in_flight)
                await check(house, customers, names, crashes)
            finally:
                await house.close()

    asyncio.run(run())
