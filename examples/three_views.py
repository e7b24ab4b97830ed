"""Ask for several views of one question, then weigh them."""

from tenuto import Meta, agent, log, parallel, phase

meta = Meta(
    name="three-views",
    description="Independent views of a question, weighed by another agent",
    phases=["Views", "Verdict"],
)


async def main(args):
    question = args.get("question", "Is this migration safe?") if args else "Is this migration safe?"
    count = args.get("n", 3) if args else 3
    phase("Views")
    views = await parallel([view(question, number) for number in range(count)])
    kept = [text for text in views if text]
    log(f"{len(kept)} of {count} views came back")
    phase("Verdict")
    verdict = await agent(f"{question}\n\nWeigh these views:\n\n" + "\n\n".join(kept), label="verdict")
    return {"n": len(kept), "verdict": verdict}


async def view(question: str, number: int):
    return await agent(f"{question}\n\nAnswer as independent expert number {number + 1}.", label=f"view {number + 1}")
