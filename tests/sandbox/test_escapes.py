"""Ways out of the sandbox, each tried in earnest. None works, each says so plainly, and the Worker does not notice."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenuto.activities.sandbox import bubblewrap

from .conftest import SECRET, Place, processes_with

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no sandbox elsewhere")

PYTHON = os.path.realpath(sys.executable)


def python(*lines: str) -> str:
    return f"{PYTHON} -I -S - <<'END'\n" + "\n".join(lines) + "\nEND\n"


def call(name: str, number: int, *arguments: str) -> str:
    """One system call by its number (x86_64), since no program at hand makes it."""
    return python(
        "import ctypes, os, sys",
        "libc = ctypes.CDLL(None, use_errno=True)",
        f"if libc.syscall({', '.join([str(number), *arguments])}) >= 0: print('REACHED'); sys.exit(0)",
        f"sys.exit('{name}: ' + os.strerror(ctypes.get_errno()))",
    )


def dial(family: str, kind: str, address: str) -> str:
    return python(
        "import socket",
        f"way = socket.socket(socket.{family}, socket.{kind}); way.settimeout(2)",
        f"way.connect({address}); way.send(b'hello'); print(way.recv(100)); print('REACHED')",
    )


# What is tried -> the command. Each must fail, must not print the secret or REACHED, and must leave a plain error.
# {…} is filled in from the place: root, outside, home, tenuto_home, pid and port of the Worker.
ATTEMPTS: dict[str, str] = {
    # files elsewhere
    "traversal": "cat ../outside/secret.txt",
    "deep traversal": "cat ../../../../../../../../../../..{outside}/secret.txt",
    "absolute path": "cat {outside}/secret.txt",
    "write beside the workspace": "echo x > {outside}/new.txt",
    "write to the workspace's parent": "echo x > ../new.txt",
    "link to a file elsewhere": "ln -s {outside}/secret.txt link && cat link",
    "link to a folder elsewhere": "ln -s {outside} door && cat door/secret.txt",
    "hard link to a file elsewhere": "ln {outside}/secret.txt hard && cat hard",
    "link swapped while it is read": "for i in $(seq 50); do ln -sfn {outside} swap; ln -sfn . swap; done & "
    "for i in $(seq 50); do cat swap/secret.txt 2>/dev/null; done; wait; ln -sfn {outside} swap; cat swap/secret.txt",
    "move the workspace away": "mv {root} {root}-elsewhere",
    "remove the workspace": "cd / && rmdir {root}",
    "root of the first process": "cat /proc/1/root{outside}/secret.txt",
    "working directory of the first process": "cat /proc/1/cwd{outside}/secret.txt",
    "root of the Worker": "cat /proc/{pid}/root{outside}/secret.txt",
    "descriptors of the first process": "cat /proc/1/fd/*{outside}/secret.txt",
    "credentials of Tenuto": "cat {tenuto_home}/credentials.env",
    "store of Tenuto": "ls {tenuto_home}/store",
    "another run's home": "ls {tenuto_home}/sandboxes/wf_other",
    "half-written logs": "ls {home}/spool",
    "stand-ins for programs": "echo x > {home}/programs/git",
    "the user's home": "ls ~tenuto/.. {userhome}/.bashrc",
    "keys of the user": "cat {userhome}/.ssh/id_rsa",
    "password hashes": "cat /etc/shadow",
    "change /etc/passwd": "echo evil::0:0::/:/bin/sh >> /etc/passwd",
    "change /etc/hosts": "echo 6.6.6.6 api.anthropic.com >> /etc/hosts",
    "change /etc/ld.so.preload": "echo {root}/evil.so > /etc/ld.so.preload",
    "write to /usr": "echo x > /usr/bin/evil",
    "replace a program": "cp /bin/true /usr/bin/git",
    "write to the root folder": "mkdir /evil",
    "write to the interpreter": "echo x > $(dirname $(readlink -f " + PYTHON + "))/evil",
    "open by handle": call("open_by_handle_at", 304, "-100", "0", "0"),
    # hooks and settings of git
    "write a hook": "echo evil > .git/hooks/pre-commit",
    "replace the hooks": "rm -rf .git/hooks; mkdir .git/hooks; echo evil > .git/hooks/pre-commit",
    "move the hooks": "mv .git/hooks .git/harmless",
    "move the repository": "mv .git aside && mkdir -p .git/hooks && echo evil > .git/hooks/pre-commit",
    "remount the hooks": "mount -o remount,rw .git/hooks && echo evil > .git/hooks/pre-commit",
    "unmount the hooks": "umount .git/hooks && echo evil > .git/hooks/pre-commit",
    # secrets in variables
    "environment": "env | grep -e ANTHROPIC -e TOKEN -e " + SECRET,
    "environment of the first process": "tr '\\0' '\\n' < /proc/1/environ | grep " + SECRET,
    "environment of the Worker": "cat /proc/{pid}/environ",
    "memory of the Worker": "cat /proc/{pid}/mem",
    "environment of anyone": "cat /proc/*/environ | grep -a " + SECRET,
    # network
    "TCP to the Worker's machine": dial("AF_INET", "SOCK_STREAM", "('127.0.0.1', {port})"),
    "TCP over IPv6": dial("AF_INET6", "SOCK_STREAM", "('::1', {port})"),
    "TCP to the world": dial("AF_INET", "SOCK_STREAM", "('192.0.2.1', 80)"),
    "UDP to the world": dial("AF_INET", "SOCK_DGRAM", "('192.0.2.1', 53)"),
    "metadata of a cloud": dial("AF_INET", "SOCK_STREAM", "('169.254.169.254', 80)"),
    "names": python("import socket; print(socket.getaddrinfo('example.com', 80)); print('REACHED')"),
    "raw packets": python("import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW); print('REACHED')"),
    "hypervisor": python("import socket; socket.socket(40, socket.SOCK_STREAM); print('REACHED')"),
    "abstract socket": dial("AF_UNIX", "SOCK_STREAM", "'\\0{abstract}'"),
    "socket in the file system": dial("AF_UNIX", "SOCK_STREAM", "'{outside}/socket'"),
    "docker": "ls /var/run/docker.sock /run/docker.sock /run/containerd",
    "a network of its own": "ip link add evil type dummy",
    # the kernel
    "kernel settings": "echo '|{root}/evil' > /proc/sys/kernel/core_pattern",
    "kernel settings by another name": "cd /proc/self/root/proc/sys/kernel && echo evil > hostname",
    "interrupts": "echo 1 > /proc/irq/default_smp_affinity",
    "system requests": "echo b > /proc/sysrq-trigger",
    "kernel memory": "head -c 1 /dev/mem /dev/kmem",
    "kernel core": "head -c 1 /proc/kcore",
    "kernel log": "dmesg",
    "disk device": "mknod disk b 8 0 && head -c 1 disk",
    "character device": "mknod memory c 1 1",
    "mount": "mkdir m; mount -t tmpfs none m",
    "mount a process list": "mkdir p; mount -t proc none p",
    "bind the root": "mkdir b; mount --bind / b",
    "unmount": "umount {root}",
    "change root": "chroot {root} true",
    "change root by call": call("pivot_root", 155, "b'.'", "b'.'"),
    "namespaces within": "unshare --user --map-root-user --mount true",
    "namespace by clone": call("clone", 56, "0x10000011", "0", "0", "0", "0"),
    "join a namespace": "nsenter --target 1 --mount true",
    "keys of the kernel": call("keyctl", 250, "0", "-3", "1"),
    "add a key": call("add_key", 248, "b'user'", "b'x'", "b'y'", "1", "-4"),
    "programs in the kernel": call("bpf", 321, "0", "0", "0"),
    "performance counters": call("perf_event_open", 298, "0", "0", "0", "0", "0"),
    "faults by hand": call("userfaultfd", 323, "0"),
    "asynchronous calls": call("io_uring_setup", 425, "1", "0"),
    "load a module": call("init_module", 175, "0", "0", "b''"),
    "restart the machine": call("reboot", 169, "0xfee1dead", "672274793", "0x89abcdef", "0"),
    "set the clock": "date --set 2001-01-01",
    "change the host's name": "hostname evil",
    "more rights from a setuid program": "cp /bin/sh s && chmod u+s s && ./s -p -c 'cat {outside}/secret.txt'",
    "become root": "su -c 'cat {outside}/secret.txt' < /dev/null; sudo -n cat {outside}/secret.txt",
    "raise a limit": "ulimit -f unlimited",
    "a better priority": "nice -n -10 cat {outside}/secret.txt",
    # other processes
    "kill the Worker": "kill -9 {pid}",
    "kill the Worker's group": "kill -9 -- -{pid}",
    "trace the Worker": call("ptrace", 101, "16", "{pid}", "0", "0"),
    "read the Worker's memory by call": python(
        "import ctypes, os, sys",
        "libc = ctypes.CDLL(None, use_errno=True)",
        "held = ctypes.create_string_buffer(8)",
        "part = (ctypes.c_size_t * 2)(ctypes.addressof(held), 8)",
        "if libc.process_vm_readv({pid}, part, 1, part, 1, 0) >= 0: print('REACHED'); sys.exit(0)",
        "sys.exit('process_vm_readv: ' + os.strerror(ctypes.get_errno()))",
    ),
    "type into a terminal": python("import fcntl, sys; fcntl.ioctl(1, 0x5412, b'x'); print('REACHED')"),
    "open the terminal": "echo evil > /dev/tty",
    "shared memory of the host": "cat /dev/shm/{shared}",
    "message queues of the host": "ls /dev/mqueue/*",
}
_SILENT = frozenset({"environment", "environment of the first process", "environment of anyone"})
"""grep found nothing, and has nothing to say."""
_MAY_BE_ABSENT = frozenset({"become root", "a network of its own", "kernel log", "change the host's name"})
"""Programs that not every machine has."""
_X86_ONLY = {name for name, text in ATTEMPTS.items() if "libc.syscall" in text}


@pytest.fixture
def neighbour(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What the Worker's machine has open while the attempts are made, as the attempts name it."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("GITHUB_TOKEN", SECRET)
    user_home = place.outside / "user"
    (user_home / ".ssh").mkdir(parents=True)
    (user_home / ".ssh" / "id_rsa").write_text(SECRET)
    (user_home / ".bashrc").write_text(SECRET)
    shared = Path("/dev/shm") / f"tenuto-test-{os.getpid()}"
    shared.write_text(SECRET)
    abstract = f"tenuto-test-{os.getpid()}"
    listening = [
        socket.create_server(("127.0.0.1", 0)),
        _unix(f"\0{abstract}"),
        _unix(str(place.outside / "socket")),
    ]
    answering = [threading.Thread(target=_answer, args=(each,), daemon=True) for each in listening]
    for each in answering:
        each.start()
    yield {
        "root": str(place.root),
        "outside": str(place.outside),
        "home": str(place.home),
        "tenuto_home": str(place.tenuto_home),
        "userhome": str(user_home),
        "pid": str(os.getpid()),
        "port": str(listening[0].getsockname()[1]),
        "abstract": abstract,
        "shared": shared.name,
    }
    shared.unlink()
    for server in listening:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    for each in answering:
        each.join(5)


def _unix(path: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    return server


def _answer(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with client:
            client.recv(10)
            client.sendall(SECRET.encode())


def filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace("{" + name + "}", value)
    return text


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_nothing_gets_out(name: str, place: Place, neighbour: dict[str, str]) -> None:
    if name in _X86_ONLY and os.uname().machine != "x86_64":
        pytest.skip("the call is named by its number on another machine")
    before = everything(place.outside), os.uname().nodename, Path("/proc/sys/kernel/core_pattern").read_text()
    outcome = await place.run(filled(ATTEMPTS[name], neighbour))
    said = outcome.stdout + outcome.stderr
    assert outcome.exit_code != 0, said
    assert outcome.stderr.strip() or name in _SILENT, "it says what is wrong"
    assert "not found" not in said or name in _MAY_BE_ABSENT, "what was tried is there to be tried"
    assert SECRET not in said
    assert "REACHED" not in said
    assert outcome.ended_by is None, "it fails by itself, not by a limit"
    after = everything(place.outside), os.uname().nodename, Path("/proc/sys/kernel/core_pattern").read_text()
    assert after == before
    assert not (place.root.parent / "new.txt").exists()
    assert [path.name for path in (place.root / ".git" / "hooks").iterdir() if path.suffix != ".sample"] == []
    assert (place.root / "README").read_text() == "a project\n"


@pytest.mark.parametrize("name", ["traversal", "write a hook", "kernel settings", "TCP to the Worker's machine"])
async def test_nothing_gets_out_of_a_shared_checkout_or_where_hosts_are_allowed_either(
    name: str, place: Place, neighbour: dict[str, str]
) -> None:
    outcome = await place.run(filled(ATTEMPTS[name], neighbour), shared=True, hosts=["*"])
    assert outcome.exit_code != 0
    assert SECRET not in outcome.stdout


async def test_the_attempts_would_reach_what_they_aim_at_without_walls(place: Place, neighbour: dict[str, str]) -> None:
    """Else a misspelt attempt would pass for one that was fended off."""
    for name in ("traversal", "absolute path", "link to a folder elsewhere", "credentials of Tenuto",
                 "shared memory of the host", "abstract socket", "socket in the file system", "keys of the user",
                 "root of the Worker", "TCP to the Worker's machine"):  # fmt: skip
        outcome = await place.run(filled(ATTEMPTS[name], neighbour), walls=False)
        assert SECRET in outcome.stdout, name


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be without a user namespace")
@pytest.mark.parametrize(
    "name",
    ["absolute path", "kernel settings", "mount", "namespaces within", "namespace by clone", "character device",
     "kill the Worker", "password hashes", "keys of the kernel", "write a hook", "change root"],
)  # fmt: skip
async def test_a_host_without_user_namespaces_has_the_same_walls(
    name: str, place: Place, neighbour: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await bubblewrap.walls()
    monkeypatch.setitem(bubblewrap._known, "found", bubblewrap.Walls(found.program, user_namespace=False))
    outcome = await place.run(filled(ATTEMPTS[name], neighbour))
    assert outcome.exit_code != 0
    assert SECRET not in outcome.stdout + outcome.stderr
    assert outcome.stderr.strip()


DAEMONS = {
    "in the background": "sleep {mark} &",
    "nohup": "nohup sleep {mark} > /dev/null 2>&1 &",
    "a session of its own": "setsid sleep {mark} > /dev/null 2>&1 < /dev/null &",
    "forked twice": "(setsid sh -c 'sleep {mark} & exit' &) ; exit 0",
    "with a clean environment": "env -i setsid /bin/sh -c '/bin/sleep {mark} & /bin/sleep {mark}' > /dev/null 2>&1 &",
    "deaf to signals": "setsid sh -c 'trap \"\" TERM HUP INT; sleep {mark}; sleep {mark}' > /dev/null 2>&1 &",
    "python": python(
        "import os, subprocess",
        "if os.fork(): os._exit(0)",
        "os.setsid()",
        "if os.fork(): os._exit(0)",
        "subprocess.run(['sleep', '{mark}'], close_fds=True)",
    ),
}


@pytest.mark.parametrize("walls", [True, False], ids=["walls", "no walls"])
@pytest.mark.parametrize("name", DAEMONS)
async def test_no_daemon_is_left(name: str, walls: bool, place: Place) -> None:
    mark = f"98{abs(hash((name, walls, os.getpid()))) % 10**8}"
    outcome = await place.run(DAEMONS[name].replace("{mark}", mark), walls=walls)
    assert outcome.exit_code == 0
    assert processes_with(mark) == [], "gone when the call returns, not some time later"


def everything(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}
