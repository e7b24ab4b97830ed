"""The `/etc` of a sandbox: a folder made once per run, of copies of what toolchains read and of files of our own.

A copy, since each mount of a file costs a third of a millisecond per command and forty of them are needed.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

COPIED = (
    "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version",
    "default/locale", "dotnet", "fonts", "gai.conf", "host.conf", "inputrc", "java-*", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "locale.alias", "locale.conf", "localtime", "lsb-release", "magic", "magic.mime",
    "maven/m2.conf", "maven/logging", "mime.types", "networks", "openjdk", "os-release", "perl", "php",
    "pki/ca-trust", "pki/java", "pki/tls/cert.pem", "pki/tls/certs", "pki/tls/openssl.cnf", "protocols", "python3",
    "python3.*", "R", "redhat-release", "rpc", "services", "shells", "ssl/cert.pem", "ssl/openssl.cnf",
    "terminfo", "timezone", "xattr.conf", "xml",
)  # fmt: skip
"""One by one: the folder as such holds `shadow`, host keys and passwords."""

BOUND = ("alternatives", "ssl/certs")
"""Folders of hundreds of entries: these are mounted into it."""

_FILE_MAX = 4 << 20
_ENTRIES_MAX = 5000


def folder(home: Path, own: Mapping[str, str], system: Path = Path("/etc")) -> Path:
    """Make the folder of a run, where it is not made yet. `own` are files that are written anew, by name."""
    made = home / "etc"
    if made.is_dir():
        return made
    building = home / f".etc-{os.getpid()}"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    left = _ENTRIES_MAX
    for pattern in COPIED:
        for source in sorted(system.glob(pattern)):
            left = _copy(source, building / source.relative_to(system), left)
    for name in BOUND:
        (building / name).mkdir(parents=True, exist_ok=True)
    for name, text in own.items():
        (building / name).write_text(text)
    try:
        building.rename(made)
    except OSError:  # another Worker of this host was quicker
        shutil.rmtree(building)
    return made


def arguments(made: Path, system: Path = Path("/etc")) -> list[str]:
    """Arguments for `bwrap` that mount it."""
    found = ["--ro-bind", str(made), "/etc"]
    for name in BOUND:
        found += ["--ro-bind-try", str(system / name), f"/etc/{name}"]
    return found


def _copy(source: Path, target: Path, left: int) -> int:
    """Copy links, folders and files that everyone may read. How many more entries may follow."""
    try:
        facts = source.lstat()
    except OSError:
        return left
    if left <= 0:
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(facts.st_mode):
        target.symlink_to(source.readlink())
    elif stat.S_ISDIR(facts.st_mode) and facts.st_mode & 0o005 == 0o005:
        target.mkdir(exist_ok=True)
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            left = _copy(Path(entry.path), target / entry.name, left)
    elif stat.S_ISREG(facts.st_mode) and facts.st_mode & 0o004 and facts.st_size <= _FILE_MAX:
        shutil.copyfile(source, target)
        shutil.copystat(source, target)
    return left - 1
