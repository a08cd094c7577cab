"""Programs that a test needs: in CI they must be there, elsewhere the test says what is missing."""

import os
import shutil

import pytest


def required(program: str, *, package: str) -> str:
    """Returns the path of a program, or skips the test; with `CI=true` a missing one fails it.

    Args:
        program: Its name.
        package: The Debian package that has it.
    """
    found = shutil.which(program)
    if found is not None:
        return found
    message = f"{program} is not installed (Debian package {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
