# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys, signatures and certificates. A private key is a text in memory here, and never a file."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError

# Ansible itself depends on it: only who tests imports by themselves is without.
with contextlib.suppress(ImportError):
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.fernet import Fernet, InvalidToken
    from cryptography.hazmat.primitives import hashes, hmac, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if t.TYPE_CHECKING:
    PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

KEY_TYPES = ("ecdsa256", "ecdsa384", "rsa2048", "rsa4096")

#: By the name of a curve: its name in a JWK, of its signatures, and the octets of a coordinate.
_CURVES = {"secp256r1": ("P-256", "ES256", 32), "secp384r1": ("P-384", "ES384", 48)}
_MAKE_ONE = (
    "make one once, 'openssl ecparam -name prime256v1 -genkey -noout', keep it in ansible-vault or in the environment "
    "of the controller, and set ssl_renewal_account_key to its text."
)


def base64url(data: bytes) -> str:
    """Return *data* as JOSE writes it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """Read what :func:`base64url` wrote, or what has its padding still."""
    return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))


class AccountKey:
    """The key by which the authority knows an account."""

    def __init__(self, pem: str | None) -> None:
        if not str(pem or "").strip():
            raise BadInputError("There is no account key (ssl_renewal_account_key).", next_step=_MAKE_ONE)
        try:
            key = serialization.load_pem_private_key(str(pem).strip().encode("utf-8") + b"\n", password=None)
        except (ValueError, TypeError) as exc:
            raise BadInputError(
                "The account key (ssl_renewal_account_key) is no private key in PEM without a password.",
                next_step=_MAKE_ONE,
            ) from exc
        usable = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES
        if not usable and not (isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048):
            raise BadInputError(
                "The account key (ssl_renewal_account_key) is neither of P-256, P-384 nor RSA of 2048 bits or more.",
                next_step=_MAKE_ONE,
            )
        self._key = t.cast("PrivateKey", key)

    @property
    def algorithm(self) -> str:
        """Return the name of its signatures."""
        return _CURVES[self._key.curve.name][1] if isinstance(self._key, ec.EllipticCurvePrivateKey) else "RS256"

    def jwk(self) -> dict[str, str]:
        """Return its public half."""
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            name, _algorithm, size = _CURVES[self._key.curve.name]
            point = self._key.public_key().public_numbers()
            return {
                "crv": name,
                "kty": "EC",
                "x": base64url(point.x.to_bytes(size, "big")),
                "y": base64url(point.y.to_bytes(size, "big")),
            }
        numbers = self._key.public_key().public_numbers()
        return {
            "e": base64url(numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")),
            "kty": "RSA",
            "n": base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
        }

    def thumbprint(self) -> str:
        """Return what stands for it in the answer to a challenge."""
        text = json.dumps(self.jwk(), sort_keys=True, separators=(",", ":"))
        return base64url(hashlib.sha256(text.encode("ascii")).digest())

    def signed(self, protected: t.Mapping[str, t.Any], payload: t.Any) -> dict[str, str]:
        """Return *payload* (None: an empty one) and its signature, as a request carries them."""
        head = base64url(json.dumps(dict(protected)).encode("utf-8"))
        body = "" if payload is None else base64url(json.dumps(payload).encode("utf-8"))
        signature = self._signature(f"{head}.{body}".encode("ascii"))
        return {"protected": head, "payload": body, "signature": base64url(signature)}

    def _signature(self, text: bytes) -> bytes:
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            _name, algorithm, size = _CURVES[self._key.curve.name]
            digest = hashes.SHA384() if algorithm == "ES384" else hashes.SHA256()
            r, s = decode_dss_signature(self._key.sign(text, ec.ECDSA(digest)))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return self._key.sign(text, padding.PKCS1v15(), hashes.SHA256())

    def _sealing(self) -> Fernet:
        raw = self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        derived = HKDF(hashes.SHA256(), 32, None, b"pangeafate.hotfix: the key of a certificate").derive(raw)
        return Fernet(base64.urlsafe_b64encode(derived))

    def seal(self, text: str) -> str:
        """Hide *text* in what one task tells the next: whoever has no account key cannot read it."""
        return self._sealing().encrypt(text.encode("utf-8")).decode("ascii")

    def unseal(self, sealed: str) -> str:
        """Return what :meth:`seal` hid."""
        try:
            return self._sealing().decrypt(sealed.encode("ascii")).decode("utf-8")
        except (InvalidToken, ValueError) as exc:
            raise HotfixError(
                "The private key of this run was sealed with another account key.",
                next_step="run this again; see that all hosts of the run have one ssl_renewal_account_key.",
            ) from exc


def bound(jwk: t.Mapping[str, str], url: str, kid: str, key: str) -> dict[str, str]:
    """Return the external account binding that some authorities want of a new account."""
    head = base64url(json.dumps({"alg": "HS256", "kid": kid, "url": url}).encode("utf-8"))
    body = base64url(json.dumps(dict(jwk)).encode("utf-8"))
    try:
        code = hmac.HMAC(from_base64url(key), hashes.SHA256())
    except ValueError as exc:
        raise BadInputError(
            "ssl_renewal_eab.key is no key in base64url.", next_step="copy it from the authority's page."
        ) from exc
    code.update(f"{head}.{body}".encode("ascii"))
    return {"protected": head, "payload": body, "signature": base64url(code.finalize())}


# ---------------------------------------------------------------------------------------------- of the certificate


@dataclass(frozen=True)
class Request:
    """A new private key in PEM, and the request (DER in base64url) to certify it for some names."""

    private_key: str
    csr: str


def new_request(names: t.Sequence[str], key_type: str) -> Request:
    """Make a key and the request for it."""
    key = _new_key(key_type)
    subject = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(subject, critical=False)
    signed = request.sign(key, hashes.SHA256())
    return Request(_pem(key), base64url(signed.public_bytes(serialization.Encoding.DER)))


def stand_in(names: t.Sequence[str], now: datetime, days: float) -> tuple[str, str]:
    """Return a certificate that is signed by itself, and its key: enough for a proxy to start with."""
    key = _new_key("ecdsa256")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hotfix stand-in")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode("ascii"), _pem(key)


def _new_key(key_type: str) -> PrivateKey:
    if key_type.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(key_type[3:]))
    return ec.generate_private_key(ec.SECP384R1() if key_type == "ecdsa384" else ec.SECP256R1())


def _pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


@dataclass(frozen=True)
class Leaf:
    """What is to be known of a certificate. ``ari`` is its ID for renewal information, where it can be told."""

    serial: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    own: bool
    ari: str | None
    public: bytes

    def days_left(self, now: datetime) -> float:
        """Return how long it is still good; less than nothing where it has expired."""
        return (self.not_after - now).total_seconds() / 86400

    def covers(self, name: str) -> bool:
        """Tell whether it is good for *name*."""
        wild = "*." + name.partition(".")[2]
        return any(one in (name, wild) for one in self.names)

    def says(self, now: datetime) -> str:
        """Return it in words."""
        left = self.days_left(now)
        how_long = f"good for {left:.0f} days" if left >= 2 else f"good for {left * 24:.0f} hours"
        if left < 0:
            how_long = f"expired {-left:.1f} days ago"
        return f"certificate {self.serial} is {how_long} (until {self.not_after:%Y-%m-%d %H:%M} UTC)"


def read_chain(pem: str) -> list[x509.Certificate]:
    """Return the certificates of a chain, the leaf first; raise for a text that is none."""
    try:
        found = x509.load_pem_x509_certificates(pem.encode("utf-8"))
    except ValueError as exc:
        raise HotfixError(
            "What should be a chain of certificates is none.", next_step="see where it comes from, then run this again."
        ) from exc
    return found


def leaf_of(pem: str) -> Leaf:
    """Read the first certificate of a chain."""
    found = read_chain(pem)[0]
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = tuple(str(name) for name in names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        listed = ()
    return Leaf(
        serial=f"{found.serial_number:02X}",
        names=listed,
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        own=found.issuer == found.subject,
        ari=_ari_id(found),
        public=_public(found.public_key()),
    )


def _ari_id(found: x509.Certificate) -> str | None:
    try:
        issuer = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None
    number = found.serial_number
    # As DER has it: a first bit that is set would make it negative.
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return f"{base64url(issuer)}.{base64url(serial)}" if issuer else None


def _public(key: t.Any) -> bytes:
    raw: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return raw


def belongs(leaf: Leaf, csr: str) -> bool:
    """Tell whether a certificate is for the key of a request."""
    return leaf.public == _public(x509.load_der_x509_csr(from_base64url(csr)).public_key())


def require_fits(pem: str, names: t.Sequence[str], csr: str, now: datetime) -> Leaf:
    """Return the leaf of a chain that was issued; raise unless it is for our key and names, and good now."""
    chain = read_chain(pem)
    leaf = leaf_of(pem)
    problem = ""
    if not belongs(leaf, csr):
        problem = "is for another key than ours"
    elif not all(leaf.covers(name) for name in names):
        problem = f"is for {', '.join(leaf.names) or 'no name'}, not for {', '.join(names)}"
    elif not leaf.not_before - timedelta(hours=1) <= now <= leaf.not_after:
        problem = f"is good from {leaf.not_before:%Y-%m-%d %H:%M} to {leaf.not_after:%Y-%m-%d %H:%M} UTC, not now"
    for one, issuer in itertools.pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            problem = problem or "comes with a chain whose parts do not belong together"
    if problem:
        raise HotfixError(
            f"The certificate that the authority issued {problem}.",
            next_step="check the clock of this machine and ssl_renewal_directory. It was installed nowhere.",
        )
    return leaf
