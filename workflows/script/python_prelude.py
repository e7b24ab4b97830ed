"""The public functions of a Python script, in Python: fed to the interpreter before the script.

A function of the script cannot be called from the host, so `parallel` and `pipeline` live beside it. What leaves the
interpreter goes through three host functions: `_tenuto_call` (answered later), `_tenuto_note` (never answered) and
`_tenuto_read` (answered at once); only JSON text crosses outwards. Written within what Monty offers: no inheritance,
no properties, no `callable`. What a script imports is bound from `_tenuto`; other names it adds begin with that too.
"""

from __future__ import annotations

from .protocol import MAX_ITEMS
from .python_gates import GATE_FUNCTIONS
from .python_people import PEOPLE_FUNCTIONS
from .python_reviews import REVIEW_FUNCTIONS
from .python_steps import STEP_FUNCTIONS

PUBLIC_NAMES = frozenset(
    (
        "Meta",
        "Phase",
        "agent",
        "ask",
        "budget",
        "converge",
        "critic",
        "failures",
        "gate",
        "glob",
        "grep",
        "judge",
        "lock",
        "log",
        "mcp",
        "now",
        "parallel",
        "phase",
        "pipeline",
        "pull_request",
        "read",
        "review",
        "sh",
        "sleep",
        "until_dry",
        "vote",
        "until_green",
        "wait_for",
        "workflow",
        "write",
    )
)
"""What a script may import from `tenuto`; the published stubs declare the same names."""

