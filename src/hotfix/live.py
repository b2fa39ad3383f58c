# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on a terminal: the steps so far, each host in the current one, elapsed times, and what users notice."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TextIO

from hotfix.availability import Samples
from hotfix.events import Event
from hotfix.progress import WORKING, Progress, is_bad
from hotfix.record import Record

if TYPE_CHECKING:
    from rich.text import Text

#: Steps that stay on the screen, and hosts of the current one.
_STEPS = 8
_HOSTS = 8
_TURNS = "|/-\\"


class Live:
    """Draws itself anew four times a second, and is gone at the end: what stays is the report."""

    def __init__(self, title: str, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as Screen

        self._title = title
        self._progress = Progress()
        self._samples = Samples()
        self._folder = ""
        self._lock = threading.Lock()
        console = Console(file=stream, highlight=False, soft_wrap=False)
        self._width = console.width
        self._console = console
        self._screen = Screen(
            get_renderable=self.draw,
            console=console,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Live:
        self._screen.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._screen.stop()

    def take(self, event: Event, record: Record) -> None:
        """Note one event; it is shown at the next turn."""
        with self._lock:
            self._progress.take(event)
            self._folder = record.probe_folder

    def draw(self) -> Text:
        """Return the picture, no line wider than the terminal."""
        from rich.text import Text

        with self._lock:
            now = time.monotonic()
            width = max(30, self._console.width)
            rows = [(self._row(self._title, now - self._progress.began, width), "bold")]
            rows += [
                (
                    self._row(f"  {'! ' if one.bad else '+ '}{_with(one.name, one.bad)}", one.seconds, width),
                    _colour(bool(one.bad)),
                )
                for one in self._progress.finished[-_STEPS:]
            ]
            rows += self._current(now, width)
            users = self._samples.look(self._folder)
            if users:
                rows.append((f"  {users}"[:width], "red" if self._samples.failed else "green"))
            rows.append(("  Ctrl-C ends it, on the hosts too"[:width], "dim"))
        text = Text(no_wrap=True, overflow="crop")
        for number, (line, style) in enumerate(rows):
            text.append(("\n" if number else "") + line, style=style)
        return text

    def _current(self, now: float, width: int) -> list[tuple[str, str]]:
        step = self._progress.step
        if step is None:
            return []
        turn = _TURNS[int(now * 4) % len(_TURNS)]
        rows = [(self._row(f"  {turn} {step.name}", step.seconds(now), width), "cyan")]
        shown = list(step.hosts.items())
        # Those that are still at work are the news.
        shown.sort(key=lambda item: item[1][0] != WORKING)
        for host, (word, began, ended) in shown[:_HOSTS]:
            row = self._row(f"      {host}: {word}", (ended if ended is not None else now) - began, width)
            rows.append((row, "red" if is_bad(word) else ""))
        if len(shown) > _HOSTS:
            rows.append((f"      and {len(shown) - _HOSTS} more", "dim"))
        return rows

    @staticmethod
    def _row(text: str, seconds: float, width: int) -> str:
        took = f"{seconds:.1f} s"
        room = width - len(took) - 2
        shown = text if len(text) <= room else f"{text[: room - 1]}…"
        return f"{shown:<{room}} {took} "


def _with(name: str, bad: tuple[str, ...]) -> str:
    return f"{name} ({', '.join(bad)})" if bad else name


def _colour(bad: bool) -> str:
    return "red" if bad else "green"
