# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bug in the app's source, a patch of one line, one command: branch, images, deploy, proven from outside."""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from sandbox import faults, origin
from sandbox.cli import docker
from sandbox.config import REGISTRY, REGISTRY_ADDRESS, REGISTRY_PORT, STATE
from tests.integration import buildx
from tests.integration.driver import UNCHECKED, Host, Played, play
from tests.integration.hotfix import hotfix
from tests.unit.plugins.plugin_utils.emergency.github_server import TOKEN, GitHubServer

STAGING = ("-l", "staging")
PRODUCTION = ("-l", "production")
SAVES = '(share_id, texts["title"], texts["content"])'
BROKEN = '(share_id, texts["title"].encode("ascii").decode(), texts["content"])'
HEALTHY, UNHEALTHY = "if self.version.never_healthy:", "if True:"
AS_BACKEND = "FROM app AS backend\n"
#: What users complain of: it fails before the hotfix, and must pass after it.
VERIFY = {
    "name": "a note with an umlaut can be saved",
    "type": "http",
    "verify": True,
    "method": "POST",
    "path": "/api/notes/share",
    "body": {"title": "\u00c4pfel", "content": "x"},
    "expect": {"status": 201},
    "capture": {"id": "$.shareId"},
    "cleanup": [{"path": "/api/notes/{id}"}],
    "retries": 0,
}
SAID = {
    "what": "Save notes with umlauts",
    "fixes": "Saving a note with an umlaut fails with 500",
    "risk": "low",
    "guard_reasons": {"tests": "the app has none"},
}


def given(**more: Any) -> tuple[str, str]:
    return "-e", json.dumps({"backup_skip_reason": "a test", **more})


def good(done: Played) -> Played:
    assert done.code == 0, done.raw
    return done


@pytest.fixture(scope="module", autouse=True)
def _buildx() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(buildx.config("staging1")))
        yield


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the app's source, whose main has the bug, with its origin over SSH."""
    origin.up()
    folder = tmp_path_factory.mktemp("source") / "notes"
    origin.checkout("notes", folder)
    backend = folder / "notes/backend.py"
    text = backend.read_text(encoding="utf-8")
    assert text.count(SAVES) == 1
    backend.write_text(text.replace(SAVES, BROKEN), encoding="utf-8")
    origin.git(folder, "config", "user.name", "Dev Example")
    origin.git(folder, "config", "user.email", "dev@example.com")
    origin.git(folder, "commit", "--quiet", "--all", "--message", "Tidy up")
    origin.git(folder, "push", "--quiet", "origin", "main")
    return folder


