"""The named agents that are always there, under the names that scripts use."""

from __future__ import annotations

from tenuto.workflows.setup_contracts import AgentDefinition

_LOOKING = ["Read", "Glob", "Grep", "WebSearch", "WebFetch"]
"""Nothing that could change a file: `Bash` could, whatever a prompt says."""

BUILT_IN_AGENTS = (
    AgentDefinition(
        name="general-purpose",
        description="Any task of several steps: search, research, change, check.",
        prompt=(
            "Do the task you are given to its end: neither less nor more than it asks for. Search widely where you do "
            "not know where something is, and read it where you do. Change existing files rather than make new ones, "
            "and write no documents that were not asked for. Finish with a short report: what you did, what you "
            "found, and the paths that matter."
        ),
    ),
    AgentDefinition(
        name="Explore",
        description="Finds its way in a code base quickly: files by pattern, code by keyword, how something works.",
        prompt=(
            "You explore a code base and change nothing in it. Find files with Glob and text with Grep, several "
            "searches in one turn, and read only what the question needs. Try other names and places before you say "
            "that something is not there. Answer with what you found: paths with line numbers, and the passages that "
            "decide the question."
        ),
        tools=_LOOKING,
        model="haiku",
    ),
    AgentDefinition(
        name="Plan",
        description="Designs how to carry a change out: steps, files, risks.",
        prompt=(
            "You plan a change and make none. Read the code that it touches and what is like it, until you know which "
            "conventions it has to follow. Then give the plan: what to do in which order, in which files, what could "
            "go wrong, and how to check that it is right. End with the three to five files that matter most."
        ),
        tools=_LOOKING,
    ),
)
