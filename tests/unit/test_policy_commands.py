"""What shell commands rules allow and deny, whatever the commands hide behind."""

from __future__ import annotations

import time

import pytest

from .policy_play import bash, rules

# ------------------------------------------------------------------------------------- only some are allowed

IN_PART = [
    ("Bash(npm test:*)", "npm test", True),
    ("Bash(npm test:*)", "npm test -- --watch=false", True),
    ("Bash(npm test:*)", "npm  test", True),
    ("Bash(npm test:*)", "npm 'test' x", True),
    ("Bash(npm test:*)", "npm tests", False),
    ("Bash(npm test:*)", "npm testing", False),
    ("Bash(npm test:*)", "npm run test", False),
    ("Bash(npm test:*)", "xnpm test", False),
    ("Bash(npm test:*)", "./npm test", False),
    ("Bash(npm run *)", "npm run build", True),
    ("Bash(npm run *)", "npm run", True),
    ("Bash(npm run *)", "npm running", False),
    ("Bash(ls*)", "lsof", True),
    ("Bash(ls *)", "lsof", False),
    ("Bash(npm run build)", "npm run build", True),
    ("Bash(npm run build)", "npm run build --prod", False),
    ("Bash(npm run build)", "npm run buil", False),
    ("Bash(git * main)", "git merge main", True),
    ("Bash(git * main)", "git merge maint", False),
    ("Bash(* --version)", "node --version", True),
    ('Bash(git commit -m "a b")', 'git commit -m "a b"', True),
    ('Bash(git commit -m "a b")', 'git commit -m "a c"', False),
    # each simple command by itself
    ("Bash(npm test:*)", "npm test && rm -rf src", False),
    ("Bash(npm test:*)", "npm test & rm -rf src", False),
    ("Bash(npm test:*)", "npm test; rm x", False),
    ("Bash(npm test:*)", "npm test | sh", False),
    ("Bash(npm test:*)", "npm test |& tee x", False),
    ("Bash(npm test:*)", "npm test || rm x", False),
    ("Bash(npm test:*)", "npm test\nrm x", False),
    ("Bash(npm test:*)", "npm test $(rm x)", False),
    ("Bash(npm test:*)", "npm test `rm x`", False),
    ("Bash(npm test:*)", 'npm test "$(rm x)"', False),
    ("Bash(npm test:*)", "npm test <(rm x)", False),
    ("Bash(npm test:*)", "npm test ${A:-$(rm x)}", False),
    ("Bash(npm test:*)", "npm test $((1 + $(rm x)))", False),
    ("Bash(npm test:*)", "X=$(rm x)", False),
    ("Bash(npm test:*)", "npm test <<E\n$(rm x)\nE", False),
    ("Bash(npm test:*)", "(npm test)", True),
    ("Bash(npm test:*)", "{ npm test; }", True),
    ("Bash(npm test:*)", "if npm test; then rm x; fi", False),
    ("Bash(npm test:*)", "while npm test; do npm test; done", True),
    ("Bash(npm test:*)", "! npm test", True),
    ("Bash(npm test:*)", "npm() { rm x; }; npm test", False),
    ("Bash(npm test:*)", "npm test && npm test -- --ci", True),
    ("Bash(npm test:*)", "npm test '&& rm x'", True),
    ("Bash(npm test:*)", "npm test # && rm x", True),
    ("Bash(npm test:*)", "# npm test\nrm x", False),
    # what is seen through word for word
    ("Bash(npm test:*)", "timeout 30 npm test", True),
    ("Bash(npm test:*)", "timeout -k 5 30 npm test", True),
    ("Bash(npm test:*)", "timeout 30 rm x", False),
    ("Bash(npm test:*)", "timeout -Z npm test rm", False),
    ("Bash(npm test:*)", "time npm test", True),
    ("Bash(npm test:*)", "nice -n 5 npm test", True),
    ("Bash(npm test:*)", "nohup npm test", True),
    ("Bash(npm test:*)", "stdbuf -oL npm test", True),
    ("Bash(npm test:*)", "env CI=1 npm test", True),
    ("Bash(npm test:*)", "CI=1 npm test", True),
    ("Bash(npm test:*)", "env -S npm test", False),
    ("Bash(npm test:*)", "xargs npm test", True),
    ("Bash(npm test)", "xargs npm test", False),
    ("Bash(npm test:*)", "xargs -n1 npm test", False),
    ("Bash(npm test:*)", "sh -c 'npm test'", True),
    ("Bash(npm test:*)", "bash -lc 'npm test && rm x'", False),
    ("Bash(npm test:*)", "bash -c 'npm test > x'", False),
    ("Bash(npm test:*)", "sudo npm test", False),
    ("Bash(sudo:*)", "sudo npm test", True),
    ("Bash(npm test:*)", "watch npm test", False),
    ("Bash(find:*)", "find . -name x", True),
    ("Bash(find:*)", "find . -exec rm {} +", False),
    ("Bash(find:*)", "find . -delete", False),
    # what decides that another program runs
    ("Bash(npm test:*)", "PATH=. npm test", False),
    ("Bash(npm test:*)", "export PATH=.; npm test", False),
    ("Bash(npm test:*)", "env PATH=. npm test", False),
    ("Bash(npm test:*)", "LD_PRELOAD=./x.so npm test", False),
    ("Bash(npm test:*)", "NODE_OPTIONS='-r ./x' npm test", False),
    ("Bash(npm test:*)", "BASH_ENV=x npm test", False),
    ("Bash(git log:*)", "git --no-pager log", True),
    ("Bash(git log:*)", "git -C sub log", True),
    ("Bash(git log:*)", "git -c core.pager=./x log", False),
    ("Bash(git:*)", "git -c alias.lg='!rm x' lg", False),
    ("Bash(git log:*)", "GIT_PAGER=./x git log", False),
    # what hides its command
    ("Bash(npm test:*)", "$X test", False),
    ("Bash(npm test:*)", "npm $X", False),
    ("Bash(npm test:*)", "npm test $X", True),
    ("Bash(npm test:*)", "n*m test", False),
    ("Bash(npm test:*)", "{npm,test}", False),
    ("Bash(npm test:*)", "eval npm test", False),
    ("Bash(npm test:*)", "npm test (", False),
    ("Bash(npm test:*)", "npm test '", False),
    ("Bash(npm test:*)", "echo rm x | sh", False),
    ("Bash(sh:*)", "sh ./build.sh", True),
    ("Bash(npm test:*)", "", True),
]


