# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill switch against the sandbox: what every instance evaluates is asked past it, by container address."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import faults, lifecycle
from tests.integration.driver import APP, ROOT, Host, Played, command, environment, play

FLAG = "COLLABORATIVE_EDITING"
FOLDERS = ("/tmp", "/home/deploy", "/var/log", APP)
TOKEN = ROOT / ".sandbox" / "admin-token"


def switch(*arguments: str, group: str = "production", flag: str = FLAG, enabled: str = "false") -> Played:
    return play("feature_flag", "-l", group, "-e", f"flag={flag}", "-e", f"enabled={enabled}", *arguments)


def given(**variables: Any) -> tuple[str, str]:
    return "-e", json.dumps(variables)


def addresses(host: Host) -> dict[str, str]:
    """Address by name of every backend."""
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    names = faults.containers(host.name, "backend")
    return {name: host.docker("inspect", "--format", template, name) for name in names}


def values(host: Host, flag: str = FLAG) -> dict[str, bool]:
    """What every backend evaluates, three times in a row alike."""
    found = {}
    for name, address in addresses(host).items():
        url = f"http://{address}:8081/api/feature-flags"
        answers = host.run("curl", "-sf", "-m", "5", "-w", "\\n", url, url, url).splitlines()
        seen = {json.loads(answer)["flags"].get(flag) for answer in answers if answer}
        assert (len(answers), len(seen)) == (3, 1), (name, answers)
        found[name] = seen.pop()
    return found


def set_one(host: Host, name: str, enabled: bool, flag: str = FLAG) -> None:
    """Set a flag at one instance, as somebody with curl on the host does."""
    body = json.dumps({"enabled": enabled})
    url = f"http://{addresses(host)[name]}:8081/api/feature-flags/{flag}"
    token = TOKEN.read_text().strip()
    host.run(
        "curl",
        "-sf",
        "-m",
        "5",
        "-H",
        f"x-admin-token: {token}",
        "-d",
        body,
        "-H",
        "Content-Type: application/json",
        url,
    )


@pytest.fixture(scope="module")
def process() -> Iterator[list[Host]]:
    """Both production hosts, whose backends keep flags by themselves."""
    lifecycle.reset(("production",))
    yield [Host("prod1"), Host("prod2")]


@pytest.fixture
def hosts(process: list[Host]) -> list[Host]:
    """The same with every flag as it was."""
    for host in process:
        urls = [f"http://{address}:8081/api/feature-flags/" for address in addresses(host).values()]
        # At once: every look past SSH takes its time.
        put = ["curl", "-sf", "-m", "5", "-d", '{"enabled": true}', "-H", "Content-Type: application/json"]
        token = ["-H", f"x-admin-token: {TOKEN.read_text().strip()}"]
        host.run(*put, *token, *(url + flag for url in urls for flag in (FLAG, "NOTE_SHARING")))
        host.run("rm", "-f", f"{APP}/journal.jsonl", f"{APP}/lease.json", f"{APP}/lock")
    return process


def collected(incidents: Path) -> list[str]:
    """The hosts of which the incident has what the backend wrote."""
    (log,) = incidents.glob("*/events.jsonl")
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    logs = [one for one in lines if one["kind"] == "logs" and one["data"]["service"] == "backend"]
    assert all(one["evidence"] and (log.parent / one["evidence"][0]["path"]).stat().st_size for one in logs)
    return sorted(one["host"] for one in logs)


def test_off_on_all_instances_of_all_hosts_and_the_second_run_changes_nothing(
    hosts: list[Host], tmp_path: Path
) -> None:
    record = given(hotfix_incident_dir=str(tmp_path / "incidents"))
    done = switch("-e", "reason='documents are lost'", *record)
    assert done.code == 0, done.raw
    for host in hosts:
        assert set(values(host).values()) == {False}
        assert len(values(host)) == 2
        begin, end = host.journal()
        assert (begin["phase"], end["outcome"], end["reason"]) == ("begin", "done", "documents are lost")
        assert "@" in end["owner"]
    assert "seen 3 times in a row" in done.text
    assert "is unknown: No instance has been started" in done.text
    # What the services wrote is kept once for the incident.
    assert collected(tmp_path / "incidents") == ["prod1", "prod2"]
    again = switch("-e", "reason='documents are lost'", *record)
    assert again.code == 0, again.raw
    assert "changed=0" in again.text
    assert "changed=1" not in again.text
    assert len(hosts[0].journal()) == 2
    assert collected(tmp_path / "incidents") == ["prod1", "prod2"]


def test_check_and_diff_show_the_plan_and_change_nothing(hosts: list[Host]) -> None:
    done = switch("--check", "--diff")
    assert done.code == 0, done.raw
    assert f"-{FLAG} notes-backend-1: enabled" in done.text
    assert f"+{FLAG} notes-backend-1: disabled" in done.text
    for host in hosts:
        assert set(values(host).values()) == {True}
        assert host.journal() == []


