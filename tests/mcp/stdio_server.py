"""A stdio server that does as its tools' names say. Run as a script; the bare protocol, one line a message.

It answers calls in threads, so that one that hangs stops no other; with `--one-at-a-time` it hangs altogether.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

TOOLS: list[dict[str, Any]] = [
    {"name": "echo", "description": "Says it again.", "annotations": {"readOnlyHint": True}},
    {"name": "write", "description": "Counts how often it ran."},
    {"name": "hang", "description": "Never answers."},
    {"name": "die", "description": "Ends the server in the middle of the call."},
    {"name": "die_once", "description": "Ends the server at its first call.", "annotations": {"idempotentHint": True}},
    {"name": "big", "description": "Returns so many bytes."},
    {"name": "fail", "description": "Returns an error result."},
    {"name": "refuse", "description": "Returns a protocol error."},
    {"name": "environment", "description": "Its environment."},
    {"name": "structured", "description": "Structured content."},
    {"name": "meta", "description": "The _meta of the call."},
    {"name": "daemon", "description": "Leaves a grandchild in a session of its own; returns its pid."},
    {"name": "nonsense", "description": "Answers with something that is no result."},
]
LOCK = threading.Lock()


def say(message: dict[str, Any]) -> None:
    with LOCK:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def text(value: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": value}]}


def log(line: str) -> None:
    """Where a test can count what really ran."""
    if path := os.environ.get("CALLS_LOG"):
        with Path(path).open("a") as file:
            file.write(line + "\n")


def run(tool: str, arguments: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    log(f"{tool} {meta.get('idempotencyKey', '')}")
    if tool == "hang":
        time.sleep(3600)
    if tool == "die":
        os._exit(3)
    if tool == "die_once":
        marker = Path(os.environ["CALLS_LOG"] + ".died")
        if not marker.exists():
            marker.touch()
            os._exit(3)
    if tool == "big":
        return text("x" * int(arguments["bytes"]))
    if tool == "fail":
        return {**text("no such row"), "isError": True}
    if tool == "environment":
        return text(json.dumps(dict(os.environ)))
    if tool == "structured":
        return {**text('{"rows": 2}'), "structuredContent": {"rows": 2}}
    if tool == "meta":
        return text(json.dumps(meta))
    if tool == "daemon":
        child = subprocess.Popen(["sleep", "300"], start_new_session=True)
        return text(json.dumps({"pid": child.pid, "server": os.getpid()}))
    if tool == "nonsense":
        return {"content": "not a list"}
    return text(json.dumps(arguments))


def handle(message: dict[str, Any]) -> None:
    method, params = message.get("method"), message.get("params") or {}
    if "id" not in message or method is None:
        return
    answer: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
    if method == "initialize":
        time.sleep(float(os.environ.get("SLOW_START_S", "0")))
        answer["result"] = {
            "protocolVersion": os.environ.get("PROTOCOL", params["protocolVersion"]),
            "capabilities": {"tools": {}, **json.loads(os.environ.get("CAPABILITIES", "{}"))},
            "serverInfo": {"name": "scripted", "version": "1"},
        }
    elif method == "tools/list":
        schema = {"type": "object"}
        answer["result"] = {"tools": [{"inputSchema": schema, **tool} for tool in TOOLS]}
    elif method == "ping":
        answer["result"] = {}
    elif method == "tools/call" and params["name"] != "refuse":
        answer["result"] = run(params["name"], params.get("arguments") or {}, params.get("_meta") or {})
    else:
        answer["error"] = {"code": -32602, "message": f"I do not do {method}"}
    say(answer)


def main() -> None:
    if "--noise" in sys.argv:
        print("starting up…")
    if "--broken" in sys.argv:
        print("no database at db.example:5432", file=sys.stderr)
        sys.exit(4)
    for line in sys.stdin:
        message = json.loads(line)
        if "--one-at-a-time" in sys.argv:
            handle(message)
        else:
            threading.Thread(target=handle, args=(message,), daemon=True).start()


if __name__ == "__main__":
    main()
