"""The tools that a Worker itself has. MCP tools and the API's server tools join them per agent."""

from __future__ import annotations

from .bash import Bash
from .edit import Edit
from .glob import Glob
from .grep import Grep
from .read import Read
from .tool import Tool
from .write import Write


def built_in_tools() -> dict[str, Tool]:
    """One instance of each by name, for a whole Worker, always in this order: requests are cached by their bytes."""
    tools: list[Tool] = [Read(), Write(), Edit(), Glob(), Grep(), Bash()]
    return {tool.name: tool for tool in tools}
