"""Values on their way into and out of a Python script."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.workflows.script.protocol import Failed, Outcome

from .python_play import play, result


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("(1, (2, 3))", [1, [2, 3]]),
        ("{2: 'a', None: 'b', True: 'c', 1.5: 'd'}", {"2": "a", "null": "b", "true": "c", "1.5": "d"}),
        ("float('nan')", None),
        ("[float('inf'), 1e300]", [None, 1e300]),
        ("2**200", 2**200),
        ("'\\ud800'", "\N{REPLACEMENT CHARACTER}"),
        ("'a\\0b'", "a\0b"),
    ],
)
def test_values_come_out_as_plain_json(expression: str, value: Any) -> None:
    assert result(f"async def main():\n    return {expression}\n") == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("{1, 2}", "set is not JSON serializable"),
        ("[agent('x')]", "coroutine is not JSON serializable"),
        ("lambda: 1", "function is not JSON serializable"),
        ("b'x'", "bytes is not JSON serializable"),
        ("{(1, 2): 3}", "keys must be"),
        ("2**20000", "4300 digits"),
        ("nested(200)", "nested more than 128 deep"),
        ("nested(5000)", "plain JSON"),
        ("ring()", "Circular reference"),
    ],
)
def test_a_result_that_is_no_json_fails_the_script_clearly(expression: str, message: str) -> None:
    body = (
        "from typing import Any\ndef nested(n):\n    x: Any = 1\n    for _ in range(n):\n        x = [x]\n"
        "    return x\n"
        f"def ring():\n    x: list[Any] = []\n    x.append(x)\n    return x\nasync def main():\n"
        f"    return {expression}\n"
    )
    step, _, _ = play(body)
    assert isinstance(step, Failed)
    assert "main() returned a value that is not plain JSON" in step.message
    assert message in step.message


def test_what_an_agent_is_given_must_be_json_and_the_script_hears_it_at_the_call() -> None:
    body = (
        "from typing import Any\nasync def main():\n    schema: Any = {'x': {1, 2}}\n    try:\n"
        "        await agent('x', schema=schema)\n    except TypeError as error:\n        return str(error)\n"
    )
    assert "set is not JSON serializable" in result(body)


def test_lone_surrogates_and_large_integers_go_in() -> None:
    assert result("async def main(args):\n    return args\n", ["\ud800", "\ud83d\ude00", 2**100]) == [
        "\N{REPLACEMENT CHARACTER}",
        "\N{GRINNING FACE}",
        2**100,
    ]


def test_five_megabytes_go_in_through_and_out() -> None:
    big = 'é"x\n' * 1_250_000
    body = "async def main(args):\n    return [args, await agent(await agent('x'))]\n"
    got = result(body, big, answer=lambda call: Outcome(value=big))
    assert got == [big, big]
