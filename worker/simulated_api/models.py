"""The models that the simulated API serves, and the limits that differ between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Line = Literal["haiku", "sonnet", "opus", "fable", "mythos"]


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    `cache_tokens_min` is the shortest prefix, in tokens, that prompt caching keeps (prompt caching documentation; for
    a model newer than that page, its predecessor's value). `output_tokens_max` is the largest `max_tokens`.
    Only older models take a `prefill` (a conversation that ends with an assistant message) or a `thinking_budget`
    (thinking of type `enabled`); only newer ones are compacted (`compact_20260112`).
    """

    id: str
    line: Line
    created: str
    cache_tokens_min: int
    output_tokens_max: int = 128_000
    context_tokens_max: int = 1_000_000
    prefill: bool = False
    thinking_budget: bool = False
    compacts: bool = True

    def info(self) -> dict[str, Any]:
        """The `ModelInfo` object of `GET /v1/models`."""
        version = [part for part in self.id.split("-")[2:] if len(part) < 8]
        return {
            "type": "model",
            "id": self.id,
            "display_name": f"Claude {self.line.title()} {'.'.join(version).title()}",
            "created_at": f"{self.created}T00:00:00Z",
            "lifecycle": "active",
            "line": self.line,
            "max_input_tokens": self.context_tokens_max,
            "max_tokens": self.output_tokens_max,
        }


def _older(id: str, line: Line, created: str, cache_tokens_min: int) -> Model:
    return Model(
        id, line, created, cache_tokens_min, 64_000, 200_000, prefill=True, thinking_budget=True, compacts=False
    )


_NEWEST_FIRST = (
    Model("claude-haiku-5-5", "haiku", "2026-10-07", 4096),
    Model("claude-fable-5-2", "fable", "2026-09-30", 512),
    Model("claude-mythos-5-2", "mythos", "2026-09-30", 512),
    Model("claude-sonnet-5-5", "sonnet", "2026-09-15", 1024),
    Model("claude-opus-5-5", "opus", "2026-09-01", 512),
    Model("claude-fable-5-1", "fable", "2026-08-15", 512),
    Model("claude-mythos-5-1", "mythos", "2026-08-15", 512),
    Model("claude-sonnet-5", "sonnet", "2026-06-30", 1024),
    Model("claude-fable-5", "fable", "2026-06-15", 512),
    Model("claude-mythos-5", "mythos", "2026-06-15", 512),
    Model("claude-opus-5", "opus", "2026-06-01", 512),
    Model("claude-opus-4-8", "opus", "2026-05-15", 1024),
    Model("claude-opus-4-7", "opus", "2026-04-15", 2048),
    Model("claude-mythos-preview", "mythos", "2026-04-01", 2048),
    Model("claude-sonnet-4-6", "sonnet", "2026-02-17", 1024, thinking_budget=True),
    Model("claude-opus-4-6", "opus", "2026-02-05", 4096, thinking_budget=True),
    _older("claude-opus-4-5-20251101", "opus", "2025-11-01", 4096),
    _older("claude-opus-4-5", "opus", "2025-11-01", 4096),
    _older("claude-haiku-4-5-20251001", "haiku", "2025-10-01", 4096),
    _older("claude-haiku-4-5", "haiku", "2025-10-01", 4096),
    _older("claude-sonnet-4-5-20250929", "sonnet", "2025-09-29", 1024),
    _older("claude-sonnet-4-5", "sonnet", "2025-09-29", 1024),
)
MODELS: dict[str, Model] = {model.id: model for model in _NEWEST_FIRST}
"""Every model that is served, by id, newest first."""
