# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found on a host whose files are real and whose engine answers as tests say."""

from __future__ import annotations

import json
import typing as t
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _states
from ansible_collections.pangeafate.hotfix.plugins.module_utils._argspec import app_options
from ansible_collections.pangeafate.hotfix.plugins.module_utils._bounded import Bounded
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock, stamp, utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._lease import Lease
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.on_host import look_as

CONFIRMED = (_states.PREPARING, _states.PREPARED, _states.LIVE, _states.CONFIRMED)
PASSWORD = "s3cret-password-of-tests"


@pytest.fixture
def engine(runner: t.Any) -> t.Any:
    runner.answers.update(
        {
            ("compose", "version"): (0, "2.26.1\n", ""),
            ("version", "--format"): (0, "26.1.5\n", ""),
            ("info", "--format"): (0, "/\n", ""),
        }
    )
    return runner


def params(folder: Path, *parts: str, **more: t.Any) -> t.Dict[str, t.Any]:
    defaults = {name: option.get("default") for name, option in app_options().items()}
    own = {"rollback_free_mb": 1, "min_free_mb": 1, "backup_age": 3600.0, "timeout": 10.0, "parts": list(parts)}
    services = {"backend": {"image": "registry.example.com/backend"}}
    return {**defaults, **own, "app_dir": str(folder), "services": services, **more}


def looked(given: t.Mapping[str, t.Any], runner: t.Any) -> t.Dict[str, t.Dict[str, t.Any]]:
    return {one["name"]: one for one in look_as(given, runner)}


class TestRollback:
    def test_where_nothing_was_ever_recorded_there_is_nowhere_to_go(self, engine: t.Any, tmp_path: Path) -> None:
        found = looked(params(tmp_path, "rollback"), engine)
        assert found["rollback target"]["status"] == "failed"
        assert "playbooks/adopt.yml" in found["rollback target"]["mend"]
        assert found["rollback images"]["status"] == "skipped"

    @pytest.fixture
    def two(self, make: t.Any, releases: t.Any) -> t.Any:
        first = make("v1", *CONFIRMED)
        releases.compose_file(first.id).write_text(json.dumps({"services": {"backend": {}}}))
        releases.env_file(first.id).write_text("")
        first.advance(_states.SUPERSEDED, at=first.created, operator="ann", why="test")
        releases.save(first)
        make("v2", *CONFIRMED)
        return first

    def test_target_and_images_are_there(self, engine: t.Any, tmp_path: Path, two: t.Any) -> None:
        engine.images["sha256:v1"] = {"Id": "sha256:v1", "Config": {}}
        found = looked(params(tmp_path, "rollback"), engine)
        assert {one["status"] for one in found.values()} == {"passed"}
        assert two.id in found["rollback target"]["says"]

    @pytest.mark.usefixtures("two")
    def test_an_image_that_was_pruned_is_named(self, engine: t.Any, tmp_path: Path) -> None:
        found = looked(params(tmp_path, "rollback"), engine)
        assert found["rollback images"]["status"] == "failed"
        assert "backend (sha256:v1)" in found["rollback images"]["says"]

    @pytest.mark.usefixtures("two")
    def test_an_engine_that_does_not_answer_is_no_missing_image(self, engine: t.Any, tmp_path: Path) -> None:
        engine.answers[("image", "inspect")] = (1, "", "Cannot connect to the Docker daemon")
        found = looked(params(tmp_path, "rollback"), engine)
        assert "Cannot connect" in found["rollback images"]["says"]

    @pytest.mark.parametrize("file", ["compose.yml", ".env"])
    def test_a_file_of_the_release_that_is_lost_is_named(
        self, engine: t.Any, tmp_path: Path, two: t.Any, file: str
    ) -> None:
        (tmp_path / "releases" / two.id / file).unlink()
        found = looked(params(tmp_path, "rollback"), engine)
        assert found["rollback target"]["status"] == "failed"
        assert file in found["rollback target"]["mend"]

    def test_a_disk_may_be_enough_for_a_rollback_and_not_for_a_deploy(self, engine: t.Any, tmp_path: Path) -> None:
        assert looked(params(tmp_path, "rollback", min_free_mb=10**9), engine)["disk"]["status"] == "warning"
        assert looked(params(tmp_path, "rollback", rollback_free_mb=10**9), engine)["disk"]["status"] == "failed"


