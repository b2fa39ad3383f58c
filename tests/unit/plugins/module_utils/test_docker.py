# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import stat

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError

VERSION = ("version",)
COMPOSE = ("compose", "version")
GONE = (124, "", "")


@pytest.fixture
def good(runner):
    runner.answers[VERSION] = (0, "26.1.5\n", "")
    runner.answers[COMPOSE] = (0, "2.26.1\n", "")
    return runner


@pytest.mark.parametrize("version", ["2.26.1", "v2.0.0", "2.26.1-4", "5.0.0", "10.1"])
def test_an_engine_with_compose_is_all_that_is_wanted(docker, good, version: str) -> None:
    good.answers[COMPOSE] = (0, version + "\n", "")
    docker.require()


@pytest.mark.parametrize(
    ("words", "answer", "code", "message", "step"),
    [
        (
            VERSION,
            (127, "", "timeout: failed to run command 'docker'"),
            "bad_input",
            "Docker is not installed",
            "install",
        ),
        (
            VERSION,
            (1, "", "Got permission denied while trying to connect to the Docker daemon socket"),
            "bad_input",
            "may not talk to the Docker Engine",
            "group 'docker'",
        ),
        (
            VERSION,
            (1, "", "Cannot connect to the Docker daemon. Is it running?"),
            "failed",
            "does not answer",
            "systemctl",
        ),
        (VERSION, GONE, "failed", "did not end within 20 s", "systemctl"),
        (
            COMPOSE,
            (1, "", "docker: 'compose' is not a docker command."),
            "bad_input",
            "Compose v2 is not installed",
            "plugin",
        ),
        (COMPOSE, (0, "1.29.2\n", ""), "bad_input", r"Compose 1\.29\.2 is too old", "plugin"),
    ],
)
def test_each_lack_has_its_message(docker, good, words, answer, code: str, message: str, step: str) -> None:
    good.answers[words] = answer
    with pytest.raises(HotfixError, match=message) as caught:
        docker.require()
    assert caught.value.code == code
    assert step in caught.value.next_step


def test_what_failed_is_said_without_its_arguments(docker, runner) -> None:
    runner.answers[("exec",)] = (1, "", "boom")
    with pytest.raises(CommandError, match="'docker exec c1' failed: boom") as caught:
        docker.run("exec", "c1", "sh", "-c", "echo private")
    assert "private" not in str(caught.value)


def test_a_failure_without_words_shows_the_exit_code(docker, runner) -> None:
    runner.answers[("ps",)] = (3, "", "")
    with pytest.raises(CommandError, match="exit code 3"):
        docker.run("ps")


def test_containers_of_a_project(docker, runner) -> None:
    runner.add("backend", status="restarting", restarts=3, exit_code=1, labels={"pangeafate.hotfix.release": "r1"})
    runner.add("backend", labels={"com.docker.compose.oneoff": "True"})
    runner.add("nginx", health=None)
    one, two = docker.containers("app")
    assert (one.name, one.status, one.restarts, one.exit_code, one.release) == (
        "app-backend-1",
        "restarting",
        3,
        1,
        "r1",
    )
    assert not one.running
    assert (two.service, two.health, two.running) == ("nginx", None, True)
    assert runner.calls[0][0] == "ps"


def test_containers_of_its_colours_belong_to_an_app_and_those_of_others_do_not(docker, runner) -> None:
    runner.add("backend-blue", labels={"pangeafate.hotfix.service": "backend", "pangeafate.hotfix.slot": "blue"})
    runner.add("backend")
    ids = [c["Id"] for c in runner.containers]
    runner.answers[("ps",)] = (0, f"{ids[0]} app-blue app\n{ids[1]} other \n", "")
    (found,) = docker.containers("app")
    assert (found.service, found.slot) == ("backend", "blue")


def test_no_containers_is_no_error(docker) -> None:
    assert docker.containers("app") == []


