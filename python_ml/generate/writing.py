"""Writing a project, first and again: edits are never overwritten."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from python_ml.errors import UserError
from python_ml.files import encodable, read_json, replacing, write_text
from python_ml.generate.layout import MANIFEST, RAW_FOLDER
from python_ml.generate.package import install_package
from python_ml.project import warehouse_of

VERSION = 2
NEW_SUFFIX = ".new"  # behind the whole name: dbt reads neither `model.sql.new` nor `schema.yml.new`


@dataclass
class Written:
    """What became of every file.

    Attributes
    ----------
    written : list of str
        New, or newly generated where nobody had edited it.
    unchanged : list of str
        As it should be already.
    edited : list of str
        Edited; what is generated has not changed.
    conflicts : list of str
        Edited, and what is generated has changed: the new version is in ``<name>.new``.
    removed : list of str
        Not generated any more, and not edited.
    kept : list of str
        Not generated any more, but edited: they stay.
    """

    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def check_folder(folder: Path) -> None:
    """Refuse a project folder that would overwrite something.

    Raises
    ------
    UserError
        When it exists and is not an empty folder, or DuckDB cannot write there.
    """
    encodable(folder)
    warehouse_of(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError("The project's folder is the name of a file.", where=str(folder), hint="choose another folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(
            "The project's folder exists and is not empty.",
            where=str(folder),
            hint="choose a new folder, or remove this one: init never overwrites; `retention generate` writes a "
            "project again",
        )


def create(
    folder: Path, files: Mapping[str, str], own: Mapping[str, str], raw: Mapping[str, Path] | None = None
) -> list[str]:
    """Write a project into a new folder.

    Everything is written next to the folder first and moved there at the end: a failure leaves nothing half done.

    Parameters
    ----------
    folder : Path
        Must not exist, or be empty.
    files : dict of str to str
        Generated text by path relative to the folder.
    own : dict of str to str
        Files that are not generated from decisions but hold them; :func:`renew` leaves them alone.
    raw : dict of str to Path, optional
        Converted files by source name; the project keeps copies of them in ``raw/``.

    Returns
    -------
    list of str
        Written files, without those of the carried package and of ``.retention``.

    Raises
    ------
    UserError
        See :func:`check_folder`; also when the place cannot be written to.
    """
    check_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".retention_init_", dir=folder.parent) as scratch:
            built = Path(scratch) / "project"
            manifest = _manifest({name: _digest(text) for name, text in files.items()}, {})
            for name, text in {**files, **own, MANIFEST.as_posix(): manifest}.items():
                write_text(built / name, text)
            for name, path in (raw or {}).items():
                _copy(path, built / RAW_FOLDER / f"{name}.parquet")
            install_package(built)
            if folder.is_dir():
                folder.rmdir()
            shutil.move(built, folder)
    except OSError as error:
        raise UserError(
            f"The folder cannot be written: {error.strerror}.",
            where=str(error.filename or folder),
            hint="choose another place, or make room there",
        ) from error
    return sorted(name for name in {**files, **own} if not name.startswith(("packages/", ".retention/")))


def renew(folder: Path, files: Mapping[str, str]) -> Written:
    """Write the files of a project again.

    Parameters
    ----------
    folder : Path
        Of a project that :func:`create` wrote.
    files : dict of str to str
        Generated text by path relative to the folder.

    Raises
    ------
    UserError
        When nothing says which files were generated, one cannot be written, or one lies outside of the project.
    """
    hashes, conflicts = _read_manifest(folder)
    done, new_conflicts = Written(), {}
    refuse_outside(folder, {*files, *hashes, *conflicts, MANIFEST.as_posix(), "dbt_packages"})
    try:
        plan = {
            name: _what(folder, name, _digest(text), hashes.get(name), conflicts.get(name))
            for name, text in files.items()
        }
        for name in sorted(files):
            what = plan[name]
            getattr(done, what).append(name)
            if what == "written":
                write_text(folder / name, files[name])
            elif what == "conflicts":
                write_text(folder / (name + NEW_SUFFIX), files[name])
                new_conflicts[name] = _digest(files[name])
        for name in sorted(set(hashes) - set(files)):
            there = _digest_of(folder / name)
            if there == hashes[name]:
                (folder / name).unlink()
                _remove_empty(folder, (folder / name).parent)
                done.removed.append(name)
            elif there is not None:
                done.kept.append(name)
        for name in sorted(set(conflicts) - set(new_conflicts)):
            old = folder / (name + NEW_SUFFIX)
            if _digest_of(old) == conflicts[name]:
                old.unlink()
        install_package(folder)
        write_text(folder / MANIFEST, _manifest({name: _digest(text) for name, text in files.items()}, new_conflicts))
    except OSError as error:
        raise UserError(
            f"The project cannot be written: {error.strerror}.",
            where=str(error.filename or folder),
            hint="make it writable, and run the command again: what was written stays valid",
        ) from error
    return done


def _what(folder: Path, name: str, now: str, last: str | None, waiting: str | None) -> str:
    """What is to be done with a file: the name of a list of :class:`Written`."""
    there = _digest_of(folder / name)
    if there == now:
        return "unchanged"
    if there is None or there == last:
        return "written"
    new = _digest_of(folder / (name + NEW_SUFFIX))
    if new not in (None, waiting, now):
        raise UserError(
            "A new version was edited, too: merging it was not finished.",
            where=str(folder / (name + NEW_SUFFIX)),
            hint=f"move what you need from it to {Path(name).name} and delete it",
        )
    # A new version that a person deleted was merged; one that waits still does.
    return "conflicts" if now != last or new is not None else "edited"


def refuse_outside(folder: Path, names: Iterable[str]) -> None:
    """Refuse names, or links on the way to them, that lead out of the project."""
    root = folder.resolve()
    for name in sorted(names):
        if Path(name).is_absolute() or ".." in Path(name).parts or not (folder / name).resolve().is_relative_to(root):
            raise UserError(
                "A generated file would lie outside of the project.",
                where=str(folder / name),
                hint="remove the link, or take the name out of the list of generated files",
            )


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as part:
        shutil.copyfile(source, part)


def _remove_empty(root: Path, folder: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _digest(text: str) -> str:
    return hashlib.sha256(text.replace("\r\n", "\n").encode("utf-8")).hexdigest()


def _digest_of(path: Path) -> str | None:
    """Hash of a file, whatever line ends git gave it; None where there is none."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        return "a folder"
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def _manifest(hashes: dict[str, str], conflicts: dict[str, str]) -> str:
    data = {"version": VERSION, "files": dict(sorted(hashes.items())), "conflicts": dict(sorted(conflicts.items()))}
    return json.dumps(data, indent=1) + "\n"


def _read_manifest(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    path = folder / MANIFEST
    try:
        data = read_json(path, "list of generated files", "restore the file from version control")
        if data["version"] == 1:  # the same under another name
            data = {**data, "version": VERSION, "conflicts": data["beside"]}
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']} is not known")
        lists = dict(data["files"]), dict(data["conflicts"])
    except FileNotFoundError as error:
        raise UserError(
            "The list of generated files is missing, so edited files cannot be recognised.",
            where=str(path),
            hint="restore the file from version control, or create the project again with `retention init`",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"The list of generated files cannot be read: {error}.",
            where=str(path),
            hint="restore the file from version control",
        ) from error
    return lists
