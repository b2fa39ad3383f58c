# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All looks are taken at once, each ends, and one that goes wrong takes none of the others with it."""

from __future__ import annotations

import threading
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import (
    FAILED,
    PASSED,
    WARNING,
    Found,
    Look,
    look_at,
)


def one(work: t.Callable[[], Found]) -> Look:
    return Look("a look", "hosts", "It hurts.", work)


def fails() -> Found:
    raise HotfixError("The password s3cret-word is wrong.", next_step="give another one than s3cret-word.")


def test_all_are_taken_at_once() -> None:
    # None gets past the barrier before all are there.
    barrier = threading.Barrier(8, timeout=5)

    def work() -> Found:
        barrier.wait()
        return Found(PASSED, "it was there")

    found = look_at([one(work)] * 8, 10)
    assert [each["status"] for each in found] == [PASSED] * 8


def test_one_that_hangs_is_told_and_the_others_are_not_held_up() -> None:
    end = threading.Event()
    began = time.monotonic()

    def hangs() -> Found:
        end.wait(30)
        return Found(PASSED, "late")

    found = look_at([one(lambda: Found(PASSED, "quick")), one(hangs)], 0.3)
    end.set()
    assert time.monotonic() - began < 5
    assert [each["status"] for each in found] == [PASSED, FAILED]
    assert found[1]["says"] == "It did not end within 0.3 s."


def test_what_goes_wrong_is_an_item_with_what_it_means_and_how_it_is_mended() -> None:
    def broken() -> Found:
        raise KeyError("nobody thought of it")

    def closed() -> Found:
        raise PermissionError(13, "Permission denied", "/srv/notes/journal.jsonl")

    found = look_at([one(fails), one(broken), one(closed)], 5)
    assert [each["status"] for each in found] == [FAILED] * 3
    assert found[0]["mend"] == "give another one than s3cret-word."
    assert found[0]["breaks"] == "It hurts."
    assert found[1]["says"] == "It could not be looked at (KeyError)."
    assert found[2]["says"] == "It cannot be looked at: /srv/notes/journal.jsonl Permission denied."


def test_secrets_are_taken_out_of_all_that_is_said() -> None:
    (found,) = look_at([one(fails)], 5, lambda text: text.replace("s3cret-word", "********"))
    assert "s3cret" not in str(found)


def test_what_passed_says_nothing_of_an_emergency() -> None:
    passed, warned = look_at([one(lambda: Found(PASSED, "x", "y")), one(lambda: Found(WARNING, "x", "y"))], 5)
    assert (passed["breaks"], passed["mend"]) == ("", "")
    assert (warned["breaks"], warned["mend"]) == ("It hurts.", "y")
