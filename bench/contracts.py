"""Static verification of the full deployment: inside of a process, and with the start of the process.

`contracts.verify_seconds` is the median of reading, rendering and judging deploy/overlays/production in a
process that has done it once; `contracts.process_seconds` that of whole `observer contracts verify` commands.

    python bench/contracts.py [--rounds 7] [--json]
"""

import argparse
import io
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from observer_contracts.declaration.build import declare
from observer_contracts.engine import Verification, verify
from observer_contracts.evidence.manifests import read_manifests
from observer_contracts.model import Status

ROOT = Path(__file__).resolve().parents[1]
OVERLAY = ROOT / "deploy/overlays/production"


def seconds(rounds, work):
    """Returns the median duration of a piece of work."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def verify_once():
    """Verifies the production overlay from its files, and returns the results."""
    return verify(Verification(declare(), read_manifests([str(OVERLAY)], io.BytesIO())))


def run_command():
    """Runs the command as an operator does."""
    command = [sys.executable, "-m", "observer", "contracts", "verify", "--manifests", str(OVERLAY)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    results = verify_once()
    figures = {
        "contracts.results": len(results),
        "contracts.verify_seconds": round(seconds(options.rounds, verify_once), 3),
        "contracts.process_seconds": round(seconds(options.rounds, run_command), 3),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:42} {figure:>12,}")
    return 1 if any(result.status is Status.FAIL for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
