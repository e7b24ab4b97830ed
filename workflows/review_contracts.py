"""Wire contracts of reviews: what `AdversarialReview` gets and gives, and how a child borrows its parent's agents."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from .change_contracts import ReviewedChange
from .contracts import RunAgentInput, Usage
from .share_contracts import AgentFailureDetails, Share, ToolCounts
from .wire import Wire

Verdict = Literal["confirmed", "refuted", "disputed", "unverified"]
Opinion = Literal["pass", "fail", "abstain"]

REVIEWERS, REVIEWERS_MAX = 2, 16
ROUNDS, ROUNDS_MAX = 3, 10


# ------------------------------------------------------------------------------------------------- borrowing


class Stopped(Wire):
    """A borrowed agent that has stopped before a request for want of money."""

    agent: str
    paid: AgentFailureDetails


class LeaseAsk(Wire):
    """One agent that a child wants to have; `number` is the child's own."""

    number: int
    label: str
    phase: str | None = None
    model: str
    key: str | None = None
    """Of the journal: what its answer rests on."""
    stopped: Stopped | None = None
    """Of an agent that was granted before and needs a larger share: `label`, `phase` and `model` are as they were."""


class LeaseRequest(Wire):
    """Signal `lease` of a child to its parent."""

    child: str
    """Workflow Id."""
    asks: list[LeaseAsk]


class Refusal(Wire):
    """A cap of the run stands against a call."""

    kind: str
    message: str
    name: str = "Error"


class Recalled(Wire):
    """What the agent of an earlier run came to, which this one need not pay for again."""

    value: Any = None
    commit: str | None = None


class Grant(Wire):
    """The answer to one `LeaseAsk`: the id of the agent, whose turn it is now, or why there is none."""

    number: int
    agent: str | None = None
    refusal: Refusal | None = None
    entry: str | None = None
    """Name of its journal entry."""
    recalled: Recalled | None = None
    """It has answered already: it is not to be run, nor settled."""
    share: Share | None = None
    """What it may use; `None` where the run has no ceiling."""


class Granted(Wire):
    """Signal `granted` of a parent to its child."""

    grants: list[Grant]


class Settlement(Wire):
    """How a borrowed agent ended, for the books of the run."""

    agent: str
    state: Literal["done", "failed", "skipped"]
    usage: Usage = Field(default_factory=Usage)
    attempts: int = 1
    model: str | None = None
    kind: str = ""
    message: str = ""
    tools: ToolCounts | None = None
    lost: Usage | None = None


class Settled(Wire):
    """Signal `settle` of a child to its parent."""

    child: str
    settlements: list[Settlement]


class JournalTerms(Wire):
    """What the keys of a child's agents rest on besides their calls (`journal.Material`)."""

    base: str | None = None
    instructions: str = ""


class Borrowing(Wire):
    """What every agent of a child has from its run."""

    run_id: str
    workspace_queue: str | None = None
    setup: str | None = None
    simulate: bool = False
    phase: str | None = None
    journal: JournalTerms | None = None
    name: str | None = None
    """`review-2`: what its agents are labelled with, so that those of many reviews can be told apart."""
    about: str | None = None
    """The start of what the child is about, or the label of its author; after `name`."""

    def labelled(self, label: str) -> str:
        """The label of one of its agents; earlier versions gave the label alone."""
        return label if self.name is None else f"{self.name} {label}" + (f" ({self.about})" if self.about else "")


# --------------------------------------------------------------------------------------------------- reviews


class ReviewTerms(Wire):
    """The options of `review()`, checked. `None` for `quorum` is all reviewers."""

    reviewers: int = Field(default=REVIEWERS, ge=1, le=REVIEWERS_MAX)
    lenses: list[str] = Field(default_factory=list)
    quorum: int | None = Field(default=None, ge=1)
    rounds: int = Field(default=ROUNDS, ge=1, le=ROUNDS_MAX)
    revise: str | None = None
    model: str | None = None
    effort: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_reviewer_for_each_lens(cls, given: Any) -> Any:
        lenses = given.get("lenses") if isinstance(given, dict) else None
        if isinstance(lenses, list) and lenses and given.get("reviewers") is None:
            return {**given, "reviewers": len(lenses)}
        return given

    @model_validator(mode="after")
    def _no_more_votes_than_reviewers(self) -> ReviewTerms:
        if self.quorum is not None and self.quorum > self.reviewers:
            raise ValueError(f"{self.reviewers} reviewers can never have {self.quorum} votes")
        return self

    @property
    def votes_needed(self) -> int:
        """The quorum as a number."""
        return self.quorum or self.reviewers


class ReviewInput(Wire):
    """The one argument of `AdversarialReview`."""

    borrowing: Borrowing
    work: Any = None
    terms: ReviewTerms = Field(default_factory=ReviewTerms)
    model: str
    """Full id of the reviewers' model."""
    author_model: str
    """Full id of the model that revises where the author is not known."""
    author: RunAgentInput | None = None
    """The agent of the run whose value the work is; it revises in its own conversation."""
    change: ReviewedChange | None = None
    """The commit that the work is, or that its author left with it."""


class Vote(Wire):
    """One reviewer in one round. A dead one abstains; `reason` says what became of it."""

    round: int
    agent: str | None
    """`None` for one that a cap of the run refused."""
    lens: str
    verdict: Opinion
    objections: list[str] = Field(default_factory=list)
    evidence: list[str] = Field(default_factory=list)
    reason: str | None = None


class ReviewResult(Wire):
    """What a review comes to, and what `review()` gives to the script."""

    verdict: Verdict
    votes: list[Vote] = Field(default_factory=list)
    rounds: int = 0
    """How many were held."""
    final: Any = None
    """The work as it was last reviewed."""
    objections: list[str] = Field(default_factory=list)
    """Those that stand; of a disputed work, what both sides say."""
    evidence: list[str] = Field(default_factory=list)
    """Of the last round."""
    positions: list[Vote] = Field(default_factory=list)
    """Of a disputed work: the votes that contradict each other."""
    commit: str | None = None
    """The commit as it was last reviewed, where the work is one or came with one."""


class ReviewOutcome(Wire):
    """How `AdversarialReview` ends: with a result, or refused before any reviewer began."""

    result: ReviewResult | None = None
    refusal: Refusal | None = None
    author: RunAgentInput | None = None
    """Who revised last, where the work lies in a checkout."""
    left_out: list[str] = Field(default_factory=list)
    """Files of the commit whose diff no reviewer was shown, each with why."""
    base: str | None = None
    """Since when the commit that was reviewed is a change."""
