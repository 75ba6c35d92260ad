"""`python -m benchmarks`: every figure of the README, one after the other."""

from benchmarks import cartoon_baselines, mining

if __name__ == "__main__":
    cartoon_baselines.main()
    mining.main()
