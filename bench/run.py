"""Runs the benchmarks, prints one table, and writes `var/bench/results.json`.

    python bench/run.py [NAME…]

A name is a file of this folder without its ending; all of them where none is given. Figures of benchmarks
that are not run stay in the file as they were.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path

from observer_core.clock import open_clock
from observer_core.files import write_atomically

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER.parent / "var/bench/results.json"


def figures_of(name):
    """Runs a benchmark and returns its figures."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), "--json"], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"bench/{name}.py failed with status {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    known = sorted(path.stem for path in FOLDER.glob("*.py") if path.name != Path(__file__).name)
    names = sys.argv[1:] or known
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise SystemExit(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(known)}.")
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in names:
        found = figures_of(name)
        for figure, value in found.items():
            # A figure that does not name its subject gets the benchmark's name, so that none is overwritten.
            key = figure if "." in figure else f"{name}.{figure}"
            kept[key] = value
            print(f"{key:46} {value:>14,}")
    machine = (
        f"{platform.machine()}, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
    content = {
        **dict(sorted(kept.items())),
        "written": open_clock("real").now().isoformat(),
        "machine": machine,
    }
    write_atomically(RESULTS, (json.dumps(content, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