PRELUDE = (
    STEP_FUNCTIONS
    + REVIEW_FUNCTIONS
    + GATE_FUNCTIONS
    + PEOPLE_FUNCTIONS
    + """
def _tenuto_functions():
    import asyncio
    import dataclasses
    import datetime
    import json

    class Phase:
        def __init__(self, title, detail=None, model=None, usd=None):
            self.title = title
            self.detail = detail
            self.model = model
            self.usd = usd

    class Meta:
        def __init__(self, *, name, description, when_to_use=None, phases=(), limits=None):
            self.name = name
            self.description = description
            self.when_to_use = when_to_use
            self.phases = phases
            self.limits = limits or {}

    class Missing:
        pass

    missing = Missing()

    class Form:
        # Stands for names of `typing` and `collections.abc` that the interpreter lacks: annotations are never
        # evaluated, but an alias such as `Stage = Callable[[str], Any] | None` is.
        def __getitem__(self, key):
            return self

        def __or__(self, other):
            return self

        def __ror__(self, other):
            return self

    def plain(value):
        if dataclasses.is_dataclass(value):
            return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
        if isinstance(value, dict):
            return {key: plain(value[key]) for key in value}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        if isinstance(value, (datetime.date, datetime.datetime)):
            return value.isoformat()
        return value

    def to_json(value):
        try:
            return json.dumps(value, ensure_ascii=False)
        except TypeError:
            return json.dumps(plain(value), ensure_ascii=False)

    async def call(op, args):
        answer = await _tenuto_call(op, to_json(args))
        if "totals" in answer:
            budget.total, budget.usd.total = answer["totals"]
        return answer["value"]

    def given(options):
        return {name: options[name] for name in options if options[name] is not None}

    def as_text(value):
        if isinstance(value, (list, tuple, dict)) or dataclasses.is_dataclass(value):
            try:
                return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
            except (TypeError, ValueError, RecursionError):
                return str(value)
        return str(value)

    async def agent(
        prompt,
        *,
        label=None,
        phase=None,
        schema=None,
        model=None,
        effort=None,
        isolation=None,
        agent_type=None,
        stall_ms=None,
        tools=None,
        context=None,
        inputs=None,
        max_usd=None,
        timeout=None,
        merge=None,
    ):
        options = {
            "label": label,
            "phase": phase,
            "schema": schema,
            "model": model,
            "effort": effort,
            "isolation": isolation,
            "agent_type": agent_type,
            "stall_ms": stall_ms,
            "tools": tools,
            "context": context,
            "inputs": inputs,
            "max_usd": max_usd,
            "timeout": timeout,
            "merge": merge,
        }
        return await call("agent", {"prompt": as_text(prompt), **given(options)})

    async def workflow(name_or_ref, args=missing):
        if isinstance(name_or_ref, str):
            named = {"name": name_or_ref}
        elif isinstance(name_or_ref, dict) and isinstance(name_or_ref.get("script_path"), str):
            named = {"script_path": name_or_ref["script_path"]}
        else:
            raise TypeError('workflow() takes the name of a saved workflow, or {"script_path": "..."}')
        if args is not missing:
            named["args"] = args
        return await call("workflow", named)

    async def sleep(seconds):
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise TypeError(f"sleep() takes seconds as a number, not {type(seconds).__name__}")
        if seconds != seconds or seconds in (float("inf"), float("-inf")):
            raise ValueError("sleep() takes a finite number of seconds")
        if seconds > 0:
            await call("sleep", {"seconds": seconds})

    def now():
        return _tenuto_read("now")

    def phase(title):
        _tenuto_note("phase", as_text(title))

    def log(message):
        _tenuto_note("log", as_text(message))

    def failures():
        return _tenuto_read("failures")

    class Counter:
        def __init__(self, unit):
            self.unit = unit
            self.total = _tenuto_read("budget")[unit]["total"]

        def spent(self):
            return _tenuto_read("budget")[self.unit]["spent"]

        def remaining(self):
            seen = _tenuto_read("budget")[self.unit]
            if seen["total"] is None:
                return float("inf")
            return max(0, seen["total"] - seen["spent"])

    budget = Counter("tokens")
    budget.usd = Counter("usd")

    def no_more_than_allowed(name, count):
        if count > MAX_ITEMS:
            raise ValueError(f"{name}() takes at most {MAX_ITEMS} items, not {count}")

    def is_awaitable(value):
        return type(value).__name__ == "coroutine"  # what gather(), sleep() and host calls are here, too

    def is_data(value):
        return value is None or isinstance(value, (str, bytes, int, float, list, tuple, dict, set, frozenset))

    def reason(error):
        text = str(error)
        if isinstance(error, RuntimeError):
            return text
        return f"{type(error).__name__}: {text}" if text else type(error).__name__

    async def parallel(calls):
        calls = list(calls)
        no_more_than_allowed("parallel", len(calls))
        for index, item in enumerate(calls):
            if is_data(item):
                raise TypeError(
                    "parallel() takes awaitables such as agent(...), not awaited, or functions without parameters; "
                    f"item {index} is {type(item).__name__}"
                )

        async def one(index, item):
            try:
                value = item if is_awaitable(item) else item()
                return await value if is_awaitable(value) else value
            except Exception as error:
                log(f"parallel[{index}] failed: {reason(error)}")
                return None

        return list(await asyncio.gather(*[one(index, item) for index, item in enumerate(calls)]))

    async def pipeline(items, *stages):
        if isinstance(items, (str, bytes, dict)):
            raise TypeError(f"pipeline() takes a list of items, not {type(items).__name__}")
        items = list(items)
        no_more_than_allowed("pipeline", len(items))

        async def one(index, item):
            value = item
            try:
                for number, stage in enumerate(stages):
                    value = stage(value) if number == 0 else stage(value, item)
                    if is_awaitable(value):
                        value = await value
                    if value is None:
                        return None
                return value
            except Exception as error:
                log(f"pipeline[{index}] failed: {reason(error)}")
                return None

        return list(await asyncio.gather(*[one(index, item) for index, item in enumerate(items)]))

    async def run(main, parameters):
        value = await main(*parameters)
        try:
            return to_json(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"main() returned a value that is not plain JSON: {error}") from None

    return {
        "Meta": Meta,
        "Phase": Phase,
        "agent": agent,
        "budget": budget,
        "failures": failures,
        "log": log,
        "now": now,
        "parallel": parallel,
        "phase": phase,
        "pipeline": pipeline,
        "sleep": sleep,
        "workflow": workflow,
        **_tenuto_step_functions(call, given, is_awaitable, to_json),
        **_tenuto_review_functions(call, given, as_text, is_awaitable, log),
        **_tenuto_people_functions(call, missing),
        **_tenuto_gate_functions(call, given, is_awaitable, as_text, log, parallel, reason),
        "form": Form(),
        "cast": lambda form, value: value,
        "type_variable": lambda *args, **options: None,
        "run": run,
    }


_tenuto = _tenuto_functions()
""".replace("MAX_ITEMS", str(MAX_ITEMS))
)

RUN_MAIN = 'await _tenuto["run"](main, _tenuto_args)'
"""Fed last; `_tenuto_args` holds the arguments of `main`, none or one."""
