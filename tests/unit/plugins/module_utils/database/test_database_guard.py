# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a deploy owes the database: the guards, the migration, and what is written down of it."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _slots
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import backups, guard, log, restore
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.headroom import Headroom, headroom
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.verdict import permit, verdict
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import opened

LIVE = ("preparing", "prepared", "live", "confirmed")
MIGRATION = {"service": "backend", "command": ["migrate", "--now"], "timeout": 60.0}


def images(**labels: t.Optional[str]) -> t.Dict[str, Image]:
    return {name: Image(f"r/{name}:v", f"sha256:{name}", migration=label) for name, label in labels.items()}


class Deploy:
    """A release that is prepared after v1, and the container that migrates to it."""

    def __init__(self, host: t.Any, run: t.Any, runner: t.Any, server: t.Any, make: t.Any) -> None:
        self.host, self._run, self.runner, self.server, self._make = host, run, runner, server, make
        self.v1: Release = make("v1", *LIVE)
        self.release = self.prepared("v2", "incompatible")
        self.does: t.Callable[[], t.Tuple[int, str, str]] = self.migrates
        runner.answers[("compose",)] = self._compose

    def prepared(self, version: str, label: t.Optional[str]) -> Release:
        release: Release = self._make(version, "preparing", "prepared")
        release.images = images(backend=label)
        self.host.releases.save(release)
        model = {"services": {"backend": {"image": "sha256:backend", "environment": {"PASSWORD": "s3cretpass"}}}}
        _compose.write(self.host.releases.compose_file(release.id), model, release_id=release.id, services=["backend"])
        return release

    def migrates(self) -> t.Tuple[int, str, str]:
        self.server.notes.update(schema="s2", book="b2")
        return 0, "applied 5-rename\n", ""

    def _compose(self, words: t.Sequence[str]) -> t.Tuple[int, str, str]:
        assert "run" in words
        return self.does()

    def commands(self) -> t.List[t.Tuple[str, ...]]:
        return [words for words in self.runner.calls if words[0] == "compose"]

    def secure(self, **more: t.Any) -> t.List[str]:
        given = {"slot": "blue", "skip_reason": None, "migration_reason": "agreed", **more}
        with opened(self.host, self._run, "deploy", resumes=False) as session:
            return guard.secure(session, self.release, **given)

    def settle(self) -> t.List[str]:
        with opened(self.host, self._run, "deploy", resumes=False) as session:
            return guard.settle(session)

    def entries(self) -> t.List[log.Entry]:
        return log.read(self.host.app.app_dir).entries


@pytest.fixture
def deploy(make_host: t.Any, database: t.Any, run: t.Any, runner: t.Any, server: t.Any, make: t.Any) -> Deploy:
    return Deploy(make_host(database=database, migration=MIGRATION), run, runner, server, make)


# -- kinds and guards -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels, with_migration, kind",
    [
        ({"backend": "none", "frontend": None}, True, "none"),
        ({"backend": None, "frontend": "none"}, True, "undeclared"),
        ({"backend": None, "frontend": "none"}, False, "none"),
        ({"backend": "compatible", "frontend": "none"}, True, "compatible"),
        ({"backend": "compatible", "frontend": "incompatible"}, True, "incompatible"),
        ({"backend": None, "frontend": "incompatible"}, True, "incompatible"),
        ({"backend": "harmless", "frontend": "none"}, False, "undeclared"),
    ],
)
def test_the_worst_that_any_image_says_counts(
    make_host: t.Any, labels: t.Dict[str, t.Optional[str]], with_migration: bool, kind: str
) -> None:
    app = make_host(migration=MIGRATION if with_migration else None).app
    assert guard.kind_of(images(**labels), app) == kind


def test_what_the_operator_declares_counts_before_the_labels(make_host: t.Any) -> None:
    app = make_host(migration=MIGRATION).app
    assert guard.kind_of(images(backend="incompatible"), app, "compatible") == "compatible"
    with pytest.raises(BadInputError, match="'harmless' is no kind of migration"):
        guard.kind_of(images(backend=None), app, "harmless")


