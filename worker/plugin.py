"""Everything a Temporal Client and Worker need to speak Tenuto, as one plugin.

Converter, external storage, sandbox and Workflows travel together, so that a Worker, a Client, a Replayer and a test
cannot disagree about how a payload is written or what a Workflow may import.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

# Monty imports these lazily inside the Workflow thread, where the sandbox would refuse their look at os.environ.
import opentelemetry.context
import opentelemetry.context.contextvars_context
import opentelemetry.environment_variables  # noqa: F401
from temporalio.api.enums.v1 import CommandType
from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkerConfig, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from tenuto.activities.payload_store import external_storage
from tenuto.activities.store import Store
from tenuto.workflows.convergence import Convergence
from tenuto.workflows.notification import Notification
from tenuto.workflows.orchestration import Orchestration
from tenuto.workflows.review import AdversarialReview
from tenuto.workflows.script.dialects import interpreters
from tenuto.workflows.survey import Survey

from .bounded_failures import BoundedFailures

interpreters()  # looked up once, outside the sandbox
WORKFLOWS: list[type] = [Orchestration, Survey, AdversarialReview, Convergence, Notification]

# Pure modules, one by one. A module that defines a Workflow must never be here: the sandbox would not see into it.
PASSED_THROUGH = (
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "opentelemetry",
    "pydantic_monty",
    "quickjs",
    "tree_sitter",
    "tree_sitter_javascript",
    "tenuto.workflows.authors",
    "tenuto.workflows.bounds",
    "tenuto.workflows.carry_contracts",
    "tenuto.workflows.change_contracts",
    "tenuto.workflows.contracts",
    "tenuto.workflows.control_contracts",
    "tenuto.workflows.convergence_contracts",
    "tenuto.workflows.details",
    "tenuto.workflows.failed_tests",
    "tenuto.workflows.failure_kinds",
    "tenuto.workflows.journal",
    "tenuto.workflows.journal_contracts",
    "tenuto.workflows.gate_contracts",
    "tenuto.workflows.gate_rules",
    "tenuto.workflows.models",
    "tenuto.workflows.notice_contracts",
    "tenuto.workflows.patterns",
    "tenuto.workflows.people_contracts",
    "tenuto.workflows.policy",
    "tenuto.workflows.review_contracts",
    "tenuto.workflows.review_details",
    "tenuto.workflows.review_prompts",
    "tenuto.workflows.review_views",
    "tenuto.workflows.run_state",
    "tenuto.workflows.script",
    "tenuto.workflows.setup_contracts",
    "tenuto.workflows.step_contracts",
    "tenuto.workflows.step_values",
    "tenuto.workflows.strikes",
    "tenuto.workflows.verdicts",
    "tenuto.workflows.wire",
    "tenuto.workflows.worktree_contracts",
)


_PARTS = tuple(
    PydanticPayloadConverter(ToJsonOptions(exclude_unset=True), max_cached_type_adapters=64).converters.values()
)


class _LeanPayloadConverter(PydanticPayloadConverter):
    """Sends only the fields that were set: a thousand agents should not carry a thousand copies of the defaults.

    The SDK makes several of it for each Activity, so all of them share their parts, which have no state but a cache.
    """

    def __init__(self) -> None:
        CompositePayloadConverter.__init__(self, *_PARTS)


BOUND_KEPT_MAX = 64
"""Workflows whose converters are kept."""


@dataclass(frozen=True)
class _LeanDataConverter(DataConverter):
    """Keeps the converter that stores a Workflow's payloads: the SDK makes one for each payload."""

    bound: OrderedDict[StorageDriverStoreContext, DataConverter] = field(
        default_factory=OrderedDict, repr=False, compare=False
    )

    def _with_store_context(self, store_ctx: StorageDriverStoreContext) -> DataConverter:
        made = self.bound.pop(store_ctx, None) or super()._with_store_context(store_ctx)
        self.bound[store_ctx] = made
        if len(self.bound) > BOUND_KEPT_MAX:
            self.bound.popitem(last=False)
        return made


def data_converter(store: Store) -> DataConverter:
    """The converter of every Tenuto payload; large ones go to the store."""
    return _LeanDataConverter(payload_converter_class=_LeanPayloadConverter, external_storage=external_storage(store))


_SCHEDULE_ACTIVITY = CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK


def _no_context(_command: object) -> None:
    """No part of our converter looks at a serialization context."""


class LeanSandboxedWorkflowRunner(SandboxedWorkflowRunner):
    """The sandbox, without asking it for contexts whose answer is known outside.

    The SDK asks seven times per payload by executing code inside the sandbox: a seventh of a Worker's time with a
    thousand agents (MEASURED). Our converter does not use a serialization context, and what a Workflow sends to its
    Activities is stored under its own id.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A sandboxed Workflow."""
        instance = super().create_instance(det)
        asked_inside, info = instance.get_external_store_context, det.info
        own = StorageDriverStoreContext(
            target=StorageDriverWorkflowInfo(
                id=info.workflow_id, run_id=info.run_id, type=info.workflow_type, namespace=info.namespace
            )
        )

        def store_context(command: Any) -> StorageDriverStoreContext:
            stays = command is None or command.command_type == _SCHEDULE_ACTIVITY
            return own if stays else asked_inside(command)

        # Methods of this instance only.
        setattr(instance, "get_serialization_context", _no_context)  # noqa: B010
        setattr(instance, "get_external_store_context", store_context)  # noqa: B010
        return instance


def sandboxed(runner: WorkflowRunner | None) -> WorkflowRunner:
    """The Workflow sandbox with Tenuto's pure modules passed through; a runner that is no sandbox stays as it is."""
    if runner is not None and not isinstance(runner, SandboxedWorkflowRunner):
        return runner
    before = runner.restrictions if runner is not None else SandboxRestrictions.default
    return LeanSandboxedWorkflowRunner(restrictions=before.with_passthrough_modules(*PASSED_THROUGH))


class ActivitiesOnly(SimplePlugin):
    """Put it on a Worker whose Client has `TenutoPlugin` and whose Task Queue has no Workflows."""

    def __init__(self) -> None:
        super().__init__("tenuto.activities-only")

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Take the Workflows out again: it would poll for Workflow Tasks that never come."""
        config["workflows"] = []
        return config


class TenutoPlugin(SimplePlugin):
    """Put it on the Client; Workers made from that Client have it too."""

    def __init__(self, store: Store, activities: Sequence[Callable[..., Any]] | None = None) -> None:
        super().__init__(
            "tenuto",
            data_converter=data_converter(store),
            workflows=WORKFLOWS,
            activities=list(activities) if activities is not None else None,
            workflow_runner=sandboxed,
            interceptors=[BoundedFailures()],
        )
