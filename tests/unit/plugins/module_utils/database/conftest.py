# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database server that lives in the test, and an app whose database it holds."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database import postgres as module
from ansible_collections.pangeafate.hotfix.plugins.module_utils._database.state import State
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._journal import Journal
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session, opened
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Database, Run

DATABASE = {"service": "postgres", "name": "notes", "user": "notes", "type": "postgresql", "host": None}


class KilledError(BaseException):
    """The process is no more: nothing that it would still do happens."""


class Killer:
    """Lets a number of durable acts happen, and no more."""

    def __init__(self) -> None:
        self.left: t.Optional[int] = None

    @contextlib.contextmanager
    def after(self, acts: int) -> t.Iterator[None]:
        """Let the block do that many durable acts."""
        self.left = acts
        try:
            yield
        except KilledError:
            pass
        finally:
            self.left = None

    def act(self) -> None:
        if self.left is None:
            return
        if self.left == 0:
            raise KilledError
        self.left -= 1


def failed(text: str) -> CommandError:
    return CommandError(f"'docker exec' failed: {text}.", output=text, next_step="mend it.")


class Server:
    """Databases by name, each with a schema, rows and whether clients may connect. Dumps are JSON."""

    def __init__(self, killer: Killer) -> None:
        self._killer = killer
        self.database = Database("postgres", "notes", "notes")
        self.databases: t.Dict[str, t.Dict[str, t.Any]] = {"notes": self.new("s1", ["a"])}
        self.dumps = 0
        self.busy = 0
        self.fails: t.Optional[str] = None
        self.cut = 0

    @staticmethod
    def new(schema: str, rows: t.Iterable[str], book: t.Optional[str] = None) -> t.Dict[str, t.Any]:
        return {"schema": schema, "book": book, "rows": list(rows), "open": True}

    @property
    def notes(self) -> t.Dict[str, t.Any]:
        return self.databases["notes"]

    def version(self) -> str:
        return "17.1"

    def size(self) -> int:
        return 1000

    def exists(self, database: str) -> bool:
        return database in self.databases

    def state(self, database: t.Optional[str] = None) -> State:
        found = self.databases[database or "notes"]
        if not found["open"]:
            raise failed("not currently accepting connections")
        return State(found["schema"], found["book"])

    def dump(self, path: Path, descriptor: int) -> None:
        assert os.fstat(descriptor).st_ino == path.stat().st_ino
        self._killer.act()
        self.dumps += 1
        if self.fails:
            path.write_text("half")
            raise failed(self.fails)
        text = json.dumps(self.notes)
        path.write_text(text[: len(text) - self.cut])

    def read_back(self, path: Path) -> None:
        try:
            json.loads(path.read_text())
        except ValueError as exc:
            raise failed("pg_restore: error: could not read from input file: end of file") from exc

    def create_like(self, database: str) -> None:
        self._killer.act()
        assert database not in self.databases
        self.databases[database] = self.new("", [])

    def load(self, path: Path, database: str) -> None:
        self._killer.act()
        self.databases[database]["schema"] = "half"
        self._killer.act()
        self.databases[database] = {**json.loads(path.read_text()), "open": True}

    def drop(self, database: str) -> None:
        self._killer.act()
        self.databases.pop(database, None)

    def open(self) -> None:
        self._killer.act()
        self.notes["open"] = True

    def swap(self, side: str, before: str) -> None:
        self._killer.act()
        self.notes["open"] = False
        if self.busy:
            self.busy -= 1
            raise failed('database "notes" is being accessed by other users')
        self._killer.act()
        self.databases[before] = {**self.databases.pop("notes"), "open": True}
        self.databases["notes"] = self.databases.pop(side)


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    """Count what is durable: files, journal lines, and what changes the server."""
    killer = Killer()
    write, append, unlink = _files.write_text, Journal.append, Path.unlink

    def killing_write(path: Path, text: str, *, mode: int = 0o600) -> None:
        if path.name != "lease.json":
            killer.act()
        write(path, text, mode=mode)

    def killing_append(self: Journal, entry: t.Any) -> None:
        killer.act()
        append(self, entry)

    def killing_unlink(self: Path, *args: t.Any, **kwargs: t.Any) -> None:
        killer.act()
        unlink(self, *args, **kwargs)

    monkeypatch.setattr(_files, "write_text", killing_write)
    monkeypatch.setattr(Journal, "append", killing_append)
    monkeypatch.setattr(Path, "unlink", killing_unlink)
    return killer


@pytest.fixture
def server(killer: Killer, monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server(killer)
    monkeypatch.setattr(module.Postgres, "of", staticmethod(lambda _host: server))
    return server


@pytest.fixture
def database() -> t.Dict[str, t.Any]:
    return dict(DATABASE)


@pytest.fixture
def host(make_host: t.Callable[..., Host]) -> Host:
    return make_host(database=DATABASE, migration=None)


@pytest.fixture
def run() -> Run:
    return Run("r1", "ann@laptop", "", False)


@pytest.fixture
def session(host: Host, run: Run) -> t.Iterator[Session]:
    with opened(host, run, "deploy", resumes=False) as session:
        yield session