@pytest.mark.parametrize("label", ["incompatible", None])
def test_a_migration_that_is_not_compatible_wants_a_reason(deploy: Deploy, label: t.Optional[str]) -> None:
    found = images(backend=label)
    with pytest.raises(HotfixError) as caught:
        guard.require(deploy.host, found, skip_reason=None, migration_reason=None)
    assert caught.value.code == "refused"
    assert "backend (" in caught.value.what
    assert "migration_reason" in caught.value.next_step
    guard.require(deploy.host, found, skip_reason=None, migration_reason="agreed")
    guard.require(deploy.host, None, skip_reason=None, migration_reason=None)


@pytest.mark.parametrize("label", ["none", "compatible"])
def test_any_other_wants_none(deploy: Deploy, label: str) -> None:
    guard.require(deploy.host, images(backend=label), skip_reason=None, migration_reason=None)
    deploy.release.images = images(backend=label)
    guard.require(deploy.host, deploy.release, skip_reason=None, migration_reason=None)


def test_no_deploy_without_a_backup_but_for_a_reason(make_host: t.Any) -> None:
    undeclared = make_host(database=None)
    with pytest.raises(HotfixError) as caught:
        guard.require(undeclared, None, skip_reason=None, migration_reason=None)
    assert caught.value.code == "refused"
    assert "hotfix_database" in caught.value.next_step
    guard.require(undeclared, None, skip_reason="an empty app", migration_reason=None)
    guard.require(make_host(database={}), None, skip_reason=None, migration_reason=None)


def test_a_database_that_does_not_run_is_found_before_anything_is_touched(
    make_host: t.Any, database: t.Any, runner: t.Any
) -> None:
    host = make_host(database=database)
    with pytest.raises(BadInputError, match="service 'postgres' has no container"):
        guard.require(host, None, skip_reason=None, migration_reason=None)
    runner.add("postgres", status="exited")
    with pytest.raises(HotfixError, match="The database does not run: app-postgres-1 is exited"):
        guard.require(host, None, skip_reason=None, migration_reason=None)
    runner.containers[0]["State"]["Status"] = "running"
    runner.answers[("exec",)] = (1, "", 'FATAL:  role "notes" does not exist')
    with pytest.raises(HotfixError, match=r'does not answer.*role "notes" does not exist'):
        guard.require(host, None, skip_reason=None, migration_reason=None)
    guard.require(host, None, skip_reason="it is down", migration_reason=None)


# -- migrating --------------------------------------------------------------------------------------------


def test_a_release_is_backed_up_migrated_and_written_down(deploy: Deploy) -> None:
    notes = deploy.secure()
    (entry,) = deploy.entries()
    (backup,) = backups.everything(deploy.host)
    assert (entry.release, entry.kind, entry.outcome, entry.before) == (
        deploy.release.id, "incompatible", "done", [deploy.v1.id],
    )  # fmt: skip
    assert entry.backup == backup.id == deploy.host.releases.get(deploy.release.id).backup
    assert (entry.first_state, entry.last_state) == (("s1", None), ("s2", "b2"))
    assert notes[-1] == f"Migrated to {deploy.release.id}: applied 5-rename."
    assert "agreed" in notes[1]
    assert verdict(deploy.host, deploy.release, deploy.v1).needs_restore
    steps = [e["step"] for e in deploy.host.journal.entries() if e.get("phase") == "begin"]
    assert steps == ["back_up", "migrate"]


def test_it_runs_the_new_image_once_in_the_new_slot(deploy: Deploy) -> None:
    deploy.secure()
    (words,) = deploy.commands()
    run = words.index("run")
    assert words[words.index("--project-name") + 1] == "app-blue"
    path = _slots.compose_file(deploy.host, deploy.release, "blue")
    assert words[words.index("--file") + 1] == str(path)
    assert words[run:] == (
        "run", "--rm", "--no-deps", "--no-TTY", "--name", "app-hotfix-migrate", "backend-blue", "migrate", "--now",
    )  # fmt: skip
    assert json.loads("".join(line for line in path.read_text().splitlines() if line[0] != "#"))["services"]


def test_in_place_it_runs_in_the_apps_own_project(deploy: Deploy) -> None:
    deploy.secure(slot="own")
    (words,) = deploy.commands()
    assert words[words.index("--project-name") + 1] == "app"
    assert words[-3:] == ("backend", "migrate", "--now")


