# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is given to a module's options: it is taken, or refused by one error that names it, and never a traceback.

The modules run as they do on a host, but without a Docker Engine, so that what is taken goes no further than that.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import os
import re
import shlex
import shutil
import tempfile
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args
from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.action import diagnose as diagnose_action
from ansible_collections.pangeafate.hotfix.plugins.action import diagnose_report as report_action
from ansible_collections.pangeafate.hotfix.plugins.action import emergency_build as build_action
from ansible_collections.pangeafate.hotfix.plugins.action import image_transfer as transfer_action
from ansible_collections.pangeafate.hotfix.plugins.action import release as release_action
from ansible_collections.pangeafate.hotfix.plugins.action import ssl_order as order_action
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _argspec, _settings, _switch_back
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags import setup as flags
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import flag_name
from ansible_collections.pangeafate.hotfix.plugins.module_utils._restart import perform
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import guards
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.properties.hostile import anything, changed, copied, texts

CODES = {"bad_input", "refused", "nothing_to_do", "failed"}
NOBODY = "http://127.0.0.1:9"
SHA = f"sha256:{'a' * 64}"
RUN = {"run": "20260102T030405Z-1", "operator": "alice@laptop", "reason": "because"}
#: What every option of the app can be; ``app_dir`` is put in.
APP: dict[str, t.Any] = {
    "project": "app",
    "compose_file": "docker-compose.yml",
    "services": {"backend": {"image": "registry.example.com/app/backend", "drain_timeout": 5, "websockets": "close"}},
    "proxy_service": "proxy",
    "proxy_test": ["nginx", "-t"],
    "proxy_reload": ["nginx", "-s", "reload"],
    "health": {"url": f"{NOBODY}/api/health", "address": "127.0.0.1:9", "status": 200, "timeout": 1.0},
    "current_only": ["ADMIN_TOKEN"],
    "start_timeout": 30.0,
    "stop_timeout": 5,
    "pull_timeout": 30.0,
    "registry": "registry.example.com",
    "registry_username": "ci",
    "registry_password": "canary-of-the-registry",
    "strategy": "auto",
    "proxy_config": "proxy.conf",
    "assets": {"path": "/assets/", "service": "backend", "port": 80},
    "warm_for": 60.0,
    "confirm_within": 60.0,
    "unconfirmed": "revert",
    "database": {"service": "postgres", "name": "app", "user": "app", "host": "app1"},
    "host_name": "app1",
    "migration": {"service": "backend", "command": ["migrate"], "timeout": 30.0},
    "backup_max_age": 600.0,
    "backup_keep": 5,
    "checks": [{"name": "api", "type": "http", "path": "/", "expect": {"status": 200}}],
    "check_secrets": {"token": "canary-of-a-check"},
}
FLAG: dict[str, t.Any] = {
    "project": "app",
    "name": "NEW_EDITOR",
    "state": "disabled",
    "provider": "http",
    "url": NOBODY,
    "token": "canary-of-the-flags",
    "token_header": "x-admin-token",
    "timeout": 0.2,
    "retries": 0,
    "reads": 1,
    "wait": 0.0,
    "http": {"path": "/flags", "result": "flags.{name}", "write_body": {"enabled": "{value}"}, "value_on": True},
    "instances": {"services": ["backend"], "port": 8080, "path": "/flags", "result": "flags.{name}"},
    "visible_check": {"url": NOBODY, "enabled": {"status": 200}, "disabled": {"status": 404}, "headers": {"A": "b"}},
    **RUN,
}
MODULES: dict[str, dict[str, t.Any]] = {
    "release": {**APP, **RUN, "state": "prepared", "version": "v2", "release": "20260102T030405Z-v1"},
    "restart": {**APP, **RUN, "names": ["backend"], "high_cpu": 80.0, "users": {"lower": 0.1}},
    "release_info": {**APP, "history_hours": 1.0},
    "proxy": {**APP, **RUN},
    "preflight": {**APP, "parts": ["registry"], "timeout": 1.0, "flags": {"name": "A"}, "clock_skew": 2.0},
    "ssl_renewal": {
        **APP,
        **RUN,
        "state": "looked_at",
        "names": ["app.example.com"],
        "certificate": "tls/cert.pem",
        "key": "tls/key.pem",
        "orders": [{"at": "2026-01-02T03:04:05Z", "names": ["app.example.com"]}],
        "tokens": {"abc": "def"},
        "timeout": 1.0,
    },
    "feature_flag": FLAG,
    "feature_flag_info": {key: FLAG[key] for key in ("project", "provider", "url", "timeout", "http", "instances")},
    "unlock": {"of_run": "20260102T030405Z-1", "mark": "abc", **RUN},
    "logs": {"project": "app", "services": ["backend"], "lines": 10, "since": "5m", "timeout": 1.0},
    "service_logs": {
        "project": "app",
        "services": ["backend"],
        "around": "2026-01-02T03:04:05Z",
        "tail": 10,
        "max_bytes": 1000,
        "timeout": 1.0,
    },
    "diagnose": {
        **APP,
        "timeout": 2.0,
        "minutes": 5.0,
        "lines": 5,
        "log_services": ["backend"],
        "redis": {"service": "redis", "port": 6379, "username": "app", "password": "canary-of-redis"},
        "redis_password": "canary-of-redis",
        "websocket_services": ["backend"],
        "public": {"url": NOBODY},
    },
    "image_transfer": {
        "images": {"backend": {"reference": "registry.example.com/app/backend:v2", "image_id": SHA}},
        "phase": "load",
        "folder": f"images/{'c' * 64}",
        "timeout": 1.0,
        "part_mb": 16,
        "layers": {SHA: [SHA]},
        "tags": {"registry.example.com/app/backend:v2": SHA},
        "archive": {"sha256": "c" * 64, "size": 10, "part_size": 6, "parts": ["a" * 64, "b" * 64], "unpacked": 20},
        "configs": {SHA: SHA},
    },
    "smoke_check": {
        "checks": [{"name": "api", "type": "http", "path": "/{token}", "expect": {"status": 200}, "retries": 0}],
        "targets": [{"url": NOBODY, "name": "x", "address": "127.0.0.1:9"}],
        "secrets": {"token": "canary-of-a-check"},
        "timeout": 1.0,
        "concurrency": 1,
        "baseline": {"results": []},
    },
}
NAMED_BY_ANSIBLE = r"argument|option|parameter|value of|required|mutually|missing|Failed to log to syslog|dictionary"
#: They know no folder of an app.
WITHOUT_APP = ("smoke_check", "image_transfer")
#: What would be ended, or asked for long, is only planned.
ONLY_PLANNED = ("unlock",)


