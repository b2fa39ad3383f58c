# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The pin of a target's certificate, by which a browser accepts it that does not know our authority."""

from __future__ import annotations

import base64
import hashlib
import ssl
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.dial import Watch, dial
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Target

_SEQUENCE = 0x30
_VERSION = 0xA0
#: What stands before the public key in a certificate: serial, signature, issuer, validity and subject.
_BEFORE_THE_KEY = 5


def pin(target: Target, end: float) -> t.Optional[str]:
    """Verify the certificate of *target* and return the pin of its key; raises what a connection raises.

    A target without TLS has none.
    """
    with dial(target, end, Watch({})) as connection:
        if not isinstance(connection, ssl.SSLSocket):
            return None
        leaf = connection.getpeercert(binary_form=True)
    return None if leaf is None else base64.b64encode(hashlib.sha256(public_key(leaf)).digest()).decode()


def public_key(certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a certificate (DER), as it stands there."""
    _kind, outer, _end = _value(certificate, 0)
    kind, at, _end = _value(certificate, outer)
    if kind != _SEQUENCE:
        raise ValueError("no certificate")
    kind, _start, end = _value(certificate, at)
    if kind == _VERSION:
        at = end
    for _number in range(_BEFORE_THE_KEY):
        _kind, _start, at = _value(certificate, at)
    kind, _start, end = _value(certificate, at)
    if kind != _SEQUENCE:
        raise ValueError("no certificate")
    return certificate[at:end]


def _value(data: bytes, at: int) -> t.Tuple[int, int, int]:
    """Return the kind of the value at a place, where its content begins, and where it ends."""
    if at + 2 > len(data):
        raise ValueError("it breaks off")
    kind, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        length, start = int.from_bytes(data[start : start + octets], "big"), start + octets
    if start + length > len(data):
        raise ValueError("it breaks off")
    return kind, start, start + length
