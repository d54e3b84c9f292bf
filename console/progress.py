"""Progress on the screen: in place on a terminal, plain lines in a file.

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
        self.in_place = sys.stderr.isatty() and not silent
        self.last = time.monotonic()

    def show(self, text: str) -> None:
        """Show a passing line: what goes on now."""
        if self.in_place:
            columns = shutil.get_terminal_size().columns
            print(f"\r\x1b[2K{text[: columns - 1]}", end="", file=sys.stderr, flush=True)
        elif not self.silent and time.monotonic() - self.last > PLAIN_SECONDS:
            print(text, file=sys.stderr, flush=True)
            self.last = time.monotonic()

    def clear(self) -> None:
        """Take the passing line away."""
        if self.in_place:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Print a lasting line on standard output."""
        if not self.silent:
            self.clear()
            print(text, flush=True)


def duration(seconds: float) -> str:
    """Write a time for a reader: 8 s, 3 min 20 s, 2 h 5 min."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {seconds} s"
    return f"{seconds} s"
