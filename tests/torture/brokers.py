"""Every broker: its contract, then torture: `python -m tests.torture.brokers [broker …] --seconds 30`."""

import argparse
import os
import subprocess
import sys

from tests.support.brokers import BROKERS, missing

# A chat may use its own database as the broker, or another.
TORTURES = {"postgres": ("postgres", "database")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("brokers", nargs="*", default=BROKERS, metavar="broker", help=", ".join(BROKERS))
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds of torture to run")
    parser.add_argument("--seconds", type=float, default=30, help="how long each seed lasts")
    arguments = parser.parse_args()
    failed = []
    for broker in arguments.brokers:
        print(f"\n{broker}", flush=True)
        if reason := missing(broker):
            print(f"not tested: {reason}", flush=True)
            continue
        contract = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
        contract += ["tests/live/test_broker.py", "-k", broker]
        torture = [sys.executable, "-m", "tests.torture.run", "--seeds", str(arguments.seeds)]
        torture += ["--seconds", str(arguments.seconds), "--broker"]
        for command in (contract, *([*torture, kind] for kind in TORTURES.get(broker, (broker,)))):
            if subprocess.run(command, check=False, env=os.environ | {"ALL_BROKERS": "yes"}).returncode:
                failed.append(broker)
    sys.exit(f"failed: {', '.join(dict.fromkeys(failed))}" if failed else 0)


if __name__ == "__main__":
    main()
