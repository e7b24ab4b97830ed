"""Schemas: which are usable, how they are sent, and what an answer must satisfy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.activities.output_schema import ways_to_send
from tenuto.activities.structured_output import OutputForm, OutputForms, UnusableSchema, WrongAnswer


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({}, "root"),
        ({"type": "array"}, "root"),
        ({"type": ["object", "null"]}, "root"),
        ({"anyOf": [{"type": "object"}]}, "root"),
        (object_of(a={"type": "strin"}), "not a JSON Schema"),
        ({"type": "object", "required": "a"}, "not a JSON Schema"),
        (object_of(a={"$ref": "#/$defs/a"}), "does not contain"),
        (object_of(a={"$ref": "https://schemas.example/a.json"}), "does not contain"),
    ],
)
def test_an_unusable_schema_says_why(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnusableSchema, match=reason):
        OutputForm(schema)


def test_objects_are_closed_where_they_do_not_speak_of_it() -> None:
    schema = object_of(
        rows={"type": "array", "items": object_of(a={"type": "string"})},
        open={**object_of(b={"type": "string"}), "additionalProperties": True},
        free={"type": "object"},
    )
    before = repr(schema)
    sent = OutputForm(schema).sent
    assert sent is not None
    assert sent["additionalProperties"] is False
    assert sent["properties"]["rows"]["items"]["additionalProperties"] is False
    assert sent["properties"]["open"]["additionalProperties"] is True
    assert sent["properties"]["free"] == {"type": "object"}
    assert repr(schema) == before


def test_branches_of_all_of_stay_open() -> None:
    schema = {"type": "object", "properties": {"x": {"allOf": [object_of(a={}), object_of(b={})]}}}
    assert ways_to_send(schema)[0]["properties"]["x"] == {"allOf": [object_of(a={}), object_of(b={})]}


def test_a_refused_schema_is_sent_transformed_then_instructed() -> None:
    form = OutputForm(object_of(n={"type": ["integer", "null"], "minimum": 3}))
    first = form.sent
    assert form.instruction is None
    assert form.refused(first)
    second = form.sent
    assert second is not None
    assert second["properties"]["n"]["anyOf"] == [
        {"type": "integer", "description": "{minimum: 3}"},
        {"type": "null"},
    ]
    assert form.refused(first), "a sibling's late refusal of what is no longer sent"
    assert form.sent == second
    assert form.refused(second)
    assert form.sent is None
    assert form.instruction is not None
    assert '"minimum": 3' in form.instruction
    assert not form.refused(None)


@pytest.mark.parametrize(
    "field",
    [{"type": "object"}, {"type": "object", "additionalProperties": {"type": "string"}}, {"type": ["object", "null"]}],
)
def test_an_object_with_free_keys_is_never_transformed(field: dict[str, Any]) -> None:
    assert len(ways_to_send(object_of(map=field))) == 1


def test_what_is_learnt_holds_for_equal_schemas() -> None:
    forms = OutputForms()
    form = forms.of(object_of(a={"type": "object"}))
    form.refused(form.sent)
    assert forms.of(object_of(a={"type": "object"})).instruction is not None


def test_an_answer_is_held_against_the_original_schema() -> None:
    form = OutputForm({**object_of(n={"type": "integer", "minimum": 3}), "required": ["n"]})
    assert form.read('{"n": 3, "more": true}') == {"n": 3, "more": True}
    for text, wrong in (
        ('{"n": 2}', r"\$\.n: 2 is less than the minimum"),
        ("{}", "'n' is a required property"),
        ('{"n": NaN}', "NaN is not JSON"),
        ('{"n": 3', "not a JSON document"),
        ("[" * 100_000, "not a JSON document"),
    ):
        with pytest.raises(WrongAnswer, match=wrong):
            form.read(text)


def test_a_fence_is_tolerated_only_around_an_instructed_answer() -> None:
    form, text = OutputForm(object_of()), '```json\n{"a": 1}\n```\n'
    assert form.read(text, instructed=True) == {"a": 1}
    assert form.read('{"a": 1}', instructed=True) == {"a": 1}
    with pytest.raises(WrongAnswer):
        form.read(text)


def test_a_pattern_that_python_does_not_know_is_left_to_the_api() -> None:
    form = OutputForm(object_of(name={"type": "string", "pattern": r"^\p{Lu}"}))
    assert form.sent is not None
    assert form.sent["properties"]["name"]["pattern"] == r"^\p{Lu}"
    assert form.read('{"name": "any"}') == {"name": "any"}


def test_half_a_surrogate_pair_becomes_text_that_can_be_stored() -> None:
    form = OutputForm(object_of())
    assert form.read(r'{"a": "\ud83d\ude00"}') == {"a": "😀"}
    form.read(r'{"a": "\ud83d"}')["a"].encode()


def test_a_recursive_schema_is_usable() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    form = OutputForm({**object_of(root={"$ref": "#/$defs/node"}), "$defs": {"node": node}})
    with pytest.raises(WrongAnswer):
        form.read('{"root": {"next": {"next": 1}}}')


LEAVES = st.sampled_from(
    [{"type": "string"}, {"type": ["string", "null"]}, {"enum": ["a", None]}, {"type": "integer", "maximum": 9}, {}]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda fields: object_of(**fields), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
        st.builds(lambda item: {"type": "array", "items": item, "minItems": 2}, inner),
        st.builds(lambda one, two: {"anyOf": [one, two]}, inner, inner),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("xyz"), SCHEMAS, max_size=3))
def test_every_usable_schema_can_be_sent_in_some_way(fields: dict[str, Any]) -> None:
    schema = object_of(**fields)
    before = repr(schema)
    form = OutputForm(schema)
    for _ in range(2):
        if form.sent is not None:
            assert form.sent["type"] == "object"
            form.refused(form.sent)
    assert form.sent is None
    assert repr(schema) == before
