"""The pages of `compare` and `shift`: between the verbs of train/, which know no pages, and the report."""

from pathlib import Path


def write_study_page(folder: Path) -> Path:
    """Writes the page of the study in that folder and returns its path. Raises InputError, DiskFullError."""
    from pipeline.report.studies import build_study_page

    return build_study_page(folder)
