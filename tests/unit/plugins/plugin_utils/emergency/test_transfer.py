# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real images of the local engine, packed, sent to a folder and loaded again; only SSH is left out."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _image_transfer
from ansible_collections.pangeafate.hotfix.plugins.module_utils._built import Built
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import transfer

PART = 64 * 1024


def docker(*arguments: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


def _engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _engine_answers(), reason="no Docker Engine on this machine")


def run(arguments: Any, *, timeout: float, stdin: str | None = None, **_more: Any) -> tuple[int, str, str]:
    done = subprocess.run(arguments, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    return done.returncode, done.stdout, done.stderr


class Folder:
    """The other end: a folder, and the local engine as that of a host."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = Docker(run)
        self.said: list[str] = []
        self.put_names: list[str] = []
        self.phases: list[str] = []
        #: Raised in the place of the put with that number.
        self.fails: dict[int, Exception] = {}
        self.answers: dict[str, Any] = {}

    def module(self, phase: str, **arguments: Any) -> dict[str, Any]:
        self.phases.append(phase)
        if phase in self.answers:
            answer = self.answers[phase]
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                return dict(answer)
        folder = Path(arguments.get("folder") or self.path)
        if phase == "look":
            return _image_transfer.look(self.engine, arguments["layers"], arguments["tags"])
        if phase == "ready":
            return {"parts": _image_transfer.ready(self.engine, folder, arguments["archive"])}
        if phase == "load":
            given = arguments["archive"], arguments["configs"]
            return {"ids": _image_transfer.load(self.engine, folder, *given, timeout=arguments["timeout"])}
        if phase == "tag":
            return {"tagged": _image_transfer.tag(self.engine, arguments["tags"])}
        _image_transfer.discard(folder)
        return {}

    def make_folder(self, name: str) -> str:
        (self.path / name).mkdir(mode=0o700, exist_ok=True)
        return str(self.path / name)

    def put(self, local: str, remote: str) -> None:
        number = len(self.put_names)
        self.put_names.append(Path(remote).name)
        if number in self.fails:
            # As a lost connection leaves it.
            Path(remote).write_bytes(Path(local).read_bytes()[:100])
            raise self.fails[number]
        shutil.copy(local, remote)

    def say(self, text: str) -> None:
        self.said.append(text)


class Images:
    """Two images of the local engine that share their lower layer, which a third one keeps there."""

    def __init__(self, path: Path) -> None:
        self.name = f"hotfix-test-{uuid.uuid4().hex[:8]}"
        self.repositories = {name: f"{self.name}/{name}" for name in ("base", "backend", "web")}
        path.mkdir()
        for name, size in (("base", 300_000), ("backend", 200_000), ("web", 10_000)):
            # Unlike any other, or another test's image would keep the layer here; and it does not shrink.
            (path / name).write_bytes(uuid.uuid4().bytes + b"".join(uuid.uuid4().bytes for _n in range(size // 16)))
        self._build(path, "base", "scratch")
        for name in ("backend", "web"):
            self._build(path, name, f"{self.repositories['base']}:hotfix-20260102T030405Z")

    def _build(self, path: Path, name: str, base: str) -> None:
        (path / "Dockerfile").write_text(f"FROM {base}\nCOPY {name} /{name}\n")
        docker("build", "--quiet", "--tag", self.reference(name), str(path))

    def reference(self, name: str) -> str:
        return f"{self.repositories[name]}:hotfix-20260102T030405Z"

    def id(self, name: str) -> str:
        return docker("image", "inspect", "--format", "{{.Id}}", self.reference(name))

    def built(self, *names: str) -> dict[str, Built]:
        return {name: Built(self.reference(name), self.id(name)) for name in names}

    def remove(self) -> None:
        listed = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
        mine = [name for name in listed if name.startswith(f"{self.name}/")]
        if mine:
            docker("image", "rm", "--force", *mine)


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Images]:
    made = Images(tmp_path / "context")
    yield made
    made.remove()


@pytest.fixture
def target(tmp_path: Path) -> Folder:
    (tmp_path / "host").mkdir()
    return Folder(tmp_path / "host")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


class Gone(transfer.Engine):
    """An engine that saved the images once, and whose images are gone since: what is packed can be loaded anew."""

    def __init__(self, images: Images, *names: str) -> None:
        super().__init__()
        self._wanted = {images.id(name): images.reference(name) for name in names}
        self._known = self.images(sorted(self._wanted))
        self._saved = subprocess.run(["docker", "save", *sorted(self._wanted)], check=True, capture_output=True).stdout
        docker("image", "rm", *self._wanted.values())

    def run(self, *arguments: str) -> str:
        if hasattr(self, "_saved") and arguments[:2] == ("image", "save"):
            Path(arguments[3]).write_bytes(self._saved)
            return ""
        return super().run(*arguments)

    def images(self, ids: Any) -> dict[str, tuple[list[str], int]]:
        return self._known if hasattr(self, "_known") else super().images(ids)


def send(built: dict[str, Built], engine: transfer.Engine, target: Folder, work: Path, **more: Any) -> dict[str, Any]:
    return transfer.transfer(built, engine, target, work=work, part_size=PART, timeout=60.0, **more)


def names_in(path: str) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(Path(path).read_bytes()))) as opened:
        return opened.getnames()


def test_images_are_sent_without_the_layer_that_is_there_and_known_by_their_ids(
    images: Images, target: Folder, work: Path
) -> None:
    built = images.built("backend", "web")
    engine = Gone(images, "backend", "web")
    result = send(built, engine, target, work)
    assert (result["outcome"], result["changed"]) == ("done", True)
    # 210 kB that do not shrink, in parts of 64 kB; the base would be 300 kB more.
    assert 200_000 < result["sent_bytes"] < 250_000
    assert target.put_names == ["part-00000", "part-00001", "part-00002", "part-00003"]
    assert target.said[-1].endswith("MB sent (100 %).")
    assert result["images"]["backend"] == {
        "reference": images.reference("backend"),
        "digest": None,
        "image_id": built["backend"].image_id,
    }
    assert images.id("backend") == built["backend"].image_id
    emergency = f"{images.repositories['web']}:emergency"
    assert docker("image", "inspect", "--format", "{{.Id}}", emergency) == built["web"].image_id
    assert list(target.path.iterdir()) == []
    # What is there is not sent again.
    again = send(built, engine, target, work)
    assert (again["outcome"], again["changed"], again["sent_bytes"]) == ("unchanged", False, 0)
    docker("image", "rm", emergency)
    tagged = send(built, engine, target, work)
    assert (tagged["outcome"], tagged["sent_bytes"]) == ("done", 0)
    assert "tagged" in tagged["summary"]


def test_a_lost_connection_leaves_what_was_sent_and_the_next_run_goes_on(
    images: Images, target: Folder, work: Path, tmp_path: Path
) -> None:
    built, engine = images.built("backend"), Gone(images, "backend")
    target.fails[2] = AnsibleConnectionFailure("Broken pipe")
    with pytest.raises(
        AnsibleConnectionFailure, match=r"lost when .* of .* MB had been sent; they are kept.*Broken pipe"
    ):
        send(built, engine, target, work)
    target.put_names.clear()
    target.fails.clear()
    # The next run has another folder to pack in.
    (tmp_path / "later").mkdir()
    result = send(built, engine, target, tmp_path / "later")
    assert result["resumed_bytes"] == 2 * PART
    assert target.put_names == ["part-00002", "part-00003"]
    assert "are there from before" in target.said[2]
    assert images.id("backend") == built["backend"].image_id


def test_a_connection_that_is_lost_while_loading_says_so(images: Images, target: Folder, work: Path) -> None:
    built, engine = images.built("web"), Gone(images, "web")
    target.answers["load"] = AnsibleConnectionFailure("timed out")
    with pytest.raises(AnsibleConnectionFailure, match="while the host loaded the images"):
        send(built, engine, target, work)


def test_a_disk_that_fills_up_is_told_and_relieved(images: Images, target: Folder, work: Path) -> None:
    built, engine = images.built("backend"), Gone(images, "backend")
    target.fails[2] = AnsibleError("failed to transfer file")
    full = HotfixError("Only 0 MB are free on the disk of /x.", next_step="make room", code="no_room")
    target.answers["ready"] = [None, full]
    with pytest.raises(
        HotfixError, match=r"The disk filled up while the images were sent. Only 0 MB are free"
    ) as caught:
        send(built, engine, target, work)
    assert caught.value.left == "What was sent is removed again."
    assert list(target.path.iterdir()) == []


def test_a_part_that_cannot_be_written_for_another_reason_says_which(
    images: Images, target: Folder, work: Path
) -> None:
    built, engine = images.built("backend"), Gone(images, "backend")
    target.fails[1] = AnsibleError("failed to transfer file: Permission denied")
    with pytest.raises(HotfixError, match=r"could not be written to .*Permission denied"):
        send(built, engine, target, work)
    assert len(list(next(target.path.iterdir()).iterdir())) == 2


def test_a_layer_that_went_away_meanwhile_is_sent_after_all(images: Images, target: Folder, work: Path) -> None:
    built, engine = images.built("web"), Gone(images, "web")
    real = target.module("look", layers={one: found[0] for one, found in engine.images([]).items()}, tags={})
    assert list(real["layers"].values()) == [1]
    docker("image", "rm", images.reference("base"), images.reference("backend"))
    target.answers["look"] = {**real, "untagged": []}
    result = send(built, engine, target, work)
    assert result["sent_bytes"] > 300_000
    assert any("All are sent now" in text for text in target.said)
    assert images.id("web") == built["web"].image_id


def test_a_check_sends_nothing(images: Images, target: Folder, work: Path) -> None:
    built, engine = images.built("web"), Gone(images, "web")
    result = send(built, engine, target, work, check=True)
    assert (result["outcome"], result["changed"], target.phases) == ("planned", True, ["look"])
    assert "Would send the images of web" in result["summary"]
    assert list(work.iterdir()) == []


def test_an_archive_is_the_same_whenever_it_is_made_and_made_once_a_run(images: Images, tmp_path: Path) -> None:
    engine = transfer.Engine()
    kept = {images.id("backend"): 1, images.id("web"): 0}
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(engine.archive(kept, tmp_path / name, PART))
    assert made[0].sha256 == made[1].sha256
    # The base layer is in it once, for web alone wants it.
    assert len([name for name in names_in(made[0].path) if name.endswith(".tar")]) == 3
    before = Path(made[0].path).stat().st_mtime_ns
    assert engine.archive(kept, tmp_path / "one", PART) == made[0]
    assert Path(made[0].path).stat().st_mtime_ns == before
    assert not list((tmp_path / "one").glob("*.tar"))


def test_an_image_that_the_engine_does_not_have_says_what_to_do(target: Folder, work: Path) -> None:
    built = {"web": Built("web:hotfix-20260102T030405Z", "sha256:" + "0" * 64)}
    with pytest.raises(HotfixError, match=r"(?i)no such image") as caught:
        send(built, transfer.Engine(), target, work)
    assert "emergency_build" in caught.value.next_step


def test_an_engine_that_does_not_answer_is_named(target: Folder, work: Path) -> None:
    built = {"web": Built("web:hotfix-20260102T030405Z", "sha256:" + "0" * 64)}
    with pytest.raises(HotfixError, match="failed on this machine") as caught:
        send(built, transfer.Engine("tcp://127.0.0.1:9"), target, work)
    assert "hotfix_build_engine" in caught.value.next_step


def test_no_docker_on_this_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HotfixError, match="no 'docker' command"):
        transfer.Engine().images(["sha256:1"])


def test_a_folder_here_that_cannot_be_written_is_named(images: Images, tmp_path: Path) -> None:
    with pytest.raises(HotfixError, match=r"could not be packed in .*/gone on this machine") as caught:
        transfer.Engine().archive({images.id("web"): 0}, tmp_path / "gone", PART)
    assert "local_tmp" in caught.value.next_step
