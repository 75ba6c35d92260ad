"""Dataset version in, model out; the only importer of torch."""

import os

# Read by the OpenMP runtime when torch is loaded. Threads that wait for one another by spinning (its default) burn the
# cores that others need: where two trainings share two cores, sleeping makes each several times as fast.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
