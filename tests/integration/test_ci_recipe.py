"""The recipe of docs/ci, run: the shell steps of its action in a real repository, comments sent to a server here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

yaml = pytest.importorskip("yaml")
pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="the action's shell needs curl and jq"
)

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "docs/ci/comment/action.yml").read_text())
WORKFLOW = yaml.safe_load(re.search(r"```yaml\n(.*?)```", (ROOT / "docs/ci/README.md").read_text(), re.DOTALL)[1])
GOLDEN = (ROOT / "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()
MARKER = "<!-- kernelsnap diff -->"
OWN, FORK = "someone/project", "else/project"


@dataclass
class Service:
    """The part of GitHub's service that the action talks to: the comments of pull request 7."""

    comments: list[dict] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    url: str = ""
    refuses: bool = False

    def answer(self, method, path, query, token, body):
        self.calls.append(f"{method} {path}")
        if token != "Bearer secret" or self.refuses:
            return 403, {"message": "Resource not accessible by integration"}
        listed, one = f"/repos/{OWN}/issues/7/comments", re.fullmatch(rf"/repos/{OWN}/issues/comments/(\d+)", path)
        if method == "GET" and path == listed:
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return 200, self.comments[size * (page - 1) : size * page]
        if method == "POST" and path == listed:
            return 201, self.add(body["body"])
        if method == "PATCH" and one:
            (found,) = (comment for comment in self.comments if comment["id"] == int(one[1]))
            found["body"] = body["body"]
            return 200, found
        return 404, {"message": "Not Found"}

    def add(self, body):
        number = len(self.comments) + 1
        self.comments.append({"id": number, "body": body, "url": f"{self.url}/repos/{OWN}/issues/comments/{number}"})
        return self.comments[-1]


@pytest.fixture
def service():
    found = Service()

    class Handler(BaseHTTPRequestHandler):
        def do(self):
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = found.answer(
                self.command, parts.path, parse_qs(parts.query), self.headers["Authorization"],
                json.loads(content) if content else None,
            )  # fmt: skip
            self.send_response(told[0])
            self.end_headers()
            self.wfile.write(json.dumps(told[1]).encode())

        do_GET = do_POST = do_PATCH = do  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def git(cwd, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    """A clone as `actions/checkout` leaves it: a branch with a changed golden, `origin/main` beside it."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    (origin / "goldens").mkdir(parents=True)
    git(origin, "init", "-q", "-b", "main")
    (origin / "goldens/a.h100.ksnap").write_text(GOLDEN)
    git(origin, "add", ".")
    git(origin, "commit", "-q", "-m", "main")
    git(tmp_path, "clone", "-q", str(origin), str(clone))
    git(clone, "checkout", "-q", "-b", "branch")
    change(clone, GOLDEN.replace("tl_math.cos", "tl_math.sin"))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "kernelsnap").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kernelsnap "$@"\n')
    (programs / "kernelsnap").chmod(0o755)
    return clone


def change(clone, text):
    (clone / "goldens/a.h100.ksnap").write_text(text)
    git(clone, "commit", "-q", "-a", "--allow-empty", "-m", "change")


@dataclass
class Job:
    """One run of the action's shell steps."""

    failed: str  # the name of the step that failed
    output: str
    summary: str
    clone: Path


def job(clone, service, head=OWN):
    """Run what the workflow asks of the action, step by step, as a runner does."""
    (given,) = (found for step in WORKFLOW["jobs"]["diff"]["steps"] if "range" in (found := step.get("with", {})))
    context = {
        "github.base_ref": "main",
        "github.token": "secret",
        "github.event.pull_request.number": "7",
        "github.event.pull_request.head.repo.full_name": head,
        "github.repository": OWN,
        "steps.page.outputs.artifact-url": "https://example.com/artifacts/1",
    }
    context["inputs.range"] = filled(given["range"], context)
    for name in ("kernelsnap.md", "kernelsnap.json"):
        (clone / name).unlink(missing_ok=True)
    kept, summary = clone.parent / "env", clone.parent / "summary"
    kept.write_text("")
    summary.write_text("")
    environment = {
        **os.environ,
        "PATH": f"{clone.parent / 'programs'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "GITHUB_ENV": str(kept),
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_API_URL": service.url,
        "GITHUB_REPOSITORY": OWN,
        "no_proxy": "127.0.0.1",
    }
    output, failed = "", ""
    for step in ACTION["runs"]["steps"]:
        if "run" not in step or failed or not holds(step.get("if"), context):
            continue
        assert step["shell"] == "bash"
        told = dict(line.partition("=")[::2] for line in kept.read_text().splitlines())
        own = {name: filled(value, context) for name, value in step.get("env", {}).items()}
        script = clone.parent / "step.sh"
        script.write_text(step["run"])
        found = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=clone, env={**environment, **told, **own}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        output += found.stdout + found.stderr
        failed = step["name"] if found.returncode else ""
    return Job(failed, output, summary.read_text(), clone)


def filled(text, context):
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: context[match[1]], text)


