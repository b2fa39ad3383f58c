# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _image_transfer
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

IMAGE = "sha256:" + "a1" * 32
NEEDS = ["sha256:1", "sha256:2", "sha256:3"]
REFERENCE = "registry.example.com/backend:hotfix-20260102T030405Z"
PARTS = (b"one of " * 4, b"another of " * 3, b"the last")


def entry(image: str) -> t.Dict[str, t.Any]:
    return {"Id": image, "RepoDigests": [], "Config": {"Labels": None, "Env": None}}


def layers(runner, *chains: t.Optional[t.List[str]]) -> None:
    """Let the host have images of these layers."""
    runner.answers[("info",)] = (0, '[["Backing Filesystem","extfs"]]', "")
    runner.answers[("image", "ls")] = (0, "".join(f"sha256:{n}\n" for n in range(len(chains))), "")
    runner.answers[("image", "inspect", "--format")] = (0, "".join(json.dumps(one) + "\n" for one in chains), "")


def archive(parts: t.Sequence[bytes] = PARTS, unpacked: int = 1000) -> t.Dict[str, t.Any]:
    return {
        "sha256": hashlib.sha256(b"".join(parts)).hexdigest(),
        "size": sum(map(len, parts)),
        "part_size": len(parts[0]),
        "parts": [hashlib.sha256(part).hexdigest() for part in parts],
        "unpacked": unpacked,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "images" / str(archive()["sha256"])
    path.mkdir(parents=True)
    for number, part in enumerate(PARTS):
        (path / _image_transfer.part_name(number)).write_bytes(part)
    return path


@pytest.mark.parametrize(
    ("chains", "count"),
    [
        ([], 0),
        ([["sha256:1", "sha256:2", "sha256:9"], ["sha256:1"]], 2),
        # The same layer on top of another one is none that this image can use.
        ([["sha256:2", "sha256:3"], ["sha256:9", "sha256:1"]], 0),
        ([["sha256:1", "sha256:2", "sha256:3", "sha256:4"]], 3),
        ([None, ["sha256:1"]], 1),
    ],
)
def test_layers_that_are_here_from_the_bottom_are_counted(docker, runner, chains, count: int) -> None:
    layers(runner, *chains)
    seen = _image_transfer.look(docker, {IMAGE: NEEDS}, {REFERENCE: IMAGE})
    assert seen == {"missing": [IMAGE], "layers": {IMAGE: count}, "untagged": [REFERENCE]}


def test_an_image_that_is_here_is_not_missing(docker, runner) -> None:
    runner.images[IMAGE] = runner.images[REFERENCE] = entry(IMAGE)
    assert _image_transfer.look(docker, {IMAGE: NEEDS}, {REFERENCE: IMAGE}) == {
        "missing": [],
        "layers": {},
        "untagged": [],
    }
    runner.images[REFERENCE] = entry("sha256:other")
    assert _image_transfer.look(docker, {IMAGE: NEEDS}, {REFERENCE: IMAGE})["untagged"] == [REFERENCE]


def test_an_engine_with_another_image_store_gets_every_layer(docker, runner) -> None:
    layers(runner, NEEDS)
    runner.answers[("info",)] = (0, '[["driver-type","io.containerd.snapshotter.v1"]]', "")
    assert _image_transfer.look(docker, {IMAGE: NEEDS}, {})["layers"] == {IMAGE: 0}


def test_an_image_that_goes_away_meanwhile_leaves_the_others(docker, runner) -> None:
    layers(runner, NEEDS, NEEDS)
    runner.answers[("image", "inspect", "--format")] = (1, '["sha256:1"]\n', "Error: No such image: sha256:0")
    assert _image_transfer.look(docker, {IMAGE: NEEDS}, {})["layers"] == {IMAGE: 1}


def test_only_whole_parts_count(docker, runner, folder: Path) -> None:
    runner.answers[("info",)] = (0, "/nonexistent\n", "")
    assert _image_transfer.ready(docker, folder, archive()) == [0, 1, 2]
    (folder / _image_transfer.part_name(1)).write_bytes(PARTS[1][:-1])
    (folder / _image_transfer.part_name(2)).unlink()
    assert _image_transfer.ready(docker, folder, archive()) == [0]


def test_no_room_is_noticed_before_anything_is_sent(docker, runner, folder: Path, tmp_path: Path) -> None:
    stat = os.statvfs(str(tmp_path))
    free = stat.f_bavail * stat.f_frsize
    runner.answers[("info",)] = (0, f"{tmp_path}\n", "")
    _image_transfer.ready(docker, folder, archive(unpacked=free // 4))
    # Both are on one disk, and the engine unpacks everything twice.
    with pytest.raises(HotfixError, match=r"Only [0-9]+ MB are free on the disk of .*, [0-9]+ MB are wanted") as caught:
        _image_transfer.ready(docker, folder, archive(unpacked=free // 2 + 1024 * 1024))
    assert caught.value.code == "no_room"


def test_parts_that_nobody_came_back_for_are_removed(docker, runner, folder: Path) -> None:
    runner.answers[("info",)] = (0, "/nonexistent\n", "")
    forgotten, recent, foreign = (folder.parent / name for name in ("f" * 64, "e" * 64, "notes"))
    for other in (forgotten, recent, foreign):
        other.mkdir()
        (other / "part-00000").write_text("x")
    for other in (forgotten, foreign, folder):
        os.utime(other, (0, 0))
    _image_transfer.ready(docker, folder, archive())
    assert (forgotten.exists(), recent.exists(), foreign.exists(), folder.exists()) == (False, True, True, True)


def test_the_parts_are_loaded_as_one_and_removed(docker, runner, folder: Path) -> None:
    runner.images[IMAGE] = entry(IMAGE)
    assert _image_transfer.load(docker, folder, archive(), {IMAGE: IMAGE}, timeout=9.0) == {IMAGE: IMAGE}
    [words] = [words for words in runner.calls if words[0] == "sh"]
    assert words[4:] == tuple(str(folder / _image_transfer.part_name(number)) for number in range(3))
    assert runner.timeouts[runner.calls.index(words)] == 9.0
    assert not folder.exists()


def test_what_is_not_what_was_sent_is_not_loaded(docker, runner, folder: Path) -> None:
    (folder / _image_transfer.part_name(1)).write_bytes(b"something else")
    with pytest.raises(HotfixError, match="is not what was sent"):
        _image_transfer.load(docker, folder, archive(), {IMAGE: IMAGE}, timeout=9.0)
    (folder / _image_transfer.part_name(1)).unlink()
    with pytest.raises(HotfixError, match="is not what was sent"):
        _image_transfer.load(docker, folder, archive(), {IMAGE: IMAGE}, timeout=9.0)
    assert not [words for words in runner.calls if words[0] == "sh"]


def test_a_disk_that_fills_up_while_loading_is_named_and_relieved(docker, runner, folder: Path) -> None:
    runner.answers[("sh",)] = (1, "", "write /usr/lib/x: no space left on device")
    runner.answers[("info",)] = (0, "/var/lib/docker\n", "")
    with pytest.raises(HotfixError, match="The disk of /var/lib/docker filled up") as caught:
        _image_transfer.load(docker, folder, archive(), {IMAGE: IMAGE}, timeout=9.0)
    assert "removed" in caught.value.left
    assert not folder.exists()


def test_what_cannot_be_loaded_for_another_reason_is_kept(docker, runner, folder: Path) -> None:
    runner.answers[("sh",)] = (1, "", "open /var/lib/docker/tmp/x/layer.tar: no such file or directory")
    with pytest.raises(HotfixError, match="no such file or directory") as caught:
        _image_transfer.load(docker, folder, archive(), {IMAGE: IMAGE}, timeout=9.0)
    assert caught.value.code == "not_loaded"
    runner.answers[("sh",)] = (124, "", "")
    with pytest.raises(HotfixError, match="did not end within 9 s"):
        _image_transfer.load(docker, folder, archive(), {IMAGE: IMAGE}, timeout=9.0)
    assert folder.exists()


def test_an_image_may_go_by_its_configuration_here(docker, runner, folder: Path) -> None:
    runner.images["sha256:config"] = entry("sha256:config")
    found = _image_transfer.load(docker, folder, archive(), {IMAGE: "sha256:config"}, timeout=9.0)
    assert found == {IMAGE: "sha256:config"}


def test_an_image_that_the_engine_does_not_know_afterwards_is_an_error(docker, folder: Path) -> None:
    with pytest.raises(HotfixError, match=f"does not know {IMAGE}"):
        _image_transfer.load(docker, folder, archive(), {IMAGE: IMAGE}, timeout=9.0)


def test_tags_are_set_where_they_are_not_yet(docker, runner) -> None:
    runner.images["web:1"] = entry(IMAGE)
    assert _image_transfer.tag(docker, {"web:1": IMAGE, "web:2": IMAGE}) == ["web:2"]
    assert [words for words in runner.calls if words[0] == "tag"] == [("tag", IMAGE, "web:2")]
