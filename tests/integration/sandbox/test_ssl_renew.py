# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates are renewed on both production hosts by one order, against a real ACME server that really looks."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox import acme, faults
from sandbox.config import APP_NAME, STATE
from tests.integration import sabotage
from tests.integration.certificates import CERTS, on_disk, on_wire, settled, tokens
from tests.integration.driver import APP, ROOT, Host, Played, command, environment, fresh, play
from tests.integration.hotfix import hotfix
from tests.unit.plugins.plugin_utils.acme.fake_authority import authority, rate_limited

pytestmark = pytest.mark.slow
FORCE = ("-e", "force=true")
BOTH = ("-l", "production")


@pytest.fixture(scope="module")
def started() -> list[Host]:
    acme.up()
    return fresh("prod1", "prod2")


@pytest.fixture
def hosts(started: list[Host]) -> list[Host]:
    """Both hosts as the test before left their certificates, but with no memory of orders."""
    for host in started:
        host.run("bash", "-c", f"[ ! -e {APP}/journal.jsonl ] || truncate --size=0 {APP}/journal.jsonl")
    return started


def renew(*arguments: str, **variables: Any) -> Played:
    return play("ssl_renew", *BOTH, "-e", json.dumps(variables), *arguments)


def good(done: Played) -> Played:
    assert done.code == 0, done.raw
    return done


def bad(done: Played) -> Played:
    assert done.code != 0, done.raw
    return done


def orders() -> int:
    """How many orders the authority was ever asked for."""
    done = subprocess.run(["docker", "logs", acme.CONTAINER], capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).count("POST /order-plz")


