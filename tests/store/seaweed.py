"""A real S3-compatible server on loopback ports: SeaweedFS, which checks signatures and splits large objects."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tenuto.worker.service import ports

from ..cli.command import until

BUCKET = "tenuto"
ROLES = ("master", "volume", "filer", "s3")
SMALL = ("-master.volumeSizeLimitMB=64", "-volume.max=16", "-master.telemetry=false")
WITHOUT = ("-s3.port.iceberg=0", "-s3.port.lance=0")
"""What would listen on ports of its own choosing, which another server of this kind may have."""
READY_S = 60.0


@dataclass(frozen=True)
class Seaweed:
    """A running server."""

    host: str
    port: int

    def environ(self, endpoint: str | None = None) -> dict[str, str]:
        """What a process needs to reach it, by way of `endpoint` (`host:port`) if that is given."""
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": f"http://{endpoint or f'{self.host}:{self.port}'}",
            "AWS_ALLOW_HTTP": "true",
        }

    def answers(self) -> bool:
        """Whether it serves."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.port}/status", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def seaweed(folder: Path) -> Iterator[Seaweed]:
    """The server, with its data under `folder`."""
    (folder / "data").mkdir(parents=True)
    actions = ["Admin", "Read", "Write", "List"]
    credentials = [{"accessKey": "key", "secretKey": "secret"}]
    identity = {"name": "tenuto", "credentials": credentials, "actions": actions}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    chosen = _ports(2 * len(ROLES))
    flags = [f"-{role}.port={chosen.pop()}" for role in ROLES] + [f"-{role}.port.grpc={chosen.pop()}" for role in ROLES]
    here = (f"-ip={ports.LOOPBACK}", f"-ip.bind={ports.LOOPBACK}", f"-dir={folder / 'data'}")
    command = [str(Path(sys.executable).with_name("weed")), "-logtostderr=true", "server", "-filer", "-s3", *here]
    port = int(flags[ROLES.index("s3")].partition("=")[2])
    with (folder / "log").open("wb") as output:
        server = subprocess.Popen(
            [*command, f"-s3.config={folder / 's3.json'}", *SMALL, *WITHOUT, *flags],
            stdout=output,
            stderr=output,
            cwd=folder,
        )
        try:
            made = Seaweed(ports.LOOPBACK, port)
            until(made.answers, READY_S)
            yield made
        finally:
            server.kill()
            server.wait()


def _ports(count: int) -> list[int]:
    """Free ports, drawn: two sessions of tests may choose at the same time. The kernel gives out higher ones."""
    return [port for port in random.sample(range(30000, 32700), 2000) if ports.free(port)][:count]
