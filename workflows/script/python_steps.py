"""Steps without a model, as a Python script calls them; part of the prelude (see `python_prelude`).

Text for the interpreter, and written within what it offers. Each function checks its arguments where the script can
see why, and makes one call.
"""

from __future__ import annotations

from .protocol import MAX_ARGUMENT

STEP_FUNCTIONS = """
def _tenuto_step_functions(call, given, is_awaitable, to_json):
    def textual(name, what, value, hint=""):
        if not isinstance(value, str):
            raise TypeError(f"{name}() takes {what} as text, not {type(value).__name__}{hint}")
        return bounded(name, what, value)

    def bounded(name, what, value):
        if len(value) > ARGUMENT_MAX:
            raise ValueError(f"{name}() takes at most ARGUMENT_MAX characters as {what}, not {len(value)}")
        return value

    def seconds(value):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value < float("inf"):
            raise TypeError(f"sh() takes timeout as seconds, a number over 0, not {value!r}")
        return value

    def variables(env):
        if not isinstance(env, dict):
            raise TypeError(f"sh() takes env as a dict of texts, not {type(env).__name__}")
        return {str(key): bounded("sh", f"env.{key}", str(env[key])) for key in env if env[key] is not None}

    async def sh(command, *, cwd=None, timeout=None, env=None, check=False, repeat=True):
        options = {
            "cwd": None if cwd is None else textual("sh", "cwd", cwd),
            "timeout": None if timeout is None else seconds(timeout),
            "env": None if env is None else variables(env),
            "check": True if check else None,
            "repeat": None if repeat else False,
        }
        return await call("sh", {"command": textual("sh", "a command", command), **given(options)})

    async def read(path):
        return await call("read", {"path": textual("read", "a path", path)})

    async def write(path, text):
        hint = "; json.dumps(value) turns a value into text"
        args = {"path": textual("write", "a path", path), "text": textual("write", "the content", text, hint)}
        await call("write", args)

    async def glob(pattern):
        return await call("glob", {"pattern": textual("glob", "a pattern", pattern)})

    async def grep(pattern, glob=None):
        files = {} if glob is None else {"glob": textual("grep", "glob", glob)}
        return await call("grep", {"pattern": textual("grep", "a pattern", pattern), **files})

    async def lock(name, thunk):
        if thunk is None or is_awaitable(thunk) or isinstance(thunk, (str, bytes, int, float, list, tuple, dict, set)):
            raise TypeError(
                "lock() takes a name and a function without parameters, which it calls when the lock is held; "
                f"not {type(thunk).__name__}"
            )
        await call("lock", {"name": textual("lock", "a name", name)})
        try:
            value = thunk()
            return await value if is_awaitable(value) else value
        finally:
            _tenuto_note("unlock", name)

    async def mcp(server, tool, input=None, *, repeat=False):
        if input is not None and not isinstance(input, dict):
            raise TypeError(f"mcp() takes the tool's input as a dict, not {type(input).__name__}")
        bounded("mcp", "the tool's input", to_json(input))
        options = {"input": input, "repeat": True if repeat else None}
        named = {"server": textual("mcp", "a server", server), "tool": textual("mcp", "a tool", tool)}
        return await call("mcp", {**named, **given(options)})

    async def pull_request(*, branch, title, body, base=None, draft=False):
        wanted = {
            "branch": textual("pull_request", "branch", branch),
            "title": textual("pull_request", "title", title),
            "body": textual("pull_request", "body", body),
        }
        options = {
            "base": None if base is None else textual("pull_request", "base", base),
            "draft": True if draft else None,
        }
        return await call("pull_request", {**wanted, **given(options)})

    return {
        "glob": glob,
        "grep": grep,
        "lock": lock,
        "mcp": mcp,
        "pull_request": pull_request,
        "read": read,
        "sh": sh,
        "write": write,
    }

""".replace("ARGUMENT_MAX", str(MAX_ARGUMENT))
"""Defines `_tenuto_step_functions`, which the prelude calls with its own functions."""
