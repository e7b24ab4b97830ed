"""Standing instructions of subagents: `CLAUDE.md`, `AGENTS.md`, and named agent definitions."""
