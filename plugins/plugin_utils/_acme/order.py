# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One order: placed, answered for, and turned into a certificate."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.client import AcmeError, Answer, Client, said_of

HTTP, DNS = "http-01", "dns-01"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


@dataclass(frozen=True)
class Challenge:
    """What the authority wants to see for one name. ``authorization`` is the URL of the name's standing."""

    name: str
    url: str
    token: str
    authorization: str


class InvalidError(HotfixError):
    """The authority did not find what it wanted; ``names`` are those that it did not find it for."""

    def __init__(self, what: str, names: t.Sequence[str], *, next_step: str) -> None:
        super().__init__(what, next_step=next_step)
        self.names = list(names)


def _text(data: t.Mapping[str, t.Any], key: str, what: str) -> str:
    """Return what an answer must have; raise where it has not."""
    found = data.get(key)
    if not isinstance(found, str) or not found:
        raise HotfixError(
            f"The authority does not answer as one does: {what} has no {key}.",
            next_step="check ssl_renewal_directory, and see the authority's status page.",
        )
    return found


class Order:
    """An order at the authority, by its URL."""

    def __init__(self, client: Client, url: str, data: t.Mapping[str, t.Any]) -> None:
        self._client = client
        self.url = url
        self.data = data

    @classmethod
    def placed(cls, client: Client, names: t.Sequence[str], replaces: str | None) -> Order:
        """Place an order; *replaces* is the ID of the certificate that it renews."""
        payload: dict[str, t.Any] = {"identifiers": [{"type": "dns", "value": name} for name in names]}
        if replaces:
            payload["replaces"] = replaces
        # Asked twice it might count twice.
        answer = client.post(str(client.directory()["newOrder"]), payload, again=False)
        return cls(client, answer.headers.get("location", ""), answer.data)

    @classmethod
    def found(cls, client: Client, url: str) -> Order | None:
        """Return the order of an earlier run; None where the authority has it no more."""
        try:
            return cls(client, url, client.post(url).data)
        except AcmeError as exc:
            if exc.status in (400, 401, 403, 404):
                return None
            raise

    @property
    def status(self) -> str:
        """Return ``pending``, ``ready``, ``processing``, ``valid`` or ``invalid``."""
        return str(self.data.get("status") or "")

    def challenges(self, kind: str) -> list[Challenge]:
        """Return what is to be answered; names that the authority still believes us need nothing."""
        wanted = []
        listed = self.data.get("authorizations")
        for url in listed if isinstance(listed, list) else [_text(self.data, "authorizations", "its order")]:
            standing = self._client.post(str(url)).data
            name = _text(_json.table(standing.get("identifier")), "value", "what it says of a name")
            name = f"*.{name}" if standing.get("wildcard") else name
            if standing.get("status") == "valid":
                continue
            offered = {str(one.get("type")): one for one in _json.tables(standing.get("challenges"))}
            if kind not in offered:
                raise HotfixError(
                    f"The authority offers no {kind} for {name}, only {', '.join(sorted(offered)) or 'nothing'}.",
                    next_step="set ssl_renewal_challenge to one of these; names with * need dns-01.",
                )
            one = offered[kind]
            wanted.append(
                Challenge(name, _text(one, "url", "a challenge"), _text(one, "token", "a challenge"), str(url))
            )
        return wanted

    def answer(self, challenges: t.Sequence[Challenge], seconds: float) -> None:
        """Have the authority look, and wait for what it finds; raise :class:`InvalidError` for what it did not."""
        end = time.monotonic() + seconds
        for one in challenges:
            self._client.post(one.url, {})
        bad = []
        for one in challenges:
            standing = self._awaited(one.authorization, ("pending", "processing"), end).data
            if standing.get("status") != "valid":
                bad.append((one.name, _why(standing)))
        if bad:
            raise InvalidError(
                "The authority did not accept the answer: " + "; ".join(f"{name}: {why}" for name, why in bad) + ".",
                [name for name, _why in bad],
                next_step="see that the name leads to these hosts and to no other, from outside and on IPv6 too, then "
                "run this again. Five such failures within an hour, and the authority refuses the name for a while.",
            )

    def certificate(self, csr: str, seconds: float) -> str:
        """Have the certificate made, and return its chain."""
        end = time.monotonic() + seconds
        if self.status == "pending":
            self.data = self._awaited(self.url, ("pending",), end).data
        if self.status == "ready":
            self.data = self._client.post(_text(self.data, "finalize", "its order"), {"csr": csr}, again=False).data
        if self.status in ("ready", "processing"):
            self.data = self._awaited(self.url, ("ready", "processing"), end).data
        if self.status != "valid":
            raise HotfixError(
                f"The authority made no certificate, the order is {self.status}: {said_of(self.data.get('error'))}.",
                next_step="mend what it says, then run this again.",
            )
        return self._client.post(_text(self.data, "certificate", "its order")).text

    def _awaited(self, url: str, waits: t.Sequence[str], end: float) -> Answer:
        pause = _FIRST_PAUSE
        while True:
            answer = self._client.post(url)
            if answer.data.get("status") not in waits:
                return answer
            asked = answer.headers.get("retry-after", "")
            wait = min(float(asked) if asked.isdecimal() else pause, _LONGEST_PAUSE)
            if time.monotonic() + wait >= end:
                raise HotfixError(
                    f"The authority did not make up its mind in time ({url} is {answer.data.get('status')}).",
                    next_step="run this again: it goes on with the same order.",
                )
            time.sleep(wait)
            pause = min(pause * 1.5, _LONGEST_PAUSE)


def _why(standing: t.Mapping[str, t.Any]) -> str:
    found = [said_of(one.get("error")) for one in _json.tables(standing.get("challenges")) if one.get("error")]
    return "; ".join(found) or f"it is {standing.get('status')}"
