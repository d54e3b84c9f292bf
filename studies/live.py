"""The report while runs go on: written by a thread, so that no training waits for it.

with LiveReport(write, seconds=120) as live:
    live.update(trainings_to_do, failed)     # returns at once
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class LiveReport:
    """Writes the report now and then; one at a time, no more often than every `seconds`.

    What goes wrong then does not stop the trainings: the report at the end meets it again.
    """

    def __init__(self, write: Callable[..., object], seconds: float) -> None:
        self.write, self.seconds = write, seconds
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.under_way: Future | None = None
        self.begun = -seconds

    def __enter__(self) -> "LiveReport":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until nothing is being written."""
        self.thread.shutdown()

    def update(self, *arguments: object) -> None:
        """Have the report written with these arguments, if it is time for it."""
        if self.under_way and not self.under_way.done():
            return
        now = time.monotonic()
        if now - self.begun >= self.seconds:
            self.begun = now
            self.under_way = self.thread.submit(self.write, *arguments)
