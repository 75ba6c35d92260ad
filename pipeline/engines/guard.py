"""Doing one item so that whatever goes wrong comes back as a value that can be sent between processes."""

import logging
import pickle
from typing import Any

from pipeline.core.errors import WorkspaceError
from pipeline.engine import Send, Work

log = logging.getLogger(__name__)


def guarded(work: Work, item: Any, send: Send) -> Any:
    """The result of `work(item, send)`, or the exception it raised.

    Raises:
        WorkspaceError: as raised; no later item could succeed.
    """
    try:
        return work(item, send)
    except WorkspaceError:
        raise
    except Exception as error:  # one bad item never stops the others; the caller reports it by name
        log.debug("failed: %s", item, exc_info=True)
        return error


def portable(error: Exception) -> Exception:
    """The same exception, or one with its words where it cannot be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  what this process has just made
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def died(how: str) -> RuntimeError:
    """What becomes of an item whose workers died every time."""
    return RuntimeError(f"its worker process died each time it was tried ({how}); out of memory, or killed")
