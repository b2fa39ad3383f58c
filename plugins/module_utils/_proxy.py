# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The app's reverse proxy: it is never replaced, only told where its upstreams are.

A proxy under management includes what is in the folder ``proxy/live`` of the app. That is a link to the folder of one
slot, and turning it is the switch: everything else is prepared before.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files, _nginx_files, _slots
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import SLOTS

if t.TYPE_CHECKING:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session

#: Seconds that a proxy that does not run may take to come up again.
_COMES_UP = 20.0
#: Readable by whichever user the proxy runs as; there is no secret in it.
_FOLDER_MODE = 0o755
_FILE_MODE = 0o644
#: Says in which slot's folder it is, and what is in it: how the proxy's container is asked what it sees.
_IDENTITY = "id"

_STALE, _REFUSED, _UNLOADED, _RELOADED = "stale", "refused", "unloaded", "reloaded"
_SIGN = "hotfix:"


@dataclass(frozen=True)
class Managed:
    """What is recorded of a proxy under management.

    ``config`` is its configuration and ``compose`` the file that mounts the folder, relative to the app's folder.
    ``assets`` is the service and port that the assets come from, if those of the other slot are asked for as well.
    """

    config: str
    upstreams: t.Tuple[t.Tuple[str, int], ...]
    servers: t.Tuple[_nginx_files.Server, ...]
    assets: t.Optional[_nginx_files.Assets]
    compose: t.Optional[str] = None

    def as_json(self) -> t.Dict[str, t.Any]:
        """Return the record as it is kept."""
        return {
            "config": self.config,
            "upstreams": [list(one) for one in self.upstreams],
            "servers": [list(one) for one in self.servers],
            "assets": list(self.assets) if self.assets else None,
            "compose": self.compose,
        }

    @classmethod
    def from_json(cls, data: t.Any) -> t.Optional[Managed]:
        """Return what was recorded; ``None`` where that is damaged."""
        try:
            return cls(
                config=str(data["config"]),
                upstreams=tuple((str(service), int(port)) for service, port in data["upstreams"]),
                servers=tuple(_nginx_files.Server(*one) for one in data["servers"]),
                assets=_nginx_files.Assets(*data["assets"]) if data["assets"] else None,
                compose=data.get("compose"),
            )
        except (TypeError, ValueError, KeyError):
            return None


# -- looking ----------------------------------------------------------------------------------------------


def folder(host: Host) -> Path:
    """Return the folder that the proxy has mounted."""
    return host.app.app_dir / "proxy"


def record_file(host: Host) -> Path:
    """Return the file that says that the proxy is under management."""
    return folder(host) / "proxy.json"


def managed(host: Host) -> t.Optional[Managed]:
    """Return what is recorded of the proxy; ``None`` where it is not under management."""
    return Managed.from_json(_files.read_json(record_file(host)))


def live_slot(host: Host) -> t.Optional[str]:
    """Return the slot that the proxy sends traffic to; ``None`` where it is not under management."""
    try:
        target = os.readlink(str(folder(host) / "live"))
    except OSError:
        return None
    return target if target in SLOTS and managed(host) is not None else None


def problems(host: Host) -> t.List[str]:
    """Return what became of a proxy under management since; nothing when it is as it was left."""
    record = managed(host)
    if record is None:
        lost = record_file(host).exists() or (folder(host) / "live").is_symlink()
        return [f"the record of the proxy ({record_file(host)}) is missing or damaged"] if lost else []
    found = []
    slot = live_slot(host)
    if slot is None:
        found.append(f"{folder(host) / 'live'} leads to no slot")
    elif not (folder(host) / slot / _nginx_files.UPSTREAMS).is_file():
        found.append(f"{folder(host) / slot} has no {_nginx_files.UPSTREAMS}")
    compose = host.app.app_dir / (record.compose or "")
    if record.compose and _nginx_files.FOLDER not in (_read(compose) or ""):
        found.append(f"{compose} no longer mounts {folder(host)}: made anew, the proxy would not start")
    path = host.app.app_dir / record.config
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return [*found, f"the proxy's configuration {path} cannot be read"]
    if f"{_nginx_files.LIVE}/{_nginx_files.UPSTREAMS}" not in text:
        return [*found, f"the proxy's configuration {path} no longer follows a switch"]
    from ansible_collections.pangeafate.hotfix.plugins.module_utils import _nginx

    with contextlib.suppress(HotfixError):
        direct = _nginx.names_services(text, host.app.services)
        if direct:
            found.append(f"the proxy's configuration {path} names a switched service itself ({direct[0]})")
    return found


# -- preparing and switching ------------------------------------------------------------------------------


