# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: one clear error that names the input, the reason and the next step, and nothing was touched."""

from __future__ import annotations

import json

import pytest

from sandbox import faults, lifecycle
from tests.integration.driver import APP, NO_BASELINE, Host, fresh, play

# What is refused is refused without a look at the app.
STAGING = ("-l", "staging", *NO_BASELINE)
BUILD_ONLY = "services: {backend: {build: .}, frontend: {image: f}, hocuspocus: {image: h}, nginx: {image: n}}"


@pytest.fixture
def untouched(managed: Host):
    """Let the test do its worst, and hold the host against what it was."""
    before = managed.fingerprint()
    yield managed
    containers, files = managed.fingerprint()
    assert containers == before[0]
    # The lease may be taken to look under it, and the journal may say so; the rest is as it was.
    own = ("lease.json", "lease.lock", "/lock", "journal.jsonl")
    assert [x for x in files.splitlines() if not any(o in x for o in own)] == [
        x for x in before[1].splitlines() if not any(o in x for o in own)
    ]


@pytest.mark.parametrize("playbook", ["adopt", "deploy", "rollback", "release_info"])
def test_no_limit(playbook: str, untouched: Host) -> None:
    done = play(playbook, "-e", "version=v6")
    assert done.code != 0
    assert "No environment is named. Nothing was touched. Next: name one, as in '-l production'." in done.text


def test_hosts_of_two_environments(untouched: Host) -> None:
    done = play("rollback", "-l", "production,staging")
    assert done.code != 0
    assert "Hosts of 2 environments are selected (production: prod1, prod2; staging: staging1)" in done.text


def test_a_limit_that_matches_nothing(untouched: Host) -> None:
    done = play("rollback", "-l", "produktion")
    assert done.code != 0
    assert "produktion" in done.text


def test_an_unknown_version(untouched: Host) -> None:
    done = play("deploy", *STAGING, "-e", "version=v99")
    assert done.code != 0
    assert "The version is unknown: the registry has no registry.example.com:5000/notes-backend:v99" in done.text
    assert "Nothing was changed." in done.text


def test_no_version(untouched: Host) -> None:
    done = play("deploy", *STAGING)
    assert done.code != 0
    assert "version=" in done.text


def test_an_unknown_release_lists_the_known_ones(untouched: Host) -> None:
    done = play("rollback", *STAGING, "-e", "release=20260102T030405Z-v9")
    assert done.code != 0
    assert "Release '20260102T030405Z-v9' is not known on this host" in done.text
    assert untouched.current()["id"] in done.text


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("v6; touch /tmp/pwned", marks=pytest.mark.slow),
        "$(touch /tmp/pwned)",
        pytest.param("`touch /tmp/pwned`", marks=pytest.mark.slow),
        pytest.param("v6|touch /tmp/pwned", marks=pytest.mark.slow),
        pytest.param("-v6", marks=pytest.mark.slow),
        pytest.param("../v6", marks=pytest.mark.slow),
        "{{ lookup('pipe', 'touch /tmp/pwned') }}",
        pytest.param("{% raw %}v6{% endraw %}", marks=pytest.mark.slow),
        "v6\nv7",
    ],
)
def test_versions_and_releases_with_metacharacters_are_refused(value: str, untouched: Host) -> None:
    for playbook, name in (("deploy", "version"), ("rollback", "release")):
        done = play(playbook, *STAGING, "-e", json.dumps({name: value}))
        assert done.code != 0
        assert "Traceback" not in done.text
        assert "is not usable" in done.text or "holds a template" in done.text, done.raw
    assert untouched.run("bash", "-c", "ls /tmp/pwned 2>&1 || true").endswith("No such file or directory")


def test_a_reason_with_metacharacters_is_inert(untouched: Host) -> None:
    done = play("rollback", *STAGING, "--check", "-e", json.dumps({"reason": "$(touch /tmp/pwned); `id` 'x' \"y\""}))
    assert done.code == 0, done.raw
    assert untouched.run("bash", "-c", "ls /tmp/pwned 2>&1 || true").endswith("No such file or directory")


def test_an_unknown_service_lists_the_known_ones(untouched: Host) -> None:
    services = {
        name: {"image": f"registry.example.com:5000/notes-{name}"}
        for name in ("backnd", "backend", "frontend", "hocuspocus")
    }
    done = play("deploy", *STAGING, "-e", "version=v1", "-e", json.dumps({"hotfix_services": services}))
    assert done.code != 0
    assert "Unknown service backnd" in done.text
    assert "backend, frontend, hocuspocus, nginx, postgres, redis" in done.text


def test_no_compose_file(untouched: Host) -> None:
    done = play("deploy", *STAGING, "-e", "version=v1", "-e", "hotfix_compose_file=nowhere.yml")
    assert done.code != 0
    assert f"There is no Compose file {APP}/nowhere.yml on this host." in done.text


def test_no_app_folder(untouched: Host) -> None:
    done = play("deploy", *STAGING, "-e", "version=v1", "-e", "hotfix_app_dir=/srv/nowhere")
    assert done.code != 0
    assert "/srv/nowhere" in done.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("services: [", "Compose cannot read"),
        (BUILD_ONLY, "only builds backend"),
        ("services: {}", "Unknown service"),
    ],
)
def test_a_wrong_compose_file(content: str, says: str, untouched: Host) -> None:
    path = f"{APP}/wrong.yml"
    untouched.run("bash", "-c", f"printf '%s' \"$1\" > {path}", "-", content)
    try:
        done = play("deploy", *STAGING, "-e", "version=v1", "-e", "hotfix_compose_file=wrong.yml")
    finally:
        untouched.run("rm", path)
    assert done.code != 0
    assert says in done.text, done.raw
    assert "Traceback" not in done.text


@pytest.fixture(scope="module")
def spoilt() -> Host:
    """A staging host with a hand-started v1, which the tests below leave otherwise: they come last."""
    return fresh("staging1")[0]


def test_nothing_to_roll_back_to(spoilt: Host) -> None:
    before = spoilt.containers()
    done = play("rollback", *STAGING)
    assert done.code != 0
    assert "There is nothing to roll back to: this host is not under management" in done.text
    assert play("adopt", *STAGING).code == 0
    done = play("rollback", *STAGING)
    assert done.code != 0
    assert "no other release was ever confirmed" in done.text
    assert spoilt.containers() == before


def test_no_docker_and_no_engine(spoilt: Host) -> None:
    spoilt.run("mv", "/usr/bin/docker", "/usr/bin/docker.off")
    try:
        done = play("rollback", *STAGING)
    finally:
        spoilt.run("mv", "/usr/bin/docker.off", "/usr/bin/docker")
    assert done.code != 0
    assert "Docker is not installed on this host" in done.text
    with faults.engine_down("staging1"):
        done = play("rollback", *STAGING)
    assert done.code != 0
    assert "The Docker Engine on this host does not answer" in done.text


@pytest.mark.slow
def test_a_host_without_compose_v2() -> None:
    lifecycle.up(["legacy1"])
    # The group is named as an environment for this run only.
    done = play("adopt", "-l", "legacy", "-e", json.dumps({"hotfix_environments": ["legacy"]}))
    assert done.code != 0
    assert "Compose v2 is not installed on this host" in done.text
    done = play("adopt", "-l", "legacy")
    assert done.code != 0
    assert "legacy1 is in no environment (production, staging)" in done.text
