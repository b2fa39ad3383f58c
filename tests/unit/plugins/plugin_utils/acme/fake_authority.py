# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small ACME authority on a loopback address, for what a real one does not do on request: refuse, be down, suggest.

Whether our requests are right in themselves is proven against pebble.
"""

from __future__ import annotations

import base64
import http.server
import json
import threading
import typing as t
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Refusal = tuple[int, dict[str, str], dict[str, t.Any]]
_PROBLEM = "urn:ietf:params:acme:error:"


def problem(kind: str, detail: str) -> dict[str, t.Any]:
    return {"type": f"{_PROBLEM}{kind}", "detail": detail}


def rate_limited(seconds: int) -> Refusal:
    return 429, {"Retry-After": str(seconds)}, problem("rateLimited", "too many certificates already issued")


def _signs() -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    unused = dict.fromkeys((*names, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **unused)


class Authority(http.server.ThreadingHTTPServer):
    """Issues whatever it is asked for, and does what a test sets."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake authority")])
        self.root = self._certificate(name, name, self.key.public_key(), [], 3650, ca=True)
        #: Every request but those for nonces: method, path, and what it held.
        self.seen: list[tuple[str, str, t.Any]] = []
        #: What is answered instead, by the beginning of a path: the first ones once each.
        self.refusals: dict[str, list[Refusal]] = {}
        self.bad_nonces = 0
        #: What it finds when it looks at a challenge; nothing: that all is well.
        self.finds = ""
        self.window: tuple[datetime, datetime] | None = None
        self.days = 90.0
        self.orders: list[dict[str, t.Any]] = []
        self.issued: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def directory(self) -> str:
        return f"{self.url}/dir"

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(1 for _method, seen, _body in self.seen if seen.startswith(path))

    def chain(self, names: t.Sequence[str], public: t.Any, days: float | None = None) -> str:
        """Issue a certificate."""
        subject = x509.Name([])
        made = self._certificate(subject, self.root.subject, public, names, self.days if days is None else days)
        return made.public_bytes(serialization.Encoding.PEM).decode() + self.root_pem

    @property
    def root_pem(self) -> str:
        return self.root.public_bytes(serialization.Encoding.PEM).decode()

    def _certificate(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        public: t.Any,
        names: t.Sequence[str],
        days: float,
        ca: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=100))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        if ca:
            builder = builder.add_extension(_signs(), critical=True)
        if names:
            alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternative, critical=not ca)
        return builder.sign(self.key, hashes.SHA256())


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Authority
    protocol_version = "HTTP/1.1"

    def log_request(self, code: t.Any = "-", size: t.Any = "-") -> None:
        """Say nothing."""

    def _answer(self, status: int, body: t.Any, headers: t.Mapping[str, str] | None = None) -> None:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Replay-Nonce": "n", "Content-Length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def do_HEAD(self) -> None:
        self._answer(200, "")

    def do_GET(self) -> None:
        self._handle(None)

    def do_POST(self) -> None:
        raw = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        payload = raw["payload"]
        self._handle(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) if payload else None)

    def _handle(self, body: t.Any) -> None:
        authority = self.server
        authority.seen.append((self.command, self.path, body))
        for path, refusals in authority.refusals.items():
            if self.path.startswith(path) and refusals:
                status, headers, said = refusals.pop(0)
                self._answer(status, said, headers)
                return
        if self.command == "POST" and authority.bad_nonces:
            authority.bad_nonces -= 1
            self._answer(400, problem("badNonce", "try again"))
            return
        part, _slash, number = self.path[1:].partition("/")
        getattr(self, f"_{part.replace('-', '_')}")(number, body)

    def _dir(self, _number: str, _body: t.Any) -> None:
        url = self.server.url
        places = {"newNonce": f"{url}/nonce", "newAccount": f"{url}/account", "newOrder": f"{url}/new-order"}
        if self.server.window:
            places["renewalInfo"] = f"{url}/ari"
        self._answer(200, places)

    def _ari(self, _number: str, _body: t.Any) -> None:
        assert self.server.window is not None
        start, end = self.server.window
        window = {"start": start.isoformat().replace("+00:00", "Z"), "end": end.isoformat().replace("+00:00", "Z")}
        self._answer(200, {"suggestedWindow": window, "explanationURL": "https://authority.example.com/why"})

    def _account(self, _number: str, _body: t.Any) -> None:
        self._answer(201, {"status": "valid"}, {"Location": f"{self.server.url}/account/1"})

    def _new_order(self, _number: str, body: t.Any) -> None:
        authority = self.server
        names = [one["value"] for one in body["identifiers"]]
        authority.orders.append({"names": names, "status": "pending", "chain": "", "replaces": body.get("replaces")})
        number = len(authority.orders) - 1
        self._answer(201, self._order_of(number), {"Location": f"{authority.url}/order/{number}"})

    def _order_of(self, number: int) -> dict[str, t.Any]:
        url, order = self.server.url, self.server.orders[number]
        found = {
            "status": order["status"],
            "authorizations": [f"{url}/authz/{number}"],
            "finalize": f"{url}/finalize/{number}",
        }
        if order["status"] == "valid":
            found["certificate"] = f"{url}/cert/{number}"
        return found

    def _order(self, number: str, _body: t.Any) -> None:
        self._answer(200, self._order_of(int(number)))

    def _authz(self, number: str, _body: t.Any) -> None:
        url, order = self.server.url, self.server.orders[int(number)]
        status = {"pending": "pending", "invalid": "invalid"}.get(order["status"], "valid")
        challenge: dict[str, t.Any] = {
            "type": "http-01",
            "url": f"{url}/chall/{number}",
            "token": f"token-{number}-long",
        }
        if status == "invalid":
            challenge["error"] = problem("unauthorized", self.server.finds)
        name = {"type": "dns", "value": order["names"][0]}
        self._answer(200, {"status": status, "identifier": name, "challenges": [challenge]})

    def _chall(self, number: str, _body: t.Any) -> None:
        self.server.orders[int(number)]["status"] = "invalid" if self.server.finds else "ready"
        self._answer(200, {"status": "processing"})

    def _finalize(self, number: str, body: t.Any) -> None:
        order, text = self.server.orders[int(number)], body["csr"]
        csr = x509.load_der_x509_csr(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        order.update(status="valid", chain=self.server.chain(order["names"], csr.public_key()))
        self._answer(200, self._order_of(int(number)))

    def _cert(self, number: str, _body: t.Any) -> None:
        self._answer(200, self.server.orders[int(number)]["chain"])


@contextmanager
def authority() -> t.Iterator[Authority]:
    """Have one answer for the time of the block."""
    with Authority() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
