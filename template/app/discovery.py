"""Files are found, not listed: a new module in a package is part of the application."""

import importlib
import pkgutil
from types import ModuleType


def import_modules(package: ModuleType) -> list[ModuleType]:
    """Import and return every module of a package; one that cannot be imported stops the start with its own error."""
    names = [found.name for found in pkgutil.iter_modules(package.__path__)]
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]
