# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a certificate is due, and what is done about it, before any host is touched."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import client as acme
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import decide, dns, keys, order, record
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.plugins.plugin_utils.acme.fake_authority import Authority, authority
from tests.unit.plugins.plugin_utils.acme.test_acme_client import pem

NAMES = ("app.example.com",)
PUBLIC = ec.generate_private_key(ec.SECP256R1()).public_key()


@pytest.fixture
def ca() -> t.Iterator[Authority]:
    with authority() as found:
        yield found


def client_of(ca: Authority | str) -> acme.Client:
    key = keys.AccountKey(pem(ec.generate_private_key(ec.SECP256R1())))
    return acme.Client(ca if isinstance(ca, str) else ca.directory, key, timeout=5.0)


def seen(chain: str, **more: t.Any) -> dict[str, t.Any]:
    serial = keys.leaf_of(chain).serial if chain else ""
    wire = [{"name": NAMES[0], "serial": serial, "problem": "", "blind": False}]
    return {"chain": chain, "serial": serial, "proxy": "running", "state": {}, "wire": wire, "broken": "", **more}


def decided(
    ca: Authority | acme.Client,
    *hosts: dict[str, t.Any],
    force: bool = False,
    made: t.Sequence[record.Made] = (),
    names: t.Sequence[str] = NAMES,
) -> decide.Decision:
    by_name = {f"app{number}": one for number, one in enumerate(hosts, 1)}
    wish = decide.Wish(names, 30.0, force, order.HTTP)
    client = ca if isinstance(ca, acme.Client) else client_of(ca)
    return decide.decide(by_name, wish, client, list(made), datetime.now(UTC))


def attempts(number: int, *, hours: float, failed: bool = False, names: t.Sequence[str] = NAMES) -> list[record.Made]:
    now = datetime.now(UTC)
    return [
        record.Made(now - timedelta(hours=hours, seconds=one), tuple(names), failed, order=str(one))
        for one in range(number)
    ]


def test_what_is_good_for_long_is_left_alone(ca: Authority) -> None:
    found = decided(ca, seen(ca.chain(NAMES, PUBLIC, 60)))
    assert found.do == decide.NOTHING
    assert "good for 60 days" in found.why


@pytest.mark.parametrize(
    ("days", "names", "words"),
    [
        (20, NAMES, "less than 30"),
        (-3, NAMES, "expired 3.0 days ago"),
        (60, ["www.example.com"], "not for app.example.com"),
    ],
)
def test_what_is_due_says_why(days: float, names: list[str], words: str, ca: Authority) -> None:
    found = decided(ca, seen(ca.chain(names, PUBLIC, days)))
    assert found.do == decide.ORDER
    assert words in found.why


def test_one_host_that_is_due_is_enough_for_all(ca: Authority) -> None:
    found = decided(ca, seen(ca.chain(NAMES, PUBLIC, 60)), seen(ca.chain(NAMES, PUBLIC, 2)))
    assert found.do == decide.ORDER
    assert found.why.startswith("App2: ")


def test_a_stand_in_is_due_and_a_proxy_that_lacks_one_gets_it(ca: Authority) -> None:
    chain, _key = keys.stand_in(NAMES, datetime.now(UTC), 60)
    assert "signed by itself" in decided(ca, seen(chain)).why
    found = decided(ca, seen("", proxy="down", broken="there is no fullchain.pem"), seen(ca.chain(NAMES, PUBLIC)))
    assert (found.do, found.stand_in) == (decide.ORDER, ["app1"])


def test_the_authority_says_when(ca: Authority) -> None:
    now = datetime.now(UTC)
    ca.window = (now - timedelta(days=2), now - timedelta(days=1))
    found = decided(ca, seen(ca.chain(NAMES, PUBLIC, 80)))
    assert found.do == decide.ORDER
    assert "https://authority.example.com/why" in found.why
    assert found.replaces and found.replaces.count(".") == 1
    # Days do not count against what it says, until the last ones.
    ca.window = (now + timedelta(days=10), now + timedelta(days=11))
    assert decided(ca, seen(ca.chain(NAMES, PUBLIC, 20))).do == decide.NOTHING
    assert decided(ca, seen(ca.chain(NAMES, PUBLIC, 5))).do == decide.ORDER


