# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which services are restarted, in which order, and what is remembered of it."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _usage
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._restart import history, which
from ansible_collections.pangeafate.hotfix.plugins.module_utils._restart.perform import Wanted, check, measured
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run

MODEL: t.Dict[str, t.Any] = {
    "services": {
        "postgres": {"stop_grace_period": "1m30s"},
        "redis": {"stop_grace_period": "500ms"},
        "backend": {"depends_on": {"redis": {}, "postgres": {}}},
        "sync": {},
        "nginx": {"depends_on": {"backend": {}, "sync": {}}},
        "cron": {"depends_on": {"postgres": {}}},
    }
}
SWITCHED = ("backend", "sync")


def test_services_are_restarted_in_the_order_in_which_they_depend_on_each_other() -> None:
    names = ["nginx", "sync", "cron", "backend", "postgres", "redis"]
    found = which.groups(MODEL, names, SWITCHED)
    assert found == which.Groups(("postgres", "redis", "cron"), ("sync", "backend"), ("nginx",))
    assert which.groups(MODEL, ["redis", "nginx"], SWITCHED).all == ("redis", "nginx")


def test_what_depends_on_a_service_is_found_near_and_far() -> None:
    assert which.dependants(MODEL, ["postgres"]) == ["backend", "cron", "nginx"]
    assert which.dependants(MODEL, ["postgres", "backend"]) == ["cron", "nginx"]
    assert which.dependants(MODEL, ["nginx"]) == []


