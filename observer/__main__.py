"""The `observer` command.

Invariant: only the module of the chosen sub-command is imported, so that an image holds no more
than what it runs; a deliberate error becomes one line with its remedy and exit status 1.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from types import ModuleType

from observer_core.errors import ConfigurationError, ObserverError


@dataclass(frozen=True, slots=True)
class _Command:
    """A sub-command as the top-level help lists it.

    Attributes:
        summary: What it does, in a few words.
        extra: The optional dependencies that it needs; empty where the kernel's suffice.
    """

    summary: str
    extra: str = ""


_COMMANDS = {
    "up": _Command("start the local stack in the foreground", "local"),
    "demo": _Command("run one virtual trading day and prove that nothing was lost", "local"),
    "collector": _Command("record the market feed (the long-running service)", "collector"),
    "simulator": _Command("simulate the broker and a market", "simulator"),
    "universe": _Command("build the universe from the broker's master files"),
    "contracts": _Command("verify the execution contracts of a deployment", "contracts"),
    "secrets": _Command("make the Secret of a deployment", "secrets"),
    "kis": _Command("read the broker's messages"),
    "lake": _Command("describe the tables of the lake; compare its files with their receipts"),
    "sql": _Command("query the lake with SQL", "sql"),
    "warehouse": _Command("bring PostgreSQL up to date, and show who may do what", "pipeline"),
    "backup": _Command("copy the data to the backup target, and restore them", "pipeline"),
    "retention": _Command("remove what is verified, shipped and old enough", "pipeline"),
    "settings": _Command("describe the environment variables"),
}


_REMEDIES = {
    errno.ENOSPC: "Free space on that disk, then run the command again.",
    errno.EROFS: "Choose a folder on a disk that can be written to.",
    errno.EACCES: "Run as the user who owns it, or correct its permissions.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: The arguments; the process's own where None.

    Returns:
        The exit status: 0 done, 1 failed with a message, 2 wrong usage, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except ObserverError as error:
        print(f"observer: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # The reader of a pipe (`| head`) has left; the interpreter must not fail again at its last flush.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        remedy = _REMEDIES.get(error.errno or 0, "Check that file, its folder and the disk.")
        place = f"{error.filename}: " if error.filename else ""
        print(f"observer: {place}{error.strerror or error}. Remedy: {remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    chosen = next((word for word in words if not word.startswith("-")), "")
    module = _load(chosen) if chosen in _COMMANDS else None
    parser = argparse.ArgumentParser(
        prog="observer",
        description="Records the Korean stock market and proves that the record is complete.",
        epilog="`observer COMMAND --help` describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"observer {metadata.version('observer')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in _COMMANDS.items():
        if module is not None and name == chosen:
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=command.summary)
    arguments = parser.parse_args(words)
    assert module is not None, "argparse accepts the names of the table only"
    status: int = module.run(arguments)
    return status


def _load(name: str) -> ModuleType:
    try:
        return import_module(f"observer.commands.{name}")
    except ModuleNotFoundError as error:
        if error.name in (f"observer.commands.{name}", "observer.stack"):
            raise ConfigurationError(
                f"`observer {name}` is not part of this installation.",
                remedy="Run it from a checkout of the project: `make setup`.",
            ) from error
        package = (error.name or "").partition(".")[0]
        if package.startswith("observer") or not _COMMANDS[name].extra:
            raise
        raise ConfigurationError(
            f"`observer {name}` needs the package {package}, which is not installed here.",
            remedy=f"Install observer[{_COMMANDS[name].extra}], or run `make setup`.",
        ) from error


if __name__ == "__main__":
    sys.exit(main())
