"""A filter of system calls, for what namespaces do not wall off: keyrings, odd socket families, more namespaces.

It is a list of refusals with an `errno`, not of permissions: compilers, debuggers and test suites of any kind run in
here. Numbers are of the kernel's system call tables (`unistd_64.h`, `asm-generic/unistd.h`).
"""

from __future__ import annotations

import errno
import platform
import struct

_LOAD_NUMBER, _LOAD_ARCH = 0, 4
_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000

_CLONE_NEWUSER = 0x10000000
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into someone else's terminal
_FAMILIES = (1, 2, 10, 16)  # unix, IPv4, IPv6, netlink. AF_VSOCK would reach the hypervisor past any network namespace

_ARCHITECTURES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "socket": 41, "ioctl": 16, "clone": 56, "unshare": 272, "clone3": 435, "io_uring_setup": 425,
            "add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321, "perf_event_open": 298,
            "userfaultfd": 323, "open_by_handle_at": 304, "mount": 165, "umount2": 166, "pivot_root": 155,
            "setns": 308, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442,
            "kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313,
            "delete_module": 176, "swapon": 167, "swapoff": 168, "reboot": 169, "acct": 163, "quotactl": 179,
            "syslog": 103, "iopl": 172, "ioperm": 173,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "socket": 198, "ioctl": 29, "clone": 220, "unshare": 97, "clone3": 435, "io_uring_setup": 425,
            "add_key": 217, "request_key": 218, "keyctl": 219, "bpf": 280, "perf_event_open": 241,
            "userfaultfd": 282, "open_by_handle_at": 265, "mount": 40, "umount2": 39, "pivot_root": 41,
            "setns": 268, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442,
            "kexec_load": 104, "kexec_file_load": 294, "init_module": 105, "finit_module": 273,
            "delete_module": 106, "swapon": 224, "swapoff": 225, "reboot": 142, "acct": 89, "quotactl": 60,
            "syslog": 116,
        },
    ),
}  # fmt: skip

_EXAMINED = frozenset({"socket", "ioctl", "clone", "unshare"})
_ABSENT = frozenset({"clone3", "io_uring_setup"})
"""Said not to exist, so that libraries fall back on the older call, whose arguments a filter can read."""


def program(machine: str | None = None) -> bytes | None:
    """The filter as `bwrap --seccomp` reads it; `None` on a machine whose table is not here."""
    known = _ARCHITECTURES.get(machine or platform.machine())
    if known is None:
        return None
    architecture, numbers = known
    code = [(_LOAD, 0, 0, _LOAD_ARCH), (_EQUAL, 1, 0, architecture), _refuse(errno.ENOSYS)]
    code += [(_LOAD, 0, 0, _LOAD_NUMBER), (_AT_LEAST, 0, 1, 0x40000000), _refuse(errno.ENOSYS)]  # x32 renumbers
    for name, number in numbers.items():
        if name not in _EXAMINED:
            code += [(_EQUAL, 0, 1, number), _refuse(errno.ENOSYS if name in _ABSENT else errno.EPERM)]
    for name in ("clone", "unshare"):
        flags = [(_LOAD, 0, 0, _argument(0)), (_ANY_BIT, 0, 1, _CLONE_NEWUSER), _refuse(errno.EPERM)]
        code += _only_for(numbers[name], flags)
    request = [(_LOAD, 0, 0, _argument(1))]
    for value in _TERMINAL_INPUT:
        request += [(_EQUAL, 0, 1, value), _refuse(errno.EPERM)]
    code += _only_for(numbers["ioctl"], request)
    family = [(_LOAD, 0, 0, _argument(0))]
    for value in _FAMILIES:
        family += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    code += _only_for(numbers["socket"], [*family, _refuse(errno.EAFNOSUPPORT)])
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _argument(index: int) -> int:
    return 16 + 8 * index  # its lower half: both machines are little-endian


def _refuse(number: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ERRNO | number)


def _only_for(number: int, then: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """`then` for one call, and the end of the list for it; other calls skip all of it with the number still loaded."""
    body = [*then, (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), number), *body]
