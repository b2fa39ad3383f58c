# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The conversation with an authority that refuses, is down, or wants to be asked in another way."""

from __future__ import annotations

import socket
import time
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import client as acme
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import keys, order
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.plugins.plugin_utils.acme.fake_authority import Authority, authority, problem, rate_limited

NAMES = ["app.example.com"]


def pem(key: t.Any) -> str:
    plain = serialization.NoEncryption()
    text: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return text.decode()


@pytest.fixture(scope="module")
def account() -> keys.AccountKey:
    return keys.AccountKey(pem(ec.generate_private_key(ec.SECP256R1())))


@pytest.fixture
def ca() -> t.Iterator[Authority]:
    with authority() as found:
        yield found


@pytest.fixture
def client(ca: Authority, account: keys.AccountKey, monkeypatch: pytest.MonkeyPatch) -> acme.Client:
    monkeypatch.setattr(acme, "_PAUSE", 0.01)
    monkeypatch.setattr(order, "_FIRST_PAUSE", 0.01)
    return acme.Client(ca.directory, account, timeout=5.0)


def issue(client: acme.Client) -> str:
    request = keys.new_request(NAMES, "ecdsa256")
    placed = order.Order.placed(client, NAMES, None)
    placed.answer(placed.challenges(order.HTTP), 5.0)
    chain = placed.certificate(request.csr, 5.0)
    keys.require_fits(chain, NAMES, request.csr, datetime.now(UTC))
    return chain


def test_an_order_becomes_a_certificate(ca: Authority, client: acme.Client) -> None:
    assert "BEGIN CERTIFICATE" in issue(client)
    assert len(ca.orders) == 1


def test_nonces_that_are_refused_are_replaced(ca: Authority, client: acme.Client) -> None:
    ca.bad_nonces = 3
    issue(client)
    assert len(ca.orders) == 1


def test_what_is_too_often_is_asked_once_and_told_with_the_next_time(ca: Authority, client: acme.Client) -> None:
    ca.refusals["/new-order"] = [rate_limited(7200)]
    before = time.monotonic()
    with pytest.raises(acme.AcmeError) as caught:
        order.Order.placed(client, NAMES, None)
    assert time.monotonic() - before < 2
    assert ca.count("/new-order") == 1
    assert (caught.value.kind, caught.value.code) == ("rateLimited", "refused")
    assert caught.value.until is not None
    assert abs((caught.value.until - datetime.now(UTC)).total_seconds() - 7200) < 10
    assert "too many certificates already issued" in caught.value.what
    assert f"{datetime.now(UTC) + timedelta(seconds=7260):%Y-%m-%d %H:}"[:13] in caught.value.next_step


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "too many certificates, retry after 2031-02-03 04:05:06 UTC: see the documentation"),
        ({"Retry-After": "Mon, 03 Feb 2031 04:05:06 GMT"}, "too many"),
    ],
)
def test_the_next_time_is_read_however_it_is_told(
    headers: dict[str, str], words: str, ca: Authority, client: acme.Client
) -> None:
    ca.refusals["/new-order"] = [(429, headers, problem("rateLimited", words))]
    with pytest.raises(acme.AcmeError) as caught:
        order.Order.placed(client, NAMES, None)
    assert caught.value.until == datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert "2031-02-03 04:06 UTC" in caught.value.next_step


def test_an_authority_that_stumbles_is_asked_again_but_for_an_order(ca: Authority, client: acme.Client) -> None:
    ca.refusals["/dir"] = [(500, {}, {}), (502, {}, {})]
    assert client.directory()
    ca.refusals["/new-order"] = [(500, {}, problem("serverInternal", "oops"))]
    with pytest.raises(acme.AcmeError, match="oops"):
        order.Order.placed(client, NAMES, None)
    assert ca.count("/new-order") == 1


def test_maintenance_is_told_with_its_end(ca: Authority, client: acme.Client) -> None:
    ca.refusals["/dir"] = [(503, {"Retry-After": "600"}, problem("serverInternal", "maintenance"))]
    with pytest.raises(acme.AcmeError) as caught:
        client.directory()
    assert caught.value.until is not None and "maintenance" in caught.value.what
    assert ca.count("/dir") == 1