def test_a_stale_replica_behind_the_proxy_is_found_and_written_to(hosts: list[Host]) -> None:
    set_one(hosts[0], "notes-backend-1", False)
    done = switch()
    assert done.code == 0, done.raw
    assert [set(values(host).values()) for host in hosts] == [{False}, {False}]
    assert hosts[0].journal()[0]["before"] == {"notes-backend-1": "disabled", "notes-backend-2": "enabled"}


def test_a_misspelt_name_lists_the_closest_and_creates_nothing(hosts: list[Host]) -> None:
    done = switch(flag="COLLABORATIVE_EDITNG")
    assert done.code != 0
    assert "There is no flag 'COLLABORATIVE_EDITNG' (the app): the closest known: COLLABORATIVE_EDITING" in done.text
    assert set(values(hosts[0], "COLLABORATIVE_EDITNG").values()) == {None}


def test_users_must_see_it(hosts: list[Host]) -> None:
    check = {
        "url": "http://app.example.com/api/notes/share",
        "address": "127.0.0.1:80",
        "method": "POST",
        "body": {"title": "kill switch", "content": "is sharing off?"},
        "enabled": {"contains": "shareId"},
        "disabled": {"status": 503},
    }
    done = switch(*given(feature_flag_visible_checks={"NOTE_SHARING": check}), flag="NOTE_SHARING")
    assert done.code == 0, done.raw
    assert set(values(hosts[1], "NOTE_SHARING").values()) == {False}
    back = switch(*given(feature_flag_visible_checks={"NOTE_SHARING": check}), flag="NOTE_SHARING", enabled="true")
    assert back.code == 0, back.raw


def test_a_lease_that_somebody_holds_is_not_waited_for(hosts: list[Host]) -> None:
    lease = json.dumps({"held": True, "owner": "bob@other", "run": "r", "fencing": 7})
    hosts[0].run("bash", "-c", f"echo '{lease}' >{APP}/lease.json")
    done = switch()
    assert done.code == 0, done.raw
    assert json.loads(hosts[0].run("cat", f"{APP}/lease.json"))["owner"] == "bob@other"


def test_a_frozen_instance_is_named_and_the_others_are_off(hosts: list[Host]) -> None:
    hosts[0].docker("pause", "notes-backend-2")
    try:
        done = switch(*given(feature_flag_timeout=2, feature_flag_wait=1))
    finally:
        hosts[0].docker("unpause", "notes-backend-2")
    assert done.code != 0
    assert "notes-backend-2 is paused" in done.text
    assert "partial" in done.text
    assert values(hosts[0]) == {"notes-backend-1": False, "notes-backend-2": True}
    assert set(values(hosts[1]).values()) == {False}
    assert switch().code == 0
    assert set(values(hosts[0]).values()) == {False}


def test_a_host_that_cannot_be_reached_is_partial(hosts: list[Host]) -> None:
    with faults.ssh_cut("prod2"):
        done = switch(*given(ansible_ssh_args="-o ControlPath=none", ansible_ssh_timeout=3))
    assert done.code != 0
    assert "partial" in done.text
    assert "prod2: unreachable" in done.text
    assert set(values(hosts[0]).values()) == {False}


def test_redis_that_the_app_does_not_read_is_no_success(hosts: list[Host]) -> None:
    reads = {"services": ["backend"], "port": 8081, "path": "/api/feature-flags", "result": "flags.{name}"}
    redis = given(
        feature_flag_provider="redis", feature_flag_token="", feature_flag_instances=reads, feature_flag_wait=1
    )
    done = switch(*redis)
    assert done.code != 0
    assert f"still evaluates {FLAG} on" in done.text
    assert hosts[0].docker("exec", "notes-redis", "redis-cli", "hget", "feature-flags", FLAG) == "false"


def test_an_app_that_loses_the_flag_at_a_restart_is_found_out(hosts: list[Host]) -> None:
    assert switch().code == 0
    hosts[0].docker("restart", "notes-backend-1")
    for _attempt in range(60):
        if hosts[0].docker("inspect", "--format", "{{.State.Health.Status}}", "notes-backend-1") == "healthy":
            break
        time.sleep(0.5)
    assert values(hosts[0])["notes-backend-1"] is True
    seen = play("feature_flag_info", "-l", "production")
    assert seen.code == 0, seen.raw
    assert "is on again at notes-backend-1. The app lost it there." in seen.text
    assert f"{FLAG} was switched off at" in seen.text
    assert "and is still off" in seen.text
    done = switch()
    assert done.code == 0, done.raw
    assert "The app loses the flag at a restart or release switch: notes-backend-1 was started after" in done.text
    assert set(values(hosts[0]).values()) == {False}


@pytest.mark.slow
def test_an_app_that_loses_the_flag_at_a_release_switch_is_found_out(hosts: list[Host]) -> None:
    assert switch().code == 0
    deployed = play("deploy", "-l", "production", "-e", "version=v6")
    assert deployed.code == 0, deployed.raw
    for host in hosts:
        assert set(values(host).values()) == {True}
    seen = play("feature_flag_info", "-l", "production")
    assert seen.code == 0, seen.raw
    assert "is on again at notes-backend-1" in seen.text
    done = switch()
    assert done.code == 0, done.raw
    assert "The app loses the flag at a restart or release switch" in done.text
    for host in hosts:
        assert set(values(host).values()) == {False}


