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

from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.certificate import value
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
    _kind, whole, _end = value(certificate, 0)
    kind, body, _end = value(whole, 0)
    if kind != _SEQUENCE:
        raise ValueError("no certificate")
    kind, _content, end = value(body, 0)
    at = end if kind == _VERSION else 0
    for _number in range(_BEFORE_THE_KEY):
        _kind, _content, at = value(body, at)
    kind, _content, end = value(body, at)
    if kind != _SEQUENCE:
        raise ValueError("no certificate")
    return body[at:end]
