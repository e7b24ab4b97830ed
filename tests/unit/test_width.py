"""The width of a run: how many calls are under way, and in which order the others follow."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.workflows.width import Place, Width


async def test_callers_enter_in_the_order_in_which_they_came() -> None:
    width = Width(2)
    entered: list[int] = []
    release = asyncio.Event()

    async def call(number: int) -> None:
        async with width:
            entered.append(number)
            await release.wait()

    tasks = [asyncio.create_task(call(n)) for n in range(6)]
    await asyncio.sleep(0)
    assert entered == [0, 1]
    assert width.inside == 2
    release.set()
    await asyncio.gather(*tasks)
    assert entered == [0, 1, 2, 3, 4, 5]
    assert width.inside == 0


async def test_a_wider_gate_admits_waiters_at_once() -> None:
    width = Width(1)
    entered: list[int] = []
    release = asyncio.Event()

    async def call(number: int) -> None:
        async with width:
            entered.append(number)
            await release.wait()

    tasks = [asyncio.create_task(call(n)) for n in range(3)]
    await asyncio.sleep(0)
    width.resize(3)
    await asyncio.sleep(0)
    assert entered == [0, 1, 2]
    release.set()
    await asyncio.gather(*tasks)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["enter", "leave", "cancel"]), max_size=60), st.integers(1, 4))
def test_no_place_is_lost_or_given_twice(steps: list[str], size: int) -> None:
    async def play() -> None:
        width = Width(size)
        inside: list[asyncio.Event] = []
        tasks: list[asyncio.Task[None]] = []

        async def call() -> None:
            async with width:
                assert width.inside <= size
                release = asyncio.Event()
                inside.append(release)
                await release.wait()

        for step in steps:
            if step == "enter":
                tasks.append(asyncio.create_task(call()))
            elif step == "leave" and inside:
                inside.pop().set()
            elif step == "cancel" and tasks:
                tasks.pop().cancel()
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        for release in inside:
            release.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)
        assert width.inside == 0
        for _ in range(size):
            await asyncio.wait_for(width.__aenter__(), 1)

    asyncio.run(play())


async def test_a_closed_gate_admits_only_those_that_finish_something() -> None:
    width = Width(2)
    entered: list[str] = []
    release = asyncio.Event()

    async def call(name: str, *, finishing: bool) -> None:
        async with width.place(finishing=finishing):
            entered.append(name)
            await release.wait()

    def begin(name: str, *, finishing: bool = False) -> asyncio.Task[None]:
        return asyncio.create_task(call(name, finishing=finishing))

    tasks = [begin("inside"), begin("waits")]
    await asyncio.sleep(0)
    width.close()
    width.resize(4)
    tasks += [begin("new"), begin("finishes", finishing=True)]
    await asyncio.sleep(0)
    assert entered == ["inside", "waits", "finishes"]
    width.open()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert entered == ["inside", "waits", "finishes", "new"]
    release.set()
    await asyncio.gather(*tasks)
    assert width.inside == 0


async def test_those_that_waited_before_it_was_closed_keep_their_places() -> None:
    width = Width(1)
    entered: list[int] = []

    async def call(number: int, *, finishing: bool) -> None:
        async with width.place(finishing=finishing):
            entered.append(number)

    await width.enter(finishing=False)
    tasks = [asyncio.create_task(call(n, finishing=n == 2)) for n in range(4)]
    await asyncio.sleep(0)
    width.close()
    width.leave()
    await tasks[2]
    assert entered == [2]
    width.open()
    await asyncio.gather(*tasks)
    assert entered == [2, 0, 1, 3]


async def test_who_is_cancelled_as_a_place_gets_free_says_just_that() -> None:
    width = Width(1)
    await width.enter(finishing=False)
    waiting = [asyncio.create_task(width.enter(finishing=False)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    width.leave()
    assert [type(each) for each in await asyncio.gather(*waiting, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * 3
    assert width.inside == 0
    await width.enter(finishing=False)


async def test_who_was_away_comes_back_before_those_that_are_new() -> None:
    width = Width(1)
    entered: list[str] = []
    money: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    release = asyncio.Event()

    async def goes_away() -> None:
        async with Place(width, finishing=False) as place:
            assert await place.away(money, first=True) == 7
            entered.append("back")

    async def new(name: str) -> None:
        async with Place(width, finishing=False):
            entered.append(name)
            await release.wait()

    tasks = [asyncio.create_task(each) for each in (goes_away(), *(new(f"new {n}") for n in range(4)))]
    for _ in range(3):
        await asyncio.sleep(0)
    assert entered == ["new 0"]
    money.set_result(7)
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*tasks)
    assert entered == ["new 0", "back", "new 1", "new 2", "new 3"]
    assert width.inside == 0
