"""Threads settle what a loop waits for, and the loop wakes once for all of it."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from config.inbox import Inbox


def test_threads_settle_what_a_loop_awaits() -> None:
    async def main() -> list[bool]:
        loop = asyncio.get_running_loop()
        inbox = Inbox(loop)
        futures = [loop.create_future() for _ in range(200)]
        with ThreadPoolExecutor(8) as threads:
            for future in futures:
                threads.submit(inbox.settle, future)
            return await asyncio.gather(*(inbox.awaited(future, seconds=10) for future in futures))

    assert asyncio.run(main()) == [True] * 200


def test_what_is_settled_while_the_loop_is_busy_wakes_it_once() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        inbox, woken = Inbox(loop), 0
        original = loop.call_soon_threadsafe

        def counted(*given: object) -> object:
            nonlocal woken
            woken += 1
            return original(*given)  # type: ignore[arg-type]

        loop.call_soon_threadsafe = counted  # type: ignore[assignment]
        futures = [loop.create_future() for _ in range(50)]

        def settle_all() -> None:
            for future in futures:
                inbox.settle(future)

        thread = threading.Thread(target=settle_all)
        thread.start()
        thread.join()  # the loop stands still meanwhile
        assert await asyncio.gather(*(inbox.awaited(future, seconds=10) for future in futures)) == [True] * 50
        return woken

    assert asyncio.run(main()) == 1


def test_who_waits_too_long_goes_on_and_a_late_settling_harms_nobody() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        inbox, future = Inbox(loop), loop.create_future()
        began = time.monotonic()
        in_time = await inbox.awaited(future, seconds=0.05)
        assert time.monotonic() - began >= 0.05
        inbox.settle(future)
        await asyncio.sleep(0)
        return in_time

    assert asyncio.run(main()) is False
