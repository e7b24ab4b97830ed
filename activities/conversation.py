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
from .agent_request import AgentRequests
from .errors import AgentFailed
from .messages_api import MessagesApi
from .next_step import CALL_AGAIN, Ask, Done, UseTools, next_step
from .outfit import PLAIN, Outfit
from .streaming import Response, Stalled
from .structured_output import OutputForm
from .tools.belt import without_tools
from .transcript import Message, Purpose, Transcript, folder_of, now

STALLS_MAX = 2
"""Stalls in a row, without a finished turn between them, that end an agent."""


class Conversation:
    """Asks until `next_step` is content.

    Args:
        transcript: what was said so far; its last turn of tools may have been begun by an attempt that was lost.
        say: told what is going on, in a few words.
        accepted: told, with the moment (monotonic) at which it was sent, that the API took a request.
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
        accepted: Callable[[float], None] = lambda _asked_at: None,
    ) -> None:
        self._input = input
        self._transcript = transcript
        self._form = form
        self._api = api
        self._say = say
        self._accepted = accepted
        self._requests = AgentRequests(input, form, outfit, api.context)
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
            transcript.add(Message(purpose=purpose, content=self._outfit.told or self._input.prompt, at=now()))
        while True:
            step = next_step(transcript.messages, self._form)
            if isinstance(step, Done):
                return step.value
            if transcript.messages[-1].purpose == "answer":
                # Safe before anything follows from it. The last answer is kept with the agent's record.
                await transcript.keep()
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
        if answer.cut_tool_use is not None and isinstance(results.content, list):
            results.content.append({"type": "text", "text": CALL_AGAIN.format(tool=answer.cut_tool_use)})
        transcript.add(results)
        await transcript.keep()

    async def _turn(self) -> None:
        request = self._requests.build(self._transcript.messages)
        try:
            response = await self._api.ask(
                request,
                simulate=self._input.simulate,
                stall_s=self._input.stall_ms / 1000,
                say=self._say,
                accepted=self._accepted,
            )
        except Stalled as error:
            self._stalls += 1
            if self._stalls >= STALLS_MAX:
                raise AgentFailed(
                    kinds.STALLED, f"the model stalled {self._stalls} times in a row without progress: {error}"
                ) from error
            return
        except anthropic.APIStatusError as error:
            if not self._requests.learn_from(error, request):
                raise
            return
        self._stalls = 0
        self._transcript.add(self._answer(request, response))

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
            usage=Usage(**prices.tokens(response.usage), usd=usd),
            cut_tool_use=response.cut_tool_use,
            instructed=self._form is not None and "format" not in request.get("output_config", {}),
        )

    def _check_money(self) -> None:
        ceiling, spent = self._input.max_usd, self._transcript.usage.usd
        if ceiling is not None and spent >= ceiling and self._transcript.answers:
            raise AgentFailed(kinds.BUDGET, f"this agent's ceiling is spent: ${spent:.4f} of ${ceiling:g}")
