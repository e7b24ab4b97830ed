"""`python -m tenuto.worker.simulated_api`: serve until SIGINT or SIGTERM; the first line printed is the URL.

`--rules FILE` takes what `POST /_control` takes, or only its list of rules. To play with an agent:
`ANTHROPIC_BASE_URL=<the URL> ANTHROPIC_API_KEY=any tenuto run …`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from pydantic import ValidationError

from .rules import Control
from .server import SimulatedApi


async def serve(port: int, log_path: str | None, latency_s: float, settings: Control | None = None) -> None:
    """Serve until a signal asks for the end."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with SimulatedApi(port, log_path, latency_s) as api:
        if settings is not None:
            api.simulation.control(settings)
        print(api.url, flush=True)
        await ended.wait()


def read_settings(path: str) -> Control:
    """The settings in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no settings; the message says what is wrong with it.
    """
    given = json.loads(Path(path).read_text(encoding="utf-8"))
    return Control.model_validate({"rules": given} if isinstance(given, list) else given)


def main() -> int:
    """Parse the command line and serve. Exit code 2 where the port, the log or the rules cannot be had."""
    parser = argparse.ArgumentParser(
        prog="python -m tenuto.worker.simulated_api", description="A simulated Messages API."
    )
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one (default)")
    parser.add_argument("--log", metavar="FILE", help="append every request to this file, as JSON Lines")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds to an answer's first byte")
    parser.add_argument("--rules", metavar="FILE", help="JSON: a list of rules, or an object as POST /_control takes")
    chosen = parser.parse_args()
    try:
        settings = None if chosen.rules is None else read_settings(chosen.rules)
    except ValidationError as error:
        print(f"--rules {chosen.rules}: {error}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"--rules {chosen.rules} cannot be read: {error}", file=sys.stderr)
        return 2
    try:
        asyncio.run(serve(chosen.port, chosen.log, chosen.latency, settings))
    except OSError as error:
        print(f"the simulated API cannot start: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