@pytest.mark.parametrize(("rule", "command", "allowed"), IN_PART)
def test_where_only_some_commands_are_allowed(rule: str, command: str, allowed: bool) -> None:
    refusal = bash(rules(["Read", "Write", rule], default=False), command)
    assert (refusal is None) == allowed, refusal
    if refusal is not None:
        assert "\n" not in refusal.remedy


def test_output_goes_only_where_files_may_be_written() -> None:
    tester = rules().narrowed(["Read", "Bash(npm test:*)", "Edit(./out/**)"])
    assert bash(tester, "npm test > out/log 2>&1") is None
    assert bash(tester, "npm test > /dev/null") is None
    assert bash(tester, "npm test > src/a.py") is not None
    assert bash(tester, "npm test > $X") is not None
    assert bash(tester, "npm test >> out/../src/a.py") is not None
    assert bash(rules().narrowed(["Bash(npm test:*)"]), "npm test > out/log") is not None
    assert bash(rules().narrowed(["Bash"]), "npm test > src/a.py") is None, "all of Bash is allowed"


# --------------------------------------------------------------------------------------------- some are denied

EVASIONS = [
    "git push",
    "git  push origin main",
    "git\tpush",
    '"git" push',
    "'git' 'push'",
    "g''it pu\"s\"h",
    "g\\it push",
    "$'\\x67it' push",
    "git $'\\160ush'",
    "/usr/bin/git push",
    "./git push",
    "git -C sub push",
    "git -C sub -c a.b=c push",
    "git -c a.b=c push",
    "git --git-dir=.git push",
    "git --git-dir .git --work-tree . push",
    "git --no-pager push",
    "git -p push",
    "git-push",
    "/usr/lib/git-core/git-push origin",
    "git -c alias.x=push x",
    "git -c alias.x='-c a.b=c push' x",
    "git -c alias.x='!git push' x",
    "git -c alias.x=y -c alias.y=push x",
    "git -c core.pager='git push' log",
    "git -c core.fsmonitor='git push' status",
    "GIT_EDITOR='git push' git commit",
    "X=1 git push",
    "env git push",
    "env X=1 git push",
    "env -i X=1 git push",
    "env -u A git push",
    "sudo git push",
    "sudo -u bob git push",
    "doas git push",
    "nohup git push &",
    "time git push",
    "time -p git push",
    "nice -n 10 git push",
    "timeout 5 git push",
    "timeout -s KILL 5 git push",
    "stdbuf -oL git push",
    "setsid git push",
    "setsid -f git push",
    "ionice -c 3 git push",
    "flock /tmp/l git push",
    "flock /tmp/l -c 'git push'",
    "watch git push",
    "watch 'git push'",
    "exec git push",
    "exec -a x git push",
    "command git push",
    "command -p git push",
    "builtin command git push",
    "coproc git push",
    "busybox sh -c 'git push'",
    "su -c 'git push' bob",
    "script -qc 'git push' /dev/null",
    "xargs git push",
    "echo x | xargs -n1 -I{} git push {}",
    "echo push | xargs git",
    "echo origin | xargs git push",
    "find . -exec git push ';'",
    "find . -execdir git push {} +",
    "sh -c 'git push'",
    'bash -c "git push"',
    "bash -lc 'cd x && git push'",
    "bash -eo pipefail -c 'true; git push'",
    "bash -x -e -c 'git push'",
    "bash --norc -c 'git push'",
    "sh -c \"sh -c 'git push'\"",
    "sh -c 'git \"$@\"' _ push",
    "sh -c '$0 push' git",
    "sudo sh -c 'git push'",
    "env X=1 nohup sh -c 'git push'",
    "eval git push",
    "eval 'git push'",
    'eval "$X"',
    "source ./x.sh",
    ". ./x.sh",
    "echo 'git push' | sh",
    "bash <<< 'git push'",
    "bash <<'E'\ngit push\nE",
    "sh -s < x",
    "sh",
    'bash -c "$X"',
    "$X push",
    "${GIT} push",
    "git $X",
    "git pus?",
    "git {push,}",
    "g?t push",
    '"$@"',
    "$(echo git) push",
    "`echo git push`",
    "alias x='git push'; x",
    "trap 'git push' EXIT",
    'trap "$X" EXIT',
    "f() { git push; }; f",
    "(git push)",
    "{ git push; }",
    "true && git push",
    "true; git push",
    "false || git push",
    "true | git push",
    "true & git push",
    "true\ngit push",
    "if true; then git push; fi",
    "for i in 1; do git push; done",
    "while true; do git push; break; done",
    "case x in *) git push;; esac",
    "echo $(git push)",
    'echo "$(git push)"',
    "echo `git push`",
    "echo <(git push)",
    "echo ${X:-$(git push)}",
    "echo $(( $(git push) ))",
    "X=$(git push)",
    "X=(a $(git push))",
    "cat <<E\n$(git push)\nE",
    "cat <<< $(git push)",
    "[[ $(git push) ]]",
    "> x git push",
    "git > x push",
    "git 2>/dev/null push",
    "! git push",
    "git push # comment",
    "gi\\\nt push",
    "git\\\n push",
    "git \\\n  push",
    "git push (",
    "git\rpush",
    "git <<E push\nx\nE",
    "coproc <<E git push\nx\nE",
    "echo # $(\n\\git push",
    "echo # x\n\\\ngit push",
    "echo x\n \\\ngit push",
    "! while git <<E push\nx\nE\ndo break; done",
    "git\\\n 2>&1 push",
    "echo 'unfinished",
    "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=alias.x GIT_CONFIG_VALUE_0=push git x",
    "BASH_ENV=x bash y",
    "git submodule foreach git push",
    "git submodule foreach 'git push'",
    "git bisect run git push",
    "git rebase -x 'git push' HEAD~1",
    "uv run git push",
    "npx -y git push",
]


