"""The pace of a room's frames: how long messages are gathered for the next one."""

SHORTEST = 0.016  # seconds from one frame to the next; screens show sixty a second
LONGEST = 0.1
MOST_OF_A_PROCESS = 0.25  # the share of its time that a process spends on the frames of a room
BUSY = 0.5  # a process that is busy for a larger share of its time gathers longer
# A page needs as long to show ten messages as one, and people do not read faster. So a room may be far ahead of this
# rate, but keeps it in the long run.
FRAMES_A_SECOND = 10
MOST_AHEAD = 150  # frames


class Pace:
    """When a room's next frame is due: at once after a pause, and else as soon as the process can afford it.

    Times are in seconds, of a clock that is never set back.
    """

    def __init__(self) -> None:
        self._due_at = 0.0
        self._due_in_the_long_run = 0.0
        self._ended_at = self._spent = 0.0

    def wait(self, now: float) -> float:
        """Return how long to wait for the next frame; not at all if it is 0 or less."""
        return max(self._due_at, self._due_in_the_long_run - MOST_AHEAD / FRAMES_A_SECOND) - now

    def sent(self, began: float, ended: float, spent: float) -> None:
        """Note that a frame was sent from one moment to another, and the CPU time of the process until then."""
        free = 1 - (spent - self._spent) / max(ended - self._ended_at, SHORTEST)
        self._ended_at, self._spent = ended, spent
        pause = max(SHORTEST, (ended - began) / MOST_OF_A_PROCESS)
        if free < 1 - BUSY:
            pause *= (1 - BUSY) / max(free, 0.01)
        # The process's other work has its turn after a frame that took long itself.
        self._due_at = max(began + min(pause, LONGEST), ended + min(ended - began, LONGEST))
        # The generic cell rate algorithm (ITU-T I.371).
        self._due_in_the_long_run = max(self._due_in_the_long_run, ended) + 1 / FRAMES_A_SECOND
