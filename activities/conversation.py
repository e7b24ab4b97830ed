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
from .agent_request import MAX_TOKENS, AgentRequests
from .allowance import Allowance
from .ceilings import Ceilings
from .errors import AgentFailed
from .messages_api import MessagesApi
from .next_step import CALL_AGAIN, Ask, Done, UseTools, next_step
from .outfit import PLAIN, Outfit
from .streaming import Response, Stalled
from .structured_output import OutputForm
from .tools.belt import without_tools
from .transcript import Message, Purpose, Transcript, folder_of, now
from .worst_case import BYTES_PER_TOKEN

STALLS_MAX = 2
"""Stalls in a row, without a finished turn between them, that end an agent."""


class Conversation:
    """Asks until `next_step` is content.

    Args:
        transcript: what was said so far; its last turn of tools may have been begun by an attempt that was lost.
        say: told what is going on, in a few words.
        lost: of requests of earlier attempts whose answer broke off.
        ceilings: where to see that a ceiling was lowered.
        maybe_asked: whether an attempt was cut off that may have sent the next request.
        accepted: told, with the moment (monotonic) at which it was sent, that the API took a request.
    """

    def __init__(
        self,
        input: RunAgentInput,
        transcript: Transcript,
        form: OutputForm | None,
        api: MessagesApi,
        ceilings: Ceilings,
        *,
        say: Callable[[str], None],
        outfit: Outfit = PLAIN,
        lost: Usage | None = None,
        maybe_asked: bool = False,
        accepted: Callable[[float], None] = lambda _asked_at: None,
    ) -> None:
        self._input = input
        self._transcript = transcript
        self._form = form
        self._api = api
        self._ceilings = ceilings
        self._say = say
        self._accepted = accepted
        self._requests = AgentRequests(input, form, outfit, api.context)
        self._stalls = 0
        self._allowance = Allowance(input, transcript, lost or Usage(), maybe_asked=maybe_asked)
        self._under_way: Response | None = None
        self._outfit = outfit
        self._resumed = bool(transcript.messages)

    @property
    def lost(self) -> Usage:
        """Of requests whose answer broke off, as far as it is known: it may be billed."""
        return self._allowance.lost

    @property
    def under_way(self) -> Usage:
        """Of the answer that is coming, as far as it is known."""
        return Usage() if self._under_way is None else self._announced(self._under_way)

    async def run(self) -> Any:
        """The agent's value: its final text, or with a schema the validated object.

        Raises:
            AgentFailed: the agent has no value, for good.
            NeedsShare: it stops for want of money, and can be gone on with.
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
                await self._turn()
            elif isinstance(step, UseTools):
                await self._use_tools()
            else:
                transcript.add(Message(purpose=step.purpose, content=step.text, at=now()))

    async def _use_tools(self) -> None:
        transcript, belt = self._transcript, self._outfit.belt
        self._allowance.maybe_asked = False  # whoever was cut off here was not asking
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
        built = self._requests.build(self._transcript.messages)
        request = self._allowance.fit(built)
        try:
            response = await self._asked(request, built)
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

    async def _asked(self, request: dict[str, Any], built: dict[str, Any]) -> Response:
        async def check() -> None:
            input, allowance = self._input, self._allowance
            lowered = await self._ceilings.lowered(input.run_id, input.phase, self._say)
            if lowered > allowance.ceilings:
                raise allowance.void(built, lowered)
            allowance.sent()

        try:
            return await self._api.ask(
                request,
                simulate=self._input.simulate,
                stall_s=self._input.stall_ms / 1000,
                say=self._say,
                check=check,
                accepted=self._accepted,
                begun=self._begun,
            )
        finally:
            begun, self._under_way = self._under_way, None
            if begun is not None and not begun.complete:
                self._allowance.lost = self.lost.plus(self._announced(begun))

    def _begun(self, response: Response) -> None:
        self._under_way = response

    def _announced(self, response: Response) -> Usage:
        """What a response has cost so far: its input is announced, its output is what has come."""
        written = max(response.usage.get("output_tokens") or 0, response.received // BYTES_PER_TOKEN)
        return self._used(response, {**response.usage, "output_tokens": written})

    def _used(self, response: Response, usage: dict[str, Any]) -> Usage:
        usd = prices.cost(response.model or self._input.model, usage)
        if usd is None:
            usd = prices.cost(self._input.model, usage) or 0.0
        return Usage(**prices.tokens(usage), usd=usd)

    def _answer(self, request: dict[str, Any], response: Response) -> Message:
        model = response.model or self._input.model
        lowered = request["max_tokens"] if request["max_tokens"] < MAX_TOKENS else None
        return Message(
            purpose="answer",
            content=response.content,
            at=now(),
            stop_reason=response.stop_reason,
            stop_details=response.stop_details,
            model=model,
            request_id=response.request_id,
            usage=self._used(response, response.usage),
            max_tokens=lowered,
            cut_tool_use=response.cut_tool_use,
            instructed=self._form is not None and "format" not in request.get("output_config", {}),
        )