def called(name: str, arguments: dict[str, t.Any], *, planning: bool) -> dict[str, t.Any]:
    """Run a module to its end, and return what it returns.

    Where Ansible itself cannot make its type of a value, as of infinity for a whole number, no code of ours is reached.
    """
    module = importlib.import_module(f"ansible_collections.pangeafate.hotfix.plugins.modules.{name}")
    out = io.StringIO()
    with (
        patch_module_args({**arguments, "_ansible_check_mode": planning}),
        contextlib.redirect_stdout(out),
        pytest.raises((SystemExit, TypeError, OverflowError)) as caught,
    ):
        module.main()
    if caught.type is not SystemExit:
        where = [frame.path.parts[-2:] for frame in caught.traceback]
        assert ("module_utils", "basic.py") in [tuple(one) for one in where], where
        assert all("pangeafate" not in str(frame.path) for frame in caught.traceback[2:]), where
        return {"failed": True, "msg": "Ansible takes no such value for an option"}
    result: dict[str, t.Any] = json.loads(out.getvalue())
    return result


def require_told(result: dict[str, t.Any]) -> None:
    """Assert that a result is one that somebody can act on."""
    assert "exception" not in result, result
    assert "Traceback" not in json.dumps(result), result
    assert "canary" not in json.dumps(result), result
    if not result.get("failed"):
        return
    assert result["msg"]
    if "outcome" in result:
        assert result["outcome"] in CODES
        assert result["next_step"]
        assert result["left"]
    else:
        # Ansible's own: it names the option where it can.
        assert re.search(NAMED_BY_ANSIBLE, result["msg"])


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let nothing be found that a module might start, and nothing be written beside the tests."""
    (tmp_path / "bin").mkdir()
    for program in ("timeout", "sh"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "/nonexistent")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "rmtree", functools.partial(removed, shutil.rmtree))


def removed(remove: t.Callable[..., None], path: t.Any, *arguments: t.Any, **more: t.Any) -> None:
    """Remove a folder of the tests; a module that would remove another one is found out before it does."""
    where = Path(tempfile.gettempdir()).resolve()
    inside = Path(os.path.abspath(os.fspath(path))).relative_to(where).parts
    assert inside, path
    assert inside[0].startswith(("tmp", "pytest-", "hotfix-")), path
    remove(path, *arguments, **more)


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(WITHOUT_APP)))
@pytest.mark.parametrize("folder", ["srv/app", "/srv/a\0b", "/srv/" + "a" * 300, "/" + "a/" * 3000, "-rf", ""])
def test_a_folder_that_can_be_none_is_named(name: str, folder: str) -> None:
    result = called(name, {**MODULES[name], "app_dir": folder}, planning=True)
    require_told(result)
    if name != "unlock" or folder:
        assert result["failed"]


@pytest.mark.parametrize("name", sorted(MODULES))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), planning=st.booleans())
def test_a_module_takes_it_or_names_it(name: str, data: st.DataObject, planning: bool) -> None:
    arguments = data.draw(changed(MODULES[name]).filter(lambda one: isinstance(one, dict)))
    with tempfile.TemporaryDirectory() as folder:
        if name not in WITHOUT_APP:
            arguments.setdefault("app_dir", folder)
        require_told(called(name, arguments, planning=planning or name in ONLY_PLANNED))


def validated(spec: dict[str, t.Any], given_options: dict[str, t.Any]) -> dict[str, t.Any] | None:
    """Return the parameters as Ansible makes them of what was given; None where it refuses them itself."""
    try:
        found = ArgumentSpecValidator(spec).validate(given_options)
    except (TypeError, OverflowError):
        return None
    return None if found.error_messages else found.validated_parameters


def app_of(params: dict[str, t.Any]) -> _settings.App | None:
    """Return the app; None where an error says what is wrong with it."""
    try:
        return _settings.app_from(params)
    except HotfixError as exc:
        assert exc.code == "bad_input"
        assert exc.what
        assert exc.next_step
        return None


NAN = {**APP, "app_dir": "/srv/app", "start_timeout": float("nan")}


@settings(max_examples=150)
@given(raw=changed({**APP, "app_dir": "/srv/app"}, most=2))
@example(raw=NAN)
@example(raw={**APP, "app_dir": "/srv/app", "start_timeout": "inf"})
@example(raw={**APP, "app_dir": "/srv/app", "warm_for": 1e300})
@example(raw={**APP, "app_dir": "/srv/app", "confirm_within": "nan"})
@example(raw={**APP, "app_dir": "/srv/app", "backup_max_age": 10**400})
@example(raw={**APP, "app_dir": "/srv/a\0pp"})
@example(raw={**APP, "app_dir": "/srv/app", "compose_file": "a\0b"})
@example(raw={**APP, "app_dir": "/srv/" + "a" * 300})
@example(raw={**APP, "app_dir": "/srv/app", "compose_file": "a/" * 3000})
@example(raw={**APP, "app_dir": "/srv/app", "proxy_test": ["nginx\0", "-t"]})
@example(raw={**APP, "app_dir": "/srv/app", "services": {"backend": {"image": "a", "drain_timeout": float("inf")}}})
@example(raw={**APP, "app_dir": "/srv/app", "health": {**APP["health"], "timeout": float("nan")}})
def test_an_app_is_taken_or_named_and_what_is_taken_can_be_worked_with(raw: t.Any) -> None:
    params = validated(_argspec.app_options(), raw) if isinstance(raw, dict) else None
    app = app_of(params) if params is not None else None
    if app is None:
        return
    # Nothing that was taken is refused, or does something else, further on.
    assert "\0" not in f"{app.app_dir}{app.compose_file}{app.proxy_config}"
    assert not (app.app_dir / app.compose_file).is_file()
    script = _switch_back.render(
        _switch_back.Way(
            app_dir=str(app.app_dir),
            project=app.project,
            leaves="20260102T030405Z-v2",
            leaves_slot="green",
            services=list(app.services),
            proxy_service=app.proxy_service,
            proxy_test=app.proxy_test,
            proxy_reload=app.proxy_reload,
            start_timeout=app.start_timeout,
            stop_timeout=app.stop_timeout,
            drain_timeout=app.drain_timeout,
        )
    )
    assert "\0" not in script
    for seconds in (app.warm_for, app.confirm_within, app.backup_max_age, app.pull_timeout):
        assert datetime.now(UTC) + timedelta(seconds=seconds) > datetime(2000, 1, 1, tzinfo=UTC)


def test_what_is_right_is_taken() -> None:
    assert app_of(validated(_argspec.app_options(), {**APP, "app_dir": "/srv/app"}) or {}) is not None
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in MODULES.items():
            given_arguments = arguments if name in WITHOUT_APP else {"app_dir": folder, **arguments}
            result = called(name, copied(given_arguments), planning=True)
            assert result.get("outcome") != "bad_input" or "Docker is not installed" in result["msg"], result
            assert "outcome" in result, result


@settings(max_examples=150)
@given(arguments=changed({"state": "rolled_back", "app_dir": "/srv/app", "start_timeout": "30", **RUN}))
@example(arguments={"state": "rolled_back", "app_dir": "/srv/app", "start_timeout": "soon", **RUN})
@example(arguments={"state": "rolled_back", "app_dir": "/srv/app", "start_timeout": float("inf"), **RUN})
@example(arguments={"state": "rolled_back", "app_dir": "/srv/app", "start_timeout": [30], **RUN})
@example(arguments={"state": "rolled_back", "app_dir": "/srv/a\0pp", "start_timeout": 30, **RUN})
def test_a_rollback_leaves_to_the_module_what_the_script_cannot_take(arguments: t.Any) -> None:
    if isinstance(arguments, dict) and release_action.is_plain_rollback(arguments):
        command = release_action.turn_command(arguments)
        assert "\0" not in command
        assert len(shlex.split(command)) > 10


class NoEngine:
    """A runner of a host without Docker."""

    def __call__(self, arguments: t.Sequence[str], **_more: t.Any) -> tuple[int, str, str]:
        return 127, "", f"timeout: failed to run command '{arguments[0]}'"


@settings(max_examples=150)
@given(raw=changed({**FLAG, "app_dir": "/srv/app"}, most=2))
@example(raw={**FLAG, "app_dir": "/srv/app", "wait": float("nan")})
@example(raw={**FLAG, "app_dir": "/srv/app", "wait": float("inf")})
@example(raw={**FLAG, "app_dir": "/srv/app", "timeout": float("nan")})
@example(raw={**FLAG, "app_dir": "/srv/app", "url": "http://[::1"})
@example(raw={**FLAG, "app_dir": "/srv/app", "ca_file": "a\0b"})
@example(raw={**FLAG, "app_dir": "/srv/app", "http": {"result": "[{name}"}})
@example(raw={**FLAG, "app_dir": "/srv/app", "http": {"write_body": [10**400]}})
@example(raw={**FLAG, "app_dir": "/srv/app", "token_header": "a: b\r\nc"})
def test_a_switch_is_taken_or_named(raw: t.Any) -> None:
    params = validated({**flags.flag_options(), **flags.switch_options()}, raw) if isinstance(raw, dict) else None
    if params is None:
        return
    try:
        request = flags.request_from(params)
        flags.world_from(params, Docker(NoEngine()), Clock())
    except HotfixError as exc:
        assert exc.next_step
        return
    assert flag_name(request.flag) == request.flag
    assert 0 <= request.wait < 1e6


@given(value=anything | texts)
def test_a_name_of_a_flag_is_one_line(value: t.Any) -> None:
    try:
        assert "\n" not in flag_name(str(value))
    except HotfixError as exc:
        assert exc.code == "bad_input"


FOLDERS = ["/", "/nonexistent/app", "", ".", "..", "a\0b", f"/nonexistent/{'c' * 64}\0", f"{'c' * 64}/..", "~", "/etc"]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("phase", ["ready", "load", "discard", ""])
def test_only_a_folder_that_was_made_for_an_archive_is_ever_removed(folder: str, phase: str) -> None:
    about = {key: one for key, one in MODULES["image_transfer"].items() if key != "phase"}
    result = called(
        "image_transfer", {**about, **({"phase": phase} if phase else {}), "folder": folder}, planning=False
    )
    require_told(result)
    assert result["failed"]
    # A NUL is refused by Ansible's own log before.
    assert result.get("outcome", "bad_input") == "bad_input"
    assert "syslog" in result["msg"] or ("folder" if phase else "phase") in result["msg"]


IMAGES = changed({**MODULES["image_transfer"], "phase": "load"}, most=2)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=IMAGES, phase=st.sampled_from(["look", "ready", "load", "tag", "discard"]))
@example(raw={**MODULES["image_transfer"], "archive": {}}, phase="ready")
@example(
    raw={**MODULES["image_transfer"], "archive": {**MODULES["image_transfer"]["archive"], "size": "x"}}, phase="ready"
)
@example(
    raw={**MODULES["image_transfer"], "archive": {**MODULES["image_transfer"]["archive"], "parts": 5}}, phase="load"
)
@example(raw={**MODULES["image_transfer"], "layers": {"--help": 5}}, phase="look")
@example(raw={**MODULES["image_transfer"], "tags": {"a:b": ["x"]}}, phase="tag")
@example(raw={**MODULES["image_transfer"], "configs": {"a": None}}, phase="load")
@example(raw={**MODULES["image_transfer"], "timeout": float("nan")}, phase="load")
def test_a_phase_of_a_transfer_is_done_or_its_option_named(raw: t.Any, phase: str) -> None:
    if isinstance(raw, dict):
        require_told(called("image_transfer", {**raw, "phase": phase}, planning=False))


SENT = {"images": MODULES["image_transfer"]["images"], "engine": "", "folder": "~/x", "part_mb": 16, "timeout": 9.0}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=changed(SENT, most=2))
@example(raw={**SENT, "timeout": float("nan")})
@example(raw={**SENT, "timeout": "inf"})
@example(raw={**SENT, "timeout": -1})
@example(raw={**SENT, "part_mb": 10**400})
@example(raw={**SENT, "engine": "a\0b"})
@example(raw={**SENT, "folder": "a\0b"})
@example(raw={**SENT, "images": {"backend": {"reference": "a\0b:c", "image_id": SHA}}})
@example(raw={**SENT, "images": {"backend": {"reference": ":v1", "image_id": SHA}}})
@example(raw={**SENT, "images": {"": None}})
def test_what_is_to_be_sent_is_taken_or_named_on_the_controller(raw: t.Any) -> None:
    options = validated(copied(transfer_action._OPTIONS), raw) if isinstance(raw, dict) else None
    if options is None:
        return
    action: t.Any = transfer_action.ActionModule.__new__(transfer_action.ActionModule)
    action._task = SimpleNamespace(check_mode=False)
    # There is no Docker here, which is what is told of all that is right.
    result = action._transferred(options, {})
    require_told(result)
    assert result["failed"]
    assert result["outcome"] == "bad_input" or "There is no 'docker' command" in result["msg"]


LOOKED: dict[str, t.Any] = {"app_dir": "/nonexistent/app", **MODULES["diagnose"]}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": "inf"}, "timeout"),
        ({"minutes": "nan"}, "minutes"),
        ({"minutes": 1e300}, "minutes"),
        ({"lines": -1}, "lines"),
        ({"lines": 10**400}, "lines"),
        ({"redis": {"port": 10**400}}, "redis port"),
        ({"redis": {"port": -1}}, "redis port"),
        ({"redis": {"username": "a\0b"}}, "redis username"),
        ({"redis_password": "canary-of\nredis"}, "redis password"),
        ({"redis": {"service": "-x"}}, "service '-x'"),
        ({"log_services": ["a/b"]}, "a/b"),
        ({"websocket_services": ["$(x)"]}, "$(x)"),
    ],
)
def test_what_no_diagnosis_can_be_made_with_is_named(changes: dict[str, t.Any], named: str) -> None:
    result = called("diagnose", {**LOOKED, **changes}, planning=False)
    require_told(result)
    assert result["outcome"] == "bad_input"
    assert named in result["msg"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(public=changed({"url": NOBODY, "address": "127.0.0.1:9", "ca_file": "/nonexistent", "validate_certs": True}))
@example(public="http://127.0.0.1:9")
@example(public=[["url", NOBODY]])
@example(public={"url": "https://[::1"})
@example(public={"url": "https://127.0.0.1:9", "ca_file": "a\0b"})
@example(public={"url": "https://127.0.0.1:9", "address": 5})
@example(public={"url": 5})
def test_where_users_reach_the_app_is_looked_at_or_why_it_cannot_be(public: t.Any) -> None:
    found = diagnose_action._certificate(public)
    assert found["status"] in ("seen", "unseen", "skipped")
    assert found["status"] == "seen" or found["why"]
    # What nobody thought of would be told by its type.
    assert "It could not be looked at (" not in found["why"], found


NO_NUMBERS = [float("nan"), float("inf"), -1.0, 10**400]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=["nan", "inf", "negative", "huge"])
@pytest.mark.parametrize(
    ("module", "option"),
    [
        *[("preflight", one) for one in ("timeout", "backup_age", "clock_skew", "certificate_days")],
        ("logs", "timeout"),
        ("service_logs", "timeout"),
    ],
)
def test_a_limit_that_is_no_number_is_no_limit(tmp_path: Path, module: str, option: str, value: t.Any) -> None:
    """What is compared with NaN is neither too much nor too little, and all would look well."""
    result = called(module, {**MODULES[module], "app_dir": str(tmp_path), option: value}, planning=True)
    require_told(result)
    assert result["failed"]
    # Ansible itself makes no number of some.
    assert result.get("outcome", "bad_input") == "bad_input"
    assert "outcome" not in result or option in result["msg"]


@pytest.mark.parametrize("value", NO_NUMBERS[:3], ids=["nan", "inf", "negative"])
@pytest.mark.parametrize("option", ["high_cpu", "high_memory"])
def test_a_restart_takes_none_either(option: str, value: float) -> None:
    wanted = perform.Wanted(names=("backend",), **{option: t.cast("t.Any", value)})
    with pytest.raises(BadInputError, match=f"restart_{option}"):
        perform._checked(wanted)


@pytest.mark.parametrize("value", NO_NUMBERS[:3], ids=["nan", "inf", "negative"])
def test_a_limit_on_the_controller_is_none_either(value: float) -> None:
    for name, default in (("build_timeout", 900.0), ("push_timeout", 300.0), ("parallel", 0)):
        options = {"parallel": 0, "build_timeout": 900.0, "push_timeout": 300.0}
        assert options[name] == default
        with pytest.raises(BadInputError, match=name):
            build_action.wanted({**options, name: value})
    for limit in ("files", "lines", "test_timeout"):
        with pytest.raises(BadInputError, match=limit):
            guards.Limits(**{limit: t.cast("t.Any", value)})
    for time in ("request_timeout", "timeout", "dns_timeout", "days"):
        options = {"request_timeout": 20.0, "timeout": 120.0, "dns_timeout": 300.0, "days": 30.0}
        with pytest.raises(BadInputError, match=time):
            order_action._Work({**options, time: value}, {}, True)


@pytest.mark.parametrize("value", NO_NUMBERS[:3], ids=["nan", "inf", "negative"])
@pytest.mark.parametrize("name", sorted(report_action._LIMITS))
def test_a_diagnosis_is_judged_by_no_such_limit(monkeypatch: pytest.MonkeyPatch, name: str, value: float) -> None:
    limits = {key: one["default"] for key, one in report_action._LIMITS.items()}
    action: t.Any = report_action.ActionModule.__new__(report_action.ActionModule)
    given_options = {"limits": {**limits, name: value}}
    monkeypatch.setattr(ActionBase, "run", lambda *_given, **_more: {})
    monkeypatch.setattr(action, "validate_argument_spec", lambda **_more: (None, given_options), raising=False)
    with pytest.raises(AnsibleActionFail, match=name):
        action.run(task_vars={})
