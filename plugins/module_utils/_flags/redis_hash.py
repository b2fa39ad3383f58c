# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Provider ``redis``: a hash with a field for every flag. Speaks RESP itself, so that no client need be installed."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.provider import Provider
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import Flags, Words
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import (
    Deadline,
    Tls,
    TroubleError,
    again,
    connect,
    connection_trouble,
    hide,
    one_line,
)

_LINE_LIMIT = 65536
_BULK_LIMIT = 4 * 1024 * 1024
_ITEMS_LIMIT = 100000


@dataclass(frozen=True)
class Server:
    """A Redis server, and as whom to speak to it."""

    where: t.Tuple[str, int]
    database: int = 0
    username: t.Optional[str] = None
    password: t.Optional[str] = None
    timeout: float = 5.0
    tls: t.Optional[Tls] = None
    name: str = ""

    @property
    def said(self) -> str:
        """Name it in messages."""
        return f"Redis at {self.where[0]}:{self.where[1]}"


class _RefusedError(Exception):
    """An error that the server sent."""


class _GarbledError(Exception):
    """No RESP."""


def talk(server: Server, *commands: t.Sequence[str]) -> t.List[t.Any]:
    """Log in where a password is given, send the commands, and return the answers to them."""
    login: t.List[t.Sequence[str]] = []
    if server.password:
        login.append(("AUTH", *([server.username] if server.username else []), server.password))
    if server.database:
        login.append(("SELECT", str(server.database)))
    everything = [*login, *commands]
    connection = connect(server.said, server.where, server.timeout, server.tls, server.name or server.where[0])
    with connection, Deadline(connection, server.timeout) as deadline:
        try:
            with connection.makefile("rb") as answers:
                found = []
                for number, command in enumerate(everything):
                    connection.sendall(_encoded(command))
                    answer = _read(answers)
                    if number >= len(login):
                        found.append(answer)
                return found
        except _RefusedError as exc:
            raise _refusal(server, str(exc)) from exc
        except _GarbledError as exc:
            if deadline.over:
                raise connection_trouble(server.said, TimeoutError(), server.timeout) from exc
            raise TroubleError(
                "no_redis",
                f"{server.said} does not speak Redis' protocol.",
                next_step="check host and port, and the scheme: rediss:// for TLS.",
            ) from exc
        except OSError as exc:
            failure = TimeoutError() if deadline.over else exc
            raise connection_trouble(server.said, failure, server.timeout) from exc


def _encoded(command: t.Sequence[str]) -> bytes:
    parts = [word.encode("utf-8") for word in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _read(answers: t.IO[bytes], depth: int = 0) -> t.Any:
    line = answers.readline(_LINE_LIMIT)
    if not line.endswith(b"\r\n") or depth > 4:
        raise _GarbledError
    kind, rest = line[:1], line[1:-2].decode("utf-8", errors="replace")
    if kind == b"+":
        return rest
    if kind == b"-":
        raise _RefusedError(rest)
    try:
        number = int(rest)
    except ValueError as exc:
        raise _GarbledError from exc
    if kind == b":":
        return number
    if kind == b"$" and number <= _BULK_LIMIT:
        if number < 0:
            return None
        value = answers.read(number + 2)
        if len(value) != number + 2:
            raise _GarbledError
        return value[:-2].decode("utf-8", errors="replace")
    if kind == b"*" and number <= _ITEMS_LIMIT:
        return [_read(answers, depth + 1) for _item in range(number)]
    raise _GarbledError


def _refusal(server: Server, text: str) -> TroubleError:
    said = server.said
    shown = one_line(hide(text, [server.password]))
    code = text.partition(" ")[0]
    if code == "WRONGPASS" or "invalid password" in text or "without any password configured" in text:
        return TroubleError(
            "unauthorized",
            f"{said} does not accept the password: {shown}.",
            next_step="check token (the password) and redis.username.",
            code="refused",
        )
    if code == "NOAUTH":
        return TroubleError(
            "unauthorized",
            f"{said} wants a password, and none was given.",
            next_step="give it as token: from the environment, a vault or a file.",
            code="refused",
        )
    if code == "NOPERM":
        return TroubleError(
            "forbidden",
            f"{said} does not allow this user to do that: {shown}.",
            next_step="allow the user HGETALL and HSET on the hash (ACL SETUSER), or use another one.",
            code="refused",
        )
    if code == "WRONGTYPE":
        return TroubleError("other_shape", f"The key at {said} is no hash: {shown}.", next_step="correct redis.key.")
    if code in ("READONLY", "MOVED", "ASK"):
        return TroubleError(
            "elsewhere",
            f"{said} is not where this key is written: {shown}.",
            next_step="give the address of the primary.",
        )
    return TroubleError(
        "server",
        f"{said} refused: {shown}.",
        next_step="look at its log, then run this again.",
        retry=code in ("LOADING", "BUSY", "TRYAGAIN", "MASTERDOWN"),
    )


class RedisHash(Provider):
    """The flags are the fields of one hash."""

    def __init__(self, server: Server, key: str, words: Words, retries: int) -> None:
        self._server = server
        self._key = key
        self._words = words
        self._retries = retries
        self.store = f"{server.said}, hash {key!r}"

    def read(self, _name: str) -> Flags:
        """Return all fields of the hash."""
        (flat,) = again(self._retries, lambda: talk(self._server, ("HGETALL", self._key)))
        if not isinstance(flat, list) or not all(isinstance(one, str) for one in flat):
            raise TroubleError(
                "no_redis",
                f"{self._server.said} does not answer as Redis does.",
                next_step="check host and port: something else answers there.",
            )
        pairs = dict(zip(flat[::2], flat[1::2]))
        return {field: self._words.read(value) for field, value in pairs.items()}

    def write(self, name: str, on: bool) -> None:
        """Set the flag's field."""
        value = self._words.write(on)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        again(self._retries, lambda: talk(self._server, ("HSET", self._key, name, text)))