@pytest.fixture(scope="module")
def patch(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fix: one line."""
    backend = checkout / "notes/backend.py"
    broken = backend.read_text(encoding="utf-8")
    backend.write_text(broken.replace(BROKEN, SAVES), encoding="utf-8")
    path = tmp_path_factory.mktemp("fix") / "fix.patch"
    path.write_text(origin.git(checkout, "diff") + "\n", encoding="utf-8")
    backend.write_text(broken, encoding="utf-8")
    return path


@contextmanager
def committed(folder: Path, branch: str, files: dict[str, str]) -> Iterator[None]:
    """Have a branch with one commit that changes files; the checkout is on main as before."""
    origin.git(folder, "checkout", "--quiet", "-b", branch)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    origin.git(folder, "add", "--all")
    origin.git(folder, "commit", "--quiet", "--message", branch)
    origin.git(folder, "checkout", "--quiet", "main")
    try:
        yield
    finally:
        origin.git(folder, "branch", "--quiet", "-D", branch)


class CutOff:
    """A gateway to the registry that is gone for good once so many bytes went through it."""

    def __init__(self, after: int) -> None:
        self._left = after
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut = False

    def __enter__(self) -> CutOff:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_nothing: object) -> None:
        self._end()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                server = socket.create_connection((REGISTRY_ADDRESS, REGISTRY_PORT))
                self._open += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self._left -= len(data)
                    self.cut = self.cut or self._left < 0
                if self.cut:
                    self._end()
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _end(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def branches(folder: Path) -> list[str]:
    listed = origin.git(folder, "ls-remote", "origin", "refs/heads/hotfix/*")
    return [line.split("refs/heads/")[1] for line in listed.splitlines()]


def checkout_state(folder: Path) -> tuple[str, ...]:
    kept = [origin.git(folder, *words.split()) for words in ("status --porcelain", "branch --all", "rev-parse HEAD")]
    return (*kept, origin.git(folder, "worktree", "list"))


def test_a_bug_in_the_source_is_fixed_on_both_hosts_by_one_command(
    production: list[Host], checkout: Path, patch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good(play("adopt", *PRODUCTION))
    good(play("proxy", *PRODUCTION))
    # The broken release: what main holds, by the parts alone.
    source = {"hotfix_repository": str(checkout)}
    built = good(play("emergency_build", *PRODUCTION, *given(services="backend", **source)))
    assert "is in the registry." in built.text
    good(play("deploy", *PRODUCTION, "-e", "version=emergency", *UNCHECKED, *given()))
    bad = {one.name: one.current() for one in production}
    before = checkout_state(checkout)

    wanted = {**SAID, **source, "services": "backend", "patch": str(patch), "hotfix_checks": [VERIFY]}
    with GitHubServer() as github, monkeypatch.context() as ci:
        ci.setenv("GITHUB_TOKEN", TOKEN)
        there = {"merge_back_api": github.url, "merge_back_repository": "example/wiki"}
        done = good(play("hotfix", *PRODUCTION, *given(**wanted, **there)))
        github.shutdown()
    assert "Deploy: done on every host." in done.text
    assert TOKEN not in done.raw
    for one in production:
        proof = f"{VERIFY['name']} failed at {one.name} before and passes now: the fix resolves the incident."
        assert proof in done.text
        record = one.current()
        assert record["version"].startswith("hotfix-")
        assert record["version"] != bad[one.name]["version"]
        # What was not built runs on as it was.
        for service in ("frontend", "hocuspocus"):
            assert record["images"][service] == bad[one.name]["images"][service]
    # The branch holds the commit, main does not yet, and the checkout is as it was.
    (name,) = branches(checkout)
    assert checkout_state(checkout) == before
    origin.git(checkout, "fetch", "--quiet", "origin", name)
    commit = origin.git(checkout, "rev-parse", "FETCH_HEAD")
    assert production[0].current()["images"]["backend"]["revision"] == commit
    (pull,) = github.pulls
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (name, "main")
    assert commit in pull["body"]
    message = origin.git(checkout, "log", "-1", "--format=%B", commit)
    assert message.splitlines()[0] == "HOTFIX: Save notes with umlauts"
    assert "Risk: Low" in message
    assert "Hotfix-Guard-tests: the app has none" in message

    # Once more, by the same words: everything is found, and nothing is done.
    again = good(play("hotfix", *PRODUCTION, *given(**wanted)))
    assert "was in the registry already" in again.text
    assert "Deploy: nothing to do." in again.text
    assert branches(checkout) == [name]
    # Nobody gave a token: what brings it back is told, and what would take it from users is warned of.
    assert f"git merge --no-ff --no-edit {commit}" in again.text
    built = good(play("emergency_build", *PRODUCTION, *given(services="backend", **source)))
    warned = good(play("deploy", *PRODUCTION, "-e", "version=emergency", *UNCHECKED, *given(**source)))
    assert f"lacks the hotfix {commit[:12]} (HOTFIX: Save notes with umlauts), which users have now" in warned.text
    # No login is left on this machine.
    assert not list(Path("/tmp").glob("hotfix-docker-*"))


def test_nothing_is_built_where_a_guard_stops_it(bare: Host, checkout: Path, patch: Path) -> None:
    held = branches(checkout)
    wanted = {
        **SAID,
        "what": "Try something",
        "guard_reasons": {},
        "hotfix_repository": str(checkout),
        "patch": str(patch),
    }
    done = play("hotfix", *STAGING, *given(**wanted))
    assert done.code != 0
    assert "no test command is configured (hotfix_test_command)" in done.text
    assert branches(checkout) == held
    assert not any(step == "pull" for step in bare.steps_begun())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"services": "backend,wiki"}, "Unknown service wiki: there are backend, frontend, hocuspocus."),
        ({"revision": "nonsense"}, "The commit 'nonsense' is not known in"),
        (
            {"hotfix_registry_password": "not-the-password"},
            "registry.example.com:5000 does not let ci read notes-backend (401",
        ),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_built(
    more: dict[str, str], says: str, bare: Host, checkout: Path
) -> None:
    done = play(
        "emergency_build", *STAGING, *given(services="backend", hotfix_repository=str(checkout)), *given(**more)
    )
    assert done.code != 0
    assert says in done.text
    assert "building" not in done.text
    assert "not-the-password" not in done.text
    assert bare.name


def test_a_dockerfile_that_fails_is_shown_and_nothing_is_pushed(bare: Host, checkout: Path) -> None:
    origin.git(checkout, "checkout", "--quiet", "-b", "broken-build")
    dockerfile = checkout / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    # The one that is built first goes on when the other fails, and is ended for it.
    for target, step in (("backend", "sleep 30"), ("frontend", "sleep 1; echo compiling; false")):
        marker = f"FROM app AS {target}\n"
        text = text.replace(marker, f"{marker}RUN {step}\n")
    dockerfile.write_text(text, encoding="utf-8")
    origin.git(checkout, "commit", "--quiet", "--all", "--message", "A step that fails")
    origin.git(checkout, "checkout", "--quiet", "main")
    try:
        wanted = {"services": "backend,frontend", "revision": "broken-build", "hotfix_repository": str(checkout)}
        done = play("emergency_build", *STAGING, *given(**wanted))
    finally:
        origin.git(checkout, "branch", "--quiet", "-D", "broken-build")
    assert done.code != 0
    assert "The image of frontend could not be built from" in done.text
    assert "compiling" in done.text
    assert "Nothing was pushed." in done.text
    assert bare.name


@pytest.mark.slow
def test_without_a_registry_the_images_go_straight_to_the_host(staging: Host, checkout: Path, patch: Path) -> None:
    good(play("adopt", *STAGING))
    wanted = {**SAID, "services": "backend", "patch": str(patch), "hotfix_repository": str(checkout)}
    # Nothing listens there.
    done = good(play("hotfix", *STAGING, *UNCHECKED, *given(**wanted, hotfix_registry_address="127.0.1.30:5999")))
    assert "The registry was not used" in done.text
    record = staging.current()
    assert record["images"]["backend"]["source"] == "transferred"
    assert record["images"]["frontend"]["source"] != "transferred"
    assert staging.served() == ("v1", True)
    assert staging.runs_its_record()
    local = docker("image", "inspect", "--format", "{{.Id}}", f"{REGISTRY}/notes-backend:{record['version']}")
    assert record["images"]["backend"]["image_id"] == local


@pytest.mark.slow
def test_the_command_ships_a_hotfix_and_again_finds_it_done(
    staging: Host, checkout: Path, patch: Path, tmp_path: Path
) -> None:
    good(play("adopt", *STAGING))
    said = ("--what", str(SAID["what"]), "--fixes", str(SAID["fixes"]), "--risk", "low")
    more = {"guard_reasons": SAID["guard_reasons"], "hotfix_repository": str(checkout), "backup_skip_reason": "a test"}
    typed = (
        "ship",
        "--patch",
        str(patch),
        *said,
        "--service",
        "backend",
        *STAGING,
        *UNCHECKED,
        "-e",
        json.dumps(more),
        "-o",
        "json",
    )
    ended = hotfix(tmp_path, *typed)
    assert ended.code == 0, ended.text
    assert [host["outcome"] for host in ended.result["hosts"]] == ["done"]
    record = staging.current()
    assert record["version"].startswith("hotfix-")
    assert staging.runs_its_record()
    assert any("hotfix rollback" in line for line in ended.result["next"])
    again = hotfix(tmp_path, *typed)
    assert again.code == 3, again.text
    assert staging.current() == record


@pytest.mark.slow
def test_a_disk_that_fills_up_while_building_is_told(bare: Host, checkout: Path) -> None:
    dockerfile = (checkout / "Dockerfile").read_text(encoding="utf-8")
    # The step's own shared memory, which is soon full: never the machine's disk.
    small = "RUN cat /dev/zero >/dev/shm/filler\n"
    with committed(checkout, "full-disk", {"Dockerfile": dockerfile.replace(AS_BACKEND, AS_BACKEND + small)}):
        wanted = {"services": "backend", "revision": "full-disk", "hotfix_repository": str(checkout)}
        done = play("emergency_build", *STAGING, *given(**wanted))
    assert done.code != 0
    assert "The disk of the build engine filled up while backend was built." in done.text
    assert "Nothing was pushed." in done.text
    assert bare.name


@pytest.mark.slow
def test_a_registry_that_goes_down_halfway_is_done_without(staging: Host, checkout: Path) -> None:
    good(play("adopt", *STAGING))
    # So much that the push is still at it when the connection is cut, and cannot be packed to less.
    more = {"notes/static/more.txt": secrets.token_hex(4_000_000)}
    with committed(checkout, "large", more), CutOff(1_000_000) as gateway:
        wanted = {"services": "backend", "revision": "large", "hotfix_repository": str(checkout)}
        address = {"hotfix_registry_address": f"127.0.0.1:{gateway.port}"}
        built = good(play("emergency_build", *STAGING, *given(**wanted, **address)))
        assert gateway.cut
    assert "failed 3 times" in built.text
    (sent,) = {line for line in built.text.split('"') if line.startswith("hotfix-20") and "build engine only" in line}
    # It is down for the host as well, or what the registry says would count.
    with faults.registry_cut("staging1"):
        deployed = good(play("deploy", *STAGING, "-e", "version=emergency", *UNCHECKED, *given()))
    assert "Deploy: done on every host." in deployed.text
    record = staging.current()
    assert record["version"] == sent.split()[0]
    assert record["images"]["backend"]["source"] == "transferred"
    assert staging.runs_its_record()


@pytest.mark.slow
def test_a_hotfix_that_starts_and_is_unhealthy_never_reaches_users(staging: Host, checkout: Path) -> None:
    good(play("adopt", *STAGING))
    good(play("proxy", *STAGING))
    before, known = staging.current(), branches(checkout)
    backend = (checkout / "notes/backend.py").read_text(encoding="utf-8")
    assert backend.count(HEALTHY) == 1
    (checkout / "notes/backend.py").write_text(backend.replace(HEALTHY, UNHEALTHY), encoding="utf-8")
    try:
        wanted = {**SAID, "what": "Be ill", "services": "backend", "changes": True, "hotfix_repository": str(checkout)}
        done = play("hotfix", *STAGING, *UNCHECKED, *given(**wanted))
    finally:
        origin.git(checkout, "checkout", "--quiet", "notes/backend.py")
    assert done.code != 0
    assert "unhealthy" in done.text
    assert staging.current() == before
    assert staging.served() == ("v1", True)
    assert len(branches(checkout)) == len(known) + 1


def test_in_ci_the_key_comes_in_a_variable_and_is_gone_with_the_run(
    bare: Host, checkout: Path, patch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_KEY", (STATE / "ssh/id_ed25519").read_text(encoding="utf-8"))
    known = (STATE / "ssh/known_hosts").read_text(encoding="utf-8")
    held = branches(checkout)
    settings = origin.git(checkout, "config", "core.sshCommand")
    origin.git(checkout, "config", "--unset", "core.sshCommand")
    try:
        wanted = {**SAID, "what": "Plan it", "patch": str(patch), "hotfix_known_hosts": known}

        done = good(play("hotfix", *STAGING, "--check", *given(**wanted, hotfix_repository=str(checkout))))
    finally:
        origin.git(checkout, "config", "core.sshCommand", settings)
    assert "Would build backend, frontend, hocuspocus of" in done.text
    assert branches(checkout) == held
    assert "PRIVATE KEY" not in done.raw
    assert not list(Path("/tmp").glob("hotfix-key-*"))
    assert bare.name
