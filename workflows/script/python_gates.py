"""Gates, as a Python script calls them; part of the prelude (see `python_prelude`).

Text for the interpreter, and written within what it offers. The rules are the run's; a script's own functions are
called here.
"""

from __future__ import annotations

GATE_FUNCTIONS = """
def _tenuto_gate_functions(call, given, is_awaitable, as_text, log, parallel, reason):
    import re

    ROUNDS = 5
    STUCK_ROUNDS = 2
    known = []  # a script's checks: the same function is the same gate

    def whole(name, key, value):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100:
            raise TypeError(f"{name}() takes {key} as a whole number from 1 to 100, not {value!r}")
        return value

    def textual(name, what, value):
        if not isinstance(value, str) or not value.strip():
            raise TypeError(f"{name}() takes {what} as text, not {value!r}")
        return value

    def patterns(name, value):
        found = [value] if isinstance(value, str) else list(value)
        for each in found:
            if not isinstance(each, str):
                raise TypeError(f'{name}() takes allow_changes as a list of patterns, such as ["tests/**"]')
        return found

    def seconds(name, value):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value < float("inf"):
            raise TypeError(f"{name}() takes timeout as seconds, a number over 0, not {value!r}")
        return value

    def settings(name, attempts, hold, cwd, timeout, allow_changes):
        return given(
            {
                "attempts": whole(name, "attempts", attempts),
                "hold": whole(name, "hold", hold),
                "cwd": None if cwd is None else textual(name, "cwd", cwd),
                "timeout": None if timeout is None else seconds(name, timeout),
                "allow_changes": None if allow_changes is None else patterns(name, allow_changes),
            }
        )

    def says_yes(said):
        # Only what says so itself has passed: True, {"passed": True}, or a command that ended with 0.
        if said is True:
            return True
        if not isinstance(said, dict):
            return False
        if "passed" in said:
            return said["passed"] is True
        return said.get("exit_code") == 0

    async def ask(check):
        try:
            said = check()
            if is_awaitable(said):
                said = await said
            return {"passed": says_yes(said), "said": said}
        except Exception as error:
            return {"passed": False, "said": None, "error": reason(error)}

    def name_of(check, label):
        if label is not None:
            return as_text(label)
        for index, each in enumerate(known):
            if each is check:
                return f"check #{index + 1}"
        known.append(check)
        return f"check #{len(known)}"

    async def by_function(check, attempts, hold, label, allow_changes):
        allowed = {}
        if "allow_changes" in settings("gate", attempts, hold, None, None, allow_changes):
            allowed = {"allow_changes": patterns("gate", allow_changes)}
        runs = []
        passed = False
        for attempt in range(attempts):
            in_a_row = 0
            while in_a_row < hold:
                run = await ask(check)
                runs.append(run)
                if not run["passed"]:
                    break
                in_a_row += 1
            passed = in_a_row == hold
            if passed:
                break
        last = runs[-1]
        why = last["error"] if "error" in last else f"it said {as_text(last['said'])[:300]}"
        if hold > 1 and not passed and any([run["passed"] for run in runs]):
            why = f"{why}: it did not stay green {hold} times"
        told = {"name": name_of(check, label), "passed": passed, "runs": len(runs), "reason": why}
        answer = await call("gate", {**told, **allowed})
        found = answer["evidence"] if "evidence" in answer else {}
        return {
            "passed": answer["passed"],
            "reason": answer["reason"],
            "flaky": answer["flaky"],
            "evidence": {**found, "runs": runs},
        }

    async def gate(check, *, attempts=1, hold=1, cwd=None, timeout=None, allow_changes=None, label=None):
        if isinstance(check, str):
            wanted = settings("gate", attempts, hold, cwd, timeout, allow_changes)
            return await call("gate", {"command": textual("gate", "a command", check), **wanted})
        if check is None or is_awaitable(check) or isinstance(check, (bytes, int, float, list, tuple, dict, set)):
            raise TypeError(
                f"gate() takes a command, or a function without parameters that checks; not {type(check).__name__}"
            )
        return await by_function(check, attempts, hold, label, allow_changes)

    async def until_green(
        command,
        fixer,
        *,
        max_rounds=ROUNDS,
        split=None,
        attempts=1,
        hold=1,
        cwd=None,
        timeout=None,
        allow_changes=None,
    ):
        wanted = settings("until_green", attempts, hold, cwd, timeout, allow_changes)
        args = {"command": textual("until_green", "a command", command), **wanted, "split": True}
        most = whole("until_green", "max_rounds", max_rounds)
        before = []
        fewest = float("inf")
        stuck = 0
        rounds = 0
        while True:
            seen = await call("gate", args)
            result = {"passed": seen["passed"], "rounds": rounds, "reason": "green", "flaky": seen["flaky"]}
            if seen["passed"]:
                return {**result, "failures": [], "evidence": seen["evidence"]}
            failures = seen["failures"]
            signature = seen["signature"]
            if split is not None:
                # A check that was tampered with is told as that, whatever a split makes of its output.
                tampered = [each for each in failures if each["kind"] in ("gate_file", "tests")]
                output = [text for text in (seen["evidence"]["stdout"], seen["evidence"]["stderr"]) if text]
                own = split(\"\\n\".join(output))
                if is_awaitable(own):
                    own = await own
                if not isinstance(own, (list, tuple)):
                    raise TypeError(f"until_green() takes a split that returns a list, not {type(own).__name__}")
                failures = [*tampered, *own] or failures
                signature = re.sub(\"[0-9]+\", \"#\", as_text(failures))
            progress = len(failures) < fewest or signature not in before
            before.append(signature)
            fewest = min(fewest, len(failures))
            stuck = 0 if progress else stuck + 1
            ended = {**result, "failures": failures, "evidence": seen["evidence"]}
            if stuck >= STUCK_ROUNDS:
                return {**ended, "reason": "no_progress"}
            if rounds >= most:
                return {**ended, "reason": "rounds"}
            plural = "" if len(failures) == 1 else "s"
            log(f"until_green: round {rounds + 1}, {len(failures)} failure{plural}: {seen['reason']}")

            def mend(failure):
                return lambda: fixer(failure)

            await parallel([mend(failure) for failure in failures])
            rounds += 1

    return {"gate": gate, "until_green": until_green}

"""
"""Defines `_tenuto_gate_functions`, which the prelude calls with its own functions."""
