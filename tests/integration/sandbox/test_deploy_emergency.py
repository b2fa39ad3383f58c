# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emergency builds go live by their tag, or by images that were sent, and nothing else changes with them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import faults
from tests.integration.driver import BIN, NO_BASELINE, ROOT, UNCHECKED, Host, Played, environment, fresh, play
from tests.integration.sandbox.images import BASE, Build

QUICK = (*NO_BASELINE, *UNCHECKED)
SEND = """
- hosts: all
  gather_facts: false
  tasks:
    - pangeafate.hotfix.image_transfer:
        images: "{{ wanted }}"
"""

# It moves the tag that all emergency builds share in the registry.
pytestmark = pytest.mark.slow


def deploy(*more: str) -> Played:
    return play("deploy", "-l", "staging", *QUICK, *more)


def assert_nothing_done(done: Played) -> None:
    assert done.code == 0, done.raw
    assert "Deploy: nothing to do." in done.text
    assert "changed=0" in done.text


def running(host: Host, service: str) -> set[str]:
    """The IDs of the images that a service runs where users are."""
    slot = host.current()["slot"]
    label = f"label=com.docker.compose.service={service if slot == 'own' else f'{service}-{slot}'}"
    ids = host.docker("ps", "--quiet", "--filter", label).split()
    return set(host.docker("inspect", "--format", "{{.Image}}", *ids).split())


def pins(host: Host) -> dict[str, str]:
    images: dict[str, dict[str, Any]] = host.current()["images"]
    return {name: image["digest"] or image["image_id"] for name, image in images.items()}


@pytest.fixture(scope="module")
def builds() -> Iterator[dict[str, Build]]:
    """An old build of two services, two newer ones of one, and one without labels."""
    made = {
        "unlabelled": Build("20260102T030400Z", "backend", "frontend", "hocuspocus", labelled=False),
        "old": Build("20260102T030405Z", "backend", "frontend"),
        "new": Build("20260102T040506Z", "frontend"),
        "later": Build("20260102T050607Z", "frontend"),
    }
    yield made
    for build in made.values():
        build.remove()


@pytest.fixture(scope="module")
def host() -> Host:
    """A staging host that runs v6."""
    found = fresh("staging1")[0]
    done = deploy("-e", f"version={BASE}")
    assert done.code == 0, done.raw
    return found


def test_the_tag_is_refused_where_no_build_made_it(host: Host, builds: dict[str, Build]) -> None:
    builds["unlabelled"].push()
    before = host.containers()
    done = deploy("-e", "version=emergency")
    assert done.code != 0
    assert "No image that is tagged 'emergency' comes from an emergency build" in done.text
    assert "backend: no label pangeafate.hotfix.build" in done.text
    assert (host.containers(), host.current()["version"]) == (before, BASE)


def test_the_newest_build_goes_live_and_nothing_else_changes(host: Host, builds: dict[str, Build]) -> None:
    before = pins(host)
    builds["old"].push()
    builds["new"].push()
    planned = deploy("-e", "version=emergency", "--check", "--diff")
    assert planned.code == 0, planned.raw
    assert "As they are: backend (" in planned.text
    assert pins(host) == before
    done = deploy("-e", "version=emergency")
    assert done.code == 0, done.raw
    record = host.current()
    assert record["version"] == builds["new"].id
    assert running(host, "frontend") == {builds["new"].image_id("frontend")}
    assert record["images"]["frontend"]["revision"] == builds["new"].revision
    assert record["images"]["frontend"]["source"] is None
    assert pins(host)["frontend"].startswith(f"{builds['new'].repository('frontend')}@sha256:")
    # The backend has a tag of an older build, hocuspocus one of none.
    assert {name: pin for name, pin in pins(host).items() if name != "frontend"} == {
        name: pin for name, pin in before.items() if name != "frontend"
    }
    again = deploy("-e", "version=emergency")
    assert_nothing_done(again)


def test_a_later_push_changes_nothing_that_runs(host: Host, builds: dict[str, Build]) -> None:
    containers, before = host.containers(), pins(host)
    builds["later"].push()
    seen = play("release_info", "-l", "staging")
    assert seen.code == 0, seen.raw
    assert "Drift" not in seen.text
    assert (host.containers(), pins(host)) == (containers, before)
    # Nor does a deploy by the digest that is live.
    images = {
        "frontend": {
            "reference": builds["new"].reference("frontend"),
            "digest": before["frontend"],
            "image_id": builds["new"].image_id("frontend"),
        }
    }
    same = deploy("-e", json.dumps({"deploy_images": images}))
    assert_nothing_done(same)
    assert (host.containers(), pins(host)) == (containers, before)


