"""What `vpcshim doctor` looks at beside libvirt: the programs of this machine that parts of the model need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from vpcshim.cli.checks import Check, Status


def program_checks() -> Iterator[Check]:
    """qemu-img, and what runs VBScript and JScript; without one a part is missing, so each is a warning at most."""
    yield _qemu_img()
    yield _scripts()


def _qemu_img() -> Check:
    found = shutil.which("qemu-img")
    if found is not None:
        return Check(None, "disk images", Status.OK, f"qemu-img is {found}")
    text = "without qemu-img no image is made, inspected or merged, and there are no undo disks"
    return Check(None, "disk images", Status.WARN, text, "apt install qemu-utils")


def _scripts() -> Check:
    from vpcshim.clients.wine import installation, program
    from vpcshim.clients.wine.installation import NoWine

    try:
        wine = installation.find()
        program.path()
    except NoWine as error:
        remedy = f"{error.remedy}; Python scripts need none of it" if error.remedy else None
        return Check(None, "VBScript, JScript", Status.WARN, error.why, remedy)
    return Check(None, "VBScript, JScript", Status.OK, f"Wine's engines: {wine.version}")