def test_the_moment_in_the_window_is_always_the_same(ca: Authority) -> None:
    now = datetime.now(UTC)
    ca.window = (now + timedelta(days=1), now + timedelta(days=30))
    chain = ca.chain(NAMES, PUBLIC, 60)
    assert decided(ca, seen(chain)).why == decided(ca, seen(chain)).why


def test_force_orders_what_is_not_due(ca: Authority) -> None:
    found = decided(ca, seen(ca.chain(NAMES, PUBLIC, 60)), force=True)
    assert (found.do, found.replaces) == (decide.ORDER, None)


class TestLimits:
    def test_the_sixth_of_a_week_is_not_ordered(self, ca: Authority) -> None:
        with pytest.raises(HotfixError) as caught:
            decided(ca, seen(ca.chain(NAMES, PUBLIC, 60)), force=True, made=attempts(5, hours=1))
        again = datetime.now(UTC) + timedelta(days=7) - timedelta(hours=1)
        assert f"after {again:%Y-%m-%d}" in caught.value.next_step
        assert "No order was made." in caught.value.left
        assert caught.value.code == "refused"
        assert not ca.orders

    def test_a_renewal_that_names_what_it_replaces_is_exempt(self, ca: Authority) -> None:
        now = datetime.now(UTC)
        ca.window = (now - timedelta(days=2), now - timedelta(days=1))
        assert decided(ca, seen(ca.chain(NAMES, PUBLIC, 60)), made=attempts(5, hours=1)).replaces

    def test_failures_stop_the_next_try_for_an_hour(self, ca: Authority) -> None:
        chain = ca.chain(NAMES, PUBLIC, -1)
        with pytest.raises(HotfixError, match="failed within an hour"):
            decided(ca, seen(chain), made=attempts(5, hours=0.2, failed=True))
        assert decided(ca, seen(chain), made=attempts(5, hours=1.2, failed=True)).do == decide.ORDER

    def test_what_the_authority_told_counts_before_it_is_asked_again(self, ca: Authority) -> None:
        now = datetime.now(UTC)
        told = [record.Made(now, tuple(NAMES), until=now + timedelta(hours=3))]
        with pytest.raises(HotfixError, match=r"takes no more for app[.]example[.]com before"):
            decided(ca, seen(ca.chain(NAMES, PUBLIC, -1)), made=told)
        over = [record.Made(now, tuple(NAMES), until=now - timedelta(seconds=1))]
        assert decided(ca, seen(ca.chain(NAMES, PUBLIC, -1)), made=over).do == decide.ORDER


class TestAuthorityDown:
    NOBODY = "http://127.0.0.1:9/dir"

    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(acme, "_PAUSE", 0.01)

    def test_it_does_not_matter_where_nothing_is_due(self, ca: Authority) -> None:
        found = decided(client_of(self.NOBODY), seen(ca.chain(NAMES, PUBLIC, 60)))
        assert found.do == decide.NOTHING
        assert any("does not answer" in note for note in found.notes)

    def test_it_is_told_before_anything_is_touched_where_it_is(self, ca: Authority) -> None:
        with pytest.raises(HotfixError, match="does not answer") as caught:
            decided(client_of(self.NOBODY), seen(ca.chain(NAMES, PUBLIC, 3)))
        assert "No order was made. What is installed is good until" in caught.value.left


