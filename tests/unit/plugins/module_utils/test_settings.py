# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import app_from

URL = {"url": "http://app.example.com/health", "status": 200, "validate_certs": True, "timeout": 15.0}


def test_good_input_becomes_an_app(params) -> None:
    app = app_from({**params, "health": URL, "proxy_service": "nginx", "current_only": ["A"], "registry": "r"})
    assert app.services == {"backend": "registry.example.com/backend"}
    assert app.health.url == URL["url"]
    assert (app.proxy_service, app.current_only, app.registry.server) == ("nginx", ("A",), "r")


def test_the_project_is_called_as_its_folder(params) -> None:
    assert app_from({**params, "project": None, "app_dir": "/srv/Notes"}).project == "notes"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"app_dir": "srv/notes"}, "app_dir 'srv/notes' is not an absolute path"),
        ({"project": "My App"}, "project 'My App' is not usable"),
        ({"project": None, "app_dir": "/srv/my app"}, "project 'my app' is not usable"),
        ({"services": {}}, "No switched service is named"),
        ({"services": None}, "No switched service is named"),
        ({"services": {"back end": {"image": "a"}}}, "service 'back end' is not usable"),
        ({"services": {"backend": None}}, "Service 'backend' has no image"),
        ({"services": {"backend": {}}}, "Service 'backend' has no image"),
        ({"services": {"backend": "registry.example.com/a"}}, "Service 'backend' has no image"),
        ({"services": {"backend": {"image": 5}}}, "Service 'backend' has no image"),
        ({"services": {"backend": {"image": "a:v1"}}}, "image 'a:v1' is not usable: .*without tag"),
        ({"services": {"backend": {"image": "a", "tag": "v1", "port": 1}}}, "unknown option: port, tag"),
        ({"proxy_service": "$(id)"}, "service .* is not usable"),
        ({"current_only": ["A", "B C"]}, "environment key 'B C' is not usable"),
        ({"start_timeout": 0.0}, "start_timeout 0.0 is too little"),
        ({"stop_timeout": -1}, "stop_timeout -1 is too little"),
        ({"pull_timeout": -5.0}, "pull_timeout -5.0 is too little"),
        ({"health": {**URL, "url": "app.example.com"}}, "no http or https URL"),
        ({"health": {**URL, "url": "ftp://app.example.com"}}, "no http or https URL"),
        ({"health": {**URL, "url": "http://"}}, "no http or https URL"),
        ({"health": {**URL, "url": "http://[x/"}}, "no http or https URL"),
        ({"health": {**URL, "url": "http://app.example.com:99999/"}}, "no http or https URL"),
        ({"health": {**URL, "url": "http://app.example.com:http/"}}, "no http or https URL"),
        ({"health": {**URL, "address": "127.0.0.1"}}, "is not host:port"),
        ({"health": {**URL, "address": "443"}}, "is not host:port"),
        ({"health": {**URL, "address": ":443"}}, "is not host:port"),
        ({"health": {**URL, "address": "127.0.0.1:https"}}, "is not host:port"),
        ({"health": {**URL, "address": "127.0.0.1:65536"}}, "is not host:port"),
        ({"health": {**URL, "address": "127.0.0.1:0"}}, "is not host:port"),
        ({"health": {**URL, "address": "::1:443"}}, "is not host:port"),
        ({"health": {**URL, "ca_file": "/nonexistent/ca.crt"}}, "is no file on this host"),
    ],
)
def test_bad_input_has_its_message_and_a_next_step(params, changed, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        app_from({**params, **changed})
    assert caught.value.next_step
    assert "Nothing was changed" in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:443", "proxy:80", "[::1]:8443"])
def test_good_addresses(params, address: str) -> None:
    assert app_from({**params, "health": {**URL, "address": address}}).health.address == address
