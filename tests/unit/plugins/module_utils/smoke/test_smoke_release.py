# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers is one of the expected containers; containers that no user reaches yet are asked by themselves."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError

OURS = "4e5f6a7b8c9d" + "0" * 52
OTHER = "aaaabbbbcccc" + "0" * 52


def release(**more: t.Any) -> t.List[_smoke.Check]:
    plain = {"name": "who", "type": "release", "path": "/who", "header": "X-Instance", "retries": 0}
    return _smoke.parse([{**plain, **more}])


def answers(app: t.Any, *names: str) -> None:
    app.answers["GET", "/who"] = [(200, {"X-Instance": name} if name else {}, "") for name in names]


@pytest.mark.parametrize("known", [(OURS,), (OTHER, OURS), ("4e5f6a7b8c9d",)])
def test_the_expected_container_answers(app: t.Any, known: t.Tuple[str, ...]) -> None:
    answers(app, OURS[:12])
    report = _smoke.run(release(requests=5), [app.target(instances=known)])
    assert report.good
    assert len(app.seen) == 5


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((OURS[:12], OTHER[:12]), "was answered by aaaabbbbcccc, which is none of the expected containers"),
        ((OURS[:11],), "which is none of the expected"),
        (("",), "without the header X-Instance: which container answers cannot be told"),
    ],
)
def test_another_one_answers(app: t.Any, names: t.Tuple[str, ...], says: str) -> None:
    answers(app, *names)
    report = _smoke.run(release(), [app.target(instances=(OURS, "notes-backend-1"))])
    assert report.verdict == "failed"
    assert says in report.summary


def test_a_name_will_do(app: t.Any) -> None:
    answers(app, "notes-backend-1")
    assert _smoke.run(release(), [app.target(instances=("notes-backend-1",))]).good


def test_nobody_answers_is_not_another_one() -> None:
    target = _smoke.Target("x", "http://127.0.0.1:9", instances=(OURS,))
    assert _smoke.run(release(), [target]).verdict == "error"


def test_without_containers_it_is_skipped_by_its_reason(app: t.Any) -> None:
    report = _smoke.run(release(), [app.target()])
    assert not report.good
    assert report.results[0].message == "which containers may answer is not known here (instances)"


def test_containers_that_should_be_known_and_are_not(app: t.Any) -> None:
    report = _smoke.run(release(), [app.target(instances=())])
    assert report.verdict == "error"
    assert app.seen == []


@dataclass
class Box:
    """A container of a slot."""

    id: str
    name: str
    service: str


class Engine:
    """Stands for the Docker CLI: says the address of each container."""

    def __init__(self, addresses: t.Mapping[str, str]) -> None:
        self.addresses = addresses
        self.calls: t.List[t.List[str]] = []

    def __call__(self, arguments: t.Sequence[str], **_options: t.Any) -> t.Tuple[int, str, str]:
        self.calls.append(list(arguments))
        ids = [one for one in arguments if one in self.addresses or one.startswith("gone")]
        if any(one.startswith("gone") for one in ids):
            return 1, "[]", "Error: No such container: gone"
        found = [
            {
                "Id": one,
                "State": {"Running": bool(self.addresses[one])},
                "NetworkSettings": {"Networks": {"a": {"IPAddress": ""}, "b": {"IPAddress": self.addresses[one]}}},
            }
            for one in ids
        ]
        return 0, json.dumps(found), ""


def private(app: t.Any, **more: t.Any) -> t.List[_smoke.Check]:
    port = app.server_address[1]
    plain = {"name": "p", "type": "http", "path": "/x", "expect": {"status": 200}, "retries": 0}
    return _smoke.parse([{**plain, "service": "backend", "port": port, **more}])


def test_every_container_of_the_service_is_asked_by_itself(app: t.Any) -> None:
    app.answers["GET", "/x"] = [(200, {}, "")]
    engine = Engine({OURS: "127.0.0.1", OTHER: "127.0.0.1", "front": "127.0.0.1"})
    boxes = [Box(OURS, "n-1", "backend"), Box(OTHER, "n-2", "backend"), Box("front", "f-1", "frontend")]
    report = _smoke.run_private(Docker(engine), boxes, private(app), host_name="app.example.com")
    assert report.good
    assert [one.target for one in report.results] == ["n-1", "n-2"]
    assert len(engine.calls) == 1
    assert {headers["Host"] for _method, _path, headers, _body in app.seen} == {"app.example.com"}


def test_a_container_must_be_the_one_that_it_says(app: t.Any) -> None:
    answers(app, OURS[:12])
    port = app.server_address[1]
    engine = Engine({OURS: "127.0.0.1", OTHER: "127.0.0.1"})
    boxes = [Box(OURS, "n-1", "backend"), Box(OTHER, "n-2", "backend")]
    report = _smoke.run_private(Docker(engine), boxes, release(service="backend", port=port))
    assert [one.status for one in report.results] == ["passed", "failed"]


@pytest.mark.parametrize(
    ("boxes", "says"),
    [
        ([], "p: no container of backend runs"),
        ([Box(OURS, "n-1", "backend")], "p: n-1 has no address, or is gone"),
        ([Box("gone", "n-1", "backend")], "p: n-1 has no address, or is gone"),
    ],
)
def test_what_cannot_be_asked_is_not_passed(app: t.Any, boxes: t.List[Box], says: str) -> None:
    report = _smoke.run_private(Docker(Engine({OURS: ""})), boxes, private(app))
    assert report.verdict == "error"
    assert says in report.summary


def test_one_that_is_gone_does_not_hide_the_others(app: t.Any) -> None:
    app.answers["GET", "/x"] = [(200, {}, "")]
    boxes = [Box("gone", "n-1", "backend"), Box(OURS, "n-2", "backend")]
    report = _smoke.run_private(Docker(Engine({OURS: "127.0.0.1"})), boxes, private(app))
    assert sorted((one.target, one.status) for one in report.results) == [("n-1", "error"), ("n-2", "passed")]


def test_an_engine_that_does_not_answer_is_no_verdict(app: t.Any) -> None:
    def broken(arguments: t.Sequence[str], **options: t.Any) -> t.Tuple[int, str, str]:
        return 1, "", "Cannot connect to the Docker daemon"

    with pytest.raises(CommandError):
        _smoke.run_private(Docker(broken), [Box(OURS, "n-1", "backend")], private(app))


def test_public_checks_are_not_made_at_containers(app: t.Any) -> None:
    checks = private(app, scope="public")
    assert _smoke.private(checks) == []
    report = _smoke.run_private(Docker(Engine({})), [Box(OURS, "n-1", "backend")], checks)
    assert report.results == []
    assert not report.good
