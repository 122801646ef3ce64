"""The application; start reading at `app.main`. A new file in `models` or `api` is found, not listed."""

import importlib
import pkgutil
from types import ModuleType


def import_modules(package: str) -> list[ModuleType]:
    """Import and return every module of a package; one that cannot be imported stops the start with its own error."""
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return [importlib.import_module(f"{package}.{module.name}") for module in found]
