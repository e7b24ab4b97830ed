"""What prompt caching saves: dollars of 100 siblings over a shared context of 50 KB, with and without it.

Both runs go through the real `run_agent` Activity, with a store, over HTTP, and the simulated API accounts prefixes as
the real one does: an entry exists once the response that wrote it has begun. The second run has caching switched off on
the server. Exit code 1 where fewer than 90 % of the repeatable prefix tokens were read from the cache, or the dollars
are over a quarter of those without.

    python benchmarks/cache.py [--agents 100] [--width 16] [--context-kb 50] [--model claude-sonnet-5-5] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from temporalio.testing import ActivityEnvironment

from tenuto.activities.agent import AgentActivities
from tenuto.activities.agent_request import INSTRUCTIONS
from tenuto.activities.credentials import Credentials
from tenuto.activities.store import Store
from tenuto.worker.simulated_api import SimulatedApi
from tenuto.worker.simulated_api.cache import count_text
from tenuto.workflows.contracts import RunAgentInput, Usage

READ_SHARE_MIN = 0.90
DOLLARS_SHARE_MAX = 0.25
LATENCY_S = 0.2
"""To the first byte: long enough that siblings would overtake the first one if nothing held them."""


@dataclass(frozen=True)
class Measured:
    """One fan-out. Tokens and dollars are those that the agents' results carry."""

    usage: Usage
    seconds: float
    requests: int
    in_flight_max: int


async def fan_out(options: argparse.Namespace, context: str, *, caching: bool) -> Measured:
    """Run every sibling, `width` at a time."""
    with tempfile.TemporaryDirectory() as folder:
        async with SimulatedApi(latency_s=LATENCY_S) as api:
            api.control(caching=caching)
            environ = {"ANTHROPIC_API_KEY": "bench", "ANTHROPIC_BASE_URL": api.url}

            async def no_simulation() -> str:
                raise AssertionError("the benchmark's agents are not simulated: they meet a server")

            store = Store(Path(folder, "store").as_uri())
            activities = AgentActivities(store, Credentials(Path(folder), environ), no_simulation)
            places = asyncio.Semaphore(options.width)

            async def agent(number: int) -> Usage:
                task = RunAgentInput(
                    run_id="wf_bench",
                    agent=f"a{number}",
                    label=f"sibling {number}",
                    model=options.model,
                    prompt=f"Audit part {number} of what you were given.",
                    context=[context],
                )
                async with places:
                    return (await ActivityEnvironment().run(activities.run_agent, task)).usage

            started = time.perf_counter()
            usages = await asyncio.gather(*(agent(number) for number in range(options.agents)))
            seconds = time.perf_counter() - started
            summary = api.summary()
            await activities.close()
    total = Usage()
    for usage in usages:
        total = total.plus(usage)
    return Measured(total, seconds, summary["requests"], summary["in_flight_max"])


def shared_text(kilobytes: int) -> str:
    """So much text that looks like notes on a code base."""
    line = "src/module_{0:05d}.py exports handler_{0:05d}, which checks its input before it calls the store.\n"
    return "".join(line.format(number) for number in range(kilobytes * 1024 // 80))[: kilobytes * 1024]


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """Both runs, and what they come to."""
    context = shared_text(options.context_kb)
    cached = await fan_out(options, context, caching=True)
    plain = await fan_out(options, context, caching=False)
    # Every sibling but the first could have read the standing instructions and the context.
    shared = count_text(INSTRUCTIONS) + count_text(context)
    repeatable = (options.agents - 1) * shared
    return {
        "agents": options.agents,
        "shared_tokens": shared,
        "repeatable_tokens": repeatable,
        "read_share": cached.usage.cache_read_input_tokens / repeatable,
        "dollars_share": cached.usage.usd / plain.usage.usd,
        "with_caching": asdict(cached) | {"usage": cached.usage.model_dump()},
        "without": asdict(plain) | {"usage": plain.usage.model_dump()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--context-kb", type=int, default=50)
    parser.add_argument("--model", default="claude-sonnet-5-5")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    options = parser.parse_args()
    found = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print(f"{found['agents']} agents over {found['shared_tokens']:,} shared tokens, {options.width} at once")
        for name in ("with_caching", "without"):
            run = found[name]
            assert isinstance(run, dict)
            usage = run["usage"]
            print(
                f"{name.replace('_', ' '):13} ${usage['usd']:.4f}  read {usage['cache_read_input_tokens']:,}  written "
                f"{usage['cache_creation_input_tokens']:,}  plain {usage['input_tokens']:,}  {run['seconds']:.1f} s"
            )
        print(f"read share    {found['read_share']:.1%} of what could be read (at least {READ_SHARE_MIN:.0%})")
        print(f"dollars       {found['dollars_share']:.3f} of those without (at most {DOLLARS_SHARE_MAX})")
    held = float(str(found["read_share"])) >= READ_SHARE_MIN
    return 0 if held and float(str(found["dollars_share"])) <= DOLLARS_SHARE_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
