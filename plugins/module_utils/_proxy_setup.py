# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Brings a running nginx under management: from then on a release is switched by turning a link and a reload.

The proxy is neither stopped nor made anew. Its configuration is written in place, because a single file that is
mounted into a container is that file and no other; the folder that it includes is copied into the container, and
mounted there from the next time on that somebody makes the container anew.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import (
    _compose,
    _compose_text,
    _files,
    _health,
    _nginx,
    _nginx_files,
    _proxy,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import OWN
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session, opened
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run

Result = t.Dict[str, t.Any]

#: What the original is kept as, beside the file.
ORIGINAL = ".before-hotfix"
#: Seconds after which the workers of before have stopped to take connections.
_SETTLES = 0.5


@dataclass(frozen=True)
class Plan:
    """What would change. ``config`` and ``compose`` are the files; the texts are ``None`` where there is no change."""

    proxies: t.Tuple[Container, ...]
    containers: t.Tuple[Container, ...]
    config: Path
    text: str
    new_text: str
    compose: Path
    compose_text: str
    new_compose_text: str
    record: _proxy.Managed
    slot: str
    other: t.Optional[str]
    recorded: bool
    notes: t.Tuple[str, ...]

    @property
    def change(self) -> bool:
        """Whether anything is to be done."""
        return self.text != self.new_text or self.compose_text != self.new_compose_text or not self.recorded

    def diff(self, mask: Mask) -> t.List[t.Dict[str, str]]:
        """Return what ``--diff`` shows: the lines that change, and of the Compose file no others.

        What stands beside them there may be somebody's password.
        """
        shown = (
            (self.config, self.text, self.new_text, 3),
            (self.compose, self.compose_text, self.new_compose_text, 0),
        )
        found = []
        for path, old, new, around in shown:
            lines = difflib.unified_diff(
                old.splitlines(keepends=True), new.splitlines(keepends=True), f"{path} now", f"{path} then", n=around
            )
            text = "".join(line if line.endswith("\n") else line + "\n" for line in lines)
            if text:
                found.append({"prepared": mask.text(text)})
        return found


def check(host: Host) -> Result:
    """Return the plan; nothing is changed."""
    with _told(host):
        _require_adopted(host)
        plan = _plan(host)
        holder = host.lease.holder()
        lines = _lines(plan)
        if holder is not None:
            lines.append(f"The lease is held by {holder.says()}.")
        return {
            "changed": plan.change,
            "outcome": "planned",
            "summary": lines[0],
            "plan": lines,
            "diff": plan.diff(host.mask()),
        }


def manage(host: Host, run: Run) -> Result:
    """Bring the proxy under management and return what was done."""
    with _told(host):
        _require_adopted(host)
        with opened(host, run, "proxy", resumes=False) as session:
            try:
                plan, proven = _managed(session)
            except HotfixError as exc:
                exc.steps = session.steps
                raise
            finally:
                with contextlib.suppress(OSError):
                    session.release_lease()
            return {
                "changed": plan.change,
                "outcome": "done" if plan.change else "unchanged",
                "summary": f"The proxy is under management: {proven}."
                if plan.change
                else f"The proxy was under management already; it sends its traffic to the slot {plan.slot}.",
                "diff": plan.diff(host.mask()),
                "steps": session.steps,
                "notes": [host.mask().text(note) for note in (*plan.notes, *session.notes)],
            }


def _lines(plan: Plan) -> t.List[str]:
    if not plan.change:
        return ["The proxy is under management already.", *plan.notes]
    lines = [f"Would bring the proxy ({plan.proxies[0].name}) under management; it is reloaded, not made anew."]
    if plan.text != plan.new_text:
        lines.append(f"{plan.config} would be changed; the original is kept as {plan.config.name}{ORIGINAL}.")
    if plan.compose_text != plan.new_compose_text:
        lines.append(
            f"{plan.compose} would get a mount for the proxy; the original is kept as {plan.compose.name}{ORIGINAL}."
        )
    return [*lines, *plan.notes]


@contextlib.contextmanager
def _told(host: Host) -> t.Iterator[None]:
    """Let only errors out that an operator can read, without a secret in them."""
    try:
        yield
    except HotfixError as exc:
        mask = host.mask()
        exc.what, exc.left, exc.evidence = mask.text(exc.what), mask.text(exc.left), mask.text(exc.evidence)
        raise
    except OSError as exc:
        raise HotfixError(
            host.mask().text(f"The host could not write or read {exc.filename or 'a file'}: {exc.strerror or exc}."),
            left="The proxy runs as it was configured before.",
            next_step="make room on the disk or mend its permissions, then run the same command again.",
        ) from exc


def _require_adopted(host: Host) -> None:
    if not host.app.proxy_service:
        raise BadInputError("No proxy is named.", next_step="set hotfix_proxy_service to its service.")
    if host.releases.current() is None:
        raise HotfixError(
            "No release is recorded on this host.",
            code="refused",
            next_step="record what runs first (playbooks/adopt.yml), then run this again.",
        )


# -- looking ----------------------------------------------------------------------------------------------


def _plan(host: Host) -> Plan:
    app = host.app
    containers = host.docker.containers(app.project)
    proxies = [c for c in containers if c.service == app.proxy_service]
    _require_running(host, proxies)
    seen = _seen(host, proxies[0])
    config, text, others = _configuration(host, seen)
    assets = _nginx_files.Assets(app.assets.path, app.assets.service, app.assets.port) if app.assets else None
    made = _nginx.manage(text, app.services, assets, others)
    compose = Path(os.path.realpath(str(_compose.source(app))))
    compose_text = compose.read_text(encoding="utf-8")
    current = host.releases.current()
    came_from = host.releases.find(current.came_from) if current else None
    record = _proxy.Managed(
        os.path.relpath(str(config), str(app.app_dir)), made.upstreams, made.servers, assets, app.compose_file
    )
    slot = _proxy.live_slot(host)
    return Plan(
        proxies=tuple(proxies),
        containers=tuple(containers),
        config=config,
        text=text,
        new_text=made.text,
        compose=compose,
        compose_text=compose_text,
        new_compose_text=_with_mount(host, compose, compose_text),
        record=record,
        slot=slot or (current.slot if current else OWN),
        other=came_from.slot if came_from else None,
        recorded=slot is not None and _proxy.managed(host) == record,
        notes=made.notes,
    )


def _require_running(host: Host, proxies: t.Sequence[Container]) -> None:
    down = [c for c in proxies if not c.running]
    if not proxies or down:
        state = ", ".join(f"{c.name} is {c.status}" for c in down) or "it has no container"
        raise HotfixError(
            f"The proxy ({host.app.proxy_service}) does not run: {state}.",
            code="refused",
            next_step=f"start it: docker compose --project-directory {host.app.app_dir} up --detach --no-deps "
            f"{host.app.proxy_service}",
        )


@dataclass(frozen=True)
class _Seen:
    """The proxy's configuration as its container sees it: files by path, and what is mounted from where."""

    files: t.Mapping[str, str]
    mounts: t.Mapping[str, str]
    read_only: bool

    def on_host(self, path: str) -> t.Optional[Path]:
        """Return the file of the host that is seen as *path*; ``None`` where it is not mounted from there."""
        fitting = [place for place in self.mounts if path == place or path.startswith(place.rstrip("/") + "/")]
        if not fitting:
            return None
        place = max(fitting, key=len)
        return Path(os.path.realpath(self.mounts[place] + path[len(place) :]))


def _seen(host: Host, proxy: Container) -> _Seen:
    listed = json.loads(
        host.docker.run(
            "inspect",
            "--type",
            "container",
            "--format",
            '{"mounts": {{json .Mounts}}, "read_only": {{json .HostConfig.ReadonlyRootfs}}}',
            proxy.id,
        )
    )
    mounts = {m["Destination"]: m["Source"] for m in listed["mounts"] or () if m.get("Type") == "bind"}
    words = ["-T" if word == "-t" else word for word in host.app.proxy_test]
    command = words if "-T" in words else ["nginx", "-T"]
    try:
        dumped = host.docker.run("exec", proxy.id, *command)
    except CommandError as exc:
        raise HotfixError(
            f"The proxy {proxy.name} does not show its configuration ('{' '.join(command)}'): {exc.output}.",
            code="refused",
            next_step="mend the configuration first, or check hotfix_proxy_service and hotfix_proxy_test: only nginx "
            "can be brought under management.",
        ) from exc
    return _Seen(_nginx.files_of_dump(dumped), mounts, bool(listed["read_only"]))


def _configuration(host: Host, seen: _Seen) -> t.Tuple[Path, str, t.Dict[str, str]]:
    """Return the one file of the configuration that sends traffic to switched services, its text, and the others."""
    app = host.app
    files = {path: text for path, text in seen.files.items() if not path.startswith(_nginx_files.FOLDER + "/")}
    naming = {path: text for path, text in files.items() if _nginx.concerns(text, app.services)}
    on_host = {path: seen.on_host(path) for path in naming}
    if app.proxy_config:
        wanted = Path(os.path.realpath(str(app.app_dir / app.proxy_config)))
        inside = next((path for path in files if seen.on_host(path) == wanted), None)
        if inside is None:
            raise BadInputError(
                f"The proxy does not use {wanted}: its configuration is {', '.join(sorted(files))}.",
                next_step="correct hotfix_proxy_config, or leave it out.",
            )
        naming.setdefault(inside, files[inside])
        on_host[inside] = wanted
    if not naming:
        raise BadInputError(
            f"The proxy's configuration ({', '.join(sorted(files))}) sends no traffic to a switched service "
            f"({', '.join(sorted(app.services))}).",
            next_step="check hotfix_services and hotfix_proxy_service.",
        )
    if len(naming) > 1:
        raise BadInputError(
            f"Several files of the proxy's configuration send traffic to switched services: "
            f"{', '.join(sorted(naming))}.",
            next_step="bring those lines into one file first, or set hotfix_strategy: recreate.",
        )
    ((inside, text),) = naming.items()
    path = on_host[inside]
    if path is None:
        raise BadInputError(
            f"The proxy's configuration {inside} is part of its image, not a file of this host.",
            next_step="mount it from the host (volumes: - ./nginx.conf:" + inside + ":ro), or set "
            "hotfix_strategy: recreate.",
        )
    there = path.read_text(encoding="utf-8")
    if there.rstrip("\n") != text.rstrip("\n"):
        raise HotfixError(
            f"The proxy does not see {path} as it is now: the file was replaced since the proxy was started, and a "
            "mounted file is seen as it was then.",
            code="refused",
            next_step=f"restart the proxy when a moment without it does no harm: docker compose "
            f"--project-directory {app.app_dir} restart {app.proxy_service}",
        )
    if seen.read_only and _nginx_files.FOLDER not in seen.mounts:
        raise BadInputError(
            "The proxy's container is read-only and does not have the folder of the switch mounted.",
            next_step=f"add '- {_mount(host, _compose.source(app))}' to its volumes, create {_proxy.folder(host)}, and "
            "make the container anew when a moment without it does no harm.",
        )
    return path, there, {name: other for name, other in files.items() if name != inside}


# -- the Compose file -------------------------------------------------------------------------------------


def _mount(host: Host, compose: Path) -> str:
    # A relative path counts from the file, or from the project's folder where the two differ.
    here = "./proxy" if compose.parent == Path(os.path.realpath(str(host.app.app_dir))) else str(_proxy.folder(host))
    return f"{here}:{_nginx_files.FOLDER}:ro"


def _with_mount(host: Host, compose: Path, text: str) -> str:
    """Return the Compose file with the mount; Compose has confirmed that nothing else differs."""
    app, service = host.app, str(host.app.proxy_service)
    model = _compose.read(host.docker, app)
    if _mounted(model, service) is not None:
        source = os.path.realpath(str(_mounted(model, service)))
        if source != os.path.realpath(str(_proxy.folder(host))):
            raise BadInputError(
                f"{compose} mounts {source} into {service} as {_nginx_files.FOLDER}, not {_proxy.folder(host)}.",
                next_step="correct that line.",
            )
        return text
    line = _mount(host, compose)
    new = _compose_text.add_volume(text, service, line)
    if new is not None and _confirmed(host, text, new):
        return new
    raise BadInputError(
        f"{compose} is written in a way in which the mount for the proxy cannot be added by itself.",
        next_step=f"add '- {line}' to services.{service}.volumes by hand, start nothing, and run this again.",
    )


def _mounted(model: _compose.Model, service: str) -> t.Optional[str]:
    for volume in model["services"][service].get("volumes") or ():
        if isinstance(volume, dict) and volume.get("target") == _nginx_files.FOLDER:
            return str(volume.get("source"))
    return None


def _confirmed(host: Host, old: str, new: str) -> bool:
    """Let Compose read both texts: is the new one the old one and the mount, and nothing else?"""
    service = str(host.app.proxy_service)
    try:
        before, after = _read(host, old), _read(host, new)
    except (CommandError, ValueError):
        return False
    if _mounted(after, service) is None:
        return False
    entry = after["services"][service]
    entry["volumes"] = [v for v in entry["volumes"] if v.get("target") != _nginx_files.FOLDER]
    if not entry["volumes"] and "volumes" not in before["services"][service]:
        del entry["volumes"]
    return after == before


def _read(host: Host, text: str) -> _compose.Model:
    app = host.app
    words = ("--project-name", app.project, "--project-directory", str(app.app_dir), "--file", "-")
    model: _compose.Model = json.loads(host.docker.run("compose", *words, "config", "--format", "json", stdin=text))
    return model


# -- changing ---------------------------------------------------------------------------------------------


def _managed(session: Session) -> t.Tuple[Plan, str]:
    host = session.host
    _undo_torn(session)
    plan = _plan(host)
    if not plan.change:
        return plan, ""
    before = _answer(session)
    if before is not None and before.problem is not None:
        raise HotfixError(
            f"The app is not healthy already: {before.problem}.",
            code="refused",
            next_step="bring it back first; only then can be seen that this does no harm.",
        )
    with session.step("prepare_proxy", slot=plan.slot):
        _proxy.write_slot(host, plan.record, plan.slot, plan.other)
        if plan.other not in (None, plan.slot):
            _proxy.write_slot(host, plan.record, str(plan.other), plan.slot)
        _files.replace_symlink(_proxy.folder(host) / "live", plan.slot)
        _keep_original(plan.config, plan.text)
        _keep_original(plan.compose, plan.compose_text)
    if plan.compose_text != plan.new_compose_text:
        with session.step("mount_proxy", file=str(plan.compose)):
            # Before the configuration needs it: whoever makes the proxy anew from now on gives it the folder.
            _files.write_text(plan.compose, plan.new_compose_text, mode=plan.compose.stat().st_mode & 0o777)
    with session.step("configure_proxy", file=str(plan.config)):
        try:
            _configure(session, plan)
            proven = _prove(session, plan)
        except (HotfixError, OSError) as exc:
            _put_back(session, plan)
            if isinstance(exc, HotfixError):
                exc.left = "The proxy runs with its former configuration."
            raise
        session.require()
        _files.write_json(_proxy.record_file(host), plan.record.as_json(), mode=0o644)
        _forget_undo(host)
    return plan, proven


def _answer(session: Session) -> t.Optional[_health.Answer]:
    health = session.host.app.health
    return None if health is None else _health.wait(health, session.host.clock, session.require)


def _keep_original(path: Path, text: str) -> None:
    kept = path.with_name(path.name + ORIGINAL)
    if not kept.exists():
        _files.write_text(kept, text, mode=path.stat().st_mode & 0o777)


def _configure(session: Session, plan: Plan) -> None:
    host = session.host
    session.require()
    _files.write_json(_undo_file(host), {"config": str(plan.config), "old": plan.text, "new": plan.new_text})
    # The configuration is tested as a whole, so what it includes comes first.
    _proxy.copy_into(host, plan.proxies)
    session.require()
    _write_in_place(plan.config, plan.new_text)
    _proxy.tell(session, plan.slot, plan.containers)


def _prove(session: Session, plan: Plan) -> str:
    """Return what was seen: the same containers as before, and the app answers from one of them."""
    host = session.host
    host.clock.sleep(_SETTLES)
    answer = _answer(session)
    if answer is not None and answer.problem is not None:
        raise HotfixError(
            f"The app does not answer as before: {answer.problem}.",
            next_step="look at the proxy's log; what it was told is in the diff (--check --diff).",
        )
    now = {c.id for c in host.docker.containers(host.app.project) if c.running}
    gone = [c.name for c in plan.containers if c.running and c.id not in now]
    if gone:
        raise HotfixError(
            f"{', '.join(sorted(gone))} stopped meanwhile.", next_step="see who else works on this host, and try again."
        )
    if answer is None:
        return "it was reloaded; whether the app answers was not looked at (hotfix_health is not set)"
    if not answer.instance:
        return "the app answers healthy, and no container was made anew"
    if not any(c.id.startswith(answer.instance) or c.name == answer.instance for c in plan.containers):
        raise HotfixError(
            f"Another container answers than those that ran before: {answer.instance}.",
            next_step="check where the proxy sends its traffic.",
        )
    return "the app answers from the containers that ran before"


def _put_back(session: Session, plan: Plan) -> None:
    """Undo what was written; the proxy gets its former configuration again."""
    host = session.host
    session.require()
    _write_in_place(plan.config, plan.text)
    for proxy in plan.proxies:
        for command in (host.app.proxy_test, host.app.proxy_reload):
            if command:
                with contextlib.suppress(HotfixError):
                    host.docker.run("exec", proxy.id, *command, mutates=True)
    if plan.compose_text != plan.new_compose_text:
        _files.write_text(plan.compose, plan.compose_text, mode=plan.compose.stat().st_mode & 0o777)
    if _proxy.managed(host) is None:
        with contextlib.suppress(FileNotFoundError):
            (_proxy.folder(host) / "live").unlink()
    _forget_undo(host)


def _undo_file(host: Host) -> Path:
    return host.app.app_dir / "proxy-undo.json"


def _forget_undo(host: Host) -> None:
    with contextlib.suppress(FileNotFoundError):
        _undo_file(host).unlink()


def _write_in_place(path: Path, text: str) -> None:
    """Write a file that is mounted by itself: it has to stay the same file. A full disk leaves the old text."""
    old = path.read_bytes()
    with open(str(path), "r+b", buffering=0) as handle:
        try:
            _fill(handle, text.encode("utf-8"))
        except OSError:
            _fill(handle, old)
            raise


def _fill(handle: t.Any, data: bytes) -> None:
    handle.seek(0)
    written = 0
    while written < len(data):
        written += handle.write(data[written:])
    handle.truncate()
    os.fsync(handle.fileno())


def _undo_torn(session: Session) -> None:
    """Put back a configuration that a killed run wrote half of. It is known from what that run was about to write."""
    host = session.host
    data = _files.read_json(_undo_file(host))
    if not isinstance(data, dict):
        return
    path, old, new = Path(str(data.get("config"))), str(data.get("old")), str(data.get("new"))
    text = path.read_bytes() if path.is_file() else b""
    known = (old.encode("utf-8"), new.encode("utf-8"))
    if text not in known and is_torn(text, *known):
        with session.step("mend_proxy", file=str(path)):
            _write_in_place(path, old)
    _forget_undo(host)


def is_torn(text: bytes, old: bytes, new: bytes) -> bool:
    """Tell whether *text* is what a write of *new* over *old* leaves when it is broken off."""
    written = next((at for at, (one, other) in enumerate(zip(text, new)) if one != other), min(len(text), len(new)))
    if len(text) > len(old):
        return written == len(text)
    return len(text) == len(old) and text[written:] == old[written:]
