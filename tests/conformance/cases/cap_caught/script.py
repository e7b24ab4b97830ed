"""The cap error has a name that a script can tell it by, and what finished before stays."""

from tenuto import Meta, agent

meta = Meta(name="cap_caught", description="A conformance case")


async def main():
    done = []
    try:
        for name in ["a", "b", "c", "d"]:
            done.append(await agent(name))
    except RuntimeError as error:
        return {"done": len(done), "name": str(error).partition(":")[0]}
    return "no cap"
