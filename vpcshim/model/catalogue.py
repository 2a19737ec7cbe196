"""Every interface that is declared, whichever module declares it."""

from __future__ import annotations

import importlib
import pkgutil

import vpcshim.model
from vpcshim.com.object import INTERFACES, ComObject


def interfaces() -> list[type[ComObject]]:
    """The classes of all interfaces, by name; every module of the model is imported for it."""
    for module in pkgutil.walk_packages(vpcshim.model.__path__, "vpcshim.model."):
        importlib.import_module(module.name)
    return sorted(INTERFACES, key=lambda kind: kind._interface_)
