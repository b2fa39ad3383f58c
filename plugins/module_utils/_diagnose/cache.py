# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Redis, or Valkey: what its own INFO tells, asked inside of its container. A password goes there by stdin."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import Found, SkippedError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host

_IMAGE = re.compile(r"(?:^|[/_.-])(?:redis|valkey|keydb)(?:[:@_.-]|$)", re.IGNORECASE)
#: The port and the user are words to the shell and never code.
_ASK = (
    'IFS= read -r given || :; if [ -n "$given" ]; then REDISCLI_AUTH=$given; fi; '
    ': "${REDISCLI_AUTH:=${REDIS_PASSWORD-}}"; '
    'if [ -n "$REDISCLI_AUTH" ]; then export REDISCLI_AUTH; else unset REDISCLI_AUTH; fi; '
    "for cli in redis-cli valkey-cli keydb-cli; do "
    'if command -v "$cli" >/dev/null 2>&1; then exec "$cli" "$@" INFO; fi; done; '
    'echo "there is no redis-cli in its container" >&2; exit 127'
)
_NUMBERS = (
    "uptime_in_seconds", "connected_clients", "blocked_clients", "maxclients", "used_memory", "maxmemory",
    "evicted_keys", "rejected_connections", "instantaneous_ops_per_sec", "loading", "total_error_replies",
)  # fmt: skip
_WORDS = ("maxmemory_policy", "role", "rdb_last_bgsave_status", "aof_last_write_status", "master_link_status")


@dataclass(frozen=True)
class Cache:
    """Which service it is, and as whom it is asked."""

    service: t.Optional[str] = None
    port: int = 6379
    username: t.Optional[str] = None
    password: t.Optional[str] = None

    @classmethod
    def of(cls, given: t.Optional[t.Mapping[str, t.Any]], password: t.Optional[str]) -> Cache:
        """Read the options of the module."""
        options = {key: value for key, value in (given or {}).items() if value is not None}
        port = int(options.get("port") or cls.port)
        if not 0 < port < 65536:
            raise BadInputError(f"redis port {str(port)[:40]} is no port.", next_step="correct diagnose_redis.port.")
        service, username = options.get("service"), options.get("username")
        if username and "\0" in username:
            raise BadInputError(
                f"The redis username {username!r} cannot be one.", next_step="correct diagnose_redis.username."
            )
        if password and set(password) & set("\0\n"):
            # It is handed over as one line.
            raise BadInputError(
                "The redis password has more than one line, or a NUL.", next_step="correct diagnose_redis.password."
            )
        return cls(_names.service(str(service)) if service else None, port, username, password)


def service_of(cache: Cache, containers: t.Sequence[Container]) -> t.Optional[str]:
    """Return the service that is declared, or the one whose image has such a name."""
    return cache.service or next((one.service for one in containers if _IMAGE.search(one.image_reference)), None)


def look(host: Host, cache: Cache) -> Found:
    """Ask it."""
    containers = host.docker.containers(host.app.project)
    service = service_of(cache, containers)
    if service is None:
        raise SkippedError("No service has an image of Redis or Valkey, and diagnose_redis names none.")
    ours = [one for one in containers if one.service == service]
    running = [one for one in ours if one.running]
    if not running:
        state = ", ".join(f"{one.name} is {one.status}" for one in ours) or "it has no container"
        return {"service": service, "runs": False, "answers": False, "says": f"it does not run: {state}"}
    words = ["-p", str(cache.port), *(["--user", cache.username] if cache.username else [])]
    command = ("exec", "--interactive", running[0].id, "sh", "-c", _ASK, "sh", *words)
    try:
        printed = host.docker.run(*command, stdin=f"{cache.password or ''}\n", timeout=20.0)
    except CommandError as exc:
        if not exc.output:
            raise
        if "no redis-cli" in exc.output:
            raise HotfixError(
                f"There is no redis-cli in the container of {service}.",
                next_step="name another service with diagnose_redis.service, or use an image that has it.",
            ) from exc
        said = " ".join(exc.output.split())[-200:]
        return {"service": service, "runs": True, "answers": False, "says": said}
    return {"service": service, "runs": True, "container": running[0].name, **read(printed, service)}


def read(printed: str, service: str) -> Found:
    """Make sense of an INFO."""
    info = dict(line.strip().partition(":")[::2] for line in printed.splitlines() if ":" in line)
    if "used_memory" not in info:
        said = " ".join(printed.split())[:200]
        if any(sign in said for sign in ("NOAUTH", "WRONGPASS", "NOPERM", "AUTH failed")):
            raise HotfixError(f"{service} does not let us in: {said}.", next_step="set diagnose_redis.password.")
        return {"answers": False, "says": said or "it said nothing"}
    numbers = {name: int(float(info[name])) for name in _NUMBERS if re.fullmatch(r"[0-9.]+", info.get(name, ""))}
    version = info.get("valkey_version") or info.get("redis_version")
    return {"answers": True, "version": version, **numbers, **{name: info[name] for name in _WORDS if name in info}}
