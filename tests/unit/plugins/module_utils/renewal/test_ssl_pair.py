# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate and key are replaced as one, wherever that is broken off."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl import pair as pairs
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.challenge import Webroot
from ansible_collections.pangeafate.hotfix.plugins.module_utils._ssl.holders import holders


class KilledError(BaseException):
    """The process is no more."""


@pytest.fixture
def place(tmp_path: Path, authority: t.Any) -> pairs.Place:
    (tmp_path / "certs").mkdir()
    cert, key = authority.issue(1)
    (tmp_path / "certs/fullchain.pem").write_text(cert)
    (tmp_path / "certs/privkey.pem").write_text(key)
    (tmp_path / "certs/privkey.pem").chmod(0o600)
    return pairs.Place(tmp_path, "certs/fullchain.pem", "certs/privkey.pem")


def install(place: pairs.Place, serial: str, cert: str, key: str) -> None:
    place.keep(serial, cert, key)
    place.adopt()
    place.turn(serial)


def test_the_old_pair_is_kept_and_can_be_put_back(place: pairs.Place, authority: t.Any) -> None:
    install(place, "02", *authority.issue(2))
    assert place.read().leaf.serial == "02"
    assert (place.certificate.is_symlink(), place.key.is_symlink()) == (True, True)
    assert os.stat(str(place.key)).st_mode & 0o777 == 0o600
    place.turn("01")
    assert place.read().leaf.serial == "01"
    install(place, "03", *authority.issue(3))
    assert place.read().leaf.serial == "03"


