"""Serve the playground: `python app.py`, then open http://127.0.0.1:7860."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from playground.devices import calm_threads, resolve_device
from playground.errors import PlaygroundError, UsageError


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; wrong usage leaves with exit code 2."""
    parser = argparse.ArgumentParser(
        description="Train, watch, steer and compare generative adversarial networks in the browser."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=7860, help="port (default: 7860)")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda", help="where to train (default: auto)")
    parser.add_argument(
        "--data-dir", type=Path, default=Path("data-cache"), help="downloads and uploads (default: data-cache)"
    )
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="run folders (default: runs)")
    parser.add_argument("--max-trainings", type=int, default=1, help="trainings at once; others wait (default: 1)")
    parser.add_argument("--auth", type=Path, metavar="FILE", help="people who may sign in, a line each: user:password")
    parser.add_argument(
        "--grace",
        type=float,
        default=600.0,
        help="seconds without a viewer until a training is saved and stopped (default: 600)",
    )
    return parser.parse_args(arguments)


def read_auth(path: Path) -> list[tuple[str, str]]:
    """(user, password) pairs from the lines of a file; empty lines and those that begin with # are skipped.

    Raises:
        UsageError: unreadable, a line without a colon, an empty name or password, a name twice, or nobody in it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UsageError(
            f"The file '{path}' of --auth can't be read: give a text file with lines user:password."
        ) from None
    pairs: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        user, colon, password = line.partition(":")
        user = user.strip()
        if not colon or not user or not password:
            raise UsageError(f"Line {number} of '{path}' is not of the form user:password.")
        if user in pairs:
            raise UsageError(f"Line {number} of '{path}' names '{user}' a second time: give each user one line.")
        pairs[user] = password
    if not pairs:
        raise UsageError(f"The file '{path}' of --auth names nobody: add a line user:password.")
    return list(pairs.items())


def check(options: argparse.Namespace) -> list[tuple[str, str]] | None:
    """The people who may sign in, None for everybody; raises UsageError for an impossible option."""
    if options.device != "auto":  # finding a graphics card loads torch: left to the background
        resolve_device(options.device)
    if not 0 < options.port < 65536:
        raise UsageError(f"--port must lie between 1 and 65535, not {options.port}.")
    if options.max_trainings < 1:
        raise UsageError(f"--max-trainings must be at least 1, not {options.max_trainings}.")
    if not 1 <= options.grace < 1e9:
        raise UsageError(f"--grace must be at least 1 second, not {options.grace:g}.")
    for folder in (options.data_dir, options.runs_dir):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The folder '{folder}' can't be made ({error.strerror}): choose another one.") from None
    return read_auth(options.auth) if options.auth else None


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    calm_threads(spare=1)  # for the interface, and for the browser where it runs on the same machine
    try:
        people = check(options)
    except PlaygroundError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    from playground.session import SessionManager
    from playground.ui.build import build_app, serve

    manager = SessionManager(
        runs_dir=options.runs_dir, data_dir=options.data_dir, device=options.device,
        max_trainings=options.max_trainings, grace=options.grace,
    )  # fmt: skip
    serve(build_app(manager, options.data_dir.resolve(), people), manager, options.host, options.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
