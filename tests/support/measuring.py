"""Which lines and branches of the chat run, in every process of the tests: `python -m tests.support.measuring FOLDER`.

SlipCover puts probes into what is imported, which costs little. A tracer doubles the CPU time of all that runs.
"""

import atexit
import marshal
import os
import secrets
import sys
from pathlib import Path

from slipcover import FileMatcher, ImportManager, Slipcover, print_coverage

ROOT = Path(__file__).resolve().parents[2]
# The environment's name for the folder that processes leave their findings in.
FOLDER = "SIMPLECHAT_MEASURED"
# They run without any environment, within limits of CPU time and memory.
OMITTED = [str(ROOT / "chat" / name) for name in ("messages/worker.py", "files/picture_worker.py", "files/metadata.py")]
LEAST_PERCENT = 95
NEVER = 2**30

_measuring: list[tuple[Slipcover, Path]] = []


def start() -> None:
    """Measure what of the chat this process, and processes forked from it, import and run from now on."""
    # Probes stay: taking those away that were hit exchanges the code of running functions.
    probes = Slipcover(branch=True, d_miss_threshold=NEVER, omit=OMITTED)
    ImportManager(probes, FileMatcher(sources=[ROOT / "chat"], omit=OMITTED)).__enter__()
    _measuring.append((probes, Path(os.environ[FOLDER]).resolve()))
    atexit.register(save)


def is_measured() -> bool:
    """Return whether this process is measured."""
    return bool(_measuring)


def save() -> None:
    """Leave what has run in this process, which may be about to be killed."""
    for probes, folder in _measuring:
        seen = {file: set(found) for file, found in list(probes.newly_seen.items())}
        (folder / secrets.token_hex(8)).write_bytes(marshal.dumps(seen))


def report(folder: Path) -> bool:
    """Print what has not run; returns whether enough has."""
    everything = Slipcover(branch=True, source=[str(ROOT / "chat")], omit=OMITTED)
    for file in folder.iterdir():
        for module, found in marshal.loads(file.read_bytes()).items():
            everything.all_seen[module] |= found
    coverage = everything.get_coverage()
    print_coverage(coverage, skip_covered=True, missing_width=80)
    percent = coverage["summary"]["percent_covered"]
    print(f"{percent:.2f} % of the lines and branches of the chat ran, {LEAST_PERCENT} % have to.")
    return bool(percent >= LEAST_PERCENT)


if __name__ == "__main__":
    sys.exit(not report(Path(sys.argv[1])))
