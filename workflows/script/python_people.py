"""Waiting for people and for events outside, as a Python script does it; part of the prelude (see `python_prelude`)."""

from __future__ import annotations

PEOPLE_FUNCTIONS = """
def _tenuto_people_functions(call, missing):
    def seconds(name, value):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < float("inf"):
            raise TypeError(f"{name}() takes timeout as seconds, a number, not {value!r}")
        return value

    async def ask(question, *, options=None, default=missing, timeout=None):
        if not isinstance(question, str) or not question.strip():
            raise TypeError(f"ask() takes a question as text, not {question!r}")
        args = {"question": question}
        if options is not None:
            if not isinstance(options, (list, tuple)) or not options:
                raise TypeError(f"ask() takes options as a list of answers, not {options!r}")
            args["options"] = list(options)
        if default is not missing:
            args["default"] = default
        if timeout is not None:
            args["timeout"] = seconds("ask", timeout)
        return await call("ask", args)

    async def wait_for(name, *, timeout=None):
        if not isinstance(name, str) or not name:
            raise TypeError(f"wait_for() takes the name of an event, not {name!r}")
        args = {"name": name}
        if timeout is not None:
            args["timeout"] = seconds("wait_for", timeout)
        return await call("wait_for", args)

    return {"ask": ask, "wait_for": wait_for}

"""
"""Defines `_tenuto_people_functions`, which the prelude calls with its own functions."""
