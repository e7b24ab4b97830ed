"""One agent's conversation with a model, from its prompt to its value, through as many turns of tools as it takes.

Each answer and each turn of results is in the store before the next request, so that another attempt asks for nothing
that was answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.contracts import RunAgentInput, Usage

from . import prices
from .errors import AgentFailed
from .messages_api import MessagesApi
from .next_step import Ask, Done, UseTools, next_step
from .outfit import PLAIN, Outfit
from .streaming import Response, Stalled
from .structured_output import OutputForm
from .tools.belt import without_tools
from .transcript import Message, Purpose, Transcript, folder_of, now

MAX_TOKENS = 32_000
"""Output limit of one turn. Below every current model's maximum; a longer answer is continued."""
STALLS_MAX = 2
"""Stalls in a row, without a finished turn between them, that end an agent."""

INSTRUCTIONS = (
    "You are a subagent of an automated workflow. Your final message is handed verbatim to the program that called "
    "you; no person reads along and nobody can answer questions. Give the result itself, without preamble or offers."
)
EMPTY_PROMPT = "(The prompt is empty.)"
"""Sent for a prompt without a visible character, which the API refuses and scripts may give."""


class Conversation:
    """Asks until `next_step` is content.

    Args:
        transcript: what was said so far; its last turn of tools may have been begun by an attempt that was lost.
        say: told what is going on, in a few words.
    """

    def __init__(
        self,
        input: RunAgentInput,
        transcript: Transcript,
        form: OutputForm | None,
        api: MessagesApi,
        *,
        say: Callable[[str], None],
        outfit: Outfit = PLAIN,
    ) -> None:
        self._input = input
        self._transcript = transcript
        self._form = form
        self._api = api
        self._say = say
        self._effort = input.effort
        self._stalls = 0
        self._outfit = outfit
        self._resumed = bool(transcript.messages)

    async def run(self) -> Any:
        """The agent's value: its final text, or with a schema the validated object.

        Raises:
            AgentFailed: the agent has no value, for good.
            Others as `MessagesApi.ask` raises them; what was answered until then is in the store.
        """
        transcript = self._transcript
        if not transcript.messages:
            continues = self._input.continues
            if continues is not None:
                await transcript.inherit(folder_of(self._input.run_id, continues))
            purpose: Purpose = "follow_up" if transcript.messages else "prompt"
            transcript.add(Message(purpose=purpose, content=self._input.prompt, at=now()))
        while True:
            step = next_step(transcript.messages, self._form)
            if isinstance(step, Done):
                return step.value
            if isinstance(step, Ask):
                self._check_money()
                await self._turn()
            elif isinstance(step, UseTools):
                await self._use_tools()
            else:
                transcript.add(Message(purpose=step.purpose, content=step.text, at=now()))

    async def _use_tools(self) -> None:
        transcript, belt = self._transcript, self._outfit.belt
        answer = transcript.messages[-1]
        if belt is None:
            results = without_tools(answer)
        else:
            turn = len(transcript.answers)
            results = await belt.use(turn, answer, transcript.calls, resumed=self._resumed)
        self._resumed = False
        transcript.add(results)
        await transcript.keep()

    async def _turn(self) -> None:
        request = self._request()
        try:
            response = await self._api.ask(
                request, simulate=self._input.simulate, stall_s=self._input.stall_ms / 1000, say=self._say
            )
        except Stalled as error:
            self._stalls += 1
            if self._stalls >= STALLS_MAX:
                raise AgentFailed(
                    kinds.STALLED, f"the model stalled {self._stalls} times in a row without progress: {error}"
                ) from error
            return
        except anthropic.BadRequestError as error:
            if not self._learn_from(error, request):
                raise
            return
        self._stalls = 0
        self._transcript.add(self._answer(request, response))
        await self._transcript.keep()

    def _request(self) -> dict[str, Any]:
        form, outfit = self._form, self._outfit
        instruction = form.instruction if form is not None else None
        own = [*outfit.own, *([instruction] if instruction is not None else [])]
        request: dict[str, Any] = {
            "model": self._input.model,
            "max_tokens": MAX_TOKENS,
            "system": "\n\n".join([INSTRUCTIONS, *outfit.standing, *outfit.context, *own]),
            "messages": [sent for sent in map(_sent, self._transcript.messages) if sent["content"]],
        }
        config: dict[str, Any] = {}
        if self._effort is not None:
            config["effort"] = self._effort
        if form is not None and form.sent is not None:
            config["format"] = {"type": "json_schema", "schema": form.sent}
        if config:
            request["output_config"] = config
        if outfit.belt is not None and outfit.belt.definitions:
            request["tools"] = outfit.belt.definitions
        return request

    def _learn_from(self, error: anthropic.BadRequestError, request: dict[str, Any]) -> bool:
        """Whether the next request can do without what this one was refused for."""
        text = (error.api_message or error.message).lower()
        config = request.get("output_config", {})
        if "effort" in config and "effort" in text:
            self._effort = None
            return True
        about_schema = "output_config" in text or "schema" in text or "structured output" in text
        if self._form is None or not about_schema or "format" not in config:
            return False
        return self._form.refused(config["format"]["schema"])

    def _answer(self, request: dict[str, Any], response: Response) -> Message:
        model = response.model or self._input.model
        usd = prices.cost(model, response.usage)
        if usd is None:
            usd = prices.cost(self._input.model, response.usage) or 0.0
        return Message(
            purpose="answer",
            content=response.content,
            at=now(),
            stop_reason=response.stop_reason,
            stop_details=response.stop_details,
            model=model,
            request_id=response.request_id,
            usage=_usage(response.usage, usd),
            instructed=self._form is not None and "format" not in request.get("output_config", {}),
        )

    def _check_money(self) -> None:
        ceiling, spent = self._input.max_usd, self._transcript.usage.usd
        if ceiling is not None and spent >= ceiling and self._transcript.answers:
            raise AgentFailed(kinds.BUDGET, f"this agent's ceiling is spent: ${spent:.4f} of ${ceiling:g}")


def _sent(message: Message) -> dict[str, Any]:
    """A message as a request carries it. The API refuses blocks without text, even its own."""
    if message.purpose in ("prompt", "follow_up") and not message.text.strip():
        return {"role": "user", "content": EMPTY_PROMPT}
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    blocks = [block for block in message.content if block.get("type") != "text" or block["text"].strip()]
    return {"role": message.role, "content": blocks}


def _usage(counted: dict[str, Any], usd: float) -> Usage:
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return Usage(**{name: counted.get(name) or 0 for name in names}, usd=usd)
