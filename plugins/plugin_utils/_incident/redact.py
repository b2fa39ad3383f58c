# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps secrets out of a record: those that are known, in every spelling, and what looks like one.

Every expression here takes time in proportion to the text, whatever the text is: a log is written by others. None
begins anew inside what another attempt has just run through, and what repeats without an end has no neighbour that
could match the same.
"""

from __future__ import annotations

import base64
import json
import re
import typing as t
import urllib.parse

from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import MASK, Mask

_SHORTEST = 6
_DEEPEST = 60
_MOST_NODES = 50000

# Tokens that are known by their shape, each with what all of its kind have: most are never compiled.
# What stands in the group "kept" stays.
_SHAPES = (
    ("gh", r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{16,}"),
    ("github_pat_", r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{16,}"),
    ("gl", r"(?<![A-Za-z0-9])gl(?:pat|ptt|rt|dt|soat|ft|cbt|oas|agent|imt)-[A-Za-z0-9_-]{16,}"),
    # A key of AWS, and its secret where that follows at once.
    (
        "IA",
        r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])"
        r"(?:[\s:,;\"'|=]{1,8}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=]))?",
    ),
    ("xox", r"(?<![A-Za-z0-9])xox[a-z]-[A-Za-z0-9-]{8,}"),
    ("xapp-", r"(?<![A-Za-z0-9])xapp-[A-Za-z0-9-]{8,}"),
    ("hooks.slack", r"(?P<kept>hooks\.slack(?:-gov)?\.com/)[A-Za-z0-9_/-]+"),
    ("/api/webhooks/", r"(?P<kept>/api/webhooks/)[A-Za-z0-9_/-]+"),
    ("webhook.office.com/", r"(?P<kept>webhook\.office\.com/)[^\s\"'<>]+"),
    # Mattermost and Rocket.Chat.
    ("/hooks/", r"(?P<kept>/hooks/)[A-Za-z0-9]{16,}(?:/[A-Za-z0-9]{16,})?"),
    ("/integration/", r"(?P<kept>events\.pagerduty\.com/integration/)[A-Za-z0-9]+"),
    ("R0", r"(?<![A-Za-z0-9])R0[0-9A-Z]{30}(?![A-Za-z0-9])"),
    ("k_", r"(?<![A-Za-z0-9_])[sr]k_(?:live|test)_[A-Za-z0-9]{8,}"),
    ("whsec_", r"(?<![A-Za-z0-9_])whsec_[A-Za-z0-9+/=]{8,}"),
    ("npm_", r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{30,}"),
    ("pypi-", r"(?<![A-Za-z0-9])pypi-Ag[A-Za-z0-9_-]{16,}"),
    ("AIza", r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{30,}"),
    ("ya29.", r"(?<![A-Za-z0-9])ya29\.[A-Za-z0-9_-]{16,}"),
    ("GOCSPX-", r"(?<![A-Za-z0-9])GOCSPX-[A-Za-z0-9_-]{16,}"),
    ("eyJ", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?"),
    ("sk-", r"(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{20,}"),
    ("_v1_", r"(?<![A-Za-z0-9])do[opr]_v1_[a-f0-9]{32,}"),
    ("dckr_pat_", r"(?<![A-Za-z0-9])dckr_pat_[A-Za-z0-9_-]{16,}"),
    ("hv", r"(?<![A-Za-z0-9])hv[sb]\.[A-Za-z0-9_-]{20,}"),
    ("SG.", r"(?<![A-Za-z0-9])SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    (":AA", r"(?<![0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}"),
    ("AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[0-9A-Z]{20,}"),
    # An API token of Unleash: project:environment.secret.
    (":", r"(?<=[\w*\]])(?P<kept>:[\w*-]{1,40}\.)[0-9a-f]{40,}(?![0-9a-z])"),
    # The body of an OpenSSH key begins so, on whatever line.
    ("b3BlbnNzaC1rZXktdjE", r"b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/=]*"),
)

_WORDS = (
    r"passw(?:or)?d|passwd|passphrase|pwd|secret|token|credential|"
    r"(?:api|access|private|routing|integration|service|signing|encryption|master|shared|account|auth|license)[_-]?key|"
    r"signature|session[_-]?id"
)
# A name that goes on so says something about a secret and is none.
_ABOUT = re.compile(
    r"[_-](?:file|path|dir|folder|header|prefix|name|user|username|count|ttl|length|len|age|size|expiry|expires|type|"
    r"env|policy|status|required|enabled|at|in|url)s?$",
    re.IGNORECASE,
)
_NAME = re.compile(rf"(?:{_WORDS})(?P<tail>s?(?:[0-9]{{1,4}}|(?:[_-][A-Za-z0-9_-]{{0,40}})?))$", re.IGNORECASE)
_CAMEL = re.compile(r"(?:[a-z0-9]|^)(?:Password|Secret|Token|Credential)s?$")
_ASSIGNMENT = re.compile(
    rf"(?P<name>(?:{_WORDS})(?P<tail>s?(?:[0-9]{{1,4}}|(?:[_-][A-Za-z0-9_-]{{0,40}})?)))"
    r"(?P<sign>\\{0,3}[\"']?[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,8})"
    r"(?:(?P<open>\\{1,3}\")(?P<inner>[^\"\\\n]*)|\"(?P<double>(?:[^\"\\\n]|\\.)*)|'(?P<single>[^'\n]*)|"
    r"(?P<plain>[^\s\"'<>,;&)\]}\\]+))",
    re.IGNORECASE,
)
_OPTION = re.compile(
    rf"(?P<kept>(?<!-)--[a-z0-9-]{{0,30}}?(?:{_WORDS})[ \t]{{1,4}})(?![-])(?:\"[^\"\n]*\"?|'[^'\n]*'?|[^\s\"']+)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<kept>(?<![A-Za-z])(?:(?:proxy-)?authorization|(?:set-)?cookie)\\{0,3}[\"']?[ \t]{0,4}[:=][ \t]{0,4}"
    r"\\{0,3}[\"']?(?:(?:bearer|basic|digest|token|apikey|negotiate)[ \t]{1,4})?)(?![\[{])[^\r\n\"'\\]+",
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"(?<![A-Za-z])(?P<kept>(?:Bearer|Basic)[ \t]{1,4})(?P<value>[A-Za-z0-9._~+/=-]{6,})", re.IGNORECASE
)
_QUERY = re.compile(r"(?P<kept>[?&](?:sig|key|auth|apikey)=)[^&\s\"'<>]+", re.IGNORECASE)
_PEM = re.compile(r"-----(?P<what>BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_LONGEST = 32 * 1024
_PEM_BODY = re.compile(r"[A-Za-z0-9+/=\s\\]*")
_BASE64_LINE = re.compile(r"[ \t]*[A-Za-z0-9+/=]{1,80}[ \t\r]*")
# What stands after such a name where no secret does.
_NO_VALUE = re.compile(
    r"(?:\*+|none|null|nil|true|false|yes|no|on|off|omit|unset|unknown|missing|empty|required|optional|invalid|expired|"
    r"is|was|are|not|the|a|an|this|that|it|set|given|wrong|changed|unchanged|[0-9]{1,5}|\{\{.*|\$\{?[A-Za-z_].*|[\[{]+|\.+|…)[.!?]?",
    re.IGNORECASE,
)
_NO_CREDENTIAL = re.compile(
    r"(?:authentication|authorization|authenticated|credentials?|tokens?|headers?|scheme|access|realm=.*|auth)[.]?",
    re.IGNORECASE,
)
_MADE_UP = re.compile(r"[0-9+=_]|[^A-Z\W][A-Z]")

# Of Ansible's own variables, those that hold everything once more.
_REPEATED = frozenset(
    {"hostvars", "vars", "groups", "ansible_facts", "ansible_env", "play_hosts", "ansible_play_hosts"}
)
_NOTIFICATIONS = "hotfix_notifications"
# What a channel of notifications is reached by is a secret in itself.
_CHANNEL_SECRETS = ("url", "routing_key", "password", "token", "headers", "secret")
_SECRETS_OF_CHECKS = "hotfix_check_secrets"


def is_secret_name(name: str) -> bool:
    """Tell whether what bears this name is a secret: a token, and not the header that it stands in."""
    match = _NAME.search(name)
    if match is not None:
        return _ABOUT.search(match.group("tail")) is None
    return _CAMEL.search(name) is not None


def _base64_spellings(value: bytes) -> t.Iterator[str]:
    """Yield what of *value* is seen in base64, wherever in the encoded text it began."""
    for offset, lost in ((0, 0), (1, 2), (2, 3)):
        whole = (offset + len(value)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * offset + value)[lost:whole].decode("ascii")


def _spellings(value: str) -> t.Iterator[str]:
    """Yield the ways in which a secret may be written down by others."""
    yield value
    stripped = value.strip()
    yield stripped
    if "\n" in value:
        # A log shows it line by line.
        yield from (line.strip() for line in value.splitlines())
    raw = stripped.encode("utf-8", "replace")
    for safe in ("", "/"):
        quoted = urllib.parse.quote(raw, safe=safe)
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), quoted)
    yield urllib.parse.quote_plus(raw)
    for text in (value, stripped):
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield json.dumps(text).replace("/", r"\/")[1:-1]
    # As YAML and a shell quote it.
    yield stripped.replace("'", "''")
    yield stripped.replace("'", "'\"'\"'")
    yield repr(stripped)[1:-1]
    yield from _base64_spellings(raw)
    if "://" in value:
        try:
            password = urllib.parse.urlsplit(stripped).password
        except ValueError:
            password = None
        if password:
            yield password
            yield urllib.parse.unquote(password)


class Redactor:
    """Masks the given values, and what looks like a secret, in whatever is to be written."""

    def __init__(self, values: t.Iterable[str] = ()) -> None:
        known: set[str] = set()
        for value in values:
            if len(value.strip()) >= _SHORTEST:
                known.update(one for one in _spellings(value) if len(one) >= _SHORTEST and one.strip("*"))
        self._known = Mask(known)

    def text(self, text: str) -> str:
        """Return *text* without secrets."""
        if len(text) < _SHORTEST:
            return text
        text = _without_keys(self._known.text(text))
        text = _HEADER.sub(_masked, text)
        text = _SCHEME.sub(_masked_scheme, text)
        for hint, shape in _SHAPES:
            if hint in text:
                text = re.sub(shape, _masked, text)
        text = _OPTION.sub(_masked, text)
        text = _QUERY.sub(_masked, text)
        return _ASSIGNMENT.sub(_masked_assignment, text)

    def deep(self, value: t.Any, *, secret: bool = False) -> t.Any:
        """Return *value*, as JSON holds it, without secrets; keys too. *secret*: all texts in it are."""
        return self._deep(value, secret, 0)

    def _deep(self, value: t.Any, secret: bool, depth: int) -> t.Any:
        if isinstance(value, str):
            if secret and value and _NO_VALUE.fullmatch(value) is None:
                return MASK
            return self.text(value)
        if depth > _DEEPEST:
            return "…"
        if isinstance(value, t.Mapping):
            found: dict[str, t.Any] = {}
            for key, one in value.items():
                name = self.text(str(key))
                number = 1
                while name in found:
                    # Two keys were secrets: neither replaces the other.
                    number += 1
                    name = f"{self.text(str(key))} ({number})"
                found[name] = self._deep(one, secret or is_secret_name(str(key)), depth + 1)
            return found
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._deep(one, secret, depth + 1) for one in value]
        if isinstance(value, bytes):
            return self._deep(value.decode("utf-8", "replace"), secret, depth)
        return value


def _masked(match: re.Match[str]) -> str:
    return (match.groupdict().get("kept") or "") + MASK


def _masked_scheme(match: re.Match[str]) -> str:
    value = match.group("value")
    if _NO_CREDENTIAL.fullmatch(value) or (match.group("kept")[:5].lower() == "basic" and not _MADE_UP.search(value)):
        return match.group()
    return match.group("kept") + MASK


def _masked_assignment(match: re.Match[str]) -> str:
    value = next(one for one in match.group("inner", "double", "single", "plain") if one is not None)
    if not value or _ABOUT.search(match.group("tail")) or _NO_VALUE.fullmatch(value):
        return match.group()
    begin = match.start("plain") if match.group("plain") is not None else match.end() - len(value)
    return match.string[match.start() : begin] + MASK


def _without_keys(text: str) -> str:
    """Mask private keys from their first line to the last, and what is left of one that was cut."""
    if "PRIVATE KEY" not in text:
        return text
    marks = list(_PEM.finditer(text))
    parts: list[str] = []
    at = 0
    for number, mark in enumerate(marks):
        if mark.start() < at:
            continue
        if mark.group("what") == "END":
            # Its beginning was cut off.
            parts += [_without_tail(text[at : mark.start()]), MASK]
            at = mark.end()
            continue
        following = marks[number + 1] if number + 1 < len(marks) else None
        whole = (
            following is not None
            and following.group("what") == "END"
            and following.start() - mark.end() <= _PEM_LONGEST
        )
        parts += [text[at : mark.start()], MASK]
        if whole and following is not None:
            at = following.end()
        else:
            body = _PEM_BODY.match(text, mark.end())
            at = body.end() if body else mark.end()
    parts.append(text[at:])
    return "".join(parts)


def _without_tail(text: str) -> str:
    lines = text.split("\n")
    while lines and _BASE64_LINE.fullmatch(lines[-1] or "="):
        lines.pop()
    return "\n".join([*lines, ""]) if lines else ""


def known_values(
    variables: t.Mapping[str, t.Any],
    names: t.Iterable[str] = (),
    render: t.Callable[[t.Any], t.Any] | None = None,
) -> list[str]:
    """Return the secrets among an action's variables: what bears the name of one, or one of *names*.

    A template is given to *render*; without it, or where that fails, it is left out. Nothing is raised: what cannot be
    read cannot be shown either.
    """
    search = _Search(frozenset(names) | {_SECRETS_OF_CHECKS}, render)
    for name in _keys(variables):
        if name not in _REPEATED:
            search.variable(name, _value(variables, name))
    return sorted(search.found)


def _keys(mapping: t.Mapping[t.Any, t.Any]) -> list[t.Any]:
    try:
        return list(mapping)
    except Exception:
        return []


def _value(mapping: t.Any, key: t.Any) -> t.Any:
    # Ansible's containers render and decrypt when they are asked, with every error that this may have.
    try:
        return mapping[key]
    except Exception:
        return None


class _Search:
    def __init__(self, names: frozenset[str], render: t.Callable[[t.Any], t.Any] | None) -> None:
        self._names = names
        self._render = render
        self._left = _MOST_NODES
        self.found: set[str] = set()

    def variable(self, name: t.Any, value: t.Any) -> None:
        """Look at one variable."""
        if name == _NOTIFICATIONS:
            self._channels(value)
        else:
            self._look(value, self._is_secret(name), 0)

    def _is_secret(self, name: t.Any) -> bool:
        return isinstance(name, str) and (name in self._names or name.endswith("_pass") or is_secret_name(name))

    def _channels(self, value: t.Any) -> None:
        value = self._rendered(value)
        for channel in value if isinstance(value, (list, tuple)) else []:
            for key in _keys(channel) if isinstance(channel, t.Mapping) else []:
                self._look(_value(channel, key), key in _CHANNEL_SECRETS or self._is_secret(key), 1)

    def _look(self, value: t.Any, secret: bool, depth: int) -> None:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0 or value is None or isinstance(value, bool):
            return
        if isinstance(value, t.Mapping):
            for key in _keys(value):
                self._look(_value(value, key), secret or self._is_secret(key), depth + 1)
        elif isinstance(value, (list, tuple)):
            for number in range(len(value)):
                self._look(_value(value, number), secret, depth + 1)
        elif secret:
            self._add(value, depth)

    def _rendered(self, value: t.Any) -> t.Any:
        try:
            if isinstance(value, str) and ("{{" in value or "{%" in value):
                return self._render(value) if self._render else None
        except Exception:
            return None
        return value

    def _add(self, value: t.Any, depth: int) -> None:
        rendered = self._rendered(value)
        if isinstance(rendered, (t.Mapping, list, tuple)):
            self._look(rendered, True, depth + 1)
            return
        try:
            # A vaulted one is decrypted by being made a text; a number may be a password too.
            text = "" if rendered is None else str(rendered)
        except Exception:
            return
        if len(text.strip()) >= _SHORTEST and "{{" not in text:
            self.found.add(text)
