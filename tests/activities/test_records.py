"""What is kept beside the agents: reports, logs, large payloads, prices, model names."""

from __future__ import annotations

import json

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriverActivityInfo,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)
from temporalio.testing import ActivityEnvironment

from tenuto.activities import prices
from tenuto.activities.payload_store import PREVIEW_BYTES, PayloadStore, external_storage
from tenuto.activities.reports import ReportActivities
from tenuto.activities.store import Store
from tenuto.workflows import models
from tenuto.workflows.contracts import AppendLogInput, RunReport, WriteReportInput

REPORT = RunReport(run_id="wf_1", workflow="w", status="completed", result={"inline": True})


async def write(store: Store, input: WriteReportInput) -> str | None:
    return await ActivityEnvironment().run(ReportActivities(store).write_report, input)


async def test_a_report_is_kept_without_its_result_which_lies_beside_it(store: Store) -> None:
    key = await write(
        store, WriteReportInput(report=REPORT, result=["é", None], has_result=True, log=["last"], log_part=3)
    )
    assert key == "runs/wf_1/result.json"
    assert json.loads(await store.get(key)) == ["é", None]
    report = json.loads(await store.get("runs/wf_1/report.json"))
    assert (report["result"], report["result_ref"], report["status"]) == (None, key, "completed")
    assert await store.get("runs/wf_1/log/000003.jsonl") == b'"last"\n'


async def test_a_run_without_a_result_has_no_result_object(store: Store) -> None:
    assert await write(store, WriteReportInput(report=REPORT)) is None
    assert await store.keys("runs/wf_1") == ["runs/wf_1/report.json"]


async def test_a_null_result_is_a_result(store: Store) -> None:
    key = await write(store, WriteReportInput(report=REPORT, result=None, has_result=True))
    assert key is not None
    assert await store.get(key) == b"null"


async def test_log_lines_are_one_json_string_a_line(store: Store) -> None:
    reports = ReportActivities(store)
    lines = ["one", 'two "quoted"\nand broken']
    await ActivityEnvironment().run(reports.append_log, AppendLogInput(run_id="wf_1", part=0, lines=lines))
    kept = (await store.get("runs/wf_1/log/000000.jsonl")).decode().splitlines()
    assert [json.loads(line) for line in kept] == lines


async def test_a_large_payload_comes_back_equal_from_its_claim(store: Store) -> None:
    driver = PayloadStore(store)
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b'"' + "é".encode() * 20_000 + b'"')
    context = StorageDriverStoreContext(target=StorageDriverWorkflowInfo(namespace="n", id="wf/1 ä", type="T"))
    [claim] = await driver.store(context, [payload])
    assert claim.claim_data["size"] == str(len(payload.data))
    assert claim.claim_data["key"].startswith("payloads/wf%2F1%20%C3%A4/")
    assert claim.claim_data["preview"].startswith('"éé')
    assert len(claim.claim_data["preview"].encode()) <= PREVIEW_BYTES
    assert await driver.retrieve(StorageDriverRetrieveContext(), [claim]) == [payload]


async def test_equal_payloads_of_a_workflow_are_one_object(store: Store) -> None:
    context = StorageDriverStoreContext(target=StorageDriverWorkflowInfo(namespace="n", id="wf_1"))
    payloads = [Payload(data=b"x"), Payload(data=b"x"), Payload(data=b"y")]
    await PayloadStore(store).store(context, payloads)
    assert len(await store.keys("payloads/wf_1")) == 2


async def test_a_payload_of_no_workflow_has_a_place_too(store: Store) -> None:
    context = StorageDriverStoreContext(target=StorageDriverActivityInfo(namespace="n", id="a1"))
    [claim] = await PayloadStore(store).store(context, [Payload(data=b"\xff\x00")])
    assert claim.claim_data["key"].startswith("payloads/_activities/")


def test_payloads_over_sixteen_kilobytes_leave_the_history(store: Store) -> None:
    storage = external_storage(store)
    assert storage.payload_size_threshold == 16 * 1024
    assert [driver.name() for driver in storage.drivers] == ["tenuto"]


@pytest.mark.parametrize("alias", models.NEWEST)
def test_every_alias_has_a_known_price(alias: str) -> None:
    assert prices.known(models.resolve(alias))


def test_cached_tokens_have_their_own_price() -> None:
    plain = prices.cost("claude-sonnet-5-5", {"input_tokens": 1000, "output_tokens": 0})
    read = prices.cost("claude-sonnet-5-5", {"input_tokens": 0, "cache_read_input_tokens": 1000, "output_tokens": 0})
    kept = {"input_tokens": 0, "cache_creation_input_tokens": 1000, "output_tokens": 0}
    hour = {**kept, "cache_creation": {"ephemeral_1h_input_tokens": 1000}}
    written, long = prices.cost("claude-sonnet-5-5", kept), prices.cost("claude-sonnet-5-5", hour)
    assert plain is not None and read is not None and written is not None and long is not None
    assert read < plain < written < long


def test_a_platforms_name_of_a_model_has_the_models_price() -> None:
    usage = {"input_tokens": 10, "output_tokens": 10}
    direct = prices.cost("claude-sonnet-4-5-20250929", usage)
    assert direct == prices.cost("us.anthropic.claude-sonnet-4-5-20250929-v1:0", usage)
    assert direct == prices.cost("claude-sonnet-4-5@20250929", usage) is not None


def test_an_unknown_model_has_no_price() -> None:
    assert not prices.known("claude-nonesuch-9")
    assert prices.cost("claude-nonesuch-9", {"input_tokens": 1, "output_tokens": 1}) is None


@pytest.mark.parametrize(
    ("model", "default", "resolved"),
    [
        ("opus", "sonnet", "claude-opus-5-5"),
        ("Haiku", "sonnet", "claude-haiku-5-5"),
        ("inherit", "fable", "claude-fable-5-2"),
        (None, "haiku", "claude-haiku-5-5"),
        (None, "inherit", "claude-sonnet-5-5"),
        ("", "claude-x-1", "claude-x-1"),
        ("claude-opus-4-8", "sonnet", "claude-opus-4-8"),
    ],
)
def test_a_model_name_resolves_to_a_full_id(model: str | None, default: str, resolved: str) -> None:
    assert models.resolve(model, default) == resolved


def test_a_model_has_a_short_name() -> None:
    assert models.short("claude-sonnet-5-5") == "sonnet-5-5"
    assert models.short("other") == "other"
