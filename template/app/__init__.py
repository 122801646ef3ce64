"""The application. Start reading at `app.main`.

Files are found, not listed: a new module in `models` or `api` is part of the application.
"""

import importlib
import pkgutil
from types import ModuleType


def import_modules(package: str) -> list[ModuleType]:
    """Import and return every module of a package; one that cannot be imported stops the start with its own error."""
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return [importlib.import_module(f"{package}.{module.name}") for module in found]
