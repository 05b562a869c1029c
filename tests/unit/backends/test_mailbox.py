"""Wake-ups that wait for their event loop."""

import asyncio

from longshore.backends.mailbox import Mailbox
from longshore.core.clock import ManualClock
from longshore.store.replies import Wake, WakeKind

MAIL = Wake(WakeKind.PENDING, "mail")


async def test_who_waits_has_the_wake_up_after_one_turn_of_the_loop() -> None:
    mailbox, heard = Mailbox(ManualClock()), []

    async def listen() -> None:
        heard.extend(await mailbox.wait(60))

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    mailbox.put([MAIL, MAIL])
    await asyncio.sleep(0)
    assert heard == [MAIL]
    await listening


async def test_a_ring_for_what_was_taken_already_is_no_wake_up() -> None:
    clock = ManualClock()
    mailbox = Mailbox(clock)
    mailbox.put([MAIL])
    assert await mailbox.wait(60) == [MAIL]
    waiting = asyncio.create_task(mailbox.wait(60))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    clock.advance(60)
    assert await waiting == []


async def test_who_is_told_hears_at_once_also_of_what_came_before_and_waiting_gives_nothing() -> None:
    clock, told = ManualClock(), []
    mailbox = Mailbox(clock)
    mailbox.put([MAIL])
    mailbox.tell(told.extend)
    assert told == [MAIL]
    waiting = asyncio.create_task(mailbox.wait(60))
    await asyncio.sleep(0)
    mailbox.put([MAIL, MAIL])
    assert told == [MAIL, MAIL]
    clock.advance(60)
    assert await waiting == []
