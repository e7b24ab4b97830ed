"""Reviews and quality patterns, as a Python script calls them; part of the prelude (see `python_prelude`).

Text for the interpreter, and written within what it offers. What they do is done outside, once for both dialects; only
what takes a function of the script lives here.
"""

from __future__ import annotations

REVIEW_FUNCTIONS = """
def _tenuto_review_functions(call, given, as_text, is_awaitable, log):
    import json

    async def review(
        work, *, reviewers=None, lenses=None, quorum=None, rounds=None, revise=None, model=None, effort=None
    ):
        options = {
            "reviewers": reviewers,
            "lenses": lenses,
            "quorum": quorum,
            "rounds": rounds,
            "revise": revise,
            "model": model,
            "effort": effort,
        }
        return await call("review", {"work": work, **given(options)})

    async def converge(prompt, *, angles=None, rounds=None, quorum=None, schema=None, model=None, effort=None):
        options = {
            "angles": angles,
            "rounds": rounds,
            "quorum": quorum,
            "schema": schema,
            "model": model,
            "effort": effort,
        }
        return await call("converge", {"prompt": as_text(prompt), **given(options)})

    async def vote(prompt, *, n=None, quorum=None, schema=None, model=None, effort=None):
        options = {"n": n, "quorum": quorum, "schema": schema, "model": model, "effort": effort}
        return await call("vote", {"prompt": as_text(prompt), **given(options)})

    async def judge(candidates, *, criteria=None, judges=None, model=None, effort=None):
        options = {"criteria": criteria, "judges": judges, "model": model, "effort": effort}
        return await call("judge", {"candidates": candidates, **given(options)})

    async def critic(result, *, task=None, model=None, effort=None):
        options = {"task": task, "model": model, "effort": effort}
        return await call("critic", {"result": result, **given(options)})

    def whole(name, value):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise TypeError(f"until_dry() takes {name} as a whole number over 0, not {value!r}")
        return value

    def asked(finder, found, number):
        # A function takes the items and the round, the items only, or nothing: which, only a call tells here.
        for arguments in ((found, number), (found,)):
            try:
                return finder(*arguments)
            except TypeError as error:
                if "argument" not in str(error):
                    raise
        return finder()

    async def until_dry(finder, *, key=None, empty_rounds=2, max_rounds=20):
        data = (str, bytes, int, float, list, tuple, dict, set)
        if finder is None or is_awaitable(finder) or isinstance(finder, data):
            raise TypeError(f"until_dry() takes a function that finds items, not {type(finder).__name__}")
        whole("empty_rounds", empty_rounds)
        whole("max_rounds", max_rounds)
        seen = set()
        items = []
        rounds = 0
        empty = 0
        while rounds < max_rounds and empty < empty_rounds:
            rounds += 1
            found = asked(finder, list(items), rounds)
            if is_awaitable(found):
                found = await found
            if found is None:
                log(f"until_dry: round {rounds} gave nothing to go by; it does not count as empty")
                continue
            if not isinstance(found, (list, tuple)):
                raise TypeError(
                    f"until_dry() wants a list from its function, not {type(found).__name__}: {as_text(found)[:80]}"
                )
            before = len(items)
            for item in found:
                name = json.dumps(item if key is None else key(item), sort_keys=True)
                if name not in seen:
                    seen.add(name)
                    items.append(item)
            empty = empty + 1 if len(items) == before else 0
        return {"items": items, "rounds": rounds, "dry": empty >= empty_rounds}

    return {
        "converge": converge,
        "critic": critic,
        "judge": judge,
        "review": review,
        "until_dry": until_dry,
        "vote": vote,
    }

"""
"""Defines `_tenuto_review_functions`, which the prelude calls with its own functions."""
