"""The requests of one agent: what it was told and said, in the form that its model and its platform take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anthropic

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.contracts import RunAgentInput

from .context_management import ContextManagement
from .context_overflow import fitted, is_overflow
from .errors import AgentFailed, describe
from .outfit import Outfit
from .prompt_cache import SystemPrompt, with_cache_points
from .structured_output import OutputForm
from .transcript import Message

MAX_TOKENS = 32_000
"""Output limit of one turn. Below every current model's maximum; a longer answer is continued."""

INSTRUCTIONS = (
    "You are a subagent of an automated workflow. Your final message is handed verbatim to the program that called "
    "you; no person reads along and nobody can answer questions. Give the result itself, without preamble or offers."
)
EMPTY_PROMPT = "(The prompt is empty.)"
"""Sent for a prompt without a visible character, which the API refuses and scripts may give."""


class AgentRequests:
    """Builds them, and learns from those that were refused. One per attempt."""

    def __init__(
        self, input: RunAgentInput, form: OutputForm | None, outfit: Outfit, context: ContextManagement
    ) -> None:
        self._input = input
        self._form = form
        self._outfit = outfit
        self._context = context
        self._effort = input.effort
        self._overflows = 0
        self._too_long = "the conversation is longer than the model's context window"

    def build(self, messages: Sequence[Message]) -> dict[str, Any]:
        """The request that continues a conversation.

        Raises:
            AgentFailed: `context_window`, when it is too long and nothing more can be left out.
        """
        form, outfit = self._form, self._outfit
        spoken = [message for message in messages if not message.overflowed]
        request: dict[str, Any] = {
            "model": self._input.model,
            "max_tokens": MAX_TOKENS,
            "messages": [sent for sent in map(_sent, spoken) if sent["content"]],
        }
        config: dict[str, Any] = {}
        if self._effort is not None:
            config["effort"] = self._effort
        if form is not None and form.sent is not None:
            config["format"] = {"type": "json_schema", "schema": form.sent}
        if config:
            request["output_config"] = config
        goes_on = outfit.belt is not None and bool(outfit.belt.definitions)
        if outfit.belt is not None and goes_on:
            request["tools"] = outfit.belt.definitions
        system = self._system()
        if goes_on:
            request = self._context.apply(request, system.texts(), simulate=self._input.simulate)
        request["messages"] = self._fitted(request["messages"], len(messages) - len(spoken))
        return with_cache_points(request, system, goes_on=goes_on)

    def learn_from(self, error: anthropic.APIStatusError, request: Mapping[str, Any]) -> bool:
        """Whether the next request can do without what this one was refused for."""
        if is_overflow(error):
            self._overflows += 1
            self._too_long = describe(error)
            return True
        if self._context.learn_from(error, request, simulate=self._input.simulate):
            return True
        if not isinstance(error, anthropic.BadRequestError):
            return False
        text = (error.api_message or error.message).lower()
        config = request.get("output_config", {})
        if "effort" in config and "effort" in text:
            self._effort = None
            return True
        about_schema = "output_config" in text or "schema" in text or "structured output" in text
        if self._form is None or not about_schema or "format" not in config:
            return False
        return self._form.refused(config["format"]["schema"])

    def _system(self) -> SystemPrompt:
        instruction = self._form.instruction if self._form is not None else None
        own = self._outfit.own if instruction is None else [*self._outfit.own, instruction]
        return SystemPrompt([INSTRUCTIONS, *self._outfit.standing], self._outfit.context, own)

    def _fitted(self, messages: Sequence[Mapping[str, Any]], cut_answers: int) -> list[dict[str, Any]]:
        """Overflows count by themselves in the transcript where the API answered, and here where it refused."""
        made = fitted(messages, self._overflows + cut_answers)
        if made is None:
            raise AgentFailed(kinds.CONTEXT_WINDOW, f"{self._too_long}; nothing more of it can be left out")
        return made


def _sent(message: Message) -> dict[str, Any]:
    """A message as a request carries it. The API refuses blocks without text, even its own."""
    if message.purpose in ("prompt", "follow_up") and not message.text.strip():
        return {"role": "user", "content": EMPTY_PROMPT}
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    blocks = [block for block in message.content if block.get("type") != "text" or block["text"].strip()]
    return {"role": message.role, "content": blocks}