def test_one_that_vanished_meanwhile_does_not_hide_the_others(docker, runner) -> None:
    runner.add("backend")
    runner.add("frontend")
    listed = "".join(c["Id"] + " app\n" for c in runner.containers)
    runner.answers[("ps",)] = (0, listed, "")
    del runner.containers[0]
    assert [c.service for c in docker.containers("app")] == ["frontend"]


def test_an_image_that_is_not_here_is_none_and_other_errors_are_errors(docker, runner) -> None:
    assert docker.image("app:v1") is None
    runner.answers[("image", "inspect")] = (1, "", "Cannot connect to the Docker daemon")
    with pytest.raises(CommandError):
        docker.image("app:v1")


@pytest.mark.parametrize(
    "said",
    [
        "manifest for r/app:v9 not found: manifest unknown: manifest unknown",
        "Error response from daemon: manifest unknown",
        "no such manifest: r/app:v9",
    ],
)
def test_an_unknown_version_is_told_from_a_registry_that_is_away(docker, runner, said: str) -> None:
    runner.answers[("pull",)] = (1, "", said)
    runner.answers[("manifest",)] = (1, "", said)
    for ask in (lambda: docker.pull("r/app:v9", timeout=9), lambda: docker.registry_digest("r/app:v9")):
        with pytest.raises(HotfixError, match="The version is unknown: the registry has no r/app:v9") as caught:
            ask()
        assert caught.value.code == "bad_input"


@pytest.mark.parametrize("said", ["unauthorized", "write /var/lib/docker/x: no space left on device"])
def test_a_registry_that_answers_is_not_passed_over(docker, runner, said: str) -> None:
    runner.answers[("pull",)] = (1, "", said)
    with pytest.raises(HotfixError, match=f"The image r/app:v1 could not be pulled: {said}"):
        docker.pull("r/app:v1", timeout=9)


def test_what_a_killed_run_left_of_its_login_goes(docker, tmp_path) -> None:
    left = tmp_path / ".hotfix-login-x"
    left.mkdir()
    (left / "config.json").write_text("{}")
    docker.sweep_logins(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_command_in_a_container_that_is_not_there_is_not_docker_missing(docker, runner) -> None:
    runner.answers[("exec",)] = (127, "", "OCI runtime exec failed: exec: nginx: executable file not found in $PATH")
    with pytest.raises(CommandError, match="executable file not found"):
        docker.run("exec", "c1", "nginx", "-t")


@pytest.mark.parametrize("answer", [(1, "", "dial tcp: lookup r: no such host"), GONE])
def test_why_a_pull_failed_is_returned(docker, runner, answer) -> None:
    runner.answers[("pull",)] = answer
    assert docker.pull("r/app:v1", timeout=9) in (answer[2], "'docker pull --quiet' did not end within 9 s.")


def test_the_digest_of_the_registry(docker, runner) -> None:
    runner.answers[("manifest",)] = (0, json.dumps({"Descriptor": {"digest": "sha256:d"}}), "")
    assert docker.registry_digest("r:5000/app:v1") == ("r:5000/app@sha256:d", None)
    runner.answers[("manifest",)] = (0, "[]", "")
    assert docker.registry_digest("r:5000/app:v1")[0] is None
    runner.answers[("manifest",)] = (0, "no json", "")
    assert docker.registry_digest("r:5000/app:v1")[0] is None


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        ('{"config": {"Labels": {"a": "b"}}}', {"a": "b"}),
        ('{"config": {}}', {}),
        ('{"linux/amd64": {"config": {"Labels": {"a": "b"}}}, "linux/arm64": {}}', {"a": "b"}),
        ("null", None),
        ("{}", None),
        ("no json", None),
    ],
)
def test_the_labels_of_the_registry(docker, runner, said: str, labels) -> None:
    runner.answers[("buildx", "imagetools", "inspect")] = (0, said, "")
    found, why = docker.registry_labels("r:5000/app:v1")
    assert found == labels
    assert (why is None) == (labels is not None)


