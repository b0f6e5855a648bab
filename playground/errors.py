"""Failures that a person reads: every message is one sentence that says what is wrong and what to do.

Anything raised on purpose derives from `PlaygroundError`; the app shows its text as it is, the command line prints it
and leaves with `exit_code`. Any other exception is a defect and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PlaygroundError(Exception):
    """Base of all expected failures; `str(error)` is fit to show to a user."""

    exit_code = 1


class UsageError(PlaygroundError, ValueError):
    """A wrong name, value or combination of settings, found before anything was done."""

    exit_code = 2


class DataError(PlaygroundError, ValueError):
    """Pictures or files that can't be used."""

    exit_code = 2


class TrainingError(PlaygroundError, RuntimeError):
    """A training that can't go on: non-finite numbers, a full disk, a checkpoint that does not fit."""


def suggestion(name: str, options: Iterable[str]) -> str:
    """A closing phrase for an unknown `name`: the nearest option, or all of them when none is near.

    >>> suggestion("wgan-pg", ["wgan-gp", "lsgan"])
    "Did you mean 'wgan-gp'?"
    """
    options = sorted(set(options))
    near = difflib.get_close_matches(name.lower(), options, n=1, cutoff=0.5)
    if near:
        return f"Did you mean '{near[0]}'?"
    if len(options) > 12:  # a long list helps nobody
        options = [*options[:10], "…"]
    return f"Choose one of: {', '.join(options)}."


def unknown(kind: str, name: str, options: Iterable[str]) -> UsageError:
    """The error for an unknown `name` of a `kind` (for instance "preset"), with a suggestion."""
    return UsageError(f"Unknown {kind} '{name}'. {suggestion(str(name), options)}")
