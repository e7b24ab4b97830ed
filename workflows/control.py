"""What a person can do to a run that lives: Updates, for the command line, the Temporal UI and other programs.

Each answers with one sentence. Validators refuse before anything is written to the history. Signals come from Workers.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from .run import Run

with workflow.unsafe.imports_passed_through():
    from . import failure_kinds
    from .bounds import MESSAGE_CHARS, cut
    from .control_contracts import AcceptedInput, AgentInput, HeldInput, SetLimitsInput
    from .details import limit_words
    from .run_state import Agent

REFUSED = "refused"
"""Type of the error by which a validator refuses; its message is for the person."""


class Controllable:
    """Base of a Workflow that is a run. The subclass sets `current` in its `workflow.init`."""

    current: Run

    @workflow.signal(name="held")
    def held(self, input: HeldInput) -> None:
        """A Worker found that the API takes no request for now."""
        if input.kind in failure_kinds.HOLDS:
            self.current.hold(input.kind, input.message, input.until)

    @workflow.signal(name="accepted")
    def accepted(self, input: AcceptedInput) -> None:
        """A Worker found that it does again."""
        for kind in sorted(failure_kinds.HOLDS):
            self.current.release(kind)

    @workflow.update(name="pause")
    def pause(self) -> str:
        """Start no further agents; those that are running finish."""
        self.current.holds.pause()
        running = self.current.ledger.census.running
        return f"paused; {running} running agents finish" if running else "paused"

    @workflow.update(name="resume")
    def resume(self) -> str:
        """Go on after `pause`, and end a hold on a resource before its time."""
        waited = self.current.holds.resumed
        ended = self.current.holds.resume()
        if self.current.holds.resumed > waited:
            self.current.agents.open_gates()
        ceiling = self.current.holds.message(failure_kinds.CEILING)
        if ceiling is not None:
            return f"only a higher ceiling lets it go on: {ceiling}"
        if asked := self.current.questions.open:
            ways = f"tenuto answer {self.current.id} {asked[0].id} ANSWER"
            what = f"{len(asked)} questions wait" if len(asked) > 1 else f"{asked[0].id} waits"
            return f"{'goes on' if ended else 'it was not paused'}; {what} for an answer: {ways}"
        return "goes on" if ended else "it was not paused, and nothing holds it up"

    @workflow.update(name="set_limits")
    async def set_limits(self, input: SetLimitsInput) -> str:
        """Change how many agents run at once, how many there may be, or the ceilings of money and tokens."""
        run = self.current
        given = {name: value for name, value in input.model_dump().items() if value is not None}
        if input.phases_usd is not None:
            given["phases_usd"] = {**(run.input.limits.phases_usd or {}), **input.phases_usd}
        limits = run.input.limits = run.input.limits.model_copy(update=given)
        run.widen()
        run.purse.changed()
        if await run.purse.lowering.known():
            return limit_words(limits)
        return f"{limit_words(limits)}; what is under way will know of it as soon as the store takes it"

    @set_limits.validator
    def _check_limits(self, input: SetLimitsInput) -> None:
        """Refuse what is no limit."""
        for name, value, least in (
            ("concurrency", input.concurrency, 1),
            ("agents", input.agents, 1),
            ("tokens", input.tokens, 1),
            ("output_tokens", input.output_tokens, 1),
            ("usd", input.usd, 0),
            *((f"the ceiling of the phase {phase!r}", usd, 0) for phase, usd in (input.phases_usd or {}).items()),
        ):
            if value is not None and value < least:
                raise _refused(f"{name} is {value:g}; expected {least} or more")
        if all(value is None for value in input.model_dump().values()):
            raise _refused("nothing to set: give concurrency, agents, usd, tokens, output_tokens or phases_usd")

    @workflow.update(name="skip_agent")
    def skip_agent(self, input: AgentInput) -> str:
        """End one agent without a value: null in JavaScript, an error in Python."""
        agent = self.current.ledger.agents[input.agent]
        if agent.state == "skipped":
            return f"{agent.id} was skipped before"
        self.current.agents.skip(agent)
        return f"{agent.id} ({agent.label}) is skipped"

    @skip_agent.validator
    def _check_skip(self, input: AgentInput) -> None:
        """Refuse an agent that has ended."""
        agent = self._known(input.agent)
        if agent.state not in ("queued", "running", "skipped"):
            raise _refused(f"{agent.id} ({agent.label}) has ended: it is {agent.state}, so it cannot be skipped")

    @workflow.update(name="restart_agent")
    def restart_agent(self, input: AgentInput) -> str:
        """Have a running agent start over in a fresh conversation."""
        agent = self.current.ledger.agents[input.agent]
        if agent.state == "queued":
            return f"{agent.id} ({agent.label}) has not started yet; it does when its turn comes"
        self.current.agents.restart(agent)
        return f"{agent.id} ({agent.label}) starts over"

    @restart_agent.validator
    def _check_restart(self, input: AgentInput) -> None:
        """Refuse an agent whose outcome the script has."""
        agent = self._known(input.agent)
        if agent.state not in ("queued", "running"):
            raise _refused(
                f"{agent.id} ({agent.label}) is {agent.state}, and the script has gone on with that; only an agent "
                "that is queued or running starts over"
            )

    def _known(self, agent_id: str) -> Agent:
        agent = self.current.ledger.agents.get(agent_id)
        if agent is None:
            raise _refused(f"there is no agent {agent_id!r} in this run; `tenuto show` lists them")
        return agent


def _refused(message: str) -> ApplicationError:
    return ApplicationError(cut(message, MESSAGE_CHARS), type=REFUSED, non_retryable=True)
