"""`python -m benchmarks [--shared DIR]`: every figure of the README, one benchmark after the other.

DIR holds clips/, cascades/ and bench/; without it the benchmarks that need them are left out, and say so.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ALONE = (
    "cartoon_baselines", "mining", "shots", "repeats", "studio_loop", "cascades_on_torch", "datasets", "labelling",
)  # fmt: skip
WITH_SHARED = ("cascade_training", "detection")
EITHER_WAY = ("near_duplicates",)
"""with more to measure where there is a DIR"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path)
    shared = parser.parse_args().shared
    failed = [name for name in ALONE if _run(name)]
    failed += [name for name in EITHER_WAY if _run(name, *(["--shared", str(shared)] if shared else []))]
    if shared is None:
        print(f"{' and '.join(WITH_SHARED)} are left out: they need --shared DIR")
    else:
        failed += [name for name in WITH_SHARED if _run(name, "--shared", str(shared))]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


def _run(name: str, *arguments: str) -> int:
    print(f"\n== {name}", flush=True)
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