def holds(condition, context):
    if condition is None:
        return True
    left, equals, right = condition.split(" ")
    assert equals == "=="
    return context[left] == context[right]


def test_a_changed_golden_is_commented_on_once(checkout, service):
    service.comments += [{"id": n, "body": f"words of people {n}", "url": "nowhere"} for n in range(1, 104)]
    first = job(checkout, service)
    assert first.failed == ""
    assert "1 golden: 1 changed, 0 the same" in first.output
    assert first.summary.startswith(MARKER)
    assert len(service.comments) == 104
    assert service.comments[-1]["body"].startswith(MARKER)
    assert "tl_math.sin" in service.comments[-1]["body"]
    assert "\n[All of it as a page](https://example.com/artifacts/1)" in service.comments[-1]["body"]
    assert first.clone.joinpath("kernelsnap.html").read_text().startswith("<!doctype html>")
    assert json.loads((checkout / "kernelsnap.json").read_text())["causes"] == {"intrinsic": 1}

    change(checkout, GOLDEN.replace("tl_math.cos", "tl_math.tan"))
    job(checkout, service)
    assert len(service.comments) == 104
    assert "tl_math.tan" in service.comments[-1]["body"]
    assert "tl_math.sin" not in service.comments[-1]["body"]
    assert service.calls[-1] == f"PATCH /repos/{OWN}/issues/comments/104"


def test_a_change_that_was_taken_back_is_taken_back_in_the_comment_too(checkout, service):
    job(checkout, service)
    change(checkout, GOLDEN)
    assert job(checkout, service).failed == ""
    (comment,) = service.comments
    assert "1 golden: 1 the same" in comment["body"]


def test_nothing_is_said_where_nothing_changed(checkout, service):
    change(checkout, GOLDEN)
    assert job(checkout, service).failed == ""
    assert service.comments == []


def test_a_fork_has_the_summary(checkout, service):
    found = job(checkout, service, head=FORK)
    assert found.failed == ""
    assert found.summary.startswith(MARKER)
    assert service.calls == []


def test_a_golden_that_cannot_be_read_fails_the_job_after_the_comment(checkout, service):
    change(checkout, GOLDEN.replace("kernelsnap 1", "<<<<<<< ours\nkernelsnap 1", 1))
    found = job(checkout, service)
    assert found.failed == "a golden that cannot be read fails the job"
    assert "the file is in a merge conflict" in service.comments[0]["body"]


def test_a_range_that_is_none_fails_the_job(checkout, service):
    git(checkout, "remote", "rename", "origin", "other")
    found = job(checkout, service)
    assert found.failed == "a golden that cannot be read fails the job"
    assert "origin/main: neither a file or folder nor a revision" in found.output
    assert service.calls == []


def test_a_token_without_the_right_to_comment_is_said(checkout, service):
    service.refuses = True
    found = job(checkout, service)
    assert found.failed == "comment"
    assert "403" in found.output


def test_the_first_goldens_of_a_project_do_not_fail_its_job(checkout, service):
    git(checkout, "checkout", "-q", "--orphan", "empty")
    git(checkout, "rm", "-q", "-r", "-f", ".")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "no golden")
    git(checkout, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(checkout, "checkout", "-q", "-b", "first")
    (checkout / "goldens").mkdir()
    (checkout / "goldens/a.h100.ksnap").write_text(GOLDEN)
    git(checkout, "add", "goldens")
    git(checkout, "commit", "-q", "-m", "a golden")
    found = job(checkout, service)
    assert found.failed == ""
    assert "1 golden: 1 new, 0 the same" in service.comments[0]["body"]


def test_the_page_is_kept_before_the_comment_names_it():
    names = [step.get("name") for step in ACTION["runs"]["steps"]]
    assert names.index("page") < names.index("comment")
    (page,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "page")
    assert page["uses"].startswith("actions/upload-artifact@")
    assert page["with"]["path"].split() == ["kernelsnap.md", "kernelsnap.json", "kernelsnap.html"]
