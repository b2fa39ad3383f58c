# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the process that tells people does: all channels at once, each with its attempts, and a receipt for each."""

from __future__ import annotations

import os
import queue as handover
import signal
import threading
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import queue
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels import (
    Channel,
    Message,
    UndeliveredError,
    parse,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.notifier import complain
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.order import Order
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.receipt import (
    key,
    receipt,
    run_of,
    told_already,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.redact import Redactor
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder

ATTEMPTS = 4
#: Seconds before the second attempt, the third and the fourth.
PAUSES = (1.0, 3.0, 9.0)
#: Seconds that all attempts of a channel may take together.
BOUND = 120.0
#: The longest that a server may ask to be left alone.
LONGEST_PAUSE = 60.0
# Whoever is told before us is bound as well; with the report that is written in the end, no more can be of use.
_LIFE = 600


class Outcome(t.NamedTuple):
    """What came of a channel's attempts."""

    status: int | None
    attempts: int
    error: str | None


def deliver(channel: Channel, message: Message, bound: float = BOUND) -> Outcome:
    """Make attempts until one succeeds, no other one can, or the time is over."""
    until = time.monotonic() + bound
    number = 0
    while True:
        number += 1
        try:
            status = _within(min(channel.timeout, until - time.monotonic()), lambda: channel.send(message))
            return Outcome(status, number, None)
        except UndeliveredError as exc:
            left = until - time.monotonic()
            pause = max(PAUSES[min(number, len(PAUSES)) - 1], min(exc.after, LONGEST_PAUSE))
            if not exc.again or number >= ATTEMPTS:
                return Outcome(exc.status, number, exc.what)
            if pause >= left:
                return Outcome(exc.status, number, f"{exc.what}; given up after {bound:g} s")
        time.sleep(pause)


def _within(seconds: float, work: t.Callable[[], int | None]) -> int | None:
    """Return what *work* does within so many seconds. A name server or a server that drips knows no other end."""
    box: handover.SimpleQueue[tuple[int | None, BaseException | None]] = handover.SimpleQueue()

    def body() -> None:
        try:
            box.put((work(), None))
        except BaseException as exc:
            box.put((None, exc))

    threading.Thread(target=body, daemon=True).start()
    try:
        # What has a time limit of its own says more than we could.
        status, error = box.get(timeout=max(0.0, seconds) + 0.5)
    except handover.Empty:
        raise UndeliveredError(f"no answer within {seconds:.0f} s", again=True) from None
    if isinstance(error, UndeliveredError):
        raise error
    if error is not None:
        # A mistake of ours. What it says may hold anything, its name does not.
        raise UndeliveredError(f"it could not be sent ({type(error).__name__})")
    return status


class Notifier:
    """One order, carried out."""

    def __init__(self, order: Order) -> None:
        self._folder = order["folder"]
        self._about = order["about"]
        self._tickets = order["tickets"]
        self._channels = parse(order["channels"])
        self._run = run_of(order["facts"])
        # They were redacted before; a secret of one channel is none of the others' business, whoever typed it.
        facts = Redactor([one for channel in self._channels for one in channel.secrets]).deep(order["facts"])
        self._redactor = Redactor([one for channel in self._channels for one in channel.sent])
        self._message = Message(self._folder, self._about, facts)

    def run(self) -> None:
        """Tell everybody at once, and render the report anew when all is written."""
        threads = [threading.Thread(target=self._tell, args=(channel,), daemon=True) for channel in self._channels]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._render()

    def _tell(self, channel: Channel) -> None:
        ticket = self._tickets.get(channel.name)
        try:
            if ticket:
                queue.wait(self._folder, ticket, BOUND)
            if not self._told(channel):
                at = E.now()
                outcome = deliver(channel, self._message)
                self._write(channel, at, outcome)
        except Exception as exc:  # a channel's own trouble is not that of the others
            self._complain(f"{channel.name}: {type(exc).__name__}")
        finally:
            if ticket:
                queue.leave(self._folder, ticket)

    def _told(self, channel: Channel) -> bool:
        try:
            return told_already(self._folder, key(self._message, channel))
        except Exception as exc:
            self._complain(f"the record could not be read ({type(exc).__name__})")
            return False

    def _write(self, channel: Channel, at: str, outcome: Outcome) -> None:
        event = receipt(
            self._message,
            channel,
            run=self._run,
            at=at,
            status=outcome.status,
            attempts=outcome.attempts,
            error=self._redactor.text(outcome.error) if outcome.error else None,
        )
        try:
            Folder(self._folder).append(event)
        except Exception as exc:
            self._complain(f"the receipt could not be written ({type(exc).__name__}): {E.canonical(event).decode()}")

    def _render(self) -> None:
        if not os.path.isdir(self._folder):
            return
        try:
            from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.render import render
        except ImportError:
            return
        try:
            # Nobody waits for it, and the rescue may need the processor.
            os.nice(10)
            render(Folder(self._folder))
        except Exception as exc:
            self._complain(f"the report could not be rendered ({type(exc).__name__})")

    def _complain(self, what: str) -> None:
        complain(self._folder, f"{E.now()} {self._message.key}: {what}")


def main(order: Order) -> int:
    """Carry out *order*."""
    # Whatever hangs in spite of all bounds ends here.
    signal.alarm(_LIFE)
    # Only here, where nobody else can read them.
    os.environ.update(order["environment"])
    Notifier(order).run()
    return 0