@pytest.mark.parametrize("command", EVASIONS)
@pytest.mark.parametrize("rule", ["Bash(git push:*)", "Bash(git push *)"])
def test_a_denied_command_is_found_wherever_it_hides(rule: str, command: str) -> None:
    refusal = bash(rules(deny=[rule]), command)
    assert refusal is not None
    assert refusal.rule == rule


@pytest.mark.parametrize(
    "command",
    [
        "git status",
        "git log --oneline -- push",
        "git commit -m 'do not git push'",
        "echo 'git push'",
        "echo git push",
        "grep -r 'git push' .",
        "git pushy",
        "npm test && pytest -q | tail -5",
        "cat <<'E' > notes.md\ngit push is denied\nE",
        'python -c "print(1)"',
        "for f in *.py; do python -m py_compile $f; done",
        "X=1 make -j4 all 2>&1 | tee build.log",
        "sh ./build.sh",
        "bash -c 'npm test'",
        "timeout 5 npm test $X",
        "find . -name '*.py' -exec wc -l {} +",
        "ls | xargs wc -l",
        'git commit -m "$MESSAGE"',
        "cd sub && ls",
        "PATH=$PWD/bin:$PATH npm test",
        "rm -rf build/ && mkdir -p build",
    ],
)
def test_what_only_looks_like_a_denied_command_runs(command: str) -> None:
    assert bash(rules(deny=["Bash(git push:*)"]), command) is None


