"""A command gives its exit code, its output and how long it took; its options arrive under one name."""

from tenuto import Meta, sh

meta = Meta(name="step_sh", description="A conformance case")


async def main():
    first = await sh("npm test", cwd="packages/a", timeout=90, env={"CI": "1", "N": 2, "GONE": None}, repeat=False)
    return [first, await sh("sleep 9", check=False)]
