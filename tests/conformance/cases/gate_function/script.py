"""A function passes only where it says so itself; the same function is the same gate."""

from tenuto import Meta, agent, gate

meta = Meta(name="gate_function", description="A conformance case")


async def asked():
    return await agent("yes?") == "green"


async def broken():
    raise ValueError("no")


async def main():
    outcomes = [await gate(asked, attempts=2), await gate(lambda: "yes"), await gate(broken)]
    outcomes.append(await gate(lambda: {"passed": True}, hold=3, label="named"))
    turns = []

    def once():
        turns.append(1)
        return len(turns) == 1

    outcomes.append(await gate(once, hold=2))
    return [*[each["passed"] for each in outcomes], (await gate(lambda: 1))["reason"]]
