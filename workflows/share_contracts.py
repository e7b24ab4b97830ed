"""Wire contracts of money: the share of a run's ceilings that one conversation may use, and what it asks for."""

from __future__ import annotations

from .usage import Usage
from .wire import Wire


class Share(Wire):
    """What a conversation may have used in all, from its beginning. `None` is without a ceiling.

    It never begins a request whose worst case would lead beyond that.
    """

    usd: float | None = None
    tokens: int | None = None
    """Of all classes."""
    output_tokens: int | None = None
    paid_tokens: int = 0
    """What it had used when this share was granted."""
    renewed: int = 0
    """How often it was granted anew: the conversation goes on where it is, and takes what there is, however little,
    for its next request."""
    ceilings: int = 0
    """How often ceilings of the run had been lowered when it was granted: at a greater number it is void."""


class Cost(Wire):
    """What a request may cost at the most."""

    usd: float = 0.0
    tokens: int = 0
    output_tokens: int = 0


class ShareAsk(Wire):
    """A conversation does not fit into its share: it has stopped before a request, and goes on with another one."""

    floor: Cost
    """Of the next request, at its smallest."""
    least: Cost
    """Of the next request with room for an ordinary answer: with less, answers are cut off and money is wasted."""
    most: Cost
    """Of the next requests, at their largest."""
    ceilings: int = 0
    """The number of the lowering that made the share void, where it has not just become too small."""


class ToolCounts(Wire):
    """Tool calls of an agent. `refused` did not run, `failed` ran and gave an error; neither is hidden in the other."""

    calls: int = 0
    failed: int = 0
    refused: int = 0


class AgentFailureDetails(Wire):
    """First detail of the `ApplicationError` by which `run_agent` fails for good: the work was paid all the same."""

    usage: Usage = Usage()
    attempts: int = 1
    lost: Usage | None = None
    """As in `RunAgentResult`."""
    tools: ToolCounts | None = None
    ask: ShareAsk | None = None
    """Of a failure of kind `share`."""