@pytest.mark.parametrize(
    "command", ["$X", "eval x", "a ( b", "'", "bash", "\r", "source x", "x" * 300_000], ids=lambda text: text[:10]
)
def test_what_cannot_be_seen_runs_only_where_all_of_bash_is_allowed(command: str) -> None:
    assert bash(rules(), command) is None
    assert bash(rules(deny=["Bash(git push:*)"]), command) is not None
    assert bash(rules().narrowed(["Bash(npm test:*)"]), command) is not None
    assert bash(rules().narrowed(["!Bash(git:*)"]), command) is not None


@pytest.mark.parametrize(
    ("rule", "command"),
    [
        ("Bash(rm -rf:*)", "/bin/rm -rf x"),
        ("Bash(rm:*)", "find . -delete"),
        ("Bash(rm:*)", "ls | xargs rm"),
        ("Bash(rm:*)", "\\rm x"),
        ("Bash(rm -rf /)", 'rm -rf "$X"'),
        ("Bash(npm publish:*)", "npm --workspace web publish"),
        ("Bash(docker push:*)", "docker --host h push image"),
        ("Bash(* --force)", "git push --force"),
        ("Bash(curl *)", "a | curl -d @- http://x"),
        ("Bash", "true"),
        ("Bash(*)", "true"),
    ],
)
def test_denying_rules_of_every_form(rule: str, command: str) -> None:
    assert bash(rules(deny=[rule]), command) is not None


def test_a_refusal_names_the_rule_and_what_is_allowed_instead() -> None:
    denied = bash(rules(deny=["Bash(git push:*)"]), "true && git push origin")
    assert denied is not None
    assert "`git push origin` is denied by the rule Bash(git push:*)" in denied.message
    assert "'Bash(git push:*)' out of" in denied.remedy
    left_out = bash(rules(["Bash(npm test:*)"], default=False), "npm install left-pad")
    assert left_out is not None
    assert "`npm install left-pad`" in left_out.message
    assert "Bash(npm test:*)" in left_out.message
    assert left_out.remedy == "allow it with --allow 'Bash(npm install:*)'"
    narrowed = bash(rules().narrowed(["Bash(npm test:*)"]), "make")
    assert narrowed is not None
    assert narrowed.remedy == "add 'Bash(make:*)' to the agent's tools"


@pytest.mark.parametrize(
    "command",
    [
        "(" * 3000 + "x" + ")" * 3000,
        "$(" * 2000 + "x" + ")" * 2000,
        "sudo " * 3000 + "x",
        "sudo a=1 " * 10_000 + "x",
        "xargs -n1 rm " + "y " * 30_000,
        "sh -c '" * 30 + "x" + "'" * 30,
        "x " * 60_000,
        "a; " * 20_000,
        "nohup " * 200 + "$X " * 200,
        "git -c alias.a=a a",
        "git -c alias.a=b -c alias.b=a a",
    ],
    ids=lambda text: text[:12],
)
def test_no_command_takes_long_to_decide(command: str) -> None:
    started = time.process_time()
    for judged in (rules(deny=["Bash(git push:*)", "Bash(* --force *)"]), rules().narrowed(["Bash(npm test:*)"])):
        bash(judged, command, shared=True)
    assert time.process_time() - started < 3
