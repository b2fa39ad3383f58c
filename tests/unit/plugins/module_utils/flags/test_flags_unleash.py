# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unleash's answers, as version 6.4 gives them; the real server is in the integration tests."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

FLAG = "COLLABORATIVE_EDITING"
TOKEN = "*:*.s3cret-unleash-token"
FEATURES = "/api/admin/projects/default/features"
READ = {"path": "/api/feature-flags", "result": "flags.{name}", "token": "s3cret-token-of-tests"}


@pytest.fixture
def server(serve: t.Any) -> t.Iterator[t.Any]:
    with serve() as app:
        states = [{"name": "development", "enabled": False}, {"name": "production", "enabled": True}]
        body = {"version": 2, "features": [{"name": FLAG, "environments": states}]}
        app.answers[("GET", FEATURES)] = (200, {}, json.dumps(body))
        app.answers[("POST", FEATURES)] = (200, {}, "")
        yield app


@pytest.fixture
def switch(fleet: t.Any, server: t.Any) -> t.Callable[..., t.Any]:
    def run(**changed: t.Any) -> t.Any:
        instances = {"services": ["backend"], "port": fleet.port, "token_header": "x-admin-token", **READ}
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        given = {"provider": "unleash", "url": url, "token": TOKEN, "instances": instances, "retries": 0, "wait": 0.2}
        with pytest.raises(HotfixError) as error:
            fleet.switch(**{**given, **changed})
        assert TOKEN not in str(error.value)
        return error.value

    return run


def test_the_switch_is_one_post_to_the_environment(fleet: t.Any, server: t.Any, switch: t.Any) -> None:
    fleet.add()
    # The instance does not ask Unleash, so that this is all that can happen.
    assert f"still evaluates {FLAG} on" in switch().what
    assert ("POST", f"{FEATURES}/{FLAG}/environments/production/off") in server.seen


@pytest.mark.parametrize(
    ("status", "message", "wanted"),
    [
        (401, "You must log in to use Unleash.", "does not accept the token (401): You must log in to use Unleash."),
        (403, "You need permission=UPDATE_FEATURE_ENVIRONMENT", "knows the token but does not allow this (403)"),
        (403, "Change requests are enabled", "wants an approval before it makes the change (403): Change requests"),
        (404, "no such project", "has nothing there (404): no such project"),
    ],
)
def test_refusals(fleet: t.Any, server: t.Any, switch: t.Any, status: int, message: str, wanted: str) -> None:
    fleet.add()
    body = json.dumps({"id": "c10d81a0", "name": "SomeError", "message": message, "details": [{"message": message}]})
    server.answers[("POST", FEATURES)] = (status, {}, body)
    assert wanted in switch().what


def test_an_environment_that_is_none(fleet: t.Any, switch: t.Any) -> None:
    fleet.add()
    error = switch(unleash={"environment": "prod"})
    assert "has no environment 'prod' in 'default', but: development, production" in error.what


def test_another_server_is_told_apart(fleet: t.Any, server: t.Any, switch: t.Any) -> None:
    fleet.add()
    server.answers[("GET", FEATURES)] = (200, {}, "{}")
    assert "does not answer as Unleash does" in switch().what


def test_it_needs_a_url(fleet: t.Any, switch: t.Any) -> None:
    fleet.add()
    assert switch(url=None).code == "bad_input"
