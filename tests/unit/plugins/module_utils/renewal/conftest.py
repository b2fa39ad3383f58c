# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates of an authority of our own, made with the openssl that every host has."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """Issues certificates for app.example.com."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca, self._ca_key = folder / "ca.crt", folder / "ca.key"
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._openssl("req", "-x509", *_CURVE, "-subj", "/CN=ca", *usage, "-keyout", self._ca_key, "-out", self._ca)
        self.ca = self._ca.read_text()

    def issue(self, serial: int, name: str = "app.example.com") -> t.Tuple[str, str]:
        """Return a certificate and its key."""
        key, request, cert = (self._folder / f"one.{kind}" for kind in ("key", "csr", "crt"))
        extensions = self._folder / "ext"
        extensions.write_text(f"subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\n")
        self._openssl("req", "-new", *_CURVE, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        by = ("-CA", self._ca, "-CAkey", self._ca_key, "-set_serial", str(serial), "-extfile", extensions)
        self._openssl("x509", "-req", "-in", request, "-days", "30", *by, "-out", cert)
        return cert.read_text(), key.read_text()

    def _openssl(self, *words: t.Any) -> None:
        subprocess.run(["openssl", *[str(word) for word in words]], check=True, capture_output=True)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))
