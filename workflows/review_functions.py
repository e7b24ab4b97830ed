"""Reviews and quality patterns for hand-written Workflows: the same calls as a script's, see `functions.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from temporalio import workflow

from .functions import CallFailed, here, log

with workflow.unsafe.imports_passed_through():
    from .patterns import canonical
    from .script.protocol import Outcome


async def review(work: Any, **options: Any) -> dict[str, Any]:
    """Independent reviewers, and revision by the author, as in SCRIPT_API §3.

    Args:
        options: `reviewers`, `lenses`, `quorum`, `rounds`, `revise`, `model`, `effort`.

    Raises:
        CallFailed: `bad_arguments`, or a cap of the run left not one reviewer.
    """
    return _value(await here().run.reviews.review({"work": work, **options}, phase=here().phase))


async def converge(prompt: str, **options: Any) -> dict[str, Any]:
    """Attempts that refute each other: `angles`, `rounds`, `quorum`, `schema`, `model`, `effort`. Raises as there."""
    return _value(await here().run.reviews.converge({"prompt": prompt, **options}, phase=here().phase))


async def vote(prompt: str, **options: Any) -> dict[str, Any]:
    """The same question to several agents: `n`, `quorum`, `schema`, `model`, `effort`. Raises as `review`."""
    return await _pattern("vote", {"prompt": prompt, **options})


async def judge(candidates: Sequence[Any], **options: Any) -> dict[str, Any]:
    """The best of several candidates: `criteria`, `judges`, `model`, `effort`. Raises as `review`."""
    return await _pattern("judge", {"candidates": list(candidates), **options})


async def critic(result: Any, **options: Any) -> dict[str, Any]:
    """What is missing in a result: `task`, `model`, `effort`. Raises as `review`."""
    return await _pattern("critic", {"result": result, **options})


async def until_dry(
    finder: Callable[[list[Any], int], Awaitable[list[Any] | None]],
    *,
    key: Callable[[Any], Any] | None = None,
    empty_rounds: int = 2,
    max_rounds: int = 20,
) -> dict[str, Any]:
    """Call `finder(items, round)` until `empty_rounds` in a row bring nothing new: `items`, `rounds`, `dry`."""
    seen: dict[str, Any] = {}
    rounds = empty = 0
    while rounds < max_rounds and empty < empty_rounds:
        rounds += 1
        found = await finder(list(seen.values()), rounds)
        if found is None:
            log(f"until_dry: round {rounds} gave nothing to go by; it does not count as empty")
            continue
        before = len(seen)
        for item in found:
            seen.setdefault(canonical([item if key is None else key(item)]), item)
        empty = empty + 1 if len(seen) == before else 0
    return {"items": list(seen.values()), "rounds": rounds, "dry": empty >= empty_rounds}


async def _pattern(op: str, args: dict[str, Any]) -> dict[str, Any]:
    return _value(await here().run.reviews.pattern(op, args, phase=here().phase))


def _value(outcome: Outcome) -> dict[str, Any]:
    if outcome.error is not None:
        raise CallFailed(f"{outcome.error.kind}: {outcome.error.message}", kind=outcome.error.kind)
    value: dict[str, Any] = outcome.value
    return value
