# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _images
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import LocalImage
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image

REPOSITORY = "registry.example.com/backend"


def local(*digests: str) -> LocalImage:
    return LocalImage("sha256:1", digests, {"pangeafate.hotfix.migration": "none"}, ())


def entry(number: str, *digests: str):
    return {"Id": f"sha256:{number}", "RepoDigests": list(digests), "Config": {"Labels": None, "Env": None}}


def test_an_image_is_pinned_by_the_digest_of_its_own_repository() -> None:
    image = _images.record(local("other@sha256:9", f"{REPOSITORY}@sha256:2"), f"{REPOSITORY}:v1", REPOSITORY)
    assert (image.digest, image.pin, image.migration) == (f"{REPOSITORY}@sha256:2", f"{REPOSITORY}@sha256:2", "none")


def test_an_image_that_no_registry_had_is_pinned_by_its_id() -> None:
    assert _images.record(local("other@sha256:9"), f"{REPOSITORY}:v1", REPOSITORY).pin == "sha256:1"


@pytest.mark.parametrize("repository", ["docker.io/library/web", "library/web", "web"])
def test_docker_hub_has_short_names(repository: str) -> None:
    assert _images.record(local("web@sha256:2"), "web:1", repository).digest == "web@sha256:2"


def test_a_version_is_pulled_and_pinned(make_host, runner) -> None:
    runner.images[f"{REPOSITORY}:v2"] = entry("2", f"{REPOSITORY}@sha256:d2")
    images, notes = _images.obtain(make_host(), "v2")
    assert images["backend"].pin == f"{REPOSITORY}@sha256:d2"
    assert notes == []
    assert ("pull", "--quiet", f"{REPOSITORY}:v2") in runner.calls


def test_without_the_registry_an_image_on_the_host_does(make_host, runner) -> None:
    runner.images[f"{REPOSITORY}:v2"] = entry("2")
    runner.answers[("pull",)] = (1, "", "dial tcp: connection refused")
    images, notes = _images.obtain(make_host(), "v2")
    assert images["backend"].pin == "sha256:2"
    assert "could not be asked" in notes[0]


def test_an_image_that_cannot_be_had_says_why(make_host, runner) -> None:
    runner.answers[("pull",)] = (1, "", "dial tcp: connection refused")
    with pytest.raises(HotfixError, match=f"{REPOSITORY}:v2 could not be pulled: dial tcp: connection refused"):
        _images.obtain(make_host(), "v2")


def test_an_unknown_version_is_bad_input_even_if_an_old_copy_is_here(make_host, runner) -> None:
    runner.images[f"{REPOSITORY}:v9"] = entry("9")
    runner.answers[("pull",)] = (1, "", f"manifest for {REPOSITORY}:v9 not found: manifest unknown")
    with pytest.raises(HotfixError, match="The version is unknown") as caught:
        _images.obtain(make_host(), "v9")
    assert caught.value.code == "bad_input"


def test_a_rollback_asks_no_registry_for_what_is_here(make_host, runner, make) -> None:
    release = make("v1", "preparing", "prepared", "live", "confirmed")
    runner.images["sha256:v1"] = entry("v1")
    _images.restore(make_host(), release)
    assert not [words for words in runner.calls if words[0] in ("pull", "login")]


def test_what_is_gone_is_pulled_by_digest(make_host, runner, make) -> None:
    release = make("v1", "preparing", "prepared", "live", "confirmed")
    release.images["backend"] = Image(f"{REPOSITORY}:v1", "sha256:v1", digest=f"{REPOSITORY}@sha256:d1")
    _images.restore(make_host(), release)
    assert ("pull", "--quiet", f"{REPOSITORY}@sha256:d1") in runner.calls


def test_what_is_gone_for_good_names_releases_that_are_here(make_host, runner, make) -> None:
    here = make("v1", "preparing", "prepared", "live", "confirmed")
    gone = make("v2", "preparing", "prepared", "live", "confirmed")
    runner.images["sha256:v1"] = entry("v1")
    with pytest.raises(HotfixError, match="no registry ever had it") as caught:
        _images.restore(make_host(), gone)
    assert here.id in caught.value.next_step


def test_a_full_disk_is_noticed_before_anything_is_pulled(make_host, runner, tmp_path) -> None:
    runner.answers[("info",)] = (0, "/nonexistent\n", "")
    host = make_host()
    stat = os.statvfs(str(tmp_path))
    free = stat.f_bavail * stat.f_frsize // 1024 // 1024
    _images.require_room(host, 0)
    with pytest.raises(HotfixError, match=f"{free + 100000} MB are wanted") as caught:
        _images.require_room(host, free + 100000)
    assert "deploy_min_free_mb" in caught.value.next_step
