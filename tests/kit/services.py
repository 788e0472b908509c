"""Other programs that tests need."""

import os
import shutil
from typing import NoReturn

import pytest


def give_up(reason: str) -> NoReturn:
    """Skip the test, with the reason; fail it where CI promises to have everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def find_program(name: str, package: str, folder: str = "") -> str:
    """The path of a program that Debian has in `package`, perhaps in a folder of its own; without it, see `give_up`."""
    path = f"{os.environ.get('PATH', '')}:{folder}"
    return shutil.which(name, path=path) or give_up(
        f"there is no {name}; Debian has it in the package {package}"
    )
