"""The remote console of Virtual Server, of which libvirt has nothing: it is off, and cannot be switched on."""

from __future__ import annotations

import pytest

from vpcshim import HRESULT, ComError
from vpcshim.testing import NodeBuilder


@pytest.mark.parametrize("name", ["VMRCEnabled", "VMRCEncryptionEnabled"])
def test_it_is_off_and_stays_off(vpcshim_node: NodeBuilder, name: str) -> None:
    vs = vpcshim_node("web").application()
    setattr(vs, name, False)
    assert getattr(vs, name) is False
    with pytest.raises(ComError, match="VNC or SPICE") as caught:
        setattr(vs, name, True)
    assert caught.value.scode in (HRESULT.E_NOTIMPL, HRESULT.DISP_E_EXCEPTION)
    assert getattr(vs, name) is False
