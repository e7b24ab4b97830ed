"""failures() lists what has failed so far, with label, phase, kind and message."""

from tenuto import Meta, agent, failures, parallel, phase

meta = Meta(name="failures_listed", description="A conformance case")


async def main():
    phase("Try")
    await parallel([agent("hang", label="the one"), agent("fine")])
    return [{key: failure[key] for key in ("label", "phase", "kind", "message")} for failure in failures()]
