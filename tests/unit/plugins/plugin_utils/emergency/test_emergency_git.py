# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Git as the emergency runs it: against real repositories, servers that misbehave and a real SSH server."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import stat
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import (
    Git,
    GitError,
    deploy_key,
    remote_fault,
)

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = tmp_path / "repository"
    path.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=path, check=True)
    return Git(path)


def new_key(path: Path, passphrase: str = "") -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True)
    return path.read_text(encoding="utf-8")


def test_it_answers_with_text_and_the_exit_code(git: Git) -> None:
    assert git.out("rev-parse", "--is-inside-work-tree") == "true"
    assert git.run("rev-parse", "--verify", "--quiet", "nothing", check=False).returncode == 1


def test_line_breaks_of_windows_and_bytes_of_no_encoding_survive(git: Git) -> None:
    text = b"a\r\n\xff\n".decode("utf-8", "surrogateescape")
    blob = git.out("hash-object", "-w", "--stdin", stdin=text)
    assert git.run("cat-file", "-p", blob).stdout == text


def test_a_failure_says_what_git_said_without_passwords(git: Git) -> None:
    with pytest.raises(GitError) as caught:
        git.run("fetch", "http://me:hunter22@127.0.0.1:9/x.git")
    assert caught.value.returncode
    assert "hunter22" not in str(caught.value)
    assert "cannot be reached" in remote_fault(caught.value, "origin", "be read").what


def test_no_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="is no folder"):
        Git(tmp_path / "none").run("status")


def test_a_server_that_never_answers_is_given_up_with_all_that_waits_for_it(git: Git) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        began = time.monotonic()
        with pytest.raises(GitError) as caught:
            git.run("ls-remote", url, timeout=1)
        assert time.monotonic() - began < 5
        assert caught.value.returncode is None
        assert "did not answer in time" in remote_fault(caught.value, "origin", "be read").what
        found = subprocess.run(["pgrep", "-f", url], capture_output=True, text=True, check=False)
        assert not found.stdout


def test_a_server_that_wants_a_password_is_told_and_nobody_is_asked(git: Git) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            peer, _address = server.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n')

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        with pytest.raises(GitError) as caught:
            git.run("ls-remote", f"http://127.0.0.1:{server.getsockname()[1]}/x.git", timeout=20)
        thread.join(5)
    assert "refuses these credentials" in remote_fault(caught.value, "origin", "be read").what


def test_the_key_is_in_a_file_of_nobody_elses_and_only_while_it_lasts(tmp_path: Path, git: Git) -> None:
    text = new_key(tmp_path / "id")
    with deploy_key(text.strip().replace("\n", "\r\n"), known_hosts="example.com ssh-ed25519 AAAA") as env:
        words = shlex.split(env["GIT_SSH_COMMAND"])
        key = Path(words[words.index("-i") + 1])
        assert key.read_text(encoding="utf-8") == text
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
        # SSH itself says what it makes of these words.
        said = subprocess.run([*words, "-G", "git.example.com"], capture_output=True, text=True, check=True).stdout
        assert f"identityfile {key}" in said
        assert "identitiesonly yes" in said
        assert f"userknownhostsfile {key.parent}/known_hosts" in said
        assert git.also(env).path == git.path
    assert not key.parent.exists()
    with pytest.raises(ZeroDivisionError), deploy_key(text) as env:
        key = Path(shlex.split(env["GIT_SSH_COMMAND"])[2])
        raise ZeroDivisionError
    assert not key.parent.exists()


def test_no_key_leaves_the_operators_own() -> None:
    with deploy_key(None) as env:
        assert env == {}
    with deploy_key(" \n") as env:
        assert env == {}


def test_a_key_that_cannot_be_used_is_told_at_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = new_key(tmp_path / "locked", "a passphrase")
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    for text, words in ((locked, "has a passphrase"), ("not a key", "no private key")):
        with pytest.raises(BadInputError, match=words), deploy_key(text):
            pass
    assert list(folder.iterdir()) == []


class Server(t.NamedTuple):
    """An SSH server with one repository."""

    url: str
    key: str
    known_hosts: str


@pytest.fixture
def server(tmp_path: Path) -> t.Iterator[Server]:
    if SSHD is None:
        pytest.skip("there is no sshd on this machine (Debian: openssh-server)")
    folder = tmp_path / "sshd"
    folder.mkdir(mode=0o700)
    key = new_key(folder / "user")
    new_key(folder / "host")
    shutil.copy(folder / "user.pub", folder / "authorized")
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder / "origin.git")], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
        encoding="utf-8",
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=log)
        try:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            public = (folder / "host.pub").read_text(encoding="utf-8").split()
            yield Server(
                f"ssh://{getpass.getuser()}@127.0.0.1:{port}{folder}/origin.git",
                key,
                f"[127.0.0.1]:{port} {public[0]} {public[1]}\n",
            )
        finally:
            process.terminate()
            process.wait(10)


def test_a_push_over_ssh_with_the_key(git: Git, server: Server) -> None:
    blob = git.out("mktree", stdin="")
    commit = git.also(
        {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    ).out("commit-tree", blob, "-m", "first")
    with deploy_key(server.key, server.known_hosts) as env:
        git.also(env).run("push", server.url, f"{commit}:refs/heads/main")
        assert git.also(env).out("ls-remote", server.url, "refs/heads/main").split()[0] == commit


def test_a_key_that_the_server_refuses_and_a_server_that_is_another(git: Git, server: Server, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other")
    with deploy_key(other, server.known_hosts) as env, pytest.raises(GitError) as caught:
        git.also(env).run("ls-remote", server.url)
    assert "refuses these credentials" in remote_fault(caught.value, "origin", "be read").what
    wrong = " ".join([server.known_hosts.split()[0], *(tmp_path / "other.pub").read_text(encoding="utf-8").split()[:2]])
    with deploy_key(server.key, wrong) as env, pytest.raises(GitError) as caught:
        git.also(env).run("ls-remote", server.url)
    assert "host key is not the one" in remote_fault(caught.value, "origin", "be read").what
    gone = server.url.replace("origin.git", "gone.git")
    with deploy_key(server.key, server.known_hosts) as env, pytest.raises(GitError) as caught:
        git.also(env).run("ls-remote", gone)
    assert "no repository at its address" in remote_fault(caught.value, "origin", "be read").what