def test_without_buildx_nobody_knows_the_labels_of_the_registry(docker, runner) -> None:
    runner.answers[("buildx",)] = (1, "", "docker: 'buildx' is not a docker command.")
    labels, why = docker.registry_labels("r:5000/app:v1")
    assert labels is None
    assert "'buildx' is not a docker command" in why


def test_the_layers_of_all_images_but_those_that_go_away(docker, runner) -> None:
    assert docker.layers() == []
    runner.answers[("image", "ls")] = (0, "sha256:1\nsha256:2\nsha256:3\n", "")
    runner.answers[("image", "inspect", "--format")] = (1, '["a","b"]\nnull\n', "Error: No such image: sha256:3")
    assert docker.layers() == [["a", "b"], []]


def test_a_login_is_private_and_leaves_nothing(docker, runner, tmp_path) -> None:
    with docker.logged_in(tmp_path, "r:5000", "ci", "s3cr3t"):
        docker.pull("r:5000/app:v1", timeout=9)
        folder = runner.environments[-1]["DOCKER_CONFIG"]
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert not os.path.exists(folder)
    assert runner.stdin[0] == "s3cr3t"
    assert not [word for words in runner.calls for word in words if "s3cr3t" in word]
    docker.run("ps")
    assert "DOCKER_CONFIG" not in runner.environments[-1]


@pytest.mark.parametrize("missing", range(3))
def test_without_all_three_there_is_no_login(docker, runner, tmp_path, missing: int) -> None:
    given = ["r:5000", "ci", "s3cr3t"]
    given[missing] = ""
    with docker.logged_in(tmp_path, *given):
        pass
    assert runner.calls == []


def test_a_refused_login_is_bad_input(docker, runner, tmp_path) -> None:
    runner.answers[("login",)] = (1, "", "unauthorized: incorrect username or password")
    with (
        pytest.raises(HotfixError, match="refused the login of ci: unauthorized") as caught,
        docker.logged_in(tmp_path, "r", "ci", "x"),
    ):
        pass
    assert caught.value.code == "bad_input"


def test_a_registry_that_is_down_is_no_refusal(docker, runner, tmp_path) -> None:
    runner.answers[("login",)] = (1, "", "Get https://r/v2/: dial tcp 127.0.0.1:443: connect: connection refused")
    with docker.logged_in(tmp_path, "r", "ci", "x"):
        docker.run("ps")


def test_what_changes_the_host_inherits_the_lock(docker, runner) -> None:
    docker.lock_descriptor = 7
    docker.run("ps")
    docker.remove(["c1"])
    assert runner.descriptors == [(), (7,)]


def test_no_command_waits_for_ever(docker, runner) -> None:
    docker.run("ps")
    docker.pull("r/app:v1", timeout=9)
    assert runner.timeouts == [60.0, 9]


def test_an_image_is_kept_once(docker, runner) -> None:
    runner.answers[("create",)] = (1, "", 'Conflict. The container name "/hotfix-keep-app-1" is already in use')
    docker.keep("app", "sha256:" + "1" * 64)
    assert "hotfix-keep-app-111111111111" in runner.calls[0]
    runner.answers[("create",)] = (1, "", "no space left on device")
    with pytest.raises(CommandError, match="no space left"):
        docker.keep("app", "sha256:1")


def test_keepers_of_other_images_go(docker, runner) -> None:
    label = {"pangeafate.hotfix.keeps": "app"}
    runner.add("x", image="sha256:old", labels=label)
    kept = runner.add("x", image="sha256:new", labels=label)
    docker.drop_keepers("app", {"sha256:new"})
    assert runner.calls[-1][:2] == ("rm", "--force")
    assert kept["Id"] not in runner.calls[-1]
    assert runner.containers[0]["Id"] in runner.calls[-1]


def test_each_answers_in_order(docker) -> None:
    assert docker.each(lambda name: name * 2, list("abcdefghij")) == [c * 2 for c in "abcdefghij"]
    assert docker.each(lambda name: name, []) == []
