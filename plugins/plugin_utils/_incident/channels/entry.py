# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads one declared channel, key by key. No complaint shows a value that may be a secret."""

from __future__ import annotations

import ipaddress
import os
import re
import typing as t
import urllib.parse

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import BadInputError

VARIABLE = "hotfix_notifications"

_YES = ("true", "yes", "on", "1")
_NO = ("false", "no", "off", "0")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# They belong to the request, not to whoever declares a channel.
_OWN_HEADERS = ("host", "content-length", "content-type", "transfer-encoding", "connection", "user-agent")
# Deliberately narrow: what is no plain address has no business in an envelope.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f]")


def loopback(host: str) -> bool:
    """Tell whether *host* is this machine, so that nobody can listen on the way."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin(url: str) -> str:
    """Return what of a URL may be shown. The path of a webhook is as good as a password."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a URL that cannot be read"
    return f"{parts.scheme}://[{host}]{port}" if ":" in host else f"{parts.scheme}://{host}{port}"


class Entry:
    """One element of the list."""

    def __init__(self, raw: t.Any, number: int) -> None:
        self._number = number
        self._said = f"{VARIABLE}, entry {number + 1}"
        if not isinstance(raw, t.Mapping):
            raise self.wrong("", f"is {_kind(raw)}, not a dictionary", "write type: and the keys of that type.")
        self.raw: dict[str, t.Any] = {_key(key): value for key, value in raw.items()}
        if len(self.raw) != len(raw):
            raise self.wrong("on", "is there twice (YAML reads a bare on as true)", "take one out.")
        self._asked: list[str] = []

    def call(self, type_: str, name: str) -> None:
        """Have complaints name it, now that it has a name."""
        self._said = f"{VARIABLE}, entry {self._number + 1} ({type_}{'' if name == type_ else f' {name!r}'})"

    def wrong(self, key: str, reason: str, next_step: str) -> BadInputError:
        """Return the complaint about *key*."""
        what = f"{self._said}: {key} {reason}." if key else f"{self._said} {reason}."
        return BadInputError(what, next_step=next_step, place=(self._number, key) if key else (self._number,))

    def get(self, key: str) -> t.Any:
        """Return what was declared; an empty text is nothing, as a template makes one of what is not set."""
        self._asked.append(key)
        value = self.raw.get(key)
        return None if isinstance(value, str) and not value.strip() else value

    def text(self, key: str, *, next_step: str = "", default: str | None = None) -> str:
        """Return a text. Without a default it must be there."""
        value = self.get(key)
        if value is None:
            if default is not None:
                return default
            raise self.wrong(key, "is missing", next_step or f"set {key}.")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise self.wrong(key, f"must be a text, not {_kind(value)}", next_step or f"correct {key}.")
        return value.strip()

    def name(self, default: str) -> str:
        """Return what the channel is called in receipts and in the report."""
        name = self.text("name", default=default)
        if not _NAME.fullmatch(name):
            raise self.wrong(
                "name",
                f"cannot be {name[:80]!r}",
                "begin with a letter or a digit; then up to 63 letters, digits, spaces, '.', '_' or '-'.",
            )
        return name

    def flag(self, key: str, default: bool) -> bool:
        """Return yes or no."""
        value = self.get(key)
        if value is None:
            return default
        said = str(value).lower()
        if isinstance(value, (list, dict)) or said not in _YES + _NO:
            raise self.wrong(key, "is neither true nor false", f"set {key}: true or {key}: false.")
        return said in _YES

    def number(self, key: str, default: float, least: float, most: float) -> float:
        """Return a number within bounds; a template renders one as text."""
        value = self.get(key)
        try:
            found = float(default if value is None else value)
        except (TypeError, ValueError, OverflowError):
            found = least - 1
        if isinstance(value, bool) or not least <= found <= most:
            raise self.wrong(key, f"is no number from {least:g} to {most:g}", f"set one, such as {key}: {default:g}.")
        return found

    def port(self, default: int) -> int:
        """Return a port."""
        found = self.number("port", default, 1, 65535)
        if found != int(found):
            raise self.wrong("port", "is no whole number", f"set one, such as port: {default}.")
        return int(found)

    def choice(self, key: str, choices: t.Sequence[str], default: str) -> str:
        """Return one of some words."""
        value = self.get(key)
        if value is False and "none" in choices:
            return "none"
        if value is None:
            return default
        if value not in choices:
            raise self.wrong(key, f"cannot be {str(value)[:80]!r}", f"use one of {', '.join(choices)}.")
        return str(value)

    def choices(self, key: str, choices: t.Sequence[str]) -> tuple[str, ...]:
        """Return some of some words, all of them where nothing is said."""
        value = self.get(key)
        if value is None:
            return tuple(choices)
        values = [one.strip() for one in value.split(",")] if isinstance(value, str) else value
        if not isinstance(values, (list, tuple)) or not values:
            raise self.wrong(key, "is no list", f"list some of {', '.join(choices)}, or leave it out for all.")
        for one in values:
            if one not in choices:
                raise self.wrong(key, f"cannot hold {str(one)[:80]!r}", f"use some of {', '.join(choices)}.")
        return tuple(one for one in choices if one in values)

    def url(self, key: str = "url", default: str | None = None) -> str:
        """Return where to post to. What would send a secret in clear over a network is refused."""
        url = self.text(key, default=default, next_step="set it to the address that the service shows for it.")
        plain_allowed = self.flag("allow_http", False)
        try:
            parts = urllib.parse.urlsplit(url)
            host, _port = parts.hostname, parts.port
        except ValueError:
            host, parts = None, urllib.parse.urlsplit("")
        if not host or parts.scheme not in ("http", "https") or _UNPRINTABLE.search(url):
            raise self.wrong(key, "is no URL with http:// or https:// and a host", "copy it anew.")
        if parts.username is not None or parts.password is not None:
            raise self.wrong(key, "holds a user name or a password", "send them as headers: {Authorization: …}.")
        if parts.scheme == "http" and not loopback(host) and not plain_allowed:
            raise self.wrong(
                key,
                f"is {origin(url)}, over which anybody on the way could read it",
                "use https://, or set allow_http: true where that network is trusted.",
            )
        return url

    def headers(self, key: str = "headers") -> dict[str, str]:
        """Return headers that do not break out of their line."""
        value = self.get(key)
        if value is None:
            return {}
        if not isinstance(value, t.Mapping):
            raise self.wrong(key, f"is {_kind(value)}, not a dictionary", "write one line, Name: value, for each.")
        found: dict[str, str] = {}
        for name, content in value.items():
            if not isinstance(name, str) or not _HEADER.fullmatch(name):
                raise self.wrong(key, f"has {str(name)[:80]!r}, which is no name of a header", "correct it.")
            if name.lower() in _OWN_HEADERS:
                raise self.wrong(key, f"has {name}, which is set for every request", "take it out.")
            if not isinstance(content, (str, int)) or isinstance(content, bool):
                raise self.wrong(key, f"has {name}, whose value is {_kind(content)}, not a text", "correct it.")
            content = str(content).strip()
            if not content.isascii() or not content.isprintable():
                raise self.wrong(key, f"has {name}, whose value has characters that no header can have", "correct it.")
            found[name] = content
        return found

    def host(self, key: str = "host") -> str:
        """Return the name or address of a server."""
        host = self.text(key, next_step="set it to the name of the mail server.")
        if not _HOST.fullmatch(host):
            raise self.wrong(key, f"cannot be {host[:80]!r}", "set the name or address of a server, without a port.")
        return host

    def address(self, key: str) -> str:
        """Return one mail address."""
        return self._address(key, self.text(key, next_step=f"set {key} to a mail address."))

    def addresses(self, key: str) -> tuple[str, ...]:
        """Return mail addresses, each once."""
        value = self.get(key)
        if value is None or value == []:
            raise self.wrong(key, "is missing", f"list the mail addresses that are told in {key}.")
        values = value.split(",") if isinstance(value, str) else value
        if not isinstance(values, (list, tuple)):
            raise self.wrong(key, f"is {_kind(value)}, not a list", "list mail addresses.")
        return tuple(dict.fromkeys(self._address(key, one) for one in values))

    def _address(self, key: str, value: t.Any) -> str:
        address = value.strip(" ") if isinstance(value, str) else ""
        if not _ADDRESS.fullmatch(address):
            raise self.wrong(
                key, f"has {str(value)[:80]!r}, which is no mail address", "write it as name@example.com, nothing more."
            )
        return address

    def ca_file(self) -> str | None:
        """Return a file with the authorities that are trusted instead of the system's."""
        value = self.text("ca_file", default="")
        if not value:
            return None
        path = os.path.abspath(os.path.expanduser(value))
        if not os.path.isfile(path):
            raise self.wrong("ca_file", f"is {path}, which is no file on this machine", "correct it, or leave it out.")
        # The process that sends has another folder.
        self.raw["ca_file"] = path
        return path

    def finish(self) -> None:
        """Refuse what nobody asked for: a misspelt key would have no effect, and nobody would notice."""
        for key in self.raw:
            if key not in self._asked:
                import difflib

                near = difflib.get_close_matches(key, self._asked, n=1)
                meant = f"{near[0]} may be meant; " if near else ""
                raise self.wrong(key, "is unknown", f"{meant}the keys are {', '.join(dict.fromkeys(self._asked))}.")


def _key(key: t.Any) -> str:
    """Return a key as it was meant: YAML 1.1 takes a bare ``on`` for true."""
    return "on" if key is True else str(key)


def _kind(value: t.Any) -> str:
    """Return what kind of thing a value is, without showing it."""
    if value is None:
        return "empty"
    kinds: tuple[tuple[t.Any, str], ...] = (
        (bool, "true or false"),
        (str, "a text"),
        ((int, float), "a number"),
        (t.Mapping, "a dictionary"),
        ((list, tuple), "a list"),
    )
    return next((said for kind, said in kinds if isinstance(value, kind)), "of no known kind")
