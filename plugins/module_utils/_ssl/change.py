# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a renewal does on a host: get ready, answer, install, prove or put back. A next run goes on where one ended."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _proxy
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session, opened
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.holders import holders
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.look import ACTION, Result, Setup
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.pair import (
    BrokenError,
    leaf_of,
    shake_hands,
)

#: Seconds that the lease is kept while the controller asks the authority.
_PARKED = 900.0
_STAND_IN = "stand-in"
#: Seconds that a proxy may take to start once it has a certificate.
_STARTS = 15.0

Params = t.Mapping[str, t.Any]


def change(setup: Setup, run: Run, params: Params) -> Result:
    """Do what *params* ask for; the lease is kept until the last of a run's tasks."""
    state = params["state"]
    work = STATES[state]
    first = state == "prepared"
    if first:
        _require_nobody_else()
    with opened(setup.host, run, ACTION, resumes=not first) as session:
        try:
            result = work(setup, session, params)
        except BaseException as exc:
            if state == "answered":
                session.park_lease(_PARKED)
            else:
                session.release_lease()
            if isinstance(exc, HotfixError):
                exc.steps = session.steps
            raise
        if state in ("proven", "put_back", "withdrawn"):
            session.release_lease()
        else:
            session.park_lease(_PARKED)
        return {"changed": False, "steps": session.steps, "notes": session.notes, **result}


def _require_nobody_else() -> None:
    found = holders()
    if found:
        raise HotfixError(
            f"Another renewal is at work on this host: {'; '.join(found)}.",
            code="refused",
            next_step="wait for it to end, or see what it hangs on. Its lock is not touched.",
        )


# ---------------------------------------------------------------------------------------------------- before the order


def _prepared(setup: Setup, session: Session, params: Params) -> Result:
    """Clear away what earlier runs left, see that the proxy would reload, and put our own token there."""
    place = setup.place
    says = "It is ready to answer."
    with session.step("prepare_renewal"):
        place.prepare()
        _take_tokens_away(setup)
        if not params["keep_pending"]:
            place.drop_pending()
            place.remember(pending=None, unproven=None)
        if params["stand_in_certificate"]:
            _start_with(setup, session, params["stand_in_certificate"], params["stand_in_key"])
            says = "A certificate that is signed by itself is in place, until there is another."
        _require_reloads(setup)
        if setup.webroot is not None and params["tokens"]:
            place.remember(tokens=sorted(params["tokens"]))
            setup.webroot.put(params["tokens"])
    return {"outcome": "done", "changed": True, "summary": says}


def _take_tokens_away(setup: Setup) -> None:
    tokens = setup.place.state().get("tokens")
    if setup.webroot is not None and isinstance(tokens, list):
        setup.webroot.remove(str(token) for token in tokens)
        setup.place.remember(tokens=None)


def _start_with(setup: Setup, session: Session, chain: str, key: str) -> None:
    """Give a proxy that does not start for lack of a certificate one to start with."""
    place, docker = setup.place, setup.host.docker
    place.keep(_STAND_IN, chain, key)
    place.adopt()
    place.turn(_STAND_IN)
    crashed = [c for c in setup.proxies() if not c.running or (c.restarts and c.health in ("starting", "unhealthy"))]
    for proxy in crashed:
        if proxy.status not in ("exited", "created"):
            # Its pauses between two tries grow to a minute.
            docker.restart([proxy.id], timeout=1)
    service = str(setup.host.app.proxy_service)
    end = setup.host.clock.steady() + _STARTS
    while True:
        session.require()
        proxies = setup.proxies()
        if proxies and all(c.running and c.health != "unhealthy" for c in proxies) and _answers_test(setup, proxies):
            if crashed:
                session.note("The proxy did not run for lack of a certificate; it runs with a stand-in now.")
            return
        if not proxies or setup.host.clock.steady() >= end:
            logs = session.host.mask().text(docker.logs(proxies[0])) if proxies else ""
            state = ", ".join(f"{c.name} is {c.status}" for c in proxies) or "it has no container"
            raise HotfixError(
                f"The proxy ({service}) does not run, and not for lack of a certificate alone: {state}.",
                next_step="mend what its log says, then run this again; nothing was ordered.",
                left="A certificate that is signed by itself lies where there was none that could be used.",
                evidence=logs,
            )
        for proxy in proxies:
            if proxy.status in ("exited", "created"):
                docker.start(proxy.id)
        setup.host.clock.sleep(0.5)


def _answers_test(setup: Setup, proxies: t.Sequence[Container]) -> bool:
    try:
        for proxy in proxies:
            setup.host.docker.run("exec", proxy.id, *(setup.host.app.proxy_test or ("true",)))
    except CommandError:
        return False
    return True


def _require_reloads(setup: Setup) -> None:
    """Raise where the proxy would refuse to reload whatever the certificate is: then nothing is to be ordered."""
    for proxy in setup.proxies():
        if not proxy.running:
            raise HotfixError(
                f"The proxy {proxy.name} does not run ({proxy.status}), and not for lack of a certificate.",
                code="refused",
                next_step=f"bring it back (docker logs {proxy.name} says why), then run this again.",
            )
        if setup.host.app.proxy_test:
            try:
                setup.host.docker.run("exec", proxy.id, *setup.host.app.proxy_test)
            except CommandError as exc:
                raise HotfixError(
                    f"The proxy {proxy.name} refuses its configuration already: {exc.output}.",
                    code="refused",
                    next_step="mend the configuration first; nothing was ordered.",
                ) from exc