class TestDatabase:
    DATABASE: t.ClassVar[t.Dict[str, str]] = {
        "service": "postgres",
        "name": "notes",
        "user": "notes",
        "type": "postgresql",
    }

    def backup(self, folder: Path, hours: float, size: int = 3) -> None:
        at = utc_now() - timedelta(hours=hours)
        (folder / "backups").mkdir(exist_ok=True)
        name = f"{at:%Y%m%dT%H%M%SZ}-notes"
        (folder / "backups" / f"{name}.dump").write_text("abc")
        record = {"id": name, "database": "notes", "at": stamp(at), "verified_at": stamp(at), "bytes": size}
        record = {**record, "seconds": 1.0, "sha256": "x", "server": "17", "state": ["x", None]}
        (folder / "backups" / f"{name}.json").write_text(json.dumps(record))

    def found(self, engine: t.Any, folder: Path, **more: t.Any) -> t.Dict[str, t.Any]:
        return looked(params(folder, "database", database=self.DATABASE, **more), engine)["backup"]

    def test_none_an_old_one_and_a_fresh_one(self, engine: t.Any, tmp_path: Path) -> None:
        assert "There is no verified backup of notes" in self.found(engine, tmp_path)["says"]
        self.backup(tmp_path, 5)
        old = self.found(engine, tmp_path)
        assert (old["status"], "is 5.0 h old, and may be 1.0 h" in old["says"]) == ("failed", True)
        assert self.found(engine, tmp_path, backup_age=0)["status"] == "skipped"
        self.backup(tmp_path, 0.5)
        assert self.found(engine, tmp_path)["status"] == "passed"

    def test_one_whose_dump_is_cut_short_counts_for_nothing(self, engine: t.Any, tmp_path: Path) -> None:
        self.backup(tmp_path, 0.5, size=4)
        assert self.found(engine, tmp_path)["status"] == "failed"

    def test_what_is_not_declared_is_skipped_with_the_reason(self, engine: t.Any, tmp_path: Path) -> None:
        cases: t.List[t.Dict[str, t.Any]] = [
            {},
            {"database": {}},
            {"database": {**self.DATABASE, "host": "db1"}, "host_name": "app1"},
        ]
        said = [looked(params(tmp_path, "database", **more), engine)["database"] for more in cases]
        assert {one["status"] for one in said} == {"skipped"}
        assert len({one["says"] for one in said}) == 3

    def test_one_that_does_not_run_is_named(self, engine: t.Any, tmp_path: Path) -> None:
        found = looked(params(tmp_path, "database", database=self.DATABASE), engine)["database"]
        assert found["status"] == "failed"
        assert "'postgres' has no container" in found["says"]


class TestHosts:
    def test_versions_are_told(self, engine: t.Any, tmp_path: Path) -> None:
        assert looked(params(tmp_path, "hosts"), engine)["Docker"]["says"] == "Engine 26.1.5, Compose 2.26.1."

    def test_an_engine_that_is_down_is_told_with_the_remedy(self, engine: t.Any, tmp_path: Path) -> None:
        engine.answers[("version", "--format")] = (1, "", "Cannot connect to the Docker daemon")
        found = looked(params(tmp_path, "hosts"), engine)["Docker"]
        assert found["status"] == "failed"
        assert "systemctl start docker" in found["mend"]

    def test_a_lease_that_somebody_holds_is_a_warning_and_is_left_alone(self, engine: t.Any, tmp_path: Path) -> None:
        Lease(tmp_path, Clock()).take(owner="bob@other", run="r", action="deploy", takeover=False)
        before = (tmp_path / "lease.json").read_text()
        found = looked(params(tmp_path, "hosts"), engine)["lease"]
        assert found["status"] == "warning"
        assert "bob@other" in found["says"]
        assert (tmp_path / "lease.json").read_text() == before

    def test_a_folder_that_is_not_there_is_an_item_and_not_an_end(self, engine: t.Any, tmp_path: Path) -> None:
        found = looked(params(tmp_path / "away", "hosts", "rollback", "database"), engine)
        assert found["app folder"]["status"] == "failed"
        assert found["Docker"]["status"] == "passed"

    def test_settings_that_cannot_be_right_are_refused(self, engine: t.Any, tmp_path: Path) -> None:
        with pytest.raises(BadInputError):
            look_as({**params(tmp_path, "hosts"), "services": {}}, engine)


class TestRegistry:
    LOGIN: t.ClassVar[t.Dict[str, str]] = {
        "registry": "registry.example.com",
        "registry_username": "ci",
        "registry_password": PASSWORD,
    }

    def found(self, engine: t.Any, folder: Path) -> t.Dict[str, t.Any]:
        return looked(params(folder, "registry", **self.LOGIN), engine)["registry pull"]

    def test_a_tag_that_nobody_has_is_an_answer_for_who_may_pull(self, engine: t.Any, tmp_path: Path) -> None:
        engine.answers[("login",)] = (0, "", "")
        engine.answers[("manifest", "inspect")] = (1, "", "no such manifest: registry.example.com/backend")
        assert self.found(engine, tmp_path)["status"] == "passed"
        assert [words[2] for words in engine.calls if words[0] == "manifest"] == [
            "registry.example.com/backend:hotfix-preflight-no-such-tag"
        ]
        assert not any(PASSWORD in word for words in engine.calls for word in words)

    def test_whoever_may_not_pull_is_told(self, engine: t.Any, tmp_path: Path) -> None:
        engine.answers[("login",)] = (0, "", "")
        engine.answers[("manifest", "inspect")] = (1, "", f"denied: {PASSWORD} may not pull")
        found = self.found(engine, tmp_path)
        assert found["status"] == "failed"
        assert "may not pull" in found["says"]
        assert PASSWORD not in str(found)

    def test_a_registry_that_is_away_is_no_pass(self, engine: t.Any, tmp_path: Path) -> None:
        engine.answers[("login",)] = (1, "", "dial tcp: connection refused")
        engine.answers[("manifest", "inspect")] = (1, "", "dial tcp: connection refused")
        assert "connection refused" in self.found(engine, tmp_path)["says"]

    def test_a_login_that_is_refused_is_told(self, engine: t.Any, tmp_path: Path) -> None:
        engine.answers[("login",)] = (1, "", "unauthorized: incorrect username or password")
        found = self.found(engine, tmp_path)
        assert (found["status"], "refused the login of ci" in found["says"]) == ("failed", True)


def test_all_programs_end_before_the_look_does() -> None:
    given: t.List[float] = []

    def runner(arguments: t.Sequence[str], *, timeout: float, **_more: t.Any) -> t.Tuple[int, str, str]:
        given.append(timeout)
        return 0, "", ""

    bounded = Bounded(t.cast(t.Any, runner), 2.0)
    bounded(("docker", "ps"), timeout=60.0)
    bounded(("docker", "ps"), timeout=1.0)
    assert given[0] <= 2.0
    assert given[1] <= 1.0
