"""An import that a script cannot make."""

import subprocess

from tenuto import Meta

meta = Meta(name="refused_import", description="A conformance case")


async def main():
    return subprocess
