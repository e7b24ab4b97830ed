"""What one conversation may still spend: no request is sent whose worst case does not fit.

The ceilings are the call's own (`maxUsd`), at which the agent ends, and its share of the run's, at which it asks for a
larger one. `max_tokens` of a request is lowered to what is left; where that would be so little that answers are cut
off, the conversation stops first, as long as stopping may help. It stops as well where a ceiling was lowered meanwhile,
or set where there was none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tenuto.workflows import failure_kinds as kinds
from tenuto.workflows.contracts import RunAgentInput, Usage
from tenuto.workflows.share_contracts import Cost, ShareAsk

from .errors import AgentError, AgentFailed
from .transcript import Message, Transcript
from .worst_case import Input, input_of, tokens_most, usd_most

FLOOR_TOKENS = 1_024
"""Of output: with less there is no use in asking."""
ORDINARY_TOKENS = 4_096
"""With room for less a conversation asks for a larger share, unless it has just been given this one."""
CUT_TIMES = 4
"""After an answer that was cut off at a lowered limit the next may be so many times as long."""
AHEAD = 2
"""Requests of full size for which a larger share is asked."""
MARGIN_USD = 2e-9
"""Sums of floats differ in their last digits."""


class NeedsShare(AgentError):
    """The conversation stops before a request that does not fit into its share, or whose share is void."""

    def __init__(self, ask: ShareAsk) -> None:
        super().__init__("waits for a larger share of the run's ceilings")
        self.ask = ask


class Allowance:
    """The ceilings of one conversation. `lost` is what was begun and never came: it counts, since it may be billed."""

    def __init__(self, input: RunAgentInput, transcript: Transcript, lost: Usage, *, maybe_asked: bool = False) -> None:
        self._model = input.model
        self._own_usd = input.max_usd
        self._share = input.share
        self._transcript = transcript
        self.lost = lost
        self.maybe_asked = maybe_asked
        """An attempt was cut off that may have sent the very next request: an ordinary answer to it may be billed."""

    def fit(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request, with `max_tokens` lowered as far as it has to be.

        Raises:
            NeedsShare: the share is too small.
            AgentFailed: `budget`: the call's own ceiling is, or what the model costs is not known.
        """
        made = dict(request)
        if self._share is None and self._own_usd is None:
            return made
        input, full = self._input(request), int(request["max_tokens"])
        if self._share is not None:
            self._count_cut_off(input)
            self.maybe_asked = False
        floor, ordinary = self._least(full)
        own = self._fit_own(input, floor)
        within = self._fit_share(input)
        if within < (floor if self._fresh else min(ordinary, own)):
            raise NeedsShare(self._ask(input, floor, min(ordinary, own), min(full, own)))
        made["max_tokens"] = min(full, own, within)
        return made

    @property
    def ceilings(self) -> int:
        """How often ceilings had been lowered when this conversation was given what it has."""
        return 0 if self._share is None else self._share.ceilings

    def void(self, request: Mapping[str, Any], ceilings: int) -> NeedsShare:
        """Ceilings were lowered since: what to stop with before a request, which is as it was before `fit`.

        Args:
            ceilings: how often they were.
        """
        input, full = self._input(request), int(request["max_tokens"])
        self._count_cut_off(input)
        floor, ordinary = self._least(full)
        own = self._fit_own(input, floor)
        ask = self._ask(input, floor, min(ordinary, own), min(full, own))
        return NeedsShare(ask.model_copy(update={"ceilings": ceilings}))

    def sent(self) -> None:
        """A request is about to be sent: whether an earlier attempt did so does not matter any more."""
        self.maybe_asked = False

    def _least(self, full: int) -> tuple[int, int]:
        """Tokens of the shortest answer that is of use, and of an ordinary one."""
        floor = min(full, max(FLOOR_TOKENS, CUT_TIMES * self._cut_at()))
        return floor, min(full, max(floor, ORDINARY_TOKENS))

    def _ask(self, input: Input, floor: int, least: int, most: int) -> ShareAsk:
        largest = self._cost(input, most)
        return ShareAsk(
            floor=self._cost(input, floor),
            least=self._cost(input, least),
            most=Cost(**{name: AHEAD * value for name, value in largest}),
        )

    def _count_cut_off(self, input: Input) -> None:
        """An ordinary answer to what an attempt may have sent that was cut off, as far as the share had room for it."""
        if self.maybe_asked:
            tokens = max(0, min(ORDINARY_TOKENS, self._fit_share(input)))
            usd = usd_most(self._model, input, tokens) or 0.0
            answer = Usage(cache_creation_input_tokens=input.tokens, output_tokens=tokens, usd=usd)
            self.lost = self.lost.plus(answer)

    @property
    def _fresh(self) -> bool:
        """Whether the share is what the run could give for the very next request."""
        share = self._share
        return share is not None and share.renewed > 0 and self._transcript.usage.tokens == share.paid_tokens

    def _fit_own(self, input: Input, floor: int) -> int:
        """Tokens that the call's own ceiling leaves for an answer."""
        if self._own_usd is None:
            return _ENOUGH
        spent = self._transcript.usage.usd + self.lost.usd
        fits = self._tokens_for(self._own_usd - spent, input)
        if fits < floor:
            raise AgentFailed(
                kinds.BUDGET,
                f"this agent's ceiling leaves no room for another request: ${spent:.4f} of ${self._own_usd:g} is "
                f"spent, and the next one may cost ${self._usd(input, floor):.4f}",
            )
        return fits

    def _fit_share(self, input: Input) -> int:
        """Tokens that the share leaves for an answer."""
        share, used, fits = self._share, self._transcript.usage.plus(self.lost), [_ENOUGH]
        if share is None:
            return _ENOUGH
        if share.usd is not None:
            fits.append(self._tokens_for(share.usd - used.usd, input))
        if share.tokens is not None:
            fits.append(share.tokens - used.tokens - tokens_most(input, 0))
        if share.output_tokens is not None:
            fits.append(share.output_tokens - used.output_tokens - input.summary)
        return min(fits)

    def _tokens_for(self, usd: float, input: Input) -> int:
        """How long an answer may be that, with its input, costs no more than this."""
        read = self._usd(input, 0)
        per_token = (self._usd(input, _ENOUGH) - read) / _ENOUGH
        return math.floor((usd - read - MARGIN_USD) / per_token)

    def _cost(self, input: Input, max_tokens: int) -> Cost:
        # Where the price is not known there is no ceiling in dollars that could be kept: `fit` fails first.
        usd = usd_most(self._model, input, max_tokens)
        return Cost(
            usd=0.0 if usd is None else usd + MARGIN_USD,
            tokens=tokens_most(input, max_tokens),
            output_tokens=max_tokens + input.summary,
        )

    def _usd(self, input: Input, max_tokens: int) -> float:
        usd = usd_most(self._model, input, max_tokens)
        if usd is None:
            raise AgentFailed(
                kinds.BUDGET,
                f"the price of the model {self._model!r} is not known, so no ceiling in dollars can be kept",
            )
        return usd

    def _input(self, request: Mapping[str, Any]) -> Input:
        """Counted on from the last answer's usage, where there is one of this conversation."""
        messages = self._transcript.messages
        for index in range(len(messages) - 1, -1, -1):
            usage = messages[index].usage
            if usage is not None and not messages[index].overflowed:
                return input_of(request, usage.tokens, [_plain(each) for each in messages[index + 1 :]])
        return input_of(request, None, ())

    def _cut_at(self) -> int:
        """The highest lowered limit at which an answer was cut off."""
        return max(
            (each.max_tokens or 0 for each in self._transcript.answers if each.stop_reason == "max_tokens"), default=0
        )


_ENOUGH = 1_000_000
"""More than any answer has."""


def _plain(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": message.content}