@pytest.mark.parametrize(("service", "seconds"), [("postgres", 90.0), ("redis", 0.5), ("sync", 0.0)])
def test_a_service_gets_the_time_to_stop_that_its_file_gives_it(service: str, seconds: float) -> None:
    assert which.grace(MODEL, service) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["backend", "bakend", "x"],
            "Unknown service 'bakend', 'x': the app has backend, cron, nginx, postgres, redis",
        ),
        (["backend", "high_usage"], "stands beside names"),
        ([], "No service is named"),
    ],
)
def test_what_is_no_service_is_refused(names: t.List[str], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        which.checked(MODEL, names)


def test_the_engine_is_asked_what_the_containers_use(make_host: t.Any, runner: t.Any) -> None:
    host = make_host()
    for service in ("backend", "redis", "idle"):
        runner.add(service)
    runner.add("gone", status="exited")
    lines = [
        {"Name": "app-redis-2", "CPUPerc": "3.10%", "MemPerc": "91.00%"},
        {"Name": "app-backend-1", "CPUPerc": "153.20%", "MemPerc": "12.5%"},
        {"Name": "app-idle-3", "CPUPerc": "--", "MemPerc": "--"},
    ]
    runner.answers[("stats",)] = (0, "".join(json.dumps(line) + "\n" for line in lines), "")
    found = _usage.measure(host.docker, host.docker.containers("app"))
    assert [(one.service, one.cpu, one.memory) for one in found] == [
        ("backend", 153.2, 12.5),
        ("redis", 3.1, 91.0),
        ("idle", 0.0, 0.0),
    ]
    assert not any("app-gone-4" in words for words in runner.calls)
    assert [one.service for one in _usage.above(found, 80, 80)] == ["backend", "redis"]
    assert [one.service for one in _usage.above(found, 153.2, 92)] == ["backend"]


@pytest.fixture
def app(make_host: t.Any, runner: t.Any, tmp_path: t.Any) -> t.Any:
    """Return a host with a backend and a redis, whose Compose file can be read."""
    (tmp_path / "docker-compose.yml").write_text("services: {}")
    model = {
        "services": {"backend": {"image": "x", "depends_on": {"redis": {}}}, "redis": {"image": "y"}},
    }
    runner.answers[("compose",)] = (0, json.dumps(model), "")
    for service in ("backend", "redis"):
        runner.add(service)
    return make_host()


def _stats(runner: t.Any, **cpu: float) -> None:
    lines = [{"Name": f"app-{name}", "CPUPerc": f"{value}%", "MemPerc": "1%"} for name, value in cpu.items()]
    text = "".join(json.dumps(line).replace("_", "-") + "\n" for line in lines)
    runner.answers[("stats",)] = (0, text.replace("MemPerc", "MemPerc"), "")


def test_high_usage_takes_the_switched_services_and_names_the_others(app: t.Any, runner: t.Any) -> None:
    _stats(runner, backend_1=99.0, redis_2=120.0)
    result = check(app, Wanted(["high_usage"]))
    assert (result["names"], result["outcome"]) == (["backend"], "planned")
    told = " ".join(result["plan"])
    assert "At or above 80 % of a CPU or 80 % of the memory: backend." in told
    assert "app-redis-2 uses 120.0 % of a CPU" in told
    assert "-e services=redis" in told


def test_high_usage_of_nothing_restarts_nothing(app: t.Any, runner: t.Any) -> None:
    _stats(runner, backend_1=3.0, redis_2=1.0)
    result = check(app, Wanted(["high_usage"]))
    assert (result["names"], result["outcome"], result["changed"]) == ([], "unchanged", False)
    assert result["summary"].startswith("No service is at or above")
    assert check(app, Wanted(["high_usage"], high_cpu=3.0))["names"] == ["backend"]


def test_a_threshold_that_is_none_is_refused(app: t.Any) -> None:
    with pytest.raises(BadInputError, match="restart_high_cpu 0"):
        check(app, Wanted(["high_usage"], high_cpu=0))


def test_a_service_without_a_container_is_refused_with_the_command_that_makes_it(app: t.Any, runner: t.Any) -> None:
    runner.containers.pop()
    with pytest.raises(HotfixError, match="redis has no container") as caught:
        check(app, Wanted(["redis"]))
    assert "up --detach --no-deps redis" in caught.value.next_step


def test_the_order_is_known_from_the_record_where_the_file_is_broken(
    make_host: t.Any, runner: t.Any, tmp_path: t.Any, make: t.Any
) -> None:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose

    (tmp_path / "docker-compose.yml").write_text("services: {")
    runner.answers[("compose",)] = (1, "", "yaml: line 1: did not find expected node content")
    host = make_host()
    runner.add("redis")
    with pytest.raises(BadInputError, match="did not find expected"):
        check(host, Wanted(["redis"]))
    release = make("v1", "preparing", "prepared", "live", "confirmed")
    model = {"services": {"backend": {"image": "x"}, "redis": {"image": "y"}}}
    _compose.write(host.releases.compose_file(release.id), model, release_id=release.id, services=["backend"])
    result = check(host, Wanted(["redis"]))
    assert result["names"] == ["redis"]
    assert f"taken from the record of {release.id}" in result["plan"][-1]


def test_what_users_noticed_is_told_the_next_time(make_host: t.Any) -> None:
    host = make_host()
    run = Run("r1", "ann", "", False)
    assert "unknown" in history.last_time(host, ["redis"], history.IN_PLACE)
    assert measured(host, run, {"lower": 0.0, "upper": 0.0, "failures": 0})["changed"] is False
    history.add(host, "r1", ["redis"], history.IN_PLACE, 2.14)
    assert "it was away for 2.1 s" in history.last_time(host, ["redis"], history.IN_PLACE)
    assert measured(host, run, {"lower": 2.0, "upper": 2.4, "failures": 9})["changed"] is True
    assert measured(host, run, {"lower": 2.0, "upper": 2.4, "failures": 9})["changed"] is False
    assert "an outage of 2.0 to 2.4 s" in history.last_time(host, ["redis"], history.IN_PLACE)
    # Another way, or other services, say nothing of it.
    assert "unknown" in history.last_time(host, ["redis"], history.FRESH)
    assert "unknown" in history.last_time(host, ["redis", "postgres"], history.IN_PLACE)


@pytest.mark.parametrize(
    ("users", "said"),
    [
        ({"lower": 0.0, "upper": 0.0, "failures": 0}, "noticed nothing."),
        ({"lower": 0.0, "upper": 0.0, "failures": 1}, "no outage, but 1 of their requests failed"),
        ({"lower": 4.0, "upper": None, "failures": 9}, "an outage of at least 4.0 s"),
    ],
)
def test_what_users_noticed_in_words(make_host: t.Any, users: t.Dict[str, t.Any], said: str) -> None:
    host = make_host()
    history.add(host, "r1", ["redis"], history.IN_PLACE, 2.0)
    history.note_users(host, "r1", users)
    assert said in history.last_time(host, ["redis"], history.IN_PLACE)


def test_a_run_that_restarted_two_things_says_nothing_of_either(make_host: t.Any) -> None:
    host = make_host()
    for service in ("redis", "postgres"):
        history.add(host, "r1", [service], history.IN_PLACE, 2.0)
    assert not history.note_users(host, "r1", {"lower": 1.0, "upper": 1.0, "failures": 3})


def test_no_more_than_fifty_restarts_are_remembered_and_a_damaged_file_has_none(make_host: t.Any) -> None:
    host = make_host()
    for number in range(60):
        history.add(host, f"r{number}", ["redis"], history.IN_PLACE, 1.0)
    assert [one["run"] for one in history.entries(host)] == [f"r{number}" for number in range(10, 60)]
    (host.app.app_dir / "restarts.json").write_text('[{"services": ["redis"]}, 3, "x", {}')
    assert history.entries(host) == []
    (host.app.app_dir / "restarts.json").write_text('[3, {"services": []}, {"services": ["redis"], "way": "in_place"}]')
    assert len(history.entries(host)) == 1
    assert "what users noticed is unknown" in history.last_time(host, ["redis"], history.IN_PLACE)
