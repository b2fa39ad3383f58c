# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pin of a certificate is the one that OpenSSL computes, and what is no certificate has none."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import pin

KEYS = (["rsa:2048"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], ["ed25519"])


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, check=True, capture_output=True).stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("key", KEYS, ids=[one[0] for one in KEYS])
# An old certificate of the first version has no field for its version.
@pytest.mark.parametrize("old", [False, True])
def test_it_is_what_openssl_says(tmp_path: Path, key: t.List[str], old: bool) -> None:
    made = str(tmp_path / "cert.pem")
    openssl("req", "-newkey", *key, "-nodes", "-subj", "/CN=a", "-keyout", f"{made}.key", "-out", f"{made}.csr")
    more = [] if old else ["-extfile", str(tmp_path / "more")]
    (tmp_path / "more").write_text("subjectAltName=DNS:app.example.com\n")
    openssl("x509", "-req", "-in", f"{made}.csr", "-signkey", f"{made}.key", "-days", "2", "-out", made, *more)
    public = openssl("pkey", "-pubin", "-outform", "DER", given=openssl("x509", "-in", made, "-noout", "-pubkey"))
    leaf = ssl.PEM_cert_to_DER_cert(Path(made).read_text())
    assert pin.public_key(leaf) == public
    for length in range(0, len(leaf), 7):
        with pytest.raises(ValueError, match=r"it breaks off"):
            pin.public_key(leaf[:length])


@pytest.mark.parametrize("raw", [b"", b"\x30", b"\x02\x01\x00", b"\x30\x03\x02\x01\x00", b"\x30\x84\xff\xff\xff\xff"])
def test_what_is_no_certificate(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"no certificate|it breaks off"):
        pin.public_key(raw)
