# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each thing that can be wrong with a certificate is said plainly, and an old version that is taken is found out."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import certificate as der

NAME = "app.example.com"
_ISSUED_BY = "authorityKeyIdentifier=keyid"


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    """A root, an intermediate below it, and what they issue."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        extensions = ("basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign", "subjectKeyIdentifier=hash")
        (folder / "ca.ext").write_text("\n".join((*extensions, _ISSUED_BY)), encoding="utf-8")
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "root.key")]
        openssl(
            "req",
            "-x509",
            *key,
            "-days",
            "30",
            "-subj",
            "/O=Test/CN=Root",
            "-out",
            str(self.root),
            "-addext",
            extensions[1],
        )
        self._issue("middle", "/CN=Middle", "root", "30", "ca.ext")

    def _issue(self, name: str, subject: str, by: str, days: str, extensions: str) -> None:
        at = self.folder
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(at / f"{name}.key"), "-out", str(at / f"{name}.csr")]
        openssl("req", *key, "-subj", subject)
        signed = ["-CA", str(at / f"{by}.pem"), "-CAkey", str(at / f"{by}.key"), "-CAcreateserial"]
        more = ["-days", days, "-extfile", str(at / extensions), "-out", str(at / f"{name}.pem")]
        openssl("x509", "-req", "-in", str(at / f"{name}.csr"), *signed, *more)

    def leaf(self, name: str, days: str = "20", dns: str = NAME, by: str = "root") -> Path:
        """Issue a certificate; return the file that a server is given."""
        file = self.folder / f"{name}.pem"
        if not file.exists():
            (self.folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{dns}\n{_ISSUED_BY}\n", encoding="utf-8")
            self._issue(name, f"/O=Example/CN={dns}", by, days, f"{name}.ext")
        return file


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return Authority(tmp_path_factory.mktemp("authority"))


class Server:
    """Shakes hands, and hangs up."""

    def __init__(self, chain: Path, key: Path, **versions: ssl.TLSVersion) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if versions:
            self._context.set_ciphers("ALL:@SECLEVEL=0")
        self._context.load_cert_chain(str(chain), str(key))
        for name, version in versions.items():
            setattr(self._context, name, version)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.address: t.Tuple[str, int] = self._socket.getsockname()[:2]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(3)
            with self._context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1)
        except OSError:
            pass

    def close(self) -> None:
        # Closed alone, it would leave its thread waiting on a number that the next socket gets.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def server() -> t.Iterator[t.Callable[..., Server]]:
    made: t.List[Server] = []

    def make(chain: Path, key: t.Optional[Path] = None, **versions: ssl.TLSVersion) -> Server:
        made.append(Server(chain, key or chain.with_suffix(".key"), **versions))
        return made[-1]

    yield make
    for one in made:
        one.close()


def look(address: t.Tuple[str, int], ca_file: t.Optional[Path], **more: t.Any) -> _smoke.Result:
    check = _smoke.parse([{"name": "a", "type": "tls", "retries": 0, "timeout": 2, **more}])
    # What the target says about certificates is for other checks.
    target = _smoke.Target(
        "x", f"https://{NAME}", address, ca_file=None if ca_file is None else str(ca_file), validate_certs=False
    )
    return _smoke.run(check, [target], timeout=4).results[0]


Start = t.Callable[..., Server]


def test_a_good_one(authority: Authority, server: Start) -> None:
    result = look(server(authority.leaf("good")).address, authority.root)
    assert result.status == "passed", result.message
    assert result.message == (
        "TLSv1.3, its certificate is trusted, of the right name and good for 20 days; "
        "it refuses what is older than TLSv1.2"
    )
    assert result.evidence["subject"] == f"CN={NAME}, O=Example"
    assert result.evidence["issuer"] == "CN=Root, O=Test"
    assert result.evidence["version"] == "TLSv1.3"
    assert {"serial", "not_before", "not_after"} < set(result.evidence)
    assert set(result.phases) == {"resolve", "connect", "tls"}


def test_what_is_read_is_what_openssl_reads(authority: Authority) -> None:
    file = authority.leaf("good")
    found = der.read(ssl.PEM_cert_to_DER_cert(file.read_text(encoding="utf-8")))
    command = ["openssl", "x509", "-in", str(file), "-noout", "-serial", "-enddate", "-startdate"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told = dict(line.split("=", 1) for line in printed.splitlines())
    assert found.serial == told["serial"].lstrip("0")
    for moment, key in ((found.not_after, "notAfter"), (found.not_before, "notBefore")):
        assert f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S %Y} GMT" == told[key]


def test_a_name_of_many_kinds_of_text_and_a_year_beyond_2049(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "k")]
    subject = "/C=DE/O=Grün & Söhne/OU=\u4e2d/CN=x"
    out = str(tmp_path / "c.pem")
    openssl("req", "-x509", "-utf8", *key, "-days", "20000", "-subj", subject, "-out", out)
    found = der.read(ssl.PEM_cert_to_DER_cert(Path(out).read_text(encoding="utf-8")))
    assert found.subject == "CN=x, OU=\u4e2d, O=Grün & Söhne, C=DE"
    assert found.not_after.year > 2060
    assert 19999 < found.days_left(datetime.now(timezone.utc)) <= 20000


@pytest.mark.parametrize("cut", [0, 1, 3, 40, 200])
def test_what_is_no_certificate(authority: Authority, cut: int) -> None:
    whole = ssl.PEM_cert_to_DER_cert(authority.leaf("good").read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match=r"breaks off|no certificate"):
        der.read(whole[:cut])


def test_expired(authority: Authority, server: Start) -> None:
    result = look(server(authority.leaf("expired", days="-1")).address, authority.root)
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    assert result.status == "failed"
    assert result.message == f"its certificate expired 1.0 days ago ({yesterday:%Y-%m-%d})"
    assert result.evidence["subject"] == f"CN={NAME}, O=Example"


def test_another_name(authority: Authority, server: Start) -> None:
    result = look(server(authority.leaf("other", dns="other.example.com")).address, authority.root)
    assert (result.status, result.message) == (
        "failed",
        f"its certificate is for another name than {NAME} (CN=other.example.com, O=Example)",
    )


def test_signed_by_itself(certificate: Path, server: Start) -> None:
    result = look(server(certificate / "cert.pem", certificate / "key.pem").address, None)
    assert (result.status, "signed by itself" in result.message) == ("failed", True)
    # Its own authority is one, where somebody says so.
    result = look(
        server(certificate / "cert.pem", certificate / "key.pem").address, certificate / "cert.pem", days_left=1
    )
    assert result.status == "passed", result.message


def test_a_chain_that_is_not_whole(authority: Authority, server: Start) -> None:
    leaf = authority.leaf("deep", by="middle")
    result = look(server(leaf).address, authority.root)
    assert result.status == "failed"
    assert (
        result.message == "its chain is incomplete: it leads to no authority that is trusted here (issued by CN=Middle)"
    )
    whole = authority.folder / "whole.pem"
    whole.write_text(
        leaf.read_text(encoding="utf-8") + (authority.folder / "middle.pem").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    assert look(server(whole, leaf.with_suffix(".key")).address, authority.root).status == "passed"


def test_an_authority_that_is_sent_along_but_not_trusted(authority: Authority, server: Start) -> None:
    leaf = authority.leaf("good")
    both = authority.folder / "both.pem"
    both.write_text(leaf.read_text(encoding="utf-8") + authority.root.read_text(encoding="utf-8"), encoding="utf-8")
    result = look(server(both, leaf.with_suffix(".key")).address, None)
    assert (result.status, "an authority that is not trusted here" in result.message) == ("failed", True)


def test_it_expires_soon(authority: Authority, server: Start) -> None:
    address = server(authority.leaf("good")).address
    result = look(address, authority.root, days_left=21)
    assert result.status == "failed"
    assert result.message.startswith("its certificate expires in 20.0 days (")
    assert result.message.endswith(" UTC), sooner than 21")
    assert look(address, authority.root, days_left=19).status == "passed"


old = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


@old
def test_an_older_version_that_is_taken(authority: Authority, server: Start) -> None:
    address = server(authority.leaf("good"), minimum_version=ssl.TLSVersion.TLSv1_1).address
    result = look(address, authority.root)
    assert (result.status, result.message) == ("failed", "it still takes TLSv1.1, which is older than TLSv1.2")


@old
def test_nothing_newer_than_what_must_be(authority: Authority, server: Start) -> None:
    only = ssl.TLSVersion.TLSv1_2
    address = server(authority.leaf("good"), minimum_version=only, maximum_version=only).address
    result = look(address, authority.root, min_version="TLSv1.3")
    assert (result.status, result.message) == ("failed", "it speaks TLSv1.2, which is older than TLSv1.3")
    assert look(address, authority.root).status == "passed"
    # The default context refuses to talk like that at all.
    address = server(
        authority.leaf("good"), minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1
    ).address
    result = look(address, authority.root)
    assert (result.status, "does not speak TLS as we do" in result.message) == ("failed", True)


def test_only_the_newest(authority: Authority, server: Start) -> None:
    address = server(authority.leaf("good"), minimum_version=ssl.TLSVersion.TLSv1_3).address
    result = look(address, authority.root, min_version="TLSv1.3")
    assert result.status == "passed", result.message
    assert "it refuses what is older than TLSv1.3" in result.message
    address = server(authority.leaf("good")).address
    result = look(address, authority.root, min_version="TLSv1.3")
    assert (result.status, result.message) == ("failed", "it still takes TLSv1.2, which is older than TLSv1.3")


def hang_up(connection: socket.socket) -> None:
    """As a proxy does in front of a port where nobody listens."""
    connection.recv(65536)
    connection.shutdown(socket.SHUT_RDWR)


def slow(_connection: socket.socket) -> None:
    time.sleep(20)


@pytest.mark.parametrize(
    ("behave", "status", "says"),
    [
        (slow, "error", "did not answer within 2 s"),
        (hang_up, "error", "did not answer"),
        (lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "failed", "does not speak TLS as we do"),
        (lambda c: c.sendall(b"\x16\x03\x03\x00\x05hello"), "failed", "does not speak TLS as we do"),
    ],
)
def test_what_speaks_no_tls(
    hostile: t.Callable[..., t.Any], behave: t.Callable[[socket.socket], None], status: str, says: str
) -> None:
    started = time.monotonic()
    result = look(("127.0.0.1", hostile(behave).port), None, timeout=2)
    assert time.monotonic() - started < 9
    assert (result.status, says in result.message) == (status, True), result.message


def test_nobody_listens() -> None:
    result = look(("127.0.0.1", 9), None)
    assert (result.status, result.message) == ("error", "127.0.0.1:9 refuses connections")


def test_without_tls_there_is_nothing_to_look_at() -> None:
    check = _smoke.parse([{"name": "a", "type": "tls"}, {"name": "b", "type": "tcp", "retries": 0}])
    result = _smoke.run(check, [_smoke.Target("app1", "http://127.0.0.1:9")], timeout=2).results[0]
    assert (result.status, result.message) == ("skipped", "users reach app1 without TLS (http)")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"days_left": -1}, "days_left cannot be -1"),
        ({"min_version": "1.2"}, "min_version cannot be '1.2'"),
        ({"service": "backend", "port": 443}, "containers are asked without TLS"),
        ({"path": "/"}, "unknown key 'path'"),
    ],
)
def test_what_cannot_be_right_is_refused(more: t.Dict[str, t.Any], says: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{"name": "a", "type": "tls", **more}])
    assert says in str(caught.value)
