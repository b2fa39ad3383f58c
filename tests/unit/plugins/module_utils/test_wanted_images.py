# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be asked for together with the images of an emergency build."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._perform import Wanted, check

REPOSITORY = "registry.example.com/backend"
TAG = "hotfix-20260102T030405Z"
IMAGES = {"backend": {"reference": f"{REPOSITORY}:{TAG}", "image_id": "sha256:" + "a1" * 32, "digest": None}}


@pytest.mark.parametrize(
    ("state", "more", "says"),
    [
        ("prepared", {"version": "v2", "images": IMAGES}, f"The images are of version {TAG}, not of v2"),
        ("live", {"release": "20260102T030405Z-v1", "images": IMAGES}, "state=live takes no images"),
        ("prepared", {"images": {"backend": {**IMAGES["backend"], "image_id": "1"}}}, "image_id '1' of backend"),
        ("prepared", {}, "No version is given"),
        ("prepared", {"images": {}}, "No version is given"),
    ],
)
def test_what_cannot_be_meant_is_refused(make_host, state: str, more: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        check(make_host(), Wanted(state, **more))


@pytest.mark.parametrize("version", [None, "", TAG, "emergency"])
def test_their_own_version_may_be_named(make_host, runner, tmp_path, version: t.Optional[str]) -> None:
    runner.add("backend", image="sha256:v1")
    old = {"Id": "sha256:v1", "RepoDigests": [], "Config": {"Labels": None, "Env": None}}
    runner.images["sha256:v1"] = old
    (tmp_path / "docker-compose.yml").write_text("services: {}")
    runner.answers[("compose",)] = (0, '{"services": {"backend": {"image": "x"}}}', "")
    result = check(make_host(), Wanted("prepared", version=version, images=IMAGES))
    assert result["changed"] is True
    assert result["diff"]["after"] == f"backend: {IMAGES['backend']['image_id']}\n"
    assert any("is not on this host yet" in line for line in result["plan"])