class TestSecrets:
    """The token is searched for in all that good and failing runs leave behind."""

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ((), 0),
            pytest.param(("--check", "--diff"), 0, marks=pytest.mark.slow),
            pytest.param(given(feature_flag_token_header="x-other"), 2, marks=pytest.mark.slow),
            pytest.param(given(feature_flag_http={"path": "/api/nonexistent"}), 2, marks=pytest.mark.slow),
            pytest.param(
                given(feature_flag_url="https://app.example.com", feature_flag_address="127.0.0.1:443"),
                2,
                marks=pytest.mark.slow,
            ),
            (given(feature_flag_url="http://app.example.com/", feature_flag_address="127.0.0.1:1"), 2),
        ],
    )
    def test_no_output_and_no_artifact_shows_it(
        self, hosts: list[Host], tmp_path: Path, arguments: tuple[str, ...], code: int
    ) -> None:
        token = TOKEN.read_text().strip()
        log = tmp_path / "ansible.log"
        done = subprocess.run(
            [
                *command("feature_flag", "-l", "production", "-e", f"flag={FLAG}", "-e", "enabled=false"),
                *arguments,
                "-vvv",
                "--diff",
            ],
            cwd=ROOT,
            env=environment(ANSIBLE_LOG_PATH=str(log), ANSIBLE_LOCAL_TEMP=str(tmp_path / "local")),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert (done.returncode == 0) == (code == 0), done.stdout
        assert token not in done.stdout + done.stderr + log.read_text()
        for host in hosts:
            assert token not in json.dumps(host.journal())
            # The health checks carry the environment; the runtime keeps it in a file while one runs.
            left = faults.on_host(host.name, "grep", "-rlF", "--exclude=runc-process*", token, *FOLDERS, check=False)
            assert left.split() == [f"{APP}/.env"]

    def test_no_process_has_it_in_its_arguments(self, hosts: list[Host], tmp_path: Path) -> None:
        token = TOKEN.read_text().strip()
        # Every command line that exists while the switch runs, on the controller and on a host.
        watched = tmp_path / "watched"
        watch = (
            f"end=$(($(date +%s)+60)); while [ ! -e {watched} ] && [ $(date +%s) -lt $end ]; do "
            "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f 2>/dev/null; echo; done; done | sort -u; "
            f"rm -rf {watched}"
        )
        seen = ["bash", "-c", watch]
        here = subprocess.Popen(seen, stdout=subprocess.PIPE, text=True)
        there = subprocess.Popen(
            ["docker", "exec", "hotfix-prod1", *seen], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        time.sleep(0.5)
        try:
            assert switch().code == 0
        finally:
            hosts[0].run("mkdir", "-p", str(watched))
            watched.mkdir()
        for process in (here, there):
            lines, _nothing = process.communicate(timeout=60)
            assert "feature_flag" in lines or "docker" in lines
            assert token not in lines


@pytest.fixture(scope="module")
def host() -> Host:
    """A staging host in the variant of the app that reads its flags from Redis."""
    lifecycle.reset(("staging1",), "persistent_flags")
    return Host("staging1")


class TestPersistent:
    """The variant of the app that reads its flags from Redis."""

    READS = given(
        feature_flag_provider="redis",
        feature_flag_token="",
        feature_flag_instances={
            "services": ["backend"],
            "port": 8081,
            "path": "/api/feature-flags",
            "result": "flags.{name}",
        },
    )

    @pytest.mark.slow
    def test_redis_is_set_every_instance_follows_and_keeps_it(self, host: Host) -> None:
        done = switch(*self.READS, group="staging")
        assert done.code == 0, done.raw
        assert set(values(host).values()) == {False}
        # Nothing to warn of: the value lies outside the app.
        assert "is unknown" not in done.text
        assert "loses the flag" not in done.text
        host.docker("restart", "notes-backend-1", "notes-backend-2")
        for _attempt in range(60):
            if "false" in host.run(
                "curl", "-s", "-m", "2", "-H", "Host: app.example.com", "http://127.0.0.1/api/feature-flags"
            ):
                break
            time.sleep(0.5)
        again = switch(*self.READS, group="staging")
        assert again.code == 0, again.raw
        assert "changed=0" in again.text

    def test_the_apps_own_api_needs_one_write_for_all(self, host: Host) -> None:
        done = switch(group="staging", enabled="true")
        assert done.code == 0, done.raw
        assert set(values(host).values()) == {True}

    @pytest.mark.slow
    def test_a_flag_outlives_the_switch_to_another_release(self, host: Host) -> None:
        assert switch(*self.READS, group="staging").code == 0
        deployed = play("deploy", "-l", "staging", "-e", "version=v6")
        assert deployed.code == 0, deployed.raw
        assert set(values(host).values()) == {False}
        seen = play("feature_flag_info", "-l", "staging")
        assert seen.code == 0, seen.raw
        assert "and is still off" in seen.text
        done = switch(group="staging")
        assert done.code == 0, done.raw
        assert "changed=0" in done.text
