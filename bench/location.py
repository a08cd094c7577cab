"""The Dagster code location: time and memory until all definitions are there, in a fresh process.

python bench/location.py [--rounds 3] [--json]
"""

import argparse
import json
import subprocess
import sys

# In a process of its own, since modules are loaded once; its peak is read where it is its own (VmHWM).
_LOAD = """
import json, pathlib, time
start = time.perf_counter()
from observer_pipeline.definitions import defs
defs.resolve_asset_graph()
seconds = time.perf_counter() - start
status = pathlib.Path("/proc/self/status").read_text()
print(json.dumps([seconds, int(status.partition("VmHWM:")[2].split()[0]) / 1024]))
"""


def load():
    """Returns seconds and MB of one load."""
    done = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    loads = [load() for _ in range(options.rounds)]
    figures = {
        "location.load_seconds": round(min(seconds for seconds, _ in loads), 2),
        "location.rss_mb": round(max(peak for _, peak in loads)),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:42} {figure:>12,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
