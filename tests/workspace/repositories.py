"""Repositories for tests, agents that do what they like in a clone, and fingerprints of what must not change."""

from __future__ import annotations

import hashlib
import random
import subprocess
from pathlib import Path

from tenuto.workflows.setup_contracts import WorkspaceOptions

PLAIN = WorkspaceOptions()


def sh(command: str, cwd: Path, *, check: bool = True) -> str:
    """Run a shell command as a user or an agent would, and give its output."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true"}
    done = subprocess.run(["bash", "-c", command], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, str] | None = None) -> Path:
    """A repository of a user's, with one commit, a stash, a dirty file and a staged one."""
    folder.mkdir(parents=True)
    sh("git init -q -b main && git config user.name User && git config user.email user@example.invalid", folder)
    for path, text in ({"a.txt": "a\n", "src/b.txt": "b\n", ".gitignore": "*.log\nbuild/\n"} | (files or {})).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    sh("git add -A && git commit -qm first && git tag -a v1 -m v1 && git branch other", folder)
    sh("echo stashed >> a.txt && git stash -q && echo dirty >> a.txt && echo staged > staged && git add staged", folder)
    (folder / "loose").write_text("untracked\n")
    return folder


def fingerprint(top: Path) -> dict[str, str]:
    """Hashes of the checkout and of all of `.git` that decides about checkout, index, stash and configuration."""
    git_dir = Path(sh("git rev-parse --absolute-git-dir", top))
    common = Path(sh("git rev-parse --path-format=absolute --git-common-dir", top))
    files = [path for path in sorted(top.rglob("*")) if ".git" not in path.relative_to(top).parts and path.is_file()]
    files += [git_dir / "HEAD", git_dir / "index", git_dir / "logs" / "HEAD", git_dir / "FETCH_HEAD"]
    files += [git_dir / "ORIG_HEAD", common / "config", common / "refs" / "stash", common / "logs" / "refs" / "stash"]
    files += [common / "info" / "exclude", common / "packed-refs"]
    marks = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.exists()}
    marks |= {f"{path} time": str(path.stat().st_mtime_ns) for path in files if path.exists()}
    refs = sh("git for-each-ref --format='%(objectname) %(refname)'", top).splitlines()
    return marks | {"refs": "\n".join(line for line in refs if "/tenuto/" not in line)}


def reachable(top: Path) -> set[str]:
    """Every commit that some reference of the repository reaches."""
    return set(sh("git for-each-ref --format='%(objectname)' | git rev-list --stdin", top).split())


def roam(clone: Path, seed: int, steps: int) -> set[str]:
    """An agent that does seeded random things with git in its clone.

    Returns:
        Every commit it made, stashes included.
    """
    chance, made = random.Random(seed), set[str]()
    for step in range(steps):
        name = chance.choice(["a.txt", "src/b.txt", f"new{step}.txt", f"deep/{seed}/{step}.txt"])
        edit = f"mkdir -p $(dirname {name}) && echo {seed}-{step} >> {name}"
        command = chance.choice(
            [
                f"{edit} && git add -A && git commit -qm 'commit {seed}-{step}'",
                f"{edit} && git add -A && git commit -qm 'commit {seed}-{step}'",
                f"{edit} && git add -A && git commit -q --amend -m 'amended {seed}-{step}'",
                f"{edit} && git stash -qu",
                f"{edit} && git stash -q && git stash pop -q || git checkout -qf . && git stash drop -q",
                "git reset -q --hard HEAD~1",
                "git reset -q --hard",
                f"{edit} && git clean -qfdx",
                f"git checkout -qfb side{step}",
                "git checkout -qf $(git for-each-ref --format='%(refname:short)' refs/heads | shuf -n1)",
                "git checkout -qf --detach",
                f"{edit} && git add {name}",
                "git rebase -q main || true",
                "git rebase --abort || true",
                "git merge -q other || true",
                f"git branch -D side{max(0, step - 2)}",
                "git stash drop -q",
                "git reflog expire --expire=now --all",
                edit,
            ]
        )
        seen = sh(f"( {command} ) > /dev/null; git rev-parse HEAD refs/stash", clone, check=False)
        made.update(line for line in seen.splitlines() if len(line) == 40)
    return made
