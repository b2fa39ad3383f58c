# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import stat
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image

MODEL: t.Dict[str, t.Any] = {
    "name": "app",
    "services": {
        "backend": {"image": "registry.example.com/backend:v1", "build": {"context": "."}, "environment": {"A": "1"}},
        "nginx": {"image": "nginx:1"},
    },
}
PINS = {"backend": Image("registry.example.com/backend:v2", "sha256:1", digest="registry.example.com/backend@sha256:2")}


@pytest.fixture
def rendered(runner, tmp_path):
    """Let Compose render the given model, whatever file there is."""
    (tmp_path / "docker-compose.yml").write_text("services: {}\n")

    def render(model) -> None:
        runner.answers[("compose",)] = (0, json.dumps(model), "")

    return render


def test_compose_itself_reads_the_file(make_host, rendered, runner, tmp_path) -> None:
    rendered(MODEL)
    host = make_host(proxy_service="nginx")
    assert _compose.read(host.docker, host.app) == MODEL
    words = runner.calls[-1]
    assert words[words.index("--project-name") + 1] == "app"
    assert words[words.index("--file") + 1] == str(tmp_path / "docker-compose.yml")


def test_no_file_is_named(make_host, tmp_path) -> None:
    host = make_host()
    with pytest.raises(BadInputError, match="There is no Compose file") as caught:
        _compose.read(host.docker, host.app)
    assert str(tmp_path / "docker-compose.yml") in caught.value.what


def test_what_compose_says_of_a_broken_file_is_shown_without_secrets(make_host, rendered, runner, tmp_path) -> None:
    rendered({})
    (tmp_path / ".env").write_text("ADMIN_TOKEN=s3cr3t-value\n")
    runner.answers[("compose",)] = (15, "", "yaml: line 3: near s3cr3t-value")
    host = make_host()
    with pytest.raises(BadInputError, match=r"yaml: line 3: near \*{8}") as caught:
        _compose.read(host.docker, host.app)
    assert "s3cr3t" not in str(caught.value)


def test_output_that_is_no_json(make_host, rendered, runner) -> None:
    rendered({})
    runner.answers[("compose",)] = (0, "services:", "")
    host = make_host()
    with pytest.raises(BadInputError, match="no JSON"):
        _compose.read(host.docker, host.app)


def test_a_service_that_the_file_lacks_is_named_with_those_it_has(make_host, rendered) -> None:
    rendered(MODEL)
    image = {"image": "registry.example.com/x"}
    host = make_host(services={"backend": image, "worker": image}, proxy_service="caddy")
    with pytest.raises(BadInputError, match=r"Unknown service caddy, worker: .* has backend, nginx"):
        _compose.read(host.docker, host.app)


def test_an_empty_file_has_no_services(make_host, rendered) -> None:
    rendered({"name": "app"})
    host = make_host()
    with pytest.raises(BadInputError, match="has no services"):
        _compose.read(host.docker, host.app)


def test_a_service_that_is_only_built_cannot_be_released(make_host, rendered) -> None:
    rendered({"services": {"backend": {"build": {"context": "."}}}})
    host = make_host()
    with pytest.raises(BadInputError, match="only builds backend") as caught:
        _compose.read(host.docker, host.app)
    assert "image: registry.example.com/backend:" in caught.value.next_step


def test_a_release_never_holds_what_is_current_only(make_host, runner, tmp_path) -> None:
    (tmp_path / "docker-compose.yml").write_text("")
    (tmp_path / ".env").write_text("ADMIN_TOKEN=today\nOTHER=1\n")

    def render(_words):
        given = runner.environments[-1]["ADMIN_TOKEN"]
        service = {
            "image": "b:1",
            # From env_file, which Compose does not interpolate: the real value.
            "environment": {"ADMIN_TOKEN": "today", "HEADER": f"Bearer {given}", "OTHER": "1", "EMPTY": None},
            "command": ["run", f"--token={given}"],
        }
        return 0, json.dumps({"services": {"backend": service}}), ""

    runner.answers[("compose",)] = render
    host = make_host(current_only=["ADMIN_TOKEN"])
    model = _compose.read(host.docker, host.app)
    assert "today" not in json.dumps(model)
    assert model["services"]["backend"]["environment"] == {
        "ADMIN_TOKEN": "${ADMIN_TOKEN}",
        "HEADER": "Bearer ${ADMIN_TOKEN}",
        "OTHER": "1",
        "EMPTY": None,
    }
    assert model["services"]["backend"]["command"] == ["run", "--token=${ADMIN_TOKEN}"]
    assert _compose.current_only_env(host.app, []) == {"ADMIN_TOKEN": "today"}


def test_a_current_only_key_must_be_set(make_host, tmp_path) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    with pytest.raises(BadInputError, match=r"Neither .* nor a container sets B, C"):
        _compose.current_only_env(make_host(current_only=["A", "B", "C"]).app, [])


def test_a_current_only_key_that_env_lost_is_taken_from_what_runs(make_host, runner, docker, tmp_path) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    runner.add("backend", env=["A=older", "B=2", "PATH=/bin"])
    found = _compose.current_only_env(make_host(current_only=["A", "B"]).app, docker.containers("app"))
    assert found == {"A": "1", "B": "2"}


def test_pinned_runs_these_images_and_pulls_and_builds_nothing() -> None:
    pinned = _compose.pinned(MODEL, PINS)
    backend = pinned["services"]["backend"]
    assert backend["image"] == "registry.example.com/backend@sha256:2"
    assert backend["pull_policy"] == "never"
    assert "build" not in backend
    assert pinned["services"]["nginx"] == MODEL["services"]["nginx"]
    assert "build" in MODEL["services"]["backend"], "the model that was given is not changed"


def test_the_hash_is_of_content_not_of_order() -> None:
    turned = {"services": dict(reversed(list(MODEL["services"].items()))), "name": "app"}
    assert _compose.content_hash(turned, PINS) == _compose.content_hash(MODEL, PINS)
    assert _compose.content_hash(_compose.pinned(MODEL, PINS), PINS) != _compose.content_hash(MODEL, PINS)


def test_what_is_written_is_read_back_labelled_and_private(tmp_path) -> None:
    path = tmp_path / "compose.yml"
    _compose.write(path, MODEL, release_id="r1", services=["backend"])
    loaded = _compose.load(path) or {}
    assert loaded["services"]["backend"].pop("labels") == {"pangeafate.hotfix.release": "r1"}
    assert loaded == MODEL
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"services": []}', "# only\n# comments\n", "\x00"])
def test_a_damaged_file_is_no_model(tmp_path, content: str) -> None:
    (tmp_path / "compose.yml").write_text(content)
    assert _compose.load(tmp_path / "compose.yml") is None


def test_no_file_is_no_model(tmp_path) -> None:
    assert _compose.load(tmp_path / "compose.yml") is None


@pytest.mark.parametrize(
    ("entry", "count"),
    [
        ({}, 1),
        ({"deploy": {"replicas": 3}}, 3),
        ({"scale": 2}, 2),
        ({"deploy": {}}, 1),
        ({"deploy": None}, 1),
        ({"deploy": {"replicas": 0}}, 0),
    ],
)
def test_replicas(entry, count: int) -> None:
    assert _compose.replicas({"services": {"backend": entry}}, "backend") == count
