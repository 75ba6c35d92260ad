"""Every error that toonsift raises on purpose.

    ToonsiftError
    |- UsageError             the command was called wrongly (exit code 2)
    |- InputError             something from outside cannot be used as it is
    |  |- VideoError            ... a video file
    |  |- ImageError            ... a still image
    |  |- CascadeError          ... a cascade XML
    |  |- TruthError            ... boxes or samples to fit or score a cascade with
    |  |- LabelError            ... a file of labels
    |  |- DatasetError          ... a dataset version
    |  `- CheckpointError       ... a training run or its weights
    |- DecodingStoppedError   ffmpeg was killed: the file may be sound
    |- NotFoundError          nothing of that name is in the workspace
    |- WorkspaceError         the workspace cannot be used: the run stops
    |  |- WorkspaceBusyError    another process writes to it
    |  |- WorkspaceVersionError a newer toonsift made it
    |  `- DiskFullError         no room left
    |- StudioError            Label Studio cannot be used as it is
    |  |- StudioRefusedError     ... it understood, and said no
    |  |  |- StudioTokenError      ... to our token
    |  |  `- StudioGoneError       ... because that project or task is not there (any more)
    |  `- StudioDoubtError       ... nobody knows whether it did what was asked
    `- MissingToolError       a program or package that this needs is absent

A message says what failed, what was found, and what to do about it. The command shows it as one line.
"""


class ToonsiftError(Exception):
    """Root of the tree; catch it to catch everything that toonsift raises on purpose."""


class UsageError(ToonsiftError):
    """The command was called in a way that makes no sense."""


class InputError(ToonsiftError):
    """Something from outside (a file, a value) cannot be used as it is."""


class VideoError(InputError):
    """A video file cannot be decoded."""


class ImageError(InputError):
    """A still image cannot be read."""


class CascadeError(InputError):
    """A cascade XML is not one, or cannot be evaluated."""


class TruthError(InputError):
    """Boxes or samples given to fit or score a cascade are unusable."""


class LabelError(InputError):
    """A file of labels is unusable as a whole (single bad rows are rejected, not raised)."""


class DatasetError(InputError):
    """A dataset version is incomplete, changed, or would leak."""


class CheckpointError(InputError):
    """A training run or its weights cannot be read."""


class DecodingStoppedError(ToonsiftError):
    """The program that decodes was killed from outside; nothing is known against the file."""


class NotFoundError(ToonsiftError):
    """Nothing of that name or id is in the workspace."""


class WorkspaceError(ToonsiftError):
    """The workspace cannot be used; no later item can succeed either."""


class WorkspaceBusyError(WorkspaceError):
    """Another process is writing to this workspace."""


class WorkspaceVersionError(WorkspaceError):
    """The workspace was made by a newer toonsift."""


class DiskFullError(WorkspaceError):
    """The disk that holds the workspace has no room left."""


class StudioError(ToonsiftError):
    """A Label Studio server cannot be used as it is."""


class StudioRefusedError(StudioError):
    """The server understood and refused; asking again changes nothing."""


class StudioTokenError(StudioRefusedError):
    """The server refused the token."""


class StudioGoneError(StudioRefusedError):
    """What was asked for is not on the server, or not any more."""


class StudioDoubtError(StudioError):
    """No usable answer came: the server may have done what was asked, or not. Look before asking again."""


class MissingToolError(ToonsiftError):
    """A program or package that this step needs is not installed."""
