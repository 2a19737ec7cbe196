"""The constants of both type libraries as `win32com.client.constants` has them, and the modules that hold them."""

from __future__ import annotations

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
        try:
            return int(getattr(vpcshim.constants, name))
        except (AttributeError, TypeError):
            raise AttributeError(name) from None


constants = Constants()


class Generated(ModuleType):
    """What stands for the module that makepy makes of a type library: of it, scripts use the constants."""

    def __init__(self, product: Product) -> None:
        super().__init__(product.value, f"The constants of {product.value}")
        self.CLSID = LIBRARIES[product]
        self.constants = constants