def test_nobody_there(account: keys.AccountKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acme, "_PAUSE", 0.01)
    with pytest.raises(acme.AcmeError, match=r"does not answer .*connection refused"):
        acme.Client("http://127.0.0.1:9/dir", account).directory()


def test_one_that_takes_connections_and_says_nothing_is_waited_for_once(account: keys.AccountKey) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(5)
        client = acme.Client(f"http://127.0.0.1:{silent.getsockname()[1]}/dir", account, timeout=0.2)
        with pytest.raises(acme.AcmeError, match=r"it was silent for too long"):
            client.directory()
        silent.accept()[0].close()
        silent.settimeout(0.1)
        with pytest.raises(TimeoutError):
            silent.accept()


def test_a_page_is_no_directory(ca: Authority, account: keys.AccountKey) -> None:
    ca.refusals["/dir"] = [(200, {}, {"hello": "world"})]
    with pytest.raises(BadInputError, match="no directory of an ACME authority"):
        acme.Client(ca.directory, account).directory()


def test_what_the_authority_did_not_find_is_told_in_its_words(ca: Authority, client: acme.Client) -> None:
    ca.finds = "192.0.2.7: Invalid response from http://app.example.com: 404"
    placed = order.Order.placed(client, NAMES, None)
    with pytest.raises(order.InvalidError) as caught:
        placed.answer(placed.challenges(order.HTTP), 5.0)
    assert "192.0.2.7: Invalid response" in caught.value.what
    assert caught.value.names == NAMES


def test_an_order_of_before_is_found_or_is_none(ca: Authority, client: acme.Client) -> None:
    placed = order.Order.placed(client, NAMES, None)
    found = order.Order.found(client, placed.url)
    assert found is not None and found.status == "pending"
    ca.refusals["/order/0"] = [(404, {}, problem("malformed", "no such order"))]
    assert order.Order.found(client, placed.url) is None


def test_a_certificate_for_another_key_or_name_is_no_good(ca: Authority) -> None:
    now = datetime.now(UTC)
    request = keys.new_request(NAMES, "ecdsa256")
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(HotfixError, match="another key"):
        keys.require_fits(ca.chain(NAMES, other), NAMES, request.csr, now)
    ours = serialization.load_pem_private_key(request.private_key.encode(), None).public_key()
    with pytest.raises(HotfixError, match="not for app"):
        keys.require_fits(ca.chain(["www.example.com"], ours), NAMES, request.csr, now)
    with pytest.raises(HotfixError, match="not now"):
        keys.require_fits(ca.chain(NAMES, ours, days=-1), NAMES, request.csr, now)
    with authority() as another, pytest.raises(HotfixError, match="do not belong together"):
        leaf = ca.chain(NAMES, ours).partition("-----END CERTIFICATE-----\n")
        keys.require_fits(leaf[0] + leaf[1] + another.root_pem, NAMES, request.csr, now)


class TestAccountKey:
    @pytest.mark.parametrize("given", ["", "   ", "no key", None, pem(ec.generate_private_key(ec.SECP521R1()))])
    def test_what_is_none_is_refused_with_the_command_that_makes_one(self, given: str | None) -> None:
        with pytest.raises(BadInputError) as caught:
            keys.AccountKey(given)
        assert "ssl_renewal_account_key" in caught.value.what
        assert "openssl ecparam" in caught.value.next_step

    def test_what_is_refused_is_not_shown(self) -> None:
        text = pem(ec.generate_private_key(ec.SECP521R1()))
        with pytest.raises(BadInputError) as caught:
            keys.AccountKey(text)
        assert text[40:80] not in str(caught.value)

    def test_the_thumbprint_of_the_standard(self) -> None:
        # RFC 7638, section 3.1.
        modulus = (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
            "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
            "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
            "nqDKgw"
        )

        class Known(keys.AccountKey):
            def __init__(self) -> None:
                pass

            def jwk(self) -> dict[str, str]:
                return {"kty": "RSA", "n": modulus, "e": "AQAB"}

        assert Known().thumbprint() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

    def test_what_is_sealed_is_open_to_its_key_alone(self, account: keys.AccountKey) -> None:
        sealed = account.seal("a private key")
        assert "private" not in sealed
        assert account.unseal(sealed) == "a private key"
        another = keys.AccountKey(pem(ec.generate_private_key(ec.SECP256R1())))
        with pytest.raises(HotfixError, match="another account key"):
            another.unseal(sealed)