def test_one_that_declares_none_is_not_run(deploy: Deploy) -> None:
    deploy.release = deploy.prepared("v3", "none")
    notes = deploy.secure()
    assert deploy.commands() == []
    assert deploy.entries() == []
    assert notes[-1] == "The release declares that it has nothing to migrate."


def test_one_that_finds_nothing_to_do_is_no_obstacle(deploy: Deploy) -> None:
    deploy.secure()
    deploy.v1 = deploy.release
    deploy.v1.advance("live", at="t", operator="ann", why="test")
    deploy.host.releases.make_current(deploy.v1, by="deploy", came_from=None)
    deploy.release = deploy.prepared("v3", "incompatible")
    notes = deploy.secure()
    assert "found nothing to do" in notes[-1]
    assert [e.release for e in deploy.entries()] == [deploy.v1.id]
    assert verdict(deploy.host, deploy.release, deploy.v1).compatible


def test_one_that_fails_and_left_nothing_is_no_obstacle(deploy: Deploy) -> None:
    deploy.does = lambda: (1, "", "migrate: LockNotAvailable in postgres://notes:s3cretpass@postgres/notes")
    with pytest.raises(HotfixError) as caught:
        deploy.secure()
    assert "LockNotAvailable" in caught.value.what
    assert "s3cretpass" not in caught.value.what
    assert "left nothing in the database" in caught.value.left
    assert deploy.entries() == []


def test_one_that_fails_half_way_is(deploy: Deploy) -> None:
    def half() -> t.Tuple[int, str, str]:
        deploy.server.notes["schema"] = "half"
        return 1, "", "boom"

    deploy.does = half
    with pytest.raises(HotfixError) as caught:
        deploy.secure()
    assert "the schema has changed" in caught.value.left
    assert [e.outcome for e in deploy.entries()] == ["failed"]
    assert verdict(deploy.host, deploy.release, deploy.v1).needs_restore


@pytest.mark.parametrize(
    "seconds, code, says", [(60, 124, "did not end within 60 s"), (3, 137, "was killed, by hand or for lack of memory")]
)
def test_one_that_takes_too_long_is_ended(deploy: Deploy, clock: t.Any, seconds: int, code: int, says: str) -> None:
    def does() -> t.Tuple[int, str, str]:
        clock.advance(seconds)
        return code, "", ""

    deploy.does = does
    deploy.runner.answers[("ps", "--all", "--quiet", "--filter", "name=^app-hotfix-migrate$")] = (0, "abc\n", "")
    with pytest.raises(HotfixError, match=says):
        deploy.secure()
    assert ("rm", "--force", "abc") in deploy.runner.calls


def test_a_skipped_backup_is_said_and_nothing_can_be_restored(deploy: Deploy) -> None:
    notes = deploy.secure(skip_reason="no room")
    assert notes[0] == "No backup was made: no room."
    found = verdict(deploy.host, deploy.release, deploy.v1)
    assert (found.compatible, found.needs_restore) == (False, False)
    assert "none was made" in found.sentences[-1]


def test_before_an_incompatible_migration_the_backup_is_a_fresh_one(deploy: Deploy, run: t.Any) -> None:
    with opened(deploy.host, run, "deploy", resumes=False) as session:
        backups.back_up(session, max_age=0, release="r")
    deploy.secure()
    assert deploy.server.dumps == 2
    deploy.release = deploy.prepared("v3", "none")
    deploy.secure()
    assert deploy.server.dumps == 3
    deploy.secure()
    assert deploy.server.dumps == 3


def test_a_database_elsewhere_is_left_to_that_host(make_host: t.Any, database: t.Any, run: t.Any, make: t.Any) -> None:
    host = make_host(database={**database, "host": "db1"}, host_name="web1", migration=MIGRATION)
    with opened(host, run, "deploy", resumes=False) as session:
        notes = guard.secure(session, make("v2"), slot="blue", skip_reason=None, migration_reason=None)
    assert notes == ["The database runs on another host, which backs it up and migrates it."]
    assert log.read(host.app.app_dir).entries[0].elsewhere
    guard.require(host, None, skip_reason=None, migration_reason=None)
    assert headroom(host) is None