def test_a_rollback_leaves_it_and_comes_back_to_it(host: Host, builds: dict[str, Build]) -> None:
    release = host.current()["id"]
    back = play("rollback", "-l", "staging")
    assert back.code == 0, back.raw
    assert host.current()["version"] == BASE
    forth = play("rollback", "-l", "staging", "-e", f"release={release}")
    assert forth.code == 0, forth.raw
    assert host.current()["id"] == release
    assert running(host, "frontend") == {builds["new"].image_id("frontend")}


def test_without_a_registry_an_image_must_have_been_sent(host: Host, builds: dict[str, Build], tmp_path: Path) -> None:
    build = builds["later"]
    faults.nested_docker(host.name, "image", "rm", "--force", build.reference("frontend"), check=False)
    before = host.containers()
    images = json.dumps({"deploy_images": build.images(), "wanted": build.images()})
    with faults.registry_cut(host.name):
        refused = deploy("-e", images)
        assert refused.code != 0
        assert "is not on this host under its ID" in refused.text
        assert "image_transfer" in refused.text
        assert host.containers() == before
        sent = send(tmp_path, images)
        assert sent.code == 0, sent.raw
        done = deploy("-e", images)
        assert done.code == 0, done.raw
        record = host.current()
        assert record["version"] == build.id
        image = record["images"]["frontend"]
        assert (image["digest"], image["source"], image["revision"]) == (None, "transferred", build.revision)
        assert running(host, "frontend") == {build.image_id("frontend")}
        assert_nothing_done(deploy("-e", images))


def test_with_the_registry_down_the_tag_is_what_was_sent(host: Host, builds: dict[str, Build]) -> None:
    with faults.registry_cut(host.name):
        done = deploy("-e", "version=emergency")
    assert_nothing_done(done)
    assert "The registry could not be asked for" in done.text


def test_it_is_shown_and_survives_a_prune_and_a_rollback_and_back(host: Host, builds: dict[str, Build]) -> None:
    build, release = builds["later"], host.current()["id"]
    seen = play("release_info", "-l", "staging")
    assert "the images of frontend came without a registry and are pinned by their IDs" in seen.text
    with faults.registry_cut(host.name):
        back = play("rollback", "-l", "staging")
        assert back.code == 0, back.raw
        assert host.current()["version"] == builds["new"].id
        # No container runs it any more.
        assert running(host, "frontend") != {build.image_id("frontend")}
        host.docker("image", "prune", "--all", "--force")
        # With it went the tag, and nobody can be asked.
        unknown = deploy("-e", "version=emergency")
        assert unknown.code != 0
        assert "The registry could not be asked for the newest emergency build" in unknown.text
        forth = play("rollback", "-l", "staging", "-e", f"release={release}")
        assert forth.code == 0, forth.raw
    assert running(host, "frontend") == {build.image_id("frontend")}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"mailer": {}}, "Unknown service mailer"),
        ({"frontend": {"digest": "frontend@sha256:1"}}, "digest 'frontend@sha256:1' of frontend"),
        ({"frontend": {"image_id": "1"}}, "image_id '1' of frontend"),
        ({"frontend": {"reference": "registry.example.com/other:v1"}}, "is not of the repository"),
        ({"frontend": {"reference": "{{ lookup('pipe', 'id') }}"}}, "deploy_images holds a template"),
    ],
)
def test_images_that_cannot_be_right_are_refused(
    host: Host, builds: dict[str, Build], given: dict[str, dict[str, str]], says: str
) -> None:
    before = host.containers()
    [good] = builds["new"].images().values()
    images = {name: {**good, **more} for name, more in given.items()}
    done = deploy("-e", json.dumps({"deploy_images": images}))
    assert done.code != 0
    assert says in done.text
    assert host.containers() == before


def send(folder: Path, images: str) -> Played:
    (folder / "send.yml").write_text(SEND, encoding="utf-8")
    words = [BIN / "ansible-playbook", "-i", ROOT / "inventories/sandbox", "-l", "staging", folder / "send.yml"]
    done = subprocess.run(
        [*map(str, words), "-e", images],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Played(done.returncode, done.stdout + done.stderr)
