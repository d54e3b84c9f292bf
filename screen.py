"""Progress on the screen: in place on a terminal, plain lines in a file.

from screen import Progress, duration
progress = Progress()
progress.show("image 10 of 100")     # replaced by the next one on a terminal
progress.say("epoch 1: done")        # stays
"""

import shutil
import sys
import time

PLAIN_SECONDS = 10.0  # how often a passing line is written where it cannot be replaced


class Progress:
    """One line of standard error that is rewritten in place, with lasting lines above it.

    `silent` is for one of several processes that do the same: only one is to speak.
    """

    def __init__(self, silent: bool = False) -> None:
        self.silent = silent
        self.in_place = sys.stderr.isatty()
        self.shown = False
        self.last = time.monotonic()

    def show(self, text: str) -> None:
        """Show a passing line: what goes on now."""
        if self.silent:
            return
        if self.in_place:
            columns = shutil.get_terminal_size().columns
            sys.stderr.write(f"\r\x1b[2K{text[: columns - 1]}")
            self.shown = True
        elif time.monotonic() - self.last > PLAIN_SECONDS:
            sys.stderr.write(f"{text}\n")
            self.last = time.monotonic()
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the passing line away."""
        if self.shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self.shown = False

    def say(self, text: str) -> None:
        """Print a lasting line on standard output."""
        if self.silent:
            return
        self.clear()
        print(text, flush=True)


def duration(seconds: float) -> str:
    """Write a time for a reader: 8 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
