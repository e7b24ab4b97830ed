"""A pull request is opened for a branch; without a forge the result says so."""

from tenuto import Meta, pull_request

meta = Meta(name="step_pull_request", description="A conformance case")


async def main():
    first = await pull_request(branch="fix-1", title="Fix", body="Because", base="main", draft=True)
    return [first, (await pull_request(branch="fix-2", title="T", body="B"))["url"]]
