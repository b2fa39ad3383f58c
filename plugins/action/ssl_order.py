# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leads the conversation with the authority, once for all hosts of a play: one name, one order, one certificate."""

from __future__ import annotations

import re
import secrets
import typing as t
import urllib.parse

from ansible.plugins.action import ActionBase
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import dns, keys, order, outside, record
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.client import AcmeError, Client
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.decide import (
    FINISH,
    NOTHING,
    ORDER,
    Wish,
    decide,
)

Vars = t.Mapping[str, t.Any]
Result = dict[str, t.Any]

_OPTIONS: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "required": True, "choices": ["decided", "ordered", "issued"]},
    "looks": {"type": "str", "required": True},
    "earlier": {"type": "str"},
    "environment": {"type": "str"},
    "decided": {"type": "dict"},
    "ordered": {"type": "dict"},
    "names": {"type": "list", "elements": "str", "required": True},
    "directory": {"type": "str", "required": True},
    "directory_ca_file": {"type": "path"},
    "account_key": {"type": "str", "no_log": True},
    "contact": {"type": "str"},
    "eab": {
        "type": "dict",
        "options": {"kid": {"type": "str", "required": True}, "key": {"type": "str", "required": True, "no_log": True}},
    },
    "challenge": {"type": "str", "choices": [order.HTTP, order.DNS], "default": order.HTTP},
    "dns_hook": {"type": "list", "elements": "str", "default": []},
    "dns_timeout": {"type": "float", "default": 300.0},
    "key_type": {"type": "str", "choices": list(keys.KEY_TYPES), "default": "ecdsa256"},
    "days": {"type": "float", "default": 30.0},
    "force": {"type": "bool", "default": False},
    "orders": {"type": "path"},
    "timeout": {"type": "float", "default": 120.0},
    "request_timeout": {"type": "float", "default": 20.0},
}
_NAME = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_GOOD = ("done", "unchanged", "seen", "planned")
#: Seconds for one token from one host.
_FETCH = 10.0


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.ssl_order)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        variables: Vars = task_vars or {}
        before = [options["looks"], *([options["earlier"]] if options["earlier"] else [])]
        hosts = list(variables.get("ansible_play_hosts_all") or [])
        bad = [h for h in hosts if not all(_is_good(variables["hostvars"][h].get(name)) for name in before)]
        if bad:
            # The line of each of them says why; there is nothing to add to it.
            return {**result, "changed": False, "go": False, "skipped": True, "skipped_reason": f"Not all hosts: {bad}"}
        beside = _beside(variables, options["environment"], hosts) if options["state"] == "decided" else {}
        seen = {host: variables["hostvars"][host][options["looks"]]["seen"] for host in hosts}
        try:
            work = _Work(options, seen, bool(self._task.check_mode))
            work.require_all(beside)
            return {**result, "changed": False, **getattr(work, options["state"])()}
        except HotfixError as exc:
            return {**result, "changed": False, "failed": True, "go": False, "orders": [], **exc.as_result()} | (
                {"orders": exc.orders} if isinstance(exc, _NotedError) else {}
            )


def _is_good(found: t.Any) -> bool:
    return (
        isinstance(found, t.Mapping)
        and not found.get("failed")
        and not found.get("unreachable")
        and (bool(found.get("skipped")) or found.get("outcome") in _GOOD)
    )


class _NotedError(HotfixError):
    """An error after an attempt that counts: ``orders`` is what the hosts are to note of it."""

    def __init__(self, cause: HotfixError, orders: list[dict[str, t.Any]]) -> None:
        super().__init__(
            cause.what, next_step=cause.next_step, code=cause.code, left=cause.left, evidence=cause.evidence
        )
        self.orders = orders


