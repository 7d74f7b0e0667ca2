"""The files of a report: a folder of their own, replaced as a whole, so that none is ever that of other photographs."""

from __future__ import annotations

import os
from pathlib import Path

from carseg._files import iter_files, read_json, replaceable, replacing_folder, to_json
from carseg.errors import OptionError, OutputError
from carseg.workflows.car_report import CROPS, Report
from carseg.workflows.report_page import write_report_page

DOCUMENT, PAGE = "report.json", "report.html"


def report_folder(out: str | os.PathLike[str]) -> Path:
    """Return the real path of the folder that a report may be written to.

    Raises:
        OptionError: it holds something else than a report, which would be lost.
    """
    folder = replaceable(out)
    files = sorted(path.relative_to(folder).as_posix() for path in iter_files(folder, lambda error: None))
    others = [name for name in files if not (name in (DOCUMENT, PAGE) or _is_crop(name))]
    if others or (files and not _is_report(folder / DOCUMENT)):
        raise OptionError(
            f"{out} holds {(others or files)[0]}, which is not from a report and would be lost: choose another folder"
        )
    return folder


def write_report(report: Report, folder: Path) -> None:
    """Write ``report.json``, ``report.html`` and ``crops/`` in the place of the folder, all of them or nothing.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to.
    """
    try:
        with replacing_folder(folder) as new:
            (new / CROPS).mkdir()
            for name, path in report.crops.items():
                (new / path).write_bytes(report.best[name].jpeg)
            document = to_json(report.to_dict(), indent=1, ensure_ascii=False)
            (new / DOCUMENT).write_text(f"{document}\n", "utf-8", "backslashreplace")
            write_report_page(report, new / PAGE)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror}; free some space or choose another folder"
        ) from error


def _is_crop(name: str) -> bool:
    return name.startswith(f"{CROPS}/") and name.endswith(".jpg")


def _is_report(path: Path) -> bool:
    try:
        return {"schema", "photos", "parts", "missing_parts"} <= {*read_json(path)}
    except (ValueError, TypeError):
        return False