def test_killed_anywhere_certificate_and_key_belong_together(
    place: pairs.Place, authority: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = authority.issue(2)
    calls = 0
    limit = 0

    def counted(work: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def run(*arguments: t.Any, **more: t.Any) -> t.Any:
            nonlocal calls
            calls += 1
            if calls > limit:
                raise KilledError
            return work(*arguments, **more)

        return run

    for name in ("replace", "symlink"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    ends = []
    while True:
        calls = 0
        try:
            install(place, "02", cert, key)
        except KilledError:
            ends.append(place.read().leaf.serial)
            limit += 1
            continue
        break
    assert len(ends) > 5
    assert set(ends) == {"01"}
    assert place.read().leaf.serial == "02"


def test_what_somebody_wrote_over_our_links_is_taken_for_what_it_is(place: pairs.Place, authority: t.Any) -> None:
    install(place, "02", *authority.issue(2))
    cert, key = authority.issue(7)
    for path, text in ((place.certificate, cert), (place.key, key)):
        path.unlink()
        path.write_text(text)
    place.require()
    assert place.read().leaf.serial == "07"
    install(place, "03", *authority.issue(3))
    place.turn("07")
    assert place.read().leaf.serial == "07"


def test_what_cannot_be_loaded_is_said(place: pairs.Place, authority: t.Any) -> None:
    other = authority.issue(5)[1]
    for text, words in (("", "privkey.pem is empty"), (other, "is not the key of"), ("rubbish", "cannot be loaded")):
        place.key.write_text(text)
        with pytest.raises(pairs.BrokenError, match=words):
            place.read()
    place.key.unlink()
    with pytest.raises(pairs.BrokenError, match=r"there is no privkey\.pem"):
        place.read()


def test_a_staged_key_waits_for_its_certificate(place: pairs.Place, authority: t.Any) -> None:
    cert, key = authority.issue(2)
    place.stage(key)
    place.remember(pending={"order": "u"})
    assert place.state() == {"pending": {"order": "u"}}
    assert os.stat(str(place.kept / "pending/privkey.pem")).st_mode & 0o777 == 0o600
    place.keep("02", cert, None)
    assert place.fits("02").leaf.serial == "02"
    place.drop_pending()
    place.remember(pending=None)
    assert (place.state(), (place.kept / "pending").exists()) == ({}, False)


def test_old_pairs_do_not_pile_up(place: pairs.Place, authority: t.Any) -> None:
    for serial in range(2, 8):
        install(place, f"0{serial}", *authority.issue(serial))
        os.utime(str(place.kept / f"0{serial}"), (serial, serial))
        place.prune({f"0{serial - 1}"})
    left = sorted(entry.name for entry in place.kept.iterdir() if entry.is_dir() and not entry.is_symlink())
    assert {"06", "07"} < set(left)
    assert len(left) <= 4


class TestRefusals:
    def test_two_folders(self, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match="not two files of one folder"):
            pairs.Place(tmp_path, "certs/a.pem", "keys/b.pem")
        with pytest.raises(BadInputError, match="is not set"):
            pairs.Place(tmp_path, "", "keys/b.pem")

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match="There is no folder"):
            pairs.Place(tmp_path, "certs/a.pem", "certs/b.pem").require()

    def test_what_certbot_looks_after(self, place: pairs.Place, tmp_path: Path) -> None:
        place.certificate.rename(tmp_path / "fullchain1.pem")
        place.certificate.symlink_to("../fullchain1.pem")
        with pytest.raises(BadInputError, match="somebody else looks after this certificate"):
            place.require()


class TestHandshake:
    def test_a_pair_that_clients_trust(self, place: pairs.Place, authority: t.Any) -> None:
        pairs.shake_hands(place.certificate, place.key, "app.example.com", authority.ca)

    @pytest.mark.parametrize("name", ["other.example.com", "app.example.com"])
    def test_one_that_they_would_not(self, name: str, place: pairs.Place, authority: t.Any) -> None:
        strangers = authority.ca if name.startswith("other") else authority.issue(9)[0]
        with pytest.raises(HotfixError, match="Clients would not trust the new certificate"):
            pairs.shake_hands(place.certificate, place.key, name, strangers)


class TestWebroot:
    def test_tokens_are_served_and_taken_away(self, tmp_path: Path) -> None:
        webroot = Webroot(tmp_path, ".")
        webroot.require()
        webroot.put({"token-of-ours": "text"})
        file = tmp_path / ".well-known/acme-challenge/token-of-ours"
        assert (file.read_text(), file.stat().st_mode & 0o777) == ("text", 0o644)
        assert file.parent.stat().st_mode & 0o777 == 0o755
        webroot.remove(["token-of-ours", "../../etc/passwd", "away-by-now"])
        assert not file.exists()

    @pytest.mark.parametrize("token", ["../../escape-now", "a/b/c/d/e/f", "", "short"])
    def test_a_token_is_no_path(self, token: str, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match="is none"):
            Webroot(tmp_path, ".").put({token: "text"})
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match="There is no folder"):
            Webroot(tmp_path, "away").require()
        with pytest.raises(BadInputError, match="is not set"):
            Webroot(tmp_path, "")


class TestHolders:
    def process(self, proc: Path, number: int, *words: str, state: str = "S") -> None:
        folder = proc / str(number)
        folder.mkdir(parents=True)
        (folder / "cmdline").write_bytes("\0".join([*words, ""]).encode())
        (folder / "comm").write_text(os.path.basename(words[0]) + "\n")
        (folder / "stat").write_text(f"{number} ({words[0]}) {state} 1 1")

    def test_programs_that_renew_are_named_and_others_are_not(self, tmp_path: Path) -> None:
        self.process(tmp_path, 11, "/usr/bin/python3", "/usr/bin/certbot", "renew")
        self.process(tmp_path, 12, "/usr/bin/lego", "run")
        self.process(tmp_path, 13, "/bin/sh", "-c", "while :; do certbot renew; sleep 12h; done")
        self.process(tmp_path, 14, "vim", "certbot")
        self.process(tmp_path, 15, "certbot", state="Z")
        found = holders(str(tmp_path), [])
        assert found == ["certbot runs (process 11)", "lego runs (process 12)"]

    def test_who_holds_a_lock_file_is_named(self, tmp_path: Path) -> None:
        proc, folder = tmp_path / "proc", tmp_path / "letsencrypt"
        folder.mkdir()
        lock = folder / ".certbot.lock"
        lock.touch()
        about = lock.stat()
        self.process(proc, 21, "certbot", "renew")
        line = f"1: POSIX  ADVISORY  WRITE {{}} {os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{{}} 0 EOF\n"
        (proc / "locks").write_text(line.format(21, about.st_ino) + line.format(22, about.st_ino + 1))
        assert holders(str(proc), [str(folder)]) == [f"certbot (process 21) holds {lock}"]
        assert lock.exists()

    def test_a_lock_file_that_nobody_holds_holds_up_nobody(self, tmp_path: Path) -> None:
        (tmp_path / "locks").write_text("")
        (tmp_path / ".certbot.lock").touch()
        assert holders(str(tmp_path), [str(tmp_path)]) == []
