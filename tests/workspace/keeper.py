"""A process that keeps clones, to be killed: `python -m tests.workspace.keeper HOME RUN AGENT…`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tenuto.activities.workspace.clone import Clones
from tenuto.activities.workspace.keep import keep


async def main(home: str, run_id: str, agents: list[str]) -> None:
    clones = Clones(Path(home))
    found = [await clones.find(run_id, agent) for agent in agents]
    print("ready", flush=True)
    await asyncio.gather(*(keep(clone) for clone in found if clone is not None))
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
