# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A colour holds the switched services alone, under names that nobody else on the app's networks has."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _slots
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import app_from

MODEL: t.Dict[str, t.Any] = {
    "name": "app",
    "services": {
        "backend": {
            "image": "registry.example.com/backend@sha256:1",
            "container_name": "app-backend",
            "ports": [{"target": 8081, "published": "8081", "host_ip": "127.0.0.1"}, {"target": 9000}],
            "networks": {"inner": {"ipv4_address": "10.5.0.2", "aliases": ["api"], "priority": 5}},
            "depends_on": {"postgres": {"condition": "service_healthy"}, "worker": {"condition": "service_started"}},
            "volumes": [
                {"type": "volume", "source": "uploads", "target": "/uploads"},
                {"type": "bind", "source": "/srv/app/conf", "target": "/conf"},
            ],
            "secrets": [{"source": "key", "target": "key"}],
            "labels": {"team": "notes"},
            "restart": "unless-stopped",
        },
        "worker": {"image": "registry.example.com/worker@sha256:2", "links": ["backend", "postgres:db"]},
        "postgres": {"image": "postgres:17", "volumes": [{"type": "volume", "source": "data", "target": "/data"}]},
    },
    "networks": {"inner": {"name": "app_inner"}, "default": {"name": "app_default"}},
    "volumes": {"uploads": {"name": "app_uploads"}, "data": {"name": "app_data"}},
    "secrets": {"key": {"file": "/srv/app/key"}},
}
SERVICES = ("backend", "worker")


@pytest.fixture
def app(params: t.Dict[str, t.Any]) -> t.Any:
    return app_from(params)


def test_a_colour_is_a_project_of_its_own_with_the_switched_services_alone(app: t.Any) -> None:
    found = _slots.render(MODEL, app, "blue", SERVICES)
    assert found["name"] == "app-blue"
    assert sorted(found["services"]) == ["backend-blue", "worker-blue"]
    labels = found["services"]["backend-blue"]["labels"]
    assert labels == {
        "team": "notes",
        "pangeafate.hotfix.app": "app",
        "pangeafate.hotfix.service": "backend",
        "pangeafate.hotfix.slot": "blue",
    }
    assert MODEL["services"]["backend"]["container_name"] == "app-backend", "the model that was given is not changed"


def test_nothing_in_it_can_be_had_only_once(app: t.Any) -> None:
    backend = _slots.render(MODEL, app, "green", SERVICES)["services"]["backend-green"]
    assert not {"container_name", "ports", "build", "mac_address"} & set(backend)
    assert backend["networks"]["inner"] == {"priority": 5}
    assert backend["restart"] == "unless-stopped"


def test_it_finds_its_own_services_by_their_plain_names_and_the_others_on_the_networks_of_the_app(app: t.Any) -> None:
    found = _slots.render(MODEL, app, "blue", SERVICES)
    assert found["services"]["backend-blue"]["networks"]["hotfix_colour"] == {"aliases": ["backend"]}
    assert found["services"]["worker-blue"]["networks"] == {"default": None, "hotfix_colour": {"aliases": ["worker"]}}
    assert found["networks"]["inner"] == {"external": True, "name": "app_inner"}
    assert found["networks"]["hotfix_colour"] == {"name": "app-blue"}


def test_its_network_comes_first_when_a_name_is_looked_up(app: t.Any) -> None:
    model = copy.deepcopy(MODEL)
    model["networks"]["inner"]["name"] = "a-shared-one"
    name = _slots.render(model, app, "blue", SERVICES)["networks"]["hotfix_colour"]["name"]
    assert name < "a-shared-one"


def test_it_shares_volumes_and_secrets_with_the_app(app: t.Any) -> None:
    found = _slots.render(MODEL, app, "blue", SERVICES)
    assert found["volumes"] == {"uploads": {"external": True, "name": "app_uploads"}}
    assert found["secrets"] == {"key": {"file": "/srv/app/key"}}
    assert found["services"]["backend-blue"]["volumes"] == MODEL["services"]["backend"]["volumes"]


def test_it_waits_only_for_what_is_in_it(app: t.Any) -> None:
    found = _slots.render(MODEL, app, "blue", SERVICES)["services"]
    assert found["backend-blue"]["depends_on"] == {"worker-blue": {"condition": "service_started"}}
    assert found["worker-blue"]["links"] == ["postgres:db"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"network_mode": "host"}, "backend has network_mode host"),
        ({"volumes_from": ["x"]}, "backend has volumes_from"),
    ],
)
def test_what_cannot_run_twice_is_refused_by_name(app: t.Any, more: t.Dict[str, t.Any], says: str) -> None:
    model = copy.deepcopy(MODEL)
    model["services"]["backend"].update(more)
    with pytest.raises(BadInputError, match=says):
        _slots.render(model, app, "blue", SERVICES)


def test_ports_that_a_colour_gives_up_are_named() -> None:
    assert _slots.fixed_ports(MODEL, SERVICES) == ["backend 8081"]


@pytest.mark.parametrize(("live", "idle"), [("own", "blue"), ("blue", "green"), ("green", "blue")])
def test_a_release_is_started_in_a_colour_that_is_not_live(live: str, idle: str) -> None:
    assert _slots.idle_colour(live) == idle


def test_the_names_that_the_proxy_asks_for(app: t.Any) -> None:
    assert (_slots.address_name("backend", "own"), _slots.project(app, "own")) == ("backend", "app")
    assert (_slots.address_name("backend", "green"), _slots.project(app, "green")) == ("backend-green", "app-green")
