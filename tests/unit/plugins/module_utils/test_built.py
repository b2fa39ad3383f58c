# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _built
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

CONTENT = "sha256:" + "a1" * 32
REPOSITORY = "registry.example.com:5000/backend"
TAG = "hotfix-20260102T030405Z"
GOOD: t.Dict[str, t.Any] = {
    "reference": f"{REPOSITORY}:{TAG}",
    "image_id": CONTENT,
    "digest": f"{REPOSITORY}@{CONTENT}",
    # What else a build tells of an image is nothing to a release.
    "built": True,
    "seconds": 1.5,
}


def test_the_result_of_a_build_is_read() -> None:
    built = _built.parse({"backend": GOOD})["backend"]
    assert (built.repository, built.tag, built.digest) == (REPOSITORY, TAG, f"{REPOSITORY}@{CONTENT}")
    assert _built.version_of({"backend": built}) == TAG


@pytest.mark.parametrize("digest", [None, ""])
def test_an_image_may_have_no_digest(digest: t.Optional[str]) -> None:
    assert _built.parse({"backend": {**GOOD, "digest": digest}})["backend"].digest is None


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("back end", GOOD, "service 'back end'"),
        ("backend", "registry.example.com/backend:v1", "is no dictionary"),
        ("backend", {**GOOD, "reference": REPOSITORY}, "no reference of the form repository:tag"),
        ("backend", {**GOOD, "reference": None}, "no reference of the form repository:tag"),
        ("backend", {**GOOD, "reference": "UPPER:v1"}, "image 'UPPER'"),
        ("backend", {**GOOD, "reference": f"{REPOSITORY}:{{{{ x }}}}"}, "version"),
        ("backend", {**GOOD, "image_id": "a1a1"}, "image_id 'a1a1' of backend"),
        ("backend", {**GOOD, "image_id": None}, "image_id None of backend"),
        ("backend", {**GOOD, "digest": CONTENT}, "of backend is no registry.example.com:5000/backend@sha256"),
        (
            "backend",
            {**GOOD, "digest": f"other@{CONTENT}"},
            "of backend is no registry.example.com:5000/backend@sha256",
        ),
        ("backend", {**GOOD, "digest": f"{REPOSITORY}@sha256:1"}, "of backend is no"),
    ],
)
def test_what_cannot_be_right_is_refused(name: str, given: t.Any, says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        _built.parse({name: given})


def test_images_of_two_builds_are_no_version() -> None:
    other = {**GOOD, "reference": "web:hotfix-20260102T030406Z", "digest": None}
    with pytest.raises(BadInputError, match="several builds"):
        _built.version_of(_built.parse({"backend": GOOD, "web": other}))
