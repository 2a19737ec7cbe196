"""What all objects of the model have in common: a server, options, and libvirt's errors made COM's."""

from __future__ import annotations

from contextlib import AbstractContextManager

import libvirt

from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.member import Product
from vpcshim.com.object import ComObject
from vpcshim.hypervisor.errors import HypervisorError
from vpcshim.model.hresults import failure_of
from vpcshim.model.options import ConnectionOptions
from vpcshim.model.paths import DriveMap
from vpcshim.model.server import Server

_SOURCES = {
    Product.VIRTUAL_SERVER: "VirtualServer.Application",
    Product.VIRTUAL_PC: "VirtualPC.Application",
}


class ModelObject(ComObject):
    """An object of the model."""

    def __init__(self, product: Product, server: Server, options: ConnectionOptions) -> None:
        super().__init__(product)
        self._server = server
        self._options = options

    @property
    def _paths(self) -> DriveMap:
        """The drive map for the paths of this caller.

        Raises:
            Failure: E_BAD_PATHNAME, when VPCSHIM_DRIVES is no drive map.
        """
        try:
            return self._options.drive_map()
        except ValueError as error:
            raise Failure(HRESULT.E_BAD_PATHNAME, f"VPCSHIM_DRIVES: {error}") from error

    @property
    def _source_(self) -> str:
        return _SOURCES[self._product_]

    def _failure_(self, error: Exception) -> Failure:
        if isinstance(error, HypervisorError):
            return failure_of(error)
        if isinstance(error, OSError) and error.filename is not None:
            from vpcshim.model import hostfiles

            # A file or folder that the caller named, or that a preference does: no defect of this library.
            return hostfiles.failure_of(error, f"{error.filename} cannot be used")
        return super()._failure_(error)


class MachineObject(ModelObject):
    """An object that belongs to one machine; it knows the machine by its UUID, through renames and restarts."""

    def __init__(self, product: Product, server: Server, options: ConnectionOptions, uuid: str) -> None:
        super().__init__(product, server, options)
        self._uuid = uuid

    def _domain(self, *, write: bool = False) -> AbstractContextManager[libvirt.virDomain]:
        """The machine's domain for the calls of one member; VM_E_VM_UNKNOWN when it is gone."""
        return self._server.connection.domain(self._uuid, write=write)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MachineObject):
            return NotImplemented
        return (
            type(self) is type(other)
            and self._product_ is other._product_
            and self._server is other._server
            and self._uuid == other._uuid
        )

    def __hash__(self) -> int:
        return hash((type(self), self._uuid))