def prepare(session: Session, slot: str, other: t.Optional[str]) -> None:
    """Write the folders of the slot that is to become live, and of those that it may be left for.

    Assets that it does not have are asked of the *other* one, which users leave. Whichever comes next asks those of
    *slot*: that is what users leave then. Nothing that users see is changed.
    """
    host = session.host
    record = _require_managed(host)
    with session.step("prepare_proxy", slot=slot, other=other):
        write_slot(host, record, slot, other)
        for one in SLOTS:
            if one != slot and (one == other or (folder(host) / one).is_dir()):
                write_slot(host, record, one, slot)


def write_slot(host: Host, record: Managed, slot: str, other: t.Optional[str]) -> None:
    """Write what the proxy includes while *slot* is live."""

    def address(service: str) -> str:
        return _slots.address_name(service, slot)

    previous = _slots.address_name(record.assets.service, other or slot) if record.assets else None
    files = {
        _nginx_files.UPSTREAMS: _nginx_files.render_upstreams(record.upstreams, address),
        _nginx_files.ASSETS: _nginx_files.render_assets(previous),
        **{server.file: _nginx_files.render_server(server, address) for server in record.servers},
    }
    for path in (folder(host), folder(host) / slot):
        _files.make_folder(path, mode=_FOLDER_MODE)
    content = "".join(f"{name}\n{files[name]}" for name in sorted(files))
    files[_IDENTITY] = f"{slot} {hashlib.sha256(content.encode('utf-8')).hexdigest()}\n"
    # The identity last: it stands for the others.
    for name, text in files.items():
        path = folder(host) / slot / name
        if _read(path) != text:
            _files.write_text(path, text, mode=_FILE_MODE)


def _read(path: Path) -> t.Optional[str]:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _require_managed(host: Host) -> Managed:
    record = managed(host)
    if record is None:
        raise HotfixError(
            f"The proxy is not under management ({record_file(host)} is missing or damaged).",
            next_step="bring it there (playbooks/proxy.yml), or set hotfix_strategy: recreate.",
        )
    return record


def point_at(session: Session, slot: str, containers: t.Optional[t.Sequence[Container]] = None) -> None:
    """Send the traffic to *slot*: turn the link, let the proxy test its configuration, reload it gracefully.

    *containers* are the app's as they were seen last; without them they are asked for. Where the proxy refuses, the
    link is turned back and the proxy goes on as it was.
    """
    host = session.host
    _require_managed(host)
    before = live_slot(host)
    with session.step("point_proxy", slot=slot, came_from=before):
        session.require()
        _files.replace_symlink(folder(host) / "live", slot)
        try:
            tell(session, slot, containers)
        except HotfixError as exc:
            if before is None or before == slot:
                raise
            session.require()
            _files.replace_symlink(folder(host) / "live", before)
            # One of several may have followed already.
            with contextlib.suppress(HotfixError):
                tell(session, before, containers)
            exc.left = f"The proxy sends its traffic to the slot {before}, as before."
            raise


def tell(session: Session, slot: str, containers: t.Optional[t.Sequence[Container]] = None) -> None:
    """Let every proxy take up what the link leads to, which is *slot*."""
    host = session.host
    service = host.app.proxy_service
    if not service:
        raise HotfixError("No proxy is named.", next_step="set hotfix_proxy_service.")
    proxies = [c for c in containers or () if c.service == service]
    if not proxies or not all(c.running for c in proxies):
        # One that crashed for want of its upstreams starts again with what the link leads to now.
        copy_into(host, [c for c in host.docker.containers(host.app.project) if c.service == service and not c.running])
        proxies = _running(session, service)
    for proxy in proxies:
        _tell_one(host, proxy, slot)


def _tell_one(host: Host, proxy: Container, slot: str) -> None:
    verdict, said = _ask(host, proxy, slot)
    if verdict == _STALE:
        if _nginx_files.FOLDER in proxy.mounts:
            raise HotfixError(
                f"The proxy {proxy.name} does not see {folder(host)}: the folder was replaced since it was started.",
                next_step=f"make it anew, which users notice for a moment: docker compose --project-directory "
                f"{host.app.app_dir} up --detach --no-deps --force-recreate {proxy.service}",
            )
        copy_into(host, [proxy])
        verdict, said = _ask(host, proxy, slot)
    if verdict == _RELOADED:
        return
    what = {_REFUSED: host.app.proxy_test, _UNLOADED: host.app.proxy_reload}.get(verdict, ("to take it up",))
    raise HotfixError(
        f"The proxy {proxy.name} refused '{' '.join(what)}': {said or verdict}.",
        next_step="mend its configuration; it still runs with the last good one.",
    )