# ------------------------------------------------------------------------------------------------ answer to the order


def _answered(setup: Setup, session: Session, params: Params) -> Result:
    """Put the authority's tokens there, and keep the key of the order until its certificate comes."""
    place = setup.place
    with session.step("answer_challenges", order=params["order"]):
        place.stage(params["private_key"])
        about = {"order": params["order"], "csr": params["csr"], "names": list(params["names"])}
        place.remember(pending={**about, "at": stamp(setup.host.clock.now())})
        if setup.webroot is not None and params["tokens"]:
            known = place.state().get("tokens") or []
            place.remember(tokens=sorted({*known, *params["tokens"]}))
            setup.webroot.put(params["tokens"])
    return {"outcome": "done", "changed": True, "summary": "It answers the authority."}


def _withdrawn(setup: Setup, session: Session, params: Params) -> Result:
    """Leave nothing behind but the key of an order that can still be finished."""
    with session.step("withdraw_answers"):
        _take_tokens_away(setup)
        _note(session, params)
    return {"outcome": "unchanged", "summary": "It keeps the certificate that it had."}


def _note(session: Session, params: Params) -> None:
    """Journal what became of the order: whoever renews next counts by it what the authority would still take."""
    for one in params["orders"]:
        word = "failed" if one.get("failed") else "was refused" if one.get("until") else "was issued"
        session.host.journal.append(
            {
                "run": session.run.id,
                "owner": session.run.owner,
                "action": session.action,
                "step": "note",
                "text": f"A certificate for {', '.join(one.get('names') or [])} {word}.",
                "acme": dict(one),
            }
        )


# ---------------------------------------------------------------------------------------------------------- installing


def _installed(setup: Setup, session: Session, params: Params) -> Result:
    """Make the new pair the one that counts and have the proxy load it; whatever fails puts the old one back."""
    place, chain = setup.place, params["chain"]
    try:
        old: t.Optional[str] = place.read().leaf.serial
    except BrokenError:
        old = None
    serial = leaf_of(chain).serial if chain else old
    if serial is None:
        raise HotfixError("There is no certificate to load.", next_step="run this again with -e force=true.")
    _note(session, params)
    with session.step("install_certificate", serial=serial, replaces=old):
        if serial != old:
            _keep(setup, params, serial, chain)
            place.adopt()
            before = place.live()
            place.remember(unproven={"from": before, "to": serial})
            session.require()
            place.turn(serial)
        try:
            _proxy.reload_proxy(session)
        except (HotfixError, OSError) as exc:
            _turn_back(setup, session)
            _take_tokens_away(setup)
            if isinstance(exc, HotfixError):
                exc.left = "The certificate of before is in place again, and the proxy runs with it."
            raise
    told = "loaded again" if serial == old else f"loaded in place of {old}" if old else "loaded"
    return {
        "outcome": "done",
        "changed": True,
        "summary": f"Certificate {serial} was {told}.",
        "serial": serial,
        "diff": {"before": f"certificate {old or 'none'}\n", "after": f"certificate {serial}\n"},
    }


def _keep(setup: Setup, params: Params, serial: str, chain: str) -> None:
    place = setup.place
    try:
        place.fits(serial)
    except BrokenError:
        try:
            place.keep(serial, chain, None)
            place.fits(serial)
        except (BrokenError, OSError) as exc:
            raise HotfixError(
                f"The key of the new certificate is not on this host ({exc}).",
                next_step="order anew with -e force=true.",
            ) from exc
    kept = place.kept / serial
    for name in params["names"]:
        shake_hands(
            kept / place.certificate.name, kept / place.key.name, name.replace("*", "wildcard", 1), params["ca"]
        )


def _turn_back(setup: Setup, session: Session) -> t.Optional[str]:
    """Make the pair of before count again; the key of the order stays, so that a next run needs no other order."""
    place = setup.place
    unproven = place.state().get("unproven") or {}
    before = unproven.get("from")
    if before:
        session.require()
        place.turn(str(before))
        with contextlib.suppress(HotfixError, OSError):
            _proxy.reload_proxy(session)
    place.remember(unproven=None)
    return str(before) if before else None


def _proven(setup: Setup, session: Session, params: Params) -> Result:
    """Forget how to put the old one back: the new one was seen on the wire."""
    place = setup.place
    unproven = place.state().get("unproven") or {}
    with session.step("prove_certificate", serial=params["serial"]):
        _take_tokens_away(setup)
        place.remember(unproven=None, pending=None)
        place.drop_pending()
        place.prune({str(unproven.get("from"))})
    return {"outcome": "done", "changed": True, "summary": f"Certificate {params['serial']} is on the wire."}


def _put_back(setup: Setup, session: Session, _params: Params) -> Result:
    """Put the certificate of before back, because the new one was not seen on the wire as it has to be."""
    with session.step("put_certificate_back"):
        _take_tokens_away(setup)
        before = _turn_back(setup, session)
    says = "The certificate of before is in place again." if before else "There was nothing to put back."
    return {"outcome": "done", "changed": bool(before), "summary": says}


STATES: t.Dict[str, t.Callable[[Setup, Session, Params], Result]] = {
    "prepared": _prepared,
    "answered": _answered,
    "installed": _installed,
    "proven": _proven,
    "put_back": _put_back,
    "withdrawn": _withdrawn,
}
