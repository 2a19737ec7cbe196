"""What can be wrong with a disk image, or with the work on it.

On its own so that `vpcshim.model.hresults` maps these without what runs qemu-img.
"""

from __future__ import annotations

from vpcshim.hypervisor.errors import HypervisorError


class ImageError(HypervisorError):
    """qemu-img failed, with its own words; the base of what is told apart below."""


class ToolMissing(ImageError):
    """There is no qemu-img on this machine."""


class ImageMissing(ImageError):
    """There is no such image, or no such folder."""


class ImageDenied(ImageError):
    """The caller may not read or write the image."""


class ImageReadOnly(ImageError):
    """The image, or the file system that holds it, cannot be written."""


class ImageExists(ImageError):
    """Where an image is to be made there is a file already; no file is ever replaced."""


class ImageBusy(ImageError):
    """Another process (a running machine, another qemu-img) has the image open."""


class DiskFull(ImageError):
    """There is no space left for the image."""


class ImageMalformed(ImageError):
    """The image is none of the format that it was said to be, or is damaged."""


class Cancelled(ImageError):
    """The job was cancelled."""
