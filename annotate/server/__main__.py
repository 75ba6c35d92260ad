"""`python -m annotate.server`: makes the server's environment now, so that the first start does not wait for it."""

from annotate.server.environment import ensure_environment
from pipeline.core.progress import Plain

ensure_environment(Plain())