class TestUnfinished:
    def begun(self, ca: Authority, status: str, days: float = 0.0) -> tuple[acme.Client, dict[str, t.Any]]:
        client = client_of(ca)
        placed = order.Order.placed(client, NAMES, None)
        ca.orders[0]["status"] = status
        request = keys.new_request(NAMES, "ecdsa256")
        at = stamp(datetime.now(UTC) - timedelta(days=days))
        return client, {"pending": {"order": placed.url, "csr": request.csr, "names": NAMES, "at": at}}

    def test_an_order_that_was_answered_is_finished(self, ca: Authority) -> None:
        client, state = self.begun(ca, "ready")
        chain = ca.chain(NAMES, PUBLIC, 1)
        found = decided(client, seen(chain, state=state), seen(chain, state=state))
        assert (found.do, found.order) == (decide.FINISH, state["pending"]["order"])

    def test_one_that_was_not_is_made_anew(self, ca: Authority) -> None:
        client, state = self.begun(ca, "pending")
        chain = ca.chain(NAMES, PUBLIC, 1)
        assert decided(client, seen(chain, state=state)).do == decide.ORDER

    def test_a_host_without_the_key_cannot_finish_it(self, ca: Authority) -> None:
        client, state = self.begun(ca, "valid")
        chain = ca.chain(NAMES, PUBLIC, 1)
        assert decided(client, seen(chain, state=state), seen(chain)).do == decide.ORDER

    def test_one_of_last_week_is_made_anew(self, ca: Authority) -> None:
        client, state = self.begun(ca, "valid", days=6.5)
        assert decided(client, seen(ca.chain(NAMES, PUBLIC, 1), state=state)).do == decide.ORDER

    def test_one_that_nobody_can_be_asked_about_holds_up_nothing(
        self, ca: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(acme, "_PAUSE", 0.01)
        _client, state = self.begun(ca, "valid")
        found = decided(client_of("http://127.0.0.1:9/dir"), seen(ca.chain(NAMES, PUBLIC, 60), state=state))
        assert found.do == decide.NOTHING
        assert "cannot be finished now" in found.notes[0]

    def test_where_one_host_has_the_certificate_nobody_is_asked(self, ca: Authority) -> None:
        request = keys.new_request(NAMES, "ecdsa256")
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        issued = ca.chain(NAMES, load_pem_private_key(request.private_key.encode(), None).public_key())
        state = {"pending": {"order": "http://127.0.0.1:9/order/1", "csr": request.csr, "names": NAMES}}
        state["pending"]["at"] = stamp(datetime.now(UTC))
        old = ca.chain(NAMES, PUBLIC, 1)
        found = decided(client_of("http://127.0.0.1:9/dir"), seen(issued), seen(old, state=state))
        assert (found.do, found.chain) == (decide.FINISH, issued)

    def test_a_certificate_that_was_never_loaded_is_loaded(self, ca: Authority) -> None:
        chain = ca.chain(NAMES, PUBLIC, 60)
        stale = [{"name": NAMES[0], "serial": "AB", "problem": "", "blind": False}]
        assert decided(ca, seen(chain, wire=stale)).do == decide.LOAD
        blind = [{"name": NAMES[0], "serial": "", "problem": "refused", "blind": True}]
        assert decided(ca, seen(chain, wire=blind)).do == decide.NOTHING


class TestRecord:
    def test_what_is_noted_is_read_again_and_counted_once(self, tmp_path: Path) -> None:
        now = datetime.now(UTC)
        file = tmp_path / "folder" / "orders.jsonl"
        one = record.entry(NAMES, order="u1", now=now)
        record.note(str(file), one)
        record.note(str(file), record.entry(NAMES, until=now + timedelta(hours=1), now=now))
        assert file.stat().st_mode & 0o777 == 0o600
        read = record.read(str(file))
        assert [(made.order, made.until is not None) for made in read] == [("u1", False), ("", True)]
        later = {**one, "at": "2031-01-01T00:00:00.000Z"}
        assert len(record.parsed([one, later, {"nonsense": 1}, None])) == 1


class TestHook:
    def script(self, folder: Path, text: str) -> list[str]:
        file = folder / "hook"
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return [str(file), "zone"]

    def test_it_gets_the_name_and_the_value(self, tmp_path: Path) -> None:
        hook = self.script(tmp_path, f'echo "$@" >{tmp_path}/said')
        dns.run(hook, dns.PRESENT, "*.app.example.com", "value", 5.0)
        assert (tmp_path / "said").read_text() == "zone present _acme-challenge.app.example.com value\n"

    @pytest.mark.parametrize(("text", "words"), [("echo no zone >&2; exit 3", "no zone"), ("sleep 5", "did not end")])
    def test_one_that_fails_says_so(self, text: str, words: str, tmp_path: Path) -> None:
        with pytest.raises(HotfixError, match=words):
            dns.run(self.script(tmp_path, text), dns.PRESENT, "app.example.com", "value", 0.5)

    def test_one_that_is_none(self) -> None:
        with pytest.raises(HotfixError, match="cannot be run"):
            dns.run(["/nowhere/hook"], dns.PRESENT, "app.example.com", "value", 0.5)

    def test_the_value_is_the_digest_of_the_answer(self) -> None:
        # By RFC 8555, section 8.4.
        assert dns.value_of("abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