def put_certificate(host: Host, days: float) -> None:
    """Give a host a certificate of the sandbox's CA by hand, good for so many days, and have nginx load it."""
    ca = x509.load_pem_x509_certificate((STATE / "ca/ca.crt").read_bytes())
    ca_key = serialization.load_pem_private_key((STATE / "ca/ca.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(APP_NAME)]), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    texts = {
        "fullchain.pem": made.public_bytes(serialization.Encoding.PEM),
        "privkey.pem": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
    }
    host.run("rm", "-rf", f"{CERTS}/hotfix-pairs", *(f"{CERTS}/{name}" for name in texts))
    for name, text in texts.items():
        faults.on_host(host.name, "su", "deploy", "-c", f"umask 077; cat >{CERTS}/{name}", stdin=text)
    host.docker("exec", "notes-nginx", "nginx", "-s", "reload")
    end = time.monotonic() + 10
    while on_wire(host) != on_disk(host):
        assert time.monotonic() < end
        time.sleep(0.1)


# ------------------------------------------------------------------------------------------------- what is due or not


def test_one_order_serves_both_hosts_when_one_of_them_has_expired(hosts: list[Host]) -> None:
    put_certificate(hosts[1], -2)
    before = orders()
    done = good(renew())
    assert "expired 2.0 days ago" in done.text
    assert orders() == before + 1
    serial = settled(*hosts)
    assert done.text.count(f"It is on the wire for {APP_NAME}") == 2

    again = good(renew())
    assert "nothing to do" in again.text and "the authority suggests" in again.text
    assert (orders(), settled(*hosts)) == (before + 1, serial)

    forced = good(renew(*FORCE))
    assert "0 of" in forced.text and "no outage seen" in forced.text, forced.raw
    assert settled(*hosts) != serial
    assert orders() == before + 2
    kept = hosts[0].run("ls", f"{CERTS}/hotfix-pairs").split()
    assert serial in kept


def test_the_command_renews_and_again_finds_nothing_due(hosts: list[Host], tmp_path: Path) -> None:
    serial, before = settled(*hosts), orders()
    ended = hotfix(tmp_path, "ssl", "renew", "--force", *BOTH, "--reason", "a try", "--yes", "-o", "json")
    assert ended.code == 0, ended.text
    assert [host["outcome"] for host in ended.result["hosts"]] == ["done", "done"]
    assert settled(*hosts) != serial
    again = hotfix(tmp_path, "ssl", "renew", *BOTH, "--yes")
    assert again.code == 3, again.text
    assert orders() == before + 1


def test_a_plan_changes_nothing_and_orders_nothing(hosts: list[Host]) -> None:
    before, prints = orders(), [host.fingerprint() for host in hosts]
    done = good(renew(*FORCE, "--check", "--diff"))
    assert "It would order one certificate" in done.text and "a new certificate" in done.text
    assert (orders(), [host.fingerprint() for host in hosts]) == (before, prints)


# -------------------------------------------------------------------------------------------------- before any order


def test_a_wrong_webroot_is_found_out_before_an_order(hosts: list[Host]) -> None:
    for host in hosts:
        host.run("install", "-d", "-o", "deploy", f"{APP}/nginx/elsewhere")
    before, serials = orders(), [on_wire(host) for host in hosts]
    done = bad(renew(*FORCE, ssl_renewal_webroot="nginx/elsewhere"))
    assert "What is put into the webroot is not what users of port 80 get" in done.text
    assert "answers 404 for http://app.example.com/.well-known/acme-challenge/" in done.text
    assert "ssl_renewal_webroot" in done.text and "No order was made." in done.text
    assert (orders(), [on_wire(host) for host in hosts]) == (before, serials)
    for host in hosts:
        assert not host.lease()["held"]
        assert host.run("find", f"{APP}/nginx/elsewhere", "-type", "f") == ""


def test_one_host_that_does_not_answer_is_named(hosts: list[Host]) -> None:
    before = orders()
    done = bad(
        renew(
            *FORCE,
            ssl_renewal_http_address="{{ '127.0.1.11:8080' if inventory_hostname == 'prod1' else '127.0.1.12:9' }}",
        )
    )
    assert "prod2 (127.0.1.12:9, as app.example.com)" in done.text and "prod1 (127" not in done.text
    assert orders() == before


def test_one_host_of_two_behind_a_name_is_not_enough(hosts: list[Host]) -> None:
    done = bad(play("ssl_renew", "-l", "prod1", *FORCE))
    assert "prod2 is behind app.example.com too, and not selected" in done.text and "-l production" in done.text


def test_an_unreachable_host_keeps_all_from_an_order(hosts: list[Host]) -> None:
    before = orders()
    with faults.ssh_cut("prod2"):
        done = bad(renew(*FORCE))
    assert "prod2: unreachable" in done.text
    assert orders() == before


@contextmanager
def certbot_at_work(host: Host) -> Iterator[None]:
    """Hold certbot's lock as certbot does."""
    hold = (
        "import fcntl, os, time; os.makedirs('/etc/letsencrypt', exist_ok=True); "
        "f = open('/etc/letsencrypt/.certbot.lock', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
        "print(os.getpid(), flush=True); time.sleep(120)"
    )
    words = ["docker", "exec", f"hotfix-{host.name}", "timeout", "120", "python3", "-c", hold]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        number = process.stdout.readline().strip()
        try:
            yield
        finally:
            host.run("kill", number)


def test_certbot_at_work_is_named_and_left_alone(hosts: list[Host]) -> None:
    before = orders()
    with certbot_at_work(hosts[1]):
        done = bad(renew(*FORCE))
        assert "holds /etc/letsencrypt/.certbot.lock" in done.text and "Another renewal is at work" in done.text
        assert hosts[1].run("cat", "/etc/letsencrypt/.certbot.lock") == ""
    assert orders() == before
    # Nothing was ever done on these hosts, or the lease was given back.
    assert not any('"held": true' in host.run("bash", "-c", f"cat {APP}/lease.json || true") for host in hosts)


def test_too_many_is_told_with_the_next_time_and_not_tried_again(hosts: list[Host], tmp_path: Path) -> None:
    noted = str(tmp_path / "orders.jsonl")
    with authority() as ca:
        ca.refusals["/new-order"] = [rate_limited(7200)] * 5
        about = {"ssl_renewal_directory": ca.directory, "ssl_renewal_orders": noted}
        done = bad(renew(*FORCE, **about))
        assert "takes no more of this before" in done.text and "too many certificates already issued" in done.text
        assert ca.count("/new-order") == 1

        again = bad(renew(*FORCE, **about))
        assert "The authority takes no more for app.example.com before" in again.text
        assert "No order was made." in again.text
        # Somebody else's controller has no such file, but the hosts remember.
        other = bad(renew(*FORCE, **{**about, "ssl_renewal_orders": str(tmp_path / "none.jsonl")}))
        assert "The authority takes no more for app.example.com before" in other.text
        assert ca.count("/new-order") == 1
    seen = good(
        play(
            "preflight",
            "-l",
            "prod1",
            "-e",
            json.dumps({"preflight_parts": ["certificates"]}),
            "-e",
            json.dumps(
                {"ssl_renewal_orders": noted, "preflight_only_warn": True, "hotfix_public_ca_file": str(acme.CA_FILE)}
            ),
        )
    )
    assert "takes no more for app.example.com before" in " ".join(seen.raw.replace("\\n", " ").split())


def test_an_authority_that_is_down_is_told_before_anything_is_touched(hosts: list[Host]) -> None:
    prints = [host.fingerprint() for host in hosts]
    began = time.monotonic()
    done = bad(renew(*FORCE, ssl_renewal_directory="http://127.0.0.1:9/dir"))
    assert time.monotonic() - began < 30
    assert "does not answer" in done.text and "What is installed is good until" in done.text
    assert [host.fingerprint() for host in hosts] == prints


# ---------------------------------------------------------------------------------------------------- what goes wrong


def test_an_authority_that_finds_nothing_leaves_all_as_it_was(hosts: list[Host]) -> None:
    serials = [on_wire(host) for host in hosts]
    acme.point_nowhere()
    try:
        done = bad(renew(*FORCE))
    finally:
        acme.point("prod1", "prod2")
    assert "The authority did not accept the answer: app.example.com:" in done.text
    assert [on_wire(host) for host in hosts] == serials
    for host in hosts:
        assert tokens(host) == [] and not host.lease()["held"]
        assert any((entry.get("acme") or {}).get("failed") for entry in host.journal())


def test_a_proxy_that_refuses_gets_its_old_pair_back_and_the_next_run_orders_nothing(hosts: list[Host]) -> None:
    serials = [on_wire(host) for host in hosts]
    before = orders()
    done = bad(renew(*FORCE, hotfix_proxy_reload=["sh", "-c", "echo no such signal >&2; exit 1"]))
    assert "no such signal" in done.text and "The certificate of before is in place again" in done.text
    assert [on_wire(host) for host in hosts] == serials == [on_disk(host) for host in hosts]
    assert orders() == before + 1

    then = good(renew())
    assert "An earlier run ended before every host had the certificate of its order." in then.text
    assert orders() == before + 1
    assert settled(*hosts) not in serials


def test_a_certificate_that_is_not_on_the_wire_is_put_back(hosts: list[Host]) -> None:
    serials = [on_wire(host) for host in hosts]
    done = bad(renew(*FORCE, hotfix_proxy_reload=["true"], ssl_renewal_look_timeout=2))
    assert "is not on the wire of prod1 as it has to be" in done.text, done.raw
    assert f"{serials[0]} is on the wire, not" in done.text
    assert [on_disk(host) for host in hosts] == serials
    good(renew())
    assert settled(*hosts) not in serials


def test_a_certificate_that_clients_do_not_trust_is_never_installed(hosts: list[Host]) -> None:
    serials = [on_wire(host) for host in hosts]
    done = bad(renew(*FORCE, ssl_renewal_ca_file=str(STATE / "ca/ca.crt")))
    assert "Clients would not trust the new certificate for app.example.com" in done.text
    assert [on_wire(host) for host in hosts] == serials
    good(renew())
    assert settled(*hosts) not in serials


def test_a_proxy_without_a_certificate_starts_with_a_stand_in(hosts: list[Host]) -> None:
    one = hosts[0]
    one.run("rm", "-rf", f"{CERTS}/hotfix-pairs", f"{CERTS}/fullchain.pem", f"{CERTS}/privkey.pem")
    one.docker("restart", "--time", "1", "notes-nginx")
    time.sleep(2)
    assert one.docker("inspect", "--format", "{{.State.Status}}", "notes-nginx").strip() != "running"
    done = good(renew())
    assert "it runs with a stand-in now" in done.text and "it has no certificate that can be used" in done.text
    settled(*hosts)


# --------------------------------------------------------------------------------------------------------- kills


@contextmanager
def ready_to_stop(hosts: list[Host]) -> Iterator[None]:
    """Have the interpreter of `sabotage` on the second host too, where nothing stops it."""
    with sabotage.at(hosts[1], kill=False, action="nothing"):
        yield


@pytest.mark.parametrize("step", ["prepare_renewal", "answer_challenges", "install_certificate", "prove_certificate"])
@pytest.mark.parametrize("phase", ["begin", "end"])
def test_the_module_is_killed(step: str, phase: str, hosts: list[Host]) -> None:
    with ready_to_stop(hosts):
        killed = bad(
            sabotage.module_killed(
                hosts[0], "ssl_renew", *BOTH, *FORCE, action="certificate renewal", step=step, phase=phase
            )
        )
    assert "prod1: " in killed.text
    # Whatever is there belongs together, and is what users get or will get.
    for host in hosts:
        host.docker("exec", "notes-nginx", "nginx", "-t")
    before = orders()
    installs = step in ("install_certificate", "prove_certificate")
    good(renew(*(() if installs else FORCE)))
    settled(*hosts)
    assert orders() == before + (0 if installs else 1)


@pytest.mark.parametrize("step", ["answer_challenges", "install_certificate"])
def test_ansible_is_killed(step: str, hosts: list[Host]) -> None:
    with ready_to_stop(hosts):
        sabotage.controller_killed(
            hosts[0], "ssl_renew", *BOTH, *FORCE, action="certificate renewal", step=step, phase="begin"
        )
    again = () if step == "install_certificate" else FORCE
    if step != "install_certificate":
        # Installing goes on without the controller, and gives the lease back at its end.
        held = bad(renew(*again, hotfix_operator="bob@other"))
        assert "Somebody else is changing this app" in held.text
    good(renew(*again))
    settled(*hosts)


# ----------------------------------------------------------------------------------------------------- dns, secrets


def test_the_dns_answers_where_no_proxy_does(hosts: list[Host], tmp_path: Path) -> None:
    hook, said = tmp_path / "hook.py", tmp_path / "said"
    url = f"http://{acme.ADDRESS}:{acme.DNS_MANAGEMENT_PORT}"
    hook.write_text(
        f"""import json, sys, urllib.request
what, name, value = sys.argv[1:]
open({str(said)!r}, "a").write(what + " " + name + chr(10))
about = {{"host": name + ".", "value": value}} if what == "present" else {{"host": name + "."}}
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
opener.open({url!r} + ("/set-txt" if what == "present" else "/clear-txt"), json.dumps(about).encode(), timeout=10)
"""
    )
    about = {
        "ssl_renewal_challenge": "dns-01",
        "ssl_renewal_dns_hook": ["python3", str(hook)],
        "ssl_renewal_webroot": "",
    }
    old = on_wire(hosts[0])
    acme.point_nowhere()
    try:
        good(renew(*FORCE, **about, ssl_renewal_names=[APP_NAME, "*.app.example.com"]))
    finally:
        acme.point("prod1", "prod2")
    record = "_acme-challenge.app.example.com"
    assert said.read_text().splitlines() == [*[f"present {record}"] * 2, *[f"cleanup {record}"] * 2]
    assert settled(*hosts) != old


def test_no_key_is_in_logs_arguments_or_records(hosts: list[Host], tmp_path: Path) -> None:
    incidents, log = tmp_path / "incidents", tmp_path / "ansible.log"
    incidents.mkdir()
    process = subprocess.run(
        command("ssl_renew", *BOTH, *FORCE, "-vvv", "--diff"),
        cwd=ROOT,
        env=environment(ANSIBLE_LOG_PATH=str(log), SANDBOX_INCIDENTS=str(incidents)),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    printed = process.stdout + process.stderr
    assert process.returncode == 0, printed
    settled(*hosts)
    written = "".join(path.read_text(errors="replace") for path in incidents.rglob("*") if path.is_file())
    journals = "".join(host.run("cat", f"{APP}/journal.jsonl") for host in hosts)
    keys = [hosts[0].run("cat", f"{CERTS}/privkey.pem"), acme.ACCOUNT_KEY.read_text()]
    lines = [line for key in keys for line in key.splitlines() if len(line) > 30 and "-----" not in line]
    assert len(lines) >= 4
    for text in (printed, log.read_text(), written, journals):
        assert not [line for line in lines if line in text]
