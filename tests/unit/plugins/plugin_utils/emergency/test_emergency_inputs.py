# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an emergency build is made of, with a real Git."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import Git
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.inputs import Service, Source, services

KNOWN: dict[str, Any] = {
    "web": {"image": "registry.example.com/wiki", "build": {"context": "web", "dockerfile": "web/Dockerfile"}},
    "jobs": {"image": "registry.example.com/jobs", "build": "."},
    "search": {"image": "registry.example.com/search"},
}


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com"]
    done = subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "wiki"
    (folder / "web").mkdir(parents=True)
    git(tmp_path, "init", "-q", str(folder))
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "web/Dockerfile").write_text("FROM scratch\n")
    (folder / "web/start").write_text("#!/bin/sh\n")
    (folder / "web/start").chmod(0o755)
    (folder / "web/link").symlink_to("start")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder


def source(folder: Path, revision: str = "HEAD") -> Source:
    return Source.of(Git(folder), revision)


def test_services_are_those_that_are_named_or_all_that_say_how() -> None:
    assert [one.name for one in services([], KNOWN)] == ["jobs", "web"]
    (web,) = services(["web", "web"], KNOWN)
    assert web == Service("web", "registry.example.com/wiki", "web", "web/Dockerfile")
    assert services(["jobs"], KNOWN)[0].context == "."


@pytest.mark.parametrize(
    ("named", "known", "says"),
    [
        (["wiki"], KNOWN, "Unknown service wiki: there are jobs, search, web."),
        (["search"], KNOWN, "How search is built is not said."),
        ([], {}, "How the services are built is not said."),
        (["web"], {"web": {"image": "r.example.com/w", "build": {"file": "x"}}}, "does not know file"),
        (["web"], {"web": {"image": "r.example.com/w", "build": {"context": "../up"}}}, "context '../up'"),
        (["web"], {"web": {"image": "r.example.com/w", "build": {"dockerfile": "/etc/passwd"}}}, "'/etc/passwd'"),
        (["web"], {"web": {"image": "r.example.com/w", "build": {"args": {"a b": 1}}}}, "build argument 'a b'"),
        (
            ["web"],
            {"web": {"image": "r.example.com/w", "build": {"labels": {"pangeafate.hotfix.build": "x"}}}},
            "label 'pangeafate.hotfix.build'",
        ),
    ],
)
def test_what_cannot_be_built_is_told(named: list[str], known: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        services(named, known)
    assert says in str(caught.value)


def test_a_commit_that_is_none_is_told(repository: Path) -> None:
    for name in ("nonsense", "--all", "a\nb"):
        with pytest.raises(BadInputError):
            source(repository, name)


def test_paths_that_the_commit_lacks_are_told(repository: Path) -> None:
    wanted = services(["web"], {"web": {"image": "r.example.com/w", "build": {"context": "web/start"}}})
    with pytest.raises(BadInputError, match="has no folder 'web/start', which the context of web names"):
        source(repository).require(wanted)
    wanted = services(["web"], {"web": {"image": "r.example.com/w", "build": {"dockerfile": "web"}}})
    with pytest.raises(BadInputError, match="has no file 'web', which the dockerfile of web names"):
        source(repository).require(wanted)
    source(repository).require(services([], KNOWN))


def test_inputs_change_with_everything_that_goes_into_a_build(repository: Path) -> None:
    wanted = services(["web"], KNOWN)
    first = source(repository).inputs(wanted)
    assert source(repository, "HEAD").inputs(wanted) == first
    build = dict(KNOWN["web"]["build"])
    others = [
        {**build, "args": {"A": "1"}},
        {**build, "target": "x"},
        {**build, "labels": {"a": "1"}},
        {**build, "context": "."},
    ]
    hashes = {source(repository).inputs(services(["web"], {"web": {**KNOWN["web"], "build": one}})) for one in others}
    hashes.add(source(repository).inputs(services(["web", "jobs"], KNOWN)))
    (repository / "web/start").write_text("#!/bin/sh\nexit 1\n")
    # What is not committed is not in it.
    assert source(repository).inputs(wanted) == first
    git(repository, "commit", "-qam", "two")
    hashes.add(source(repository).inputs(wanted))
    assert len(hashes | {first}) == len(others) + 3


def test_the_source_is_that_of_the_commit(repository: Path, tmp_path: Path) -> None:
    (repository / "web/start").write_text("changed\n")
    (repository / "secret").write_text("not committed\n")
    folder = tmp_path / "out"
    folder.mkdir()
    source(repository).unpack(folder)
    assert (folder / "web/start").read_text() == "#!/bin/sh\n"
    assert (folder / "web/start").stat().st_mode & 0o111
    assert (folder / "web/link").is_symlink()
    assert not (folder / "secret").exists()
    assert list(tmp_path.glob("*.tar")) == []
