"""`python -m benchmarks [--shared DIR] [--only NAME...]`: every figure of the README, one benchmark after the other.

DIR holds clips/, cascades/ and bench/; without it the benchmarks that need them are left out, and say so.
`--only mining shots repeats engines` prints all that mining promises.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ALONE = (
    "cartoon_baselines", "repeats", "engines", "studio_loop", "active_learning", "timeline_truth", "cascades_on_torch",
    "datasets", "labelling",
)  # fmt: skip
WITH_SHARED = ("cascade_training", "detection")
EITHER_WAY = ("mining", "shots", "near_duplicates")
"""with more to measure where there is a DIR"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=sorted(ALONE + WITH_SHARED + EITHER_WAY), metavar="NAME")
    given = parser.parse_args()
    wanted = given.only or (*ALONE, *EITHER_WAY, *WITH_SHARED)
    shared = ["--shared", str(given.shared)] if given.shared else []
    left_out = [name for name in wanted if name in WITH_SHARED and not shared]
    failed = [
        name
        for name in wanted
        if name not in left_out and _run(name, *(shared if name in WITH_SHARED + EITHER_WAY else ()))
    ]
    if left_out:
        print(f"{' and '.join(left_out)} left out: they need --shared DIR")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


def _run(name: str, *arguments: str) -> int:
    print(f"\n== {name}", flush=True)
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