def test_one_that_somebody_else_runs_is_written_down(
    make_host: t.Any, database: t.Any, run: t.Any, runner: t.Any, server: t.Any, make: t.Any
) -> None:
    deploy = Deploy(make_host(database=database), run, runner, server, make)
    notes = deploy.secure()
    assert deploy.commands() == []
    assert "nothing was migrated by this deploy" in notes[-1]
    # It is judged by what the database shows then.
    assert not verdict(deploy.host, deploy.release, deploy.v1).compatible
    (entry,) = deploy.entries()
    assert entry.by_hand


def test_a_rollback_where_the_database_is_not_waits_for_the_same_word(
    make_host: t.Any, database: t.Any, run: t.Any, runner: t.Any, server: t.Any, make: t.Any
) -> None:
    host = make_host(database={**database, "host": "db1"}, host_name="web1", migration=MIGRATION)
    deploy = Deploy(host, run, runner, server, make)
    deploy.secure()
    assert (deploy.commands(), server.dumps) == ([], 0)
    found = verdict(host, deploy.release, deploy.v1)
    assert (found.compatible, found.needs_restore, found.elsewhere) == (False, True, True)
    with pytest.raises(HotfixError, match="The host of the database says what a restore would lose"):
        permit(found, restore=None, schema_ignored=None)
    assert permit(found, restore=None, schema_ignored="agreed") is False
    assert permit(found, restore="2026-01-02T03:04:05Z", schema_ignored=None) is True
    stopped: t.List[str] = []
    with opened(host, run, "rollback", resumes=False) as session:
        said = restore.restore_for(session, found, before_swap=lambda: stopped.append("stopped"))
    assert (said, stopped) == (["The database runs on another host, which restores it."], ["stopped"])
    assert verdict(host, deploy.release, deploy.v1).compatible
    assert not verdict(host, deploy.v1, deploy.release).compatible


# -- killed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("acts", range(14))
@pytest.mark.parametrize("done", [False, True])
def test_killed_anywhere_the_next_run_knows_the_backup_of_before(
    deploy: Deploy, killer: t.Any, acts: int, done: bool
) -> None:
    def dies() -> t.Tuple[int, str, str]:
        if done:
            deploy.migrates()
        killer.act()
        return deploy.migrates()

    deploy.does = dies
    with killer.after(acts):
        deploy.secure()
    deploy.settle()
    deploy.does = deploy.migrates
    deploy.secure()
    (entry,) = deploy.entries()
    assert entry.outcome == "done"
    assert entry.last_state == ("s2", "b2")
    found = verdict(deploy.host, deploy.release, deploy.v1)
    assert found.needs_restore
    dump = backups.path(deploy.host, found.backup.id)
    assert json.loads(dump.read_text())["schema"] == "s1"


def test_what_a_killed_run_left_running_is_ended_before_anything_is_judged(deploy: Deploy, killer: t.Any) -> None:
    deploy.runner.answers[("ps", "--all", "--quiet", "--filter", "name=^app-hotfix-migrate$")] = (0, "abc\n", "")

    def dies() -> t.Tuple[int, str, str]:
        killer.left = 0
        killer.act()
        raise AssertionError

    deploy.does = dies
    with killer.after(99):
        deploy.secure()
    assert [e.outcome for e in deploy.entries()] == ["begun"]
    before = len(deploy.runner.calls)
    assert deploy.settle() == [f"The migration of {deploy.release.id} was cut off and left nothing in the database."]
    assert ("rm", "--force", "abc") in deploy.runner.calls[before:]
    assert deploy.entries() == []
    assert deploy.settle() == []


def test_nothing_left_costs_no_command(deploy: Deploy, runner: t.Any) -> None:
    before = len(runner.calls)
    assert deploy.settle() == []
    assert len(runner.calls) == before


# -- headroom ---------------------------------------------------------------------------------------------


def test_connections_are_counted(make_host: t.Any, database: t.Any, runner: t.Any) -> None:
    runner.add("postgres")
    runner.answers[("exec",)] = (0, "97\x1f60\x1f40\n", "")
    found = headroom(make_host(database=database))
    assert found == Headroom(97, 60, 40)
    assert (found.free, found.fits_twice) == (37, False)
    assert found.says() == "60 of 97 database connections are open, 40 of them by the app"
    assert Headroom(97, 40, 40).fits_twice
