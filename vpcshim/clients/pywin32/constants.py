"""The constants of both type libraries as `win32com.client.constants` has them, and the modules that hold them."""

from __future__ import annotations

from contextlib import suppress
from types import ModuleType

import vpcshim.constants
from vpcshim.com.member import Product

LIBRARIES = {
    Product.VIRTUAL_SERVER: "{D7526A6D-CF83-48A4-87FD-4FBE2AEC5D93}",
    Product.VIRTUAL_PC: "{CEF63746-AD34-42D0-9138-39D83ECB77CB}",
}


class Constants:
    """The constants of both type libraries, whether or not `EnsureDispatch` was called."""

    def __getattr__(self, name: str) -> int:
        value = getattr(vpcshim.constants, name, None)
        if not isinstance(value, vpcshim.constants.ComEnum):
            raise AttributeError(name)
        return int(value)

    @property
    def __dicts__(self) -> list[dict[str, int]]:
        """All of them by name, as scripts that list them ask for them."""
        named = {name: getattr(vpcshim.constants, name) for name in dir(vpcshim.constants)}
        return [{name: int(one) for name, one in named.items() if isinstance(one, vpcshim.constants.ComEnum)}]


constants = Constants()


class Generated(ModuleType):
    """What stands for the module that makepy makes of a type library: of it, scripts use the constants."""

    def __init__(self, product: Product) -> None:
        super().__init__(product.value, f"The constants of {product.value}")
        self.CLSID = LIBRARIES[product]
        self.constants = constants

    def __getattr__(self, name: str) -> int:
        with suppress(AttributeError):
            return Constants.__getattr__(constants, name)  # comtypes has them here
        raise AttributeError(f"of the module of a type library, vpcshim serves the constants, and not {name}")
