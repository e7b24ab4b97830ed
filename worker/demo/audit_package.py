"""Audit a small package: one finder per file, two sceptics per finding, one report."""

from typing import Any

from tenuto import Meta, agent, log, parallel, phase, pipeline

meta = Meta(
    name="audit-package",
    description="Find defects file by file, let two others try to refute each, report what stands",
    phases=["Find", "Refute", "Report"],
)

FINDING = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "line": {"type": "integer"},
        "why": {"type": "string"},
    },
    "required": ["title", "line", "why"],
    "additionalProperties": False,
}
VOTE = {
    "type": "object",
    "properties": {"real": {"type": "boolean"}, "evidence": {"type": "string"}},
    "required": ["real", "evidence"],
    "additionalProperties": False,
}


async def main(args: dict[str, Any]) -> dict[str, Any]:
    """Audit `args["files"]`, a list of `{"path", "text"}`."""
    files = args["files"]
    log(f"auditing {len(files)} files")
    audited = await pipeline(files, find, refute)
    stands = [finding for finding in audited if finding and finding["stands"]]
    log(f"{len(stands)} of {len(files)} findings stand")
    phase("Report")
    lines = "\n".join([f"- {f['path']}:{f['line']} {f['title']}: {f['why']}" for f in stands])
    report = await agent(f"Write three sentences that sum up this audit of legacy_shop:\n{lines}", label="summary")
    return {"findings": stands, "report": report}


async def find(file: dict[str, str]) -> Any:
    """The worst defect of one file."""
    return await agent(
        f"Name the worst defect of {file['path']}.\n\n{file['text']}",
        phase="Find",
        label=f"find {file['path']}",
        schema=FINDING,
    )


async def refute(finding: dict[str, Any], file: dict[str, str]) -> dict[str, Any]:
    """Let two others try to refute a finding; it stands if neither can."""

    async def ask(lens: str) -> Any:
        return await agent(
            f"{lens} Somebody claims of {file['path']}, line {finding['line']}: {finding['title']}. "
            f"Try to refute it.\n\n{file['text']}",
            phase="Refute",
            label=f"refute {file['path']} ({lens.split(maxsplit=1)[0].lower()})",
            schema=VOTE,
        )

    votes = await parallel([ask("Correctness first."), ask("Assume the claim is wrong.")])
    real = [vote for vote in votes if vote and vote["real"]]
    return {
        "path": file["path"],
        "line": finding["line"],
        "title": finding["title"],
        "why": finding["why"],
        "votes": f"{len(real)} of {len(votes)}",
        "stands": len(real) == len(votes),
    }