#: Run inside of the proxy's container, with the folder, the identity that is to be seen there and the slot. What
#: follows are paths and texts of all slots' files, where the folder is not mounted: to write them takes no second
#: command, now or when the host goes back by itself. The one that reloads nginx ends before nginx has done so. Workers
#: say in their titles that they take no more requests: until those of before do, users may still get the other slot.
_SCRIPT = rf"""
folder=$1 wanted=$2 slot=$3
shift 3
if [ $# -gt 0 ]; then
  while [ $# -gt 1 ]; do
    mkdir -p "$folder/${{1%/*}}" && printf %s "$2" >"$folder/$1" || break
    shift 2
  done
  ln -sfn "$slot" "$folder/live"
fi 2>/dev/null
[ "$(cat "$folder/live/{_IDENTITY}" 2>/dev/null)" = "$wanted" ] || {{ echo {_SIGN}{_STALE}; exit 0; }}
serves() {{ [ "$(tr -d "\0" 2>/dev/null <"$1/cmdline")" = "nginx: worker process" ]; }}
@test@ 2>&1 || {{ echo; echo {_SIGN}{_REFUSED}; exit 0; }}
old=
for one in /proc/[0-9]*; do serves "$one" && old="$old $one"; done 2>/dev/null
@load@ 2>&1 || {{ echo; echo {_SIGN}{_UNLOADED}; exit 0; }}
for pause in 0 0.02 0.02 0.03 0.03 0.05 0.05 0.1 0.1 0.2 0.5 1 2 3 3; do
  sleep "$pause"
  left=
  for one in $old; do serves "$one" && left=yes; done 2>/dev/null
  [ "$left" ] || {{ echo; echo {_SIGN}{_RELOADED}; exit 0; }}
done
echo "workers of before still take requests; see its log"
echo {_SIGN}{_UNLOADED}
"""


def _ask(host: Host, proxy: Container, slot: str) -> t.Tuple[str, str]:
    """Let one proxy test and reload, in one command; return how that went and what was printed."""
    identity = (_read(folder(host) / slot / _IDENTITY) or "").strip()
    test = shlex.join(host.app.proxy_test) if host.app.proxy_test else ":"
    # Where nothing is reloaded there is nobody to wait for.
    load = shlex.join(host.app.proxy_reload) if host.app.proxy_reload else "old="
    script = _SCRIPT.replace("@test@", test).replace("@load@", load)
    files = [] if _nginx_files.FOLDER in proxy.mounts else _files_of(host)
    words = (proxy.id, "sh", "-c", script, "sh", _nginx_files.FOLDER, identity, slot, *files)
    said = host.docker.run("exec", *words, mutates=True)
    text, _mark, verdict = said.rpartition(_SIGN)
    return verdict.strip(), " ".join(text.split())[-1000:]


def _files_of(host: Host) -> t.List[str]:
    """Return paths and texts of all slots' files in turn, each slot's identity last."""
    words = []
    for slot in SLOTS:
        inside = folder(host) / slot
        for path in (*sorted(inside.glob("*.conf")), *inside.glob(_IDENTITY)):
            words += [f"{slot}/{path.name}", _read(path) or ""]
    return words


def copy_into(host: Host, proxies: t.Sequence[Container]) -> None:
    """Put the folder into proxies that were started before it was mounted there."""
    for proxy in proxies:
        if _nginx_files.FOLDER not in proxy.mounts:
            host.docker.run("cp", f"{folder(host)}/.", f"{proxy.id}:{_nginx_files.FOLDER}", mutates=True)


def reload_proxy(session: Session) -> None:
    """Let the proxy test its configuration and reload it gracefully, so that it finds the new containers."""
    host = session.host
    if not host.app.proxy_service:
        return
    for container in _running(session, host.app.proxy_service):
        for command in (host.app.proxy_test, host.app.proxy_reload):
            if not command:
                continue
            try:
                host.docker.run("exec", container.id, *command, mutates=True)
            except CommandError as exc:
                raise HotfixError(
                    f"The proxy {container.name} refused '{' '.join(command)}': {exc.output}.",
                    next_step="mend its configuration; it still runs with the last good one.",
                ) from exc


def _running(session: Session, service: str) -> t.List[Container]:
    """Return the proxy's containers once all of them run.

    A proxy whose upstreams crash can crash with them (nginx does not start without their names): it is started again,
    now that they are back. The engine's own next try may be a minute away by then.
    """
    host = session.host
    end = host.clock.steady() + _COMES_UP
    tried: t.Set[str] = set()
    while True:
        session.require()
        proxies = [c for c in host.docker.containers(host.app.project) if c.service == service]
        if proxies and all(c.running for c in proxies):
            return proxies
        if not proxies or host.clock.steady() >= end:
            state = ", ".join(f"{c.name} is {c.status}" for c in proxies) or "it has no container"
            raise HotfixError(
                f"The proxy ({service}) does not run: {state}.",
                next_step=f"start it: docker compose --project-directory {host.app.app_dir} up --detach --no-deps "
                f"{service}",
            )
        for container in proxies:
            if container.status in ("exited", "created"):
                host.docker.start(container.id)
            elif container.status == "restarting" and container.id not in tried:
                tried.add(container.id)
                host.docker.restart([container.id], timeout=host.app.stop_timeout)
        host.clock.sleep(0.5)
