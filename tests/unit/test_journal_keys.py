"""The key of a call holds all that decides its answer, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.workflows.contracts import RunAgentInput
from tenuto.workflows.journal import Material, Ordinals, key_of, needs_files

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
schemas = st.none() | st.dictionaries(st.text(), json_values, max_size=4)


def call(prompt: str = "Look.", **given_: object) -> RunAgentInput:
    fields = {"run_id": "wf_1", "agent": "a1", "label": "one", "model": "claude-sonnet-5-5", "setup": "s", **given_}
    return RunAgentInput.model_validate({"prompt": prompt, **fields})


@given(prompt=st.text(st.characters(exclude_categories=())), schema=schemas)
def test_names_places_and_caps_are_not_in_it(prompt: str, schema: dict[str, object] | None) -> None:
    base = call(prompt, output_schema=schema)
    shown = base.model_copy(
        update={
            "run_id": "wf_2",
            "agent": "a77",
            "label": "another",
            "phase": "Other",
            "max_usd": 1.0,
            "timeout_s": 3.0,
            "stall_ms": 5,
            "setup": "elsewhere",
            "merge": "queue",
            "entry": "x",
        }
    )
    assert key_of(base, Material()) == key_of(shown, Material())


@given(first=st.text(), second=st.text())
def test_two_prompts_have_two_keys(first: str, second: str) -> None:
    same = key_of(call(first), Material()) == key_of(call(second), Material())
    assert same == (first == second)


@given(schema=schemas.filter(bool), data=st.data())
def test_the_order_of_a_schemas_keys_is_nothing(schema: dict[str, object], data: st.DataObject) -> None:
    turned = dict(data.draw(st.permutations(list(schema.items()))))
    assert key_of(call(output_schema=schema), Material()) == key_of(call(output_schema=turned), Material())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "claude-opus-5-5"),
        ("output_schema", {"type": "object"}),
        ("effort", "high"),
        ("isolation", "worktree"),
        ("agent_type", "reviewer"),
        ("tools", ["Read"]),
        ("context", ["shared"]),
        ("setup", None),
        ("simulate", True),
    ],
)
def test_what_decides_the_answer_is_in_it(field: str, value: object) -> None:
    assert key_of(call().model_copy(update={field: value}), Material()) != key_of(call(), Material())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Material(instructions="a"), Material(instructions="b")),
        (Material(agent_type="a"), Material(agent_type="b")),
        (Material(context=["a"]), Material(context=["b"])),
        (Material(context=["a"]), Material(context=[None])),
        (Material(inputs={"x": "a"}), Material(inputs={"x": "b"})),
        (Material(inputs={"x": "a"}), Material(inputs={"y": "a"})),
    ],
)
def test_so_is_the_material(one: Material, other: Material) -> None:
    asked = call(context=["a.md"], agent_type="reviewer")
    assert key_of(asked, one) != key_of(asked, other)


def test_the_commit_counts_for_those_who_have_a_checkout_of_it() -> None:
    apart, shared = call(isolation="worktree"), call()
    assert key_of(apart, Material(base="a")) != key_of(apart, Material(base="b"))
    assert key_of(shared, Material(base="a")) == key_of(shared, Material(base="b"))


@given(st.lists(st.sampled_from(["k", "l", "m"])), st.randoms())
def test_identical_calls_are_told_apart_by_how_many_came_before_in_any_order(keys: list[str], random: object) -> None:
    def names(order: list[str]) -> list[str]:
        ordinals = Ordinals()
        return [ordinals.name(key) for key in order]

    assert len(set(names(keys))) == len(keys)
    shuffled = sorted(keys, key=lambda _key: random.random())  # type: ignore[attr-defined]
    assert set(names(keys)) == set(names(shuffled))


def test_only_what_may_name_files_is_looked_at() -> None:
    assert not needs_files(call(), [])
    assert not needs_files(call(context=["two\nlines", "long " * 400, " "]), [])
    assert needs_files(call(context=["README.md"]), [])
    assert needs_files(call(), ["src/**/*.py"])
    assert not needs_files(call(context=["README.md"], setup=None), [])
