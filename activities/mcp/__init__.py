"""The user's MCP servers: configuration, sessions, limits, and the tools they offer."""
