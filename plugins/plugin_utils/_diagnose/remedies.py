# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would help, as a command to type and what it would change; the cheapest comes first."""

from __future__ import annotations

import shlex
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._diagnose.model import Fleet, Remedy, Sign

_PLAY = "ansible-playbook playbooks"

Signs = t.Sequence[Sign]
Maker = t.Callable[[Fleet, Signs], "Remedy | None"]


def of(fleet: Fleet, signs: Signs) -> tuple[Remedy, ...]:
    """Return what would help against *signs*, which are of one kind; what is not possible here is left out."""
    wanted = {name for sign in signs for name in sign.remedies}
    made = (_MAKERS[name](fleet, signs) for name in _MAKERS if name in wanted)
    return tuple(one for one in made if one is not None)


def _hosts(signs: Signs) -> list[str]:
    return list(dict.fromkeys(sign.host for sign in signs))


def _about(signs: Signs, key: str) -> list[t.Any]:
    return list(dict.fromkeys(sign.about[key] for sign in signs if sign.about.get(key)))


def _services(signs: Signs) -> list[str]:
    """Return the services that the signs are about, alone or together."""
    found = {name for sign in signs for name in [sign.about.get("service"), *sign.about.get("services", ())] if name}
    return sorted(found)


def _on(signs: Signs, command: str) -> str:
    return f"on {', '.join(_hosts(signs))}: {command}"


def _flag(fleet: Fleet, _signs: Signs) -> Remedy | None:
    if not fleet.flags:
        return None
    return Remedy(
        "flag",
        f"{_PLAY}/feature_flag.yml -l {fleet.environment} -e flag=NAME -e enabled=false",
        "Turns one feature off on every running instance, within seconds; nothing is restarted "
        "(playbooks/feature_flag_info.yml shows the names).",
    )


def _ways_back(fleet: Fleet, signs: Signs) -> list[tuple[str, str, bool]]:
    """Return from where to where a rollback would go on each host, and whether that still runs."""
    found = []
    for host in _hosts(signs):
        release = fleet.found(host, "release")
        current, back = release.get("current"), release.get("back")
        if current and back:
            found.append((str(current["id"]), str(back["id"]), bool(release.get("back_is_warm"))))
    return found


def _rollback_command(fleet: Fleet) -> str:
    return f"{_PLAY}/rollback.yml -l {fleet.environment}"


def _switch_back(fleet: Fleet, signs: Signs) -> Remedy | None:
    ways = _ways_back(fleet, signs)
    if not ways or not all(warm for _current, _back, warm in ways):
        return None
    current, back, _warm = ways[0]
    changes = f"Turns users from {current} to {back}, which still runs: no request is to fail."
    return Remedy("switch_back", _rollback_command(fleet), changes)


def _rollback(fleet: Fleet, signs: Signs) -> Remedy | None:
    ways = _ways_back(fleet, signs)
    if not ways or all(warm for _current, _back, warm in ways):
        return None
    current, back, _warm = next(way for way in ways if not way[2])
    changes = f"Replaces {current} by {back}, which is started from images on the host; the database stays as it is."
    return Remedy("rollback", _rollback_command(fleet), changes)


def _restart(fleet: Fleet, signs: Signs) -> Remedy | None:
    services = _services(signs)
    if not services:
        return None
    switched = set(fleet.app(signs[0].host).get("switched") or [])
    command = f"{_PLAY}/restart.yml -l {fleet.limit(_hosts(signs))} -e services={','.join(services)}"
    if set(services) <= switched:
        changes = f"Starts {', '.join(services)} anew from the same release; the way back may be cold after it."
    else:
        changes = f"Restarts {', '.join(services)}: away while it starts, and so is what depends on it."
    return Remedy("restart", command, changes)


def _hotfix(fleet: Fleet, _signs: Signs) -> Remedy | None:
    return Remedy(
        "hotfix",
        f"{_PLAY}/hotfix.yml -l {fleet.environment} -e patch=FILE",
        "Builds what you mended as a new version and deploys it; for what no earlier release does right.",
    )


def _ssl_renew(fleet: Fleet, signs: Signs) -> Remedy | None:
    return Remedy(
        "ssl_renew",
        f"{_PLAY}/ssl_renew.yml -l {fleet.limit(_hosts(signs))}",
        "Orders a new certificate and has the proxy load it; the old pair is kept.",
    )


def _thaw(_fleet: Fleet, signs: Signs) -> Remedy | None:
    names = " ".join(_about(signs, "container"))
    return Remedy("thaw", _on(signs, f"docker unpause {names}"), f"Lets {names} go on where it was frozen.")


def _psql(fleet: Fleet, signs: Signs, function: str) -> str | None:
    pids = _about(signs, "pid")
    database = fleet.app(signs[0].host).get("database") or {}
    container = next(iter(_about(signs, "container")), None)
    if not pids or not container:
        return None
    # Numbers of processes mean something on one host only.
    where = [sign for sign in signs if sign.about.get("pid") == pids[0]][:1]
    asked = shlex.quote(f"SELECT {function}({pids[0]})")
    return _on(where, f"docker exec {container} psql -U {database.get('user')} -d {database.get('name')} -c {asked}")


