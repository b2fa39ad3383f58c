# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

CERTS = "/srv/notes/nginx/certs"
STATE = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".sandbox"
_WIRE = "openssl s_client -connect 127.0.0.1:443 -servername app.example.com </dev/null 2>/dev/null"


@pytest.fixture
def serial(host: Host) -> str:
    found: str = host.check_output(f"openssl x509 -noout -serial -in {CERTS}/fullchain.pem")
    return found


def test_the_new_certificate_is_on_the_wire(host: Host, serial: str) -> None:
    assert host.check_output(f"{_WIRE} | openssl x509 -noout -serial") == serial
    assert "Pebble" in host.check_output(f"{_WIRE} | openssl x509 -noout -issuer")


def test_every_host_has_the_same_one(serial: str) -> None:
    contexts = ssl.create_default_context(cafile=str(STATE / "acme-ca.crt"))
    assert contexts.cert_store_stats()["x509_ca"] == 2
    both = {ssl.get_server_certificate((address, 8443), timeout=5) for address in ("127.0.1.11", "127.0.1.12")}
    assert len(both) == 1


def test_the_key_is_readable_by_its_owner_alone(host: Host) -> None:
    assert host.check_output(f"stat -Lc '%a %U' {CERTS}/privkey.pem") == "600 deploy"
    assert host.check_output(f"find {CERTS} -name privkey.pem -type f ! -perm 600") == ""


def test_certificate_and_key_belong_together(host: Host) -> None:
    of_key = host.check_output(f"openssl pkey -pubout -in {CERTS}/privkey.pem")
    assert host.check_output(f"openssl x509 -pubkey -noout -in {CERTS}/fullchain.pem") == of_key


def test_nothing_is_left_of_how_it_came_here(host: Host) -> None:
    assert host.check_output("find /srv/notes/nginx/acme -type f") == ""
    assert json.loads(host.file(f"{CERTS}/hotfix-pairs/state.json").content_string) == {}
    assert not host.file(f"{CERTS}/hotfix-pairs/pending").exists
    assert json.loads(host.file("/srv/notes/lease.json").content_string)["held"] is False


def test_the_account_key_never_came_to_the_host(host: Host) -> None:
    lines = [line for line in (STATE / "acme-account.pem").read_text().splitlines() if not line.startswith("-")]
    assert lines
    assert host.run(f"grep -rlF '{lines[0]}' /srv/notes /home/deploy /tmp").stdout == ""


def test_the_journal_tells_of_it(app: Any, serial: str) -> None:
    journal = [entry for entry in app.journal() if entry.get("action") == "certificate renewal"]
    ended = [entry["step"] for entry in journal if entry.get("phase") == "end" and entry["outcome"] == "done"]
    assert ended == ["prepare_renewal", "answer_challenges", "install_certificate", "prove_certificate"]
    number = re.sub("^serial=0*", "", serial)
    assert [entry["serial"].lstrip("0") for entry in journal if entry.get("step") == "prove_certificate"][-1] == number
    assert [entry["acme"]["names"] for entry in journal if entry.get("acme")] == [["app.example.com"]]
