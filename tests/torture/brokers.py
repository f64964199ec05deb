"""Every broker: its contract, then a seed of torture: `python -m tests.torture.brokers [broker …]`."""

import argparse
import os
import subprocess
import sys

from tests.support.brokers import BROKERS, missing

SECONDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("brokers", nargs="*", default=BROKERS, metavar="broker", help=", ".join(BROKERS))
    arguments = parser.parse_args()
    failed = []
    for broker in arguments.brokers:
        print(f"\n{broker}", flush=True)
        if reason := missing(broker):
            print(f"not tested: {reason}", flush=True)
            continue
        contract = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
        contract += ["tests/live/test_broker.py", "-k", broker]
        torture = [sys.executable, "-m", "tests.torture.run", "--seeds", "1", "--seconds", str(SECONDS)]
        for command in (contract, [*torture, "--broker", broker]):
            if subprocess.run(command, check=False, env=os.environ | {"ALL_BROKERS": "yes"}).returncode:
                failed.append(broker)
    sys.exit(f"failed: {', '.join(dict.fromkeys(failed))}" if failed else 0)


if __name__ == "__main__":
    main()
