"""The API's own tools as the simulated model uses them: calls of `web_search` and `web_fetch`, with their results."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ServerToolUse(BaseModel):
    """One call of a server tool and its result, both of which the API puts into one answer."""

    model_config = ConfigDict(extra="forbid")

    name: Literal["web_search", "web_fetch"]
    input: dict[str, Any] = Field(default_factory=dict)
    results: list[dict[str, Any]] | None = None
    """Of a search: `{"url", "title"}` each. Not given: one made up from the query."""
    text: str | None = None
    """Of a fetch: the document."""
    error: str | None = None
    """An error code such as `max_uses_exceeded`, instead of a result."""
    pending: bool = False
    """The call without its result, as at the end of a turn with `stop_reason` `pause_turn`."""

    def blocks(self, id: str) -> list[dict[str, Any]]:
        """The blocks of the answer."""
        call = {"type": "server_tool_use", "id": id, "name": self.name, "input": self.input}
        if self.pending:
            return [call]
        kind = f"{self.name}_tool_result"
        content = {"type": f"{kind}_error", "error_code": self.error} if self.error else self._content()
        return [call, {"type": kind, "tool_use_id": id, "content": content}]

    def _content(self) -> Any:
        if self.name == "web_search":
            query = str(self.input.get("query", ""))
            found = self.results
            if found is None:
                found = [{"url": "https://example.org/", "title": f"[simulated] {query}"}]
            fixed = {"type": "web_search_result", "encrypted_content": "simulated", "page_age": None}
            return [{**fixed, **result} for result in found]
        url = str(self.input.get("url", "https://example.org/"))
        source = {"type": "text", "media_type": "text/plain", "data": self.text or f"[simulated] {url}"}
        document = {"type": "document", "source": source, "title": None, "citations": None}
        return {"type": "web_fetch_result", "url": url, "content": document, "retrieved_at": None}


def requests_by_tool(content: list[dict[str, Any]]) -> dict[str, int] | None:
    """`usage.server_tool_use` of an answer; `None` where no such tool was used."""
    names = [block["name"] for block in content if block["type"] == "server_tool_use"]
    if not names:
        return None
    return {f"{name}_requests": names.count(name) for name in ("web_search", "web_fetch")}