class _Work:
    """One of the three tasks."""

    def __init__(self, options: Vars, seen: t.Mapping[str, Vars], planning: bool) -> None:
        for name, least in (("request_timeout", 0.1), ("timeout", 0.1), ("dns_timeout", 0.0), ("days", 0.0)):
            _numbers.within(options[name], name, f"set ssl_renewal_{name} to", least=least)
        self._options = options
        self._seen = seen
        self._planning = planning
        self._names = _names(options)
        self._client = Client(
            options["directory"],
            keys.AccountKey(options["account_key"]),
            ca_file=options["directory_ca_file"],
            timeout=options["request_timeout"],
            contact=options["contact"],
            eab=options["eab"],
        )

    def require_all(self, beside: t.Mapping[str, t.Collection[str]]) -> None:
        """Raise where hosts that are not selected, *beside* with their names, are behind one of the names too."""
        found = [host for host, names in beside.items() if not set(names).isdisjoint(self._names)]
        if found and self._options["challenge"] == order.HTTP:
            raise BadInputError(
                f"{', '.join(found)} is behind {', '.join(self._names)} too, and not selected: the authority may ask "
                "it.",
                next_step=f"select all hosts, as in '-l {self._options['environment']}', or set ssl_renewal_names of "
                "each host where they have names of their own.",
            )

    # ------------------------------------------------------------------------------------------------------ decided

    def decided(self) -> Result:
        """Say what is to be done. Nothing is changed, and nothing ordered."""
        options = self._options
        wish = Wish(self._names, options["days"], options["force"], options["challenge"])
        made = record.read(options["orders"])
        noted = [one for seen in self._seen.values() for one in seen.get("orders") or []]
        every = record.parsed([*[_document(one) for one in made], *noted])
        found = decide(self._seen, wish, self._client, every, utc_now())
        nothing = found.do == NOTHING
        told: Result = {
            "do": found.do,
            "go": not nothing and not self._planning,
            "outcome": "planned" if self._planning and not nothing else "unchanged",
            "summary": found.why,
            "replaces": found.replaces,
            "order": found.order,
            "csr": found.csr,
            "chain": found.chain,
            "stand_in": found.stand_in,
            "notes": [] if nothing or self._planning else [found.why, *found.notes],
            "tokens": {},
        }
        if options["challenge"] == order.HTTP and found.do == ORDER:
            # A token of our own: whether hosts serve it is known before the authority looks.
            told["tokens"] = {f"hotfix-{secrets.token_hex(12)}": secrets.token_urlsafe(24)}
        if self._planning and not nothing:
            told["plan"] = [found.why, *self._plan(found.do), *found.notes]
            told["changed"] = True
            told["diff"] = [self._diff(found.do)]
        return told

    def _plan(self, do: str) -> list[str]:
        names = ", ".join(self._names)
        words = {
            ORDER: f"It would order one certificate for {names} at {self._options['directory']} "
            f"({self._options['challenge']}), and install it on {', '.join(self._seen)}.",
            FINISH: f"It would install the certificate of that order on {', '.join(self._seen)}.",
        }
        held = [f"{host}: {one}" for host, seen in self._seen.items() for one in seen.get("holders") or []]
        return [words.get(do, "It would reload the proxies."), *[f"It would be refused now: {one}." for one in held]]

    def _diff(self, do: str) -> dict[str, str]:
        now = {host: str(seen.get("serial") or f"none ({seen['broken']})") for host, seen in self._seen.items()}
        then = "a new certificate" if do == ORDER else "the certificate that was issued"
        return {
            "before": "".join(f"{host}: certificate {serial}\n" for host, serial in now.items()),
            "after": "".join(
                f"{host}: {then if do in (ORDER, FINISH) else 'certificate ' + serial + ', loaded'}\n"
                for host, serial in now.items()
            ),
        }

    # ------------------------------------------------------------------------------------------------------ ordered

    def ordered(self) -> Result:
        """Fetch our own token from every host, then place the order."""
        decided = self._options["decided"] or {}
        self._require_served(decided.get("tokens") or {}, self._names)
        placed = self._placed(decided.get("replaces"))
        request = keys.new_request(self._names, self._options["key_type"])
        wanted = placed.challenges(self._options["challenge"])
        thumb = self._client.key.thumbprint()
        challenges = [{**vars(one), "answer": f"{one.token}.{thumb}"} for one in wanted]
        web = self._options["challenge"] == order.HTTP
        return {
            "go": True,
            "outcome": "done",
            "summary": f"Order {placed.url} was placed.",
            "order": placed.url,
            "csr": request.csr,
            "sealed_key": self._client.key.seal(request.private_key),
            "challenges": challenges,
            "tokens": {str(one["token"]): one["answer"] for one in challenges} if web else {},
        }

    def _placed(self, replaces: str | None) -> order.Order:
        try:
            return order.Order.placed(self._client, self._names, replaces)
        except AcmeError as exc:
            if replaces and exc.kind in ("alreadyReplaced", "malformed", "conflict"):
                # It was renewed once already, from elsewhere: this is an order like any other then.
                return self._placed(None)
            exc.left = "No certificate was ordered, and what is installed stays as it is."
            raise self._noted(exc) from exc

    def _noted(self, exc: HotfixError, **about: t.Any) -> HotfixError:
        """Note an attempt that counts, here and on the hosts."""
        until = exc.until if isinstance(exc, AcmeError) else None
        if until is None and not about:
            return exc
        one = record.entry(self._names, until=until, now=utc_now(), **about)
        record.note(self._options["orders"], one)
        return _NotedError(exc, [one])

    def _require_served(self, tokens: t.Mapping[str, str], names: t.Sequence[str]) -> None:
        """Raise unless every host serves the tokens for every name, over port 80, as the authority will ask."""
        if self._options["challenge"] != order.HTTP or not tokens:
            return
        wanted = [(name, token, text) for name in names for token, text in tokens.items()]
        problems = outside.answers([_address(host, seen) for host, seen in self._seen.items()], wanted, _FETCH)
        if problems:
            raise HotfixError(
                f"What is put into the webroot is not what users of port 80 get: {'; '.join(problems)}.",
                code="refused",
                next_step="see that ssl_renewal_webroot is the folder that the proxy serves "
                "/.well-known/acme-challenge/ from, and that ssl_renewal_http_address leads to port 80 of each host.",
                left="No order was made.",
            )

    # ------------------------------------------------------------------------------------------------------- issued

    def issued(self) -> Result:
        """Have the authority look at the answers, and return the chain of the certificate."""
        decided, ordered = self._options["decided"] or {}, self._options["ordered"] or {}
        if decided.get("chain"):
            return self._chain(str(decided["chain"]), str(decided["csr"]), "", [])
        about = ordered if ordered.get("order") else decided
        url, csr = str(about["order"]), str(about["csr"])
        challenges = list(ordered.get("challenges") or [])
        for one in challenges:
            self._require_served({str(one["token"]): str(one["answer"])}, [str(one["name"])])
        with _Records(self._options, challenges) as records:
            placed = order.Order.found(self._client, url)
            if placed is None:
                raise HotfixError(f"The authority does not know {url} any more.", next_step="run this again.")
            wanted = [order.Challenge(*(str(one[key]) for key in _CHALLENGE)) for one in challenges]
            try:
                placed.answer(wanted, self._options["timeout"])
                chain = placed.certificate(csr, self._options["timeout"])
            except order.InvalidError as exc:
                raise self._noted(exc, failed=True, order=url) from exc
            except AcmeError as exc:
                raise self._noted(exc) from exc
        one = record.entry(self._names, order=url, now=utc_now())
        record.note(self._options["orders"], one)
        return self._chain(chain, csr, url, [one], records.notes)

    def _chain(
        self, chain: str, csr: str, url: str, orders: list[dict[str, t.Any]], notes: t.Sequence[str] = ()
    ) -> Result:
        leaf = keys.require_fits(chain, self._names, csr, utc_now())
        return {
            "go": True,
            "outcome": "done",
            "summary": f"The authority issued {leaf.says(utc_now())}.",
            "chain": chain,
            "order": url,
            "orders": orders,
            "notes": [f"C{leaf.says(utc_now())[1:]}.", *notes],
        }


