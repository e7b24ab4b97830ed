"""`report`: a page that tells the truth of a run, and in which no text of an agent is ever markup."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tenuto.activities.agent_record import RecordedFailure
from tenuto.workflows.contracts import ReviewCounts, RunError, Verification
from tenuto.workflows.people_contracts import QuestionView

from .command import Tenuto
from .kept_runs import keep_run, record, review

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]  # many commands each, on a machine that may be busy

HOSTILE = [
    "</pre><script>document.title='x'</script>",
    "<img src=x onerror=alert(1)>",
    "```\n# heading\n| a | b |\n[link](http://evil.invalid) ![i](http://evil.invalid/i.png)",
    "{{ 7 * 7 }} {% raw %} {# comment #}",
    "\x1b[31mred \u202egnp.exe \x00 \ud83d",
    "'\"><style>*{display:none}</style><!--",
    "- [ ] item\n\n<details open>",
]
OURS = {
    *("html", "head", "meta", "title", "style", "body", "header", "section", "p", "h1", "h2", "h3", "h4", "b", "code"),
    *("pre", "dl", "div", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "details", "summary"),
    *("span", "br"),
}


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def peak_kb(tenuto: Tenuto, *words: str) -> int:
    """The most memory that a command has used."""
    command = tenuto.start(*words)
    _, status, used = os.wait4(command.pid, 0)
    command.returncode = os.waitstatus_to_exitcode(status)
    command.communicate()
    assert command.returncode == 0
    return used.ru_maxrss


def hostile_run(home: Path, run_id: str) -> None:
    """Every text that a run has, with every kind of trick in it."""
    bad = "\n".join(HOSTILE)
    safe = bad.encode("utf-8", "replace").decode()
    agents = [
        record(run_id, 1, label=safe, prompt=safe, value={"a": safe}, phase=safe),
        record(run_id, 2, label=safe, value=None, failure=RecordedFailure(kind="refusal", message=safe, raw=safe)),
        record(
            run_id,
            3,
            prompt=f"<work>\n{safe}\n</work>",
            value={"verdict": "fail", "objections": [safe], "evidence": [safe]},
        ),
    ]
    question = QuestionView(id="q1", question=safe, asked_at="x", state="answered", answer={"a": safe}, by=safe)
    verification = Verification(reviews=ReviewCounts(refuted=1))
    given: dict[str, Any] = {
        "workflow": safe,
        "owner": safe,
        "reviews": [review(1, "refuted", {"a3": "fail"})],
        "questions": [question],
        "gates": [{"id": "g1", "name": safe, "passed": False, "reason": safe}],
        "verification": verification,
        "result": {"x": safe},
        "status": "degraded",
    }
    keep_run(home, run_id, agents, **given)


def test_no_text_of_a_run_becomes_markup_in_html(shared: Tenuto) -> None:
    hostile_run(shared.home, "wf_hostile")
    assert shared("report", "wf_hostile", "-o", "h.html").returncode == 0
    text = (shared.folder / "h.html").read_text()
    page = Page(text)
    assert page.open == []
    assert page.elements <= OURS
    assert page.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "id", "open"}
    assert "default-src 'none'" in text
    assert not re.search(
        r"(?:src|href)\s*=\s*[\"']?http|url\(|@import", re.sub(r"<pre>.*?</pre>", "", text, flags=re.S)[:4000]
    )
    for words in ("document.title='x'", "onerror=alert(1)", "{{ 7 * 7 }}", "*{display:none}"):
        assert words in page.text
    assert not re.search(r"[\x00-\x08\x1b\u202e]", text)


def test_no_text_of_a_run_becomes_markup_in_markdown(shared: Tenuto) -> None:
    from markdown_it import MarkdownIt

    hostile_run(shared.home, "wf_hostile_md")
    text = shared("report", "wf_hostile_md").stdout
    assert not re.search(r"[\x00-\x08\x1b\u202e]", text)
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert not {kind for kind in kinds if kind.startswith(("html", "link", "image"))}
    headings = [tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open"]
    assert "heading" not in headings
    assert len([heading for heading in headings if heading.startswith("a")]) == 3


def test_what_failed_comes_first_and_what_nothing_verified_is_said(shared: Tenuto) -> None:
    failure = RecordedFailure(kind="max_tokens", message="cut off", raw="half an ans")
    agents = [record("wf_bad", 1), record("wf_bad", 2, value=None, failure=failure, served="claude-opus-5-5")]
    error = RunError(kind="script", message="no good", line=7)
    keep_run(shared.home, "wf_bad", agents, status="failed", error=error, notices=["two <b>things</b>"])
    text = shared("report", "wf_bad").stdout
    assert (
        text.index("line 7") < text.index("Nothing was verified") < text.index("max\\_tokens") < text.index("## Plan")
    )
    assert "half an ans" in text
    assert "- two &lt;b&gt;things&lt;/b&gt;" in text
    assert "asked claude-sonnet-5-5, served claude-opus-5-5" in text
    assert text.index("### a2") < text.index("### a1")
    told = shared.json("report", "wf_bad", "-o", "bad.html")
    assert (told["verified"], told["status"], told["format"]) == (False, "failed", "html")
    page = Page((shared.folder / "bad.html").read_text())
    assert "Nothing was verified" in page.text
    assert shared("report", "wf_bad", "--format", "html").stdout.startswith("<!DOCTYPE html>")


def test_reviews_are_told_with_their_votes_and_evidence_and_the_worst_first(shared: Tenuto) -> None:
    agents = [
        record(
            "wf_rev",
            n,
            prompt=f"x\n<work>\nclaim {n % 2}\n</work>\ny",
            value={"verdict": vote, "objections": [f"o{n}"], "evidence": [f"e{n}"]},
        )
        for n, vote in ((1, "pass"), (2, "fail"))
    ]
    reviews = [review(1, "confirmed", {"a1": "pass"}), review(2, "refuted", {"a2": "fail"})]
    counts = Verification(reviews=ReviewCounts(confirmed=1, refuted=1))
    keep_run(shared.home, "wf_rev", agents, reviews=reviews, verification=counts)
    page = Page(shared("report", "wf_rev", "--format", "html").stdout).text
    assert page.index("claim 0") < page.index("e2") < page.index("claim 1") < page.index("e1")
    assert "Nothing was verified" not in page


def told_in_both(tenuto: Tenuto, run_id: str) -> tuple[str, str]:
    """Markdown as it is rendered, and the text of the page."""
    text = tenuto("report", run_id).stdout
    return re.sub(r"\\(.)", r"\1", text), " ".join(
        Page(tenuto("report", run_id, "--format", "html").stdout).text.split()
    )


def test_a_review_of_a_commit_is_told_with_its_author_its_paths_and_as_much_of_the_diff_as_can_be_read(
    shared: Tenuto,
) -> None:
    commit, base, diff = "c" * 40, "b" * 40, "".join(f"+line {n} of it\n" for n in range(1000))
    prompt = f'judge\n\n<change commit="{commit}" since="{base}">\n{diff.rstrip()}\n</change>\n\nlook'
    agents = [
        record("wf_commit", 1, label="src/a b.py"),
        *(
            record("wf_commit", n, prompt=prompt, value={"verdict": vote, "objections": said, "evidence": [f"e{n}"]})
            for n, vote, said in ((2, "pass", ["could be shorter"]), (3, "fail", ["it leaks"]))
        ),
    ]
    held = review(1, "disputed", {"a2": "pass", "a3": "fail"})
    held = held.model_copy(update={"author": "a1", "commit": commit, "base": base, "paths": ["src", "*.md"]})
    old = review(2, "refuted", {"a3": "fail"})
    keep_run(
        shared.home,
        "wf_commit",
        agents,
        reviews=[held, old],
        verification=Verification(reviews=ReviewCounts(disputed=1)),
    )
    markdown, page = told_in_both(shared, "wf_commit")
    command = "git diff bbbbbbbbbbbb cccccccccccc -- ':(glob)src' ':(glob)*.md'"
    for text in (markdown, page):
        assert "the work of a1 src/a b.py" in text
        assert "only src, *.md" in text
        assert "+line 7 of it" in text and "+line 900 of it" not in text
        assert command in text
        assert "1 review is disputed" in text.partition("Plan")[0]
        assert text.count("commit cccccccccccc") == 2, "an earlier version's review has it from its reviewers"
    assert "remark: could be shorter" in markdown and "objection: it leaks" in markdown
    audited = [json.loads(line) for line in shared("audit", "wf_commit").stdout.splitlines()]
    assert [(each["commit"], each["base"]) for each in audited if each["type"] == "review"] == [(commit, base)] * 2


def test_a_run_without_agents_has_no_empty_parts_and_counts_one_as_one(shared: Tenuto) -> None:
    gates = [{"id": "g1", "name": "true", "passed": True, "runs": 1}]
    question = QuestionView(id="q1", question="On?", asked_at="x", state="default", answer=None)
    keep_run(shared.home, "wf_none", [], gates=gates, questions=[question])
    markdown, page = told_in_both(shared, "wf_none")
    for text in (markdown, page):
        assert "Money" not in text and "By phase" not in text
        assert "No agent ran." in text
        assert "1 run" in text and "1 runs" not in text
        assert "1 question got its default" in text.partition("Plan")[0]
        assert "nobody answered in time, so its default was taken" in text and "null" in text
    keep_run(shared.home, "wf_one", [record("wf_one", 1)])
    markdown, page = told_in_both(shared, "wf_one")
    for text in (markdown, page):
        assert "1 turn, 1 attempt" in text and "1 attempts" not in text
        assert "Money" in text and "No agent ran." not in text


def test_what_an_attempt_answered_is_no_evidence_and_questions_do_not_stand_among_the_votes(shared: Tenuto) -> None:
    agents = [record("wf_asked", 1, value="it is the cache")]
    held = review(1, "disputed", {"a1": "1 of 1 agree"}).model_copy(update={"kind": "converge"})
    question = QuestionView(id="q1", question="On?", asked_at="x", state="answered", answer={"go": None}, by="ann")
    keep_run(shared.home, "wf_asked", agents, reviews=[held], questions=[question])
    markdown, page = told_in_both(shared, "wf_asked")
    assert "its answer: it is the cache" in markdown and "its answerit is the cache" in page
    for text in (markdown, page):
        assert text.index("1 of 1 agree") < text.index("What people were asked") < text.index('{"go": null}')


def test_a_thousand_agents_make_a_page_that_opens_and_say_where_the_rest_is(shared: Tenuto) -> None:
    agents = [record("wf_1000", n, prompt="p" * 20_000, value="v" * 20_000) for n in range(1, 1001)]
    keep_run(shared.home, "wf_1000", agents)
    assert shared("report", "wf_1000", "-o", "large.html").returncode == 0
    assert (shared.folder / "large.html").stat().st_size < 2_000_000
    assert "700 more" in Page((shared.folder / "large.html").read_text()).text
    keep_run(shared.home, "wf_few", agents[:10])
    few, many = (peak_kb(shared, "audit", run_id, "-o", "large.jsonl") for run_id in ("wf_few", "wf_1000"))
    lines = (shared.folder / "large.jsonl").read_text().splitlines()
    assert [f'"id": "a{n}"' in line for n, line in enumerate(lines)][1:] == [True] * 1000
    assert many - few < 60_000  # the file has 40 MB twice over in memory, were it not one agent at a time


def test_a_damaged_record_costs_its_agent_and_not_the_page(shared: Tenuto) -> None:
    keep_run(shared.home, "wf_torn", [record("wf_torn", n) for n in (1, 2, 3)])
    agents = shared.home / "store" / "runs" / "wf_torn" / "agents"
    (agents / "a1" / "record.json").write_text('{"entry": "x", "val')
    (agents / "a2" / "record.json").write_text('{"agent": "a2", "last_messages": [7]}')
    (agents / "a3" / "turns").mkdir()
    (agents / "a3" / "turns" / "000000.json").write_text("[]]")
    assert "value 3" in shared("report", "wf_torn").stdout
    assert [each["id"] for each in shared.json("audit", "wf_torn")] == ["wf_torn", "a1", "a2", "a3"]
    assert shared("changes", "wf_torn").returncode == 0


@pytest.mark.parametrize("name", ["r.pdf", "r"])
def test_a_file_that_is_no_page_is_refused_before_anything_is_read(shared: Tenuto, name: str) -> None:
    done = shared("report", "wf_never", "-o", name)
    assert (done.returncode, "FILE.html" in done.stderr, done.stderr.count("\n")) == (2, True, 1)
