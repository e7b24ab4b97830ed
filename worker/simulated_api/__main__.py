"""`python -m tenuto.worker.simulated_api`: serve until SIGINT or SIGTERM; the first line printed is the URL."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from .server import SimulatedApi


async def serve(port: int, log_path: str | None, latency_s: float) -> None:
    """Serve until a signal asks for the end."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with SimulatedApi(port, log_path, latency_s) as api:
        print(api.url, flush=True)
        await ended.wait()


def main() -> int:
    """Parse the command line and serve. Exit code 2 where the port or the log cannot be had."""
    parser = argparse.ArgumentParser(
        prog="python -m tenuto.worker.simulated_api", description="A simulated Messages API."
    )
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one (default)")
    parser.add_argument("--log", metavar="FILE", help="append every request to this file, as JSON Lines")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds to an answer's first byte")
    chosen = parser.parse_args()
    try:
        asyncio.run(serve(chosen.port, chosen.log, chosen.latency))
    except OSError as error:
        print(f"the simulated API cannot start: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