_CHALLENGE = ("name", "url", "token", "authorization")


class _Records:
    """The records in the DNS for the time of the block, where that is how challenges are answered."""

    def __init__(self, options: Vars, challenges: t.Sequence[Vars]) -> None:
        by_dns = options["challenge"] == order.DNS
        self._options = options
        self._wanted = [(str(c["name"]), dns.value_of(str(c["answer"]))) for c in challenges] if by_dns else []
        self._there: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def __enter__(self) -> _Records:
        try:
            for name, value in self._wanted:
                self._there.append((name, value))
                self._run(dns.PRESENT, name, value)
        except HotfixError:
            self._clean_up()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._clean_up()

    def _run(self, what: str, name: str, value: str) -> None:
        dns.run(self._options["dns_hook"], what, name, value, self._options["dns_timeout"])

    def _clean_up(self) -> None:
        for name, value in self._there:
            try:
                self._run(dns.CLEANUP, name, value)
            except HotfixError as exc:
                # The certificate is worth more than a record that is left over.
                self.notes.append(f"{exc.what.rstrip('.')}: take {dns.record_of(name)} out of the DNS by hand.")


def _names(options: Vars) -> list[str]:
    """Return the names in small letters, each once; raise for what is none or cannot be had this way."""
    names = list(dict.fromkeys(str(one).strip().lower().rstrip(".") for one in options["names"]))
    if not names:
        raise BadInputError("No name is given.", next_step="set ssl_renewal_names: [app.example.com].")
    for name in names:
        if not _NAME.fullmatch(name):
            raise BadInputError(
                f"ssl_renewal_names holds {name!r}, which is no name of a host.",
                next_step="give it as app.example.com.",
            )
        if name.startswith("*.") and options["challenge"] != order.DNS:
            raise BadInputError(
                f"{name} stands for many names, which no host can answer for by HTTP.",
                next_step="set ssl_renewal_challenge: dns-01 and ssl_renewal_dns_hook.",
            )
    if options["challenge"] == order.DNS and not options["dns_hook"]:
        raise BadInputError(
            "Challenges are to be answered in the DNS, and nothing says how (ssl_renewal_dns_hook).",
            next_step="set it to a command that makes and removes a record, see docs/ssl-renewal.md.",
        )
    return names


def _beside(variables: Vars, environment: str | None, selected: t.Sequence[str]) -> dict[str, set[str]]:
    """Return the names of the environment's hosts that are not selected, as far as their variables tell."""
    found = {}
    for host in (variables.get("groups") or {}).get(environment) or []:
        if host not in selected:
            theirs = variables["hostvars"][host]
            names = theirs.get("ssl_renewal_names")
            url = theirs.get("hotfix_public_url") or (theirs.get("hotfix_health") or {}).get("url") or ""
            own = urllib.parse.urlsplit(str(url)).hostname
            found[host] = {str(name).lower() for name in names or ([own] if own else [])}
    return found


def _document(made: record.Made) -> dict[str, t.Any]:
    return {
        **record.entry(made.names, order=made.order, failed=made.failed, until=made.until, now=made.at),
    }


def _address(host: str, seen: Vars) -> outside.Address:
    found = seen.get("address") or {}

    def place(which: str) -> tuple[str, int] | None:
        given = found.get(which)
        return (str(given[0]), int(given[1])) if given else None

    return outside.Address(host, place("http"), place("https"))