def _cancel(fleet: Fleet, signs: Signs) -> Remedy | None:
    command = _psql(fleet, signs, "pg_cancel_backend")
    return Remedy("cancel", command, "Ends that query; its transaction is undone.") if command else None


def _end_session(fleet: Fleet, signs: Signs) -> Remedy | None:
    command = _psql(fleet, signs, "pg_terminate_backend")
    return Remedy("end_session", command, "Ends that session and undoes its transaction.") if command else None


def _up(fleet: Fleet, signs: Signs) -> Remedy | None:
    services = " ".join(_services(signs))
    folder = fleet.app(signs[0].host).get("folder")
    command = _on(signs, f"cd {folder} && docker compose up --detach --no-deps {services}")
    return Remedy("up", command, f"Makes and starts {services}, and nothing else.")


def _prune(_fleet: Fleet, signs: Signs) -> Remedy | None:
    return Remedy(
        "prune",
        _on(signs, "docker image prune --all --force"),
        "Removes images that no container needs; those of the last good releases are kept (never 'system prune').",
    )


def _space(_fleet: Fleet, signs: Signs) -> Remedy | None:
    folder = next(iter(_about(signs, "folder")), "/")
    command = _on(signs, f"du -xh --max-depth=2 {folder} | sort -h | tail")
    return Remedy("space", command, "Nothing: it shows what fills the disk.")


def _inodes(_fleet: Fleet, signs: Signs) -> Remedy | None:
    folder = next(iter(_about(signs, "folder")), "/")
    command = _on(signs, f"du -x --inodes --max-depth=2 {folder} | sort -n | tail")
    return Remedy("inodes", command, "Nothing: it shows where the many files are.")


def _top(_fleet: Fleet, signs: Signs) -> Remedy | None:
    return Remedy("top", _on(signs, "top -b -n 1 | head -n 20"), "Nothing: it shows what uses CPU and memory.")


def _logs(fleet: Fleet, signs: Signs) -> Remedy | None:
    services = _services(signs)
    if not services:
        return None
    command = f"{_PLAY}/logs.yml -l {fleet.limit(_hosts(signs))} -e services={','.join(services)}"
    return Remedy("logs", command, "Nothing: it shows what they wrote.")


def _deploy(fleet: Fleet, signs: Signs) -> Remedy | None:
    version = next(iter(_about(signs, "version")), None)
    if not version:
        return None
    command = f"{_PLAY}/deploy.yml -l {fleet.environment} -e version={version}"
    return Remedy("deploy", command, f"Has every host run {version}, from its record or from the registry.")


def _adopt(fleet: Fleet, signs: Signs) -> Remedy | None:
    command = f"{_PLAY}/adopt.yml -l {fleet.limit(_hosts(signs))}"
    return Remedy("adopt", command, "Records what runs; no container is touched.")


def _confirm(fleet: Fleet, _signs: Signs) -> Remedy | None:
    command = f"{_PLAY}/confirm.yml -l {fleet.environment}"
    return Remedy("confirm", command, "Keeps the release; without it the host goes back by itself.")


def _releases(fleet: Fleet, signs: Signs) -> Remedy | None:
    command = f"{_PLAY}/release_info.yml -l {fleet.limit(_hosts(signs))}"
    return Remedy("releases", command, "Nothing: it shows every release and who is at work.")


def _clock(_fleet: Fleet, signs: Signs) -> Remedy | None:
    command = _on(signs, "sudo timedatectl set-ntp true")
    return Remedy("clock", command, "Has the host follow a time server; see which of the two clocks is wrong.")


def _engine(_fleet: Fleet, signs: Signs) -> Remedy | None:
    command = _on(signs, "sudo systemctl restart docker")
    changes = "Restarts the engine; without live-restore every container ends and is started again."
    return Remedy("engine", command, changes)


def _mend(_fleet: Fleet, signs: Signs) -> Remedy | None:
    said = next(iter(_about(signs, "next")), "")
    return Remedy("mend", said, "Nothing by itself: then it can be looked at.") if said else None


#: In the order of what they cost users.
_MAKERS: dict[str, Maker] = {
    "flag": _flag,
    "confirm": _confirm,
    "switch_back": _switch_back,
    "thaw": _thaw,
    "cancel": _cancel,
    "end_session": _end_session,
    "up": _up,
    "ssl_renew": _ssl_renew,
    "prune": _prune,
    "space": _space,
    "inodes": _inodes,
    "top": _top,
    "restart": _restart,
    "rollback": _rollback,
    "deploy": _deploy,
    "hotfix": _hotfix,
    "adopt": _adopt,
    "mend": _mend,
    "engine": _engine,
    "clock": _clock,
    "releases": _releases,
    "logs": _logs,
}
