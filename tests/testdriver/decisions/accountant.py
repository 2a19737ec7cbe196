"""The answers of the accountant."""

from __future__ import annotations

from decimal import Decimal

from tests.testdriver import situations as at
from tests.testdriver.decision_table import (
    ANY,
    BOTH,
    EXCEPTION,
    S_FALSE,
    S_OK,
    UNKNOWN,
    rows,
)
from tests.testdriver.support import VS
from vpcshim import HRESULT

_A = "IVMAccountant"
_BYTES = "NetworkBytesSent NetworkBytesReceived DiskBytesRead DiskBytesWritten"
_COUNTED = f"{_BYTES} CPUUtilization CPUUtilizationHistory UpTime"
_CONFIGURED = "ReservedSystemCapacity MaximumSystemCapacity RelativeWeight"
_ALLOWED = "AllowableReservedSystemCapacity AllowableMaximumSystemCapacity"

rows(BOTH, _A, _BYTES, (at.off, S_FALSE, Decimal(0)), (at.saved, S_FALSE, Decimal(0)))
rows(BOTH, _A, "CPUUtilization", (at.off, S_FALSE, 0), (at.saved, S_FALSE, 0))
rows(BOTH, _A, "CPUUtilizationHistory", (at.off, S_FALSE, (0,) * 60), (at.saved, S_FALSE, (0,) * 60))
rows(BOTH, _A, "UpTime", (at.off, S_FALSE, 0), (at.saved, S_FALSE, 0), (at.started_by_us, S_OK))
rows(BOTH, _A, "UpTime", (at.running, EXCEPTION))  # nothing says when it was started
rows(BOTH, _A, f"{_BYTES} CPUUtilization CPUUtilizationHistory", (at.running, S_OK), (at.paused, S_OK))
rows(BOTH, _A, _COUNTED, (at.dead_daemon, EXCEPTION), (at.undefined, EXCEPTION))
rows((VS,), _A, "ReservedSystemCapacity", (at.reserve_does_not_fit, S_OK, 50.5), (at.off, S_OK, 0.0))
rows((VS,), _A, "MaximumSystemCapacity", (at.running, S_OK, 50.0), (at.off, S_OK, 50.0))
rows((VS,), _A, "RelativeWeight", (at.running, S_OK, 50), (at.off, S_OK, 50))
rows((VS,), _A, _CONFIGURED, (at.dead_daemon, EXCEPTION), (at.undefined, UNKNOWN))
rows((VS,), _A, _ALLOWED, (at.running, S_OK, 50.0), (at.dead_daemon, EXCEPTION), (at.undefined, EXCEPTION))
rows(
    (VS,),
    _A,
    "SetSchedulingParameters",
    (at.scheduler, S_OK),
    (at.scheduler, HRESULT.E_INVALIDARG, ANY, (50.1, 50.0, 100)),
    (at.scheduler, HRESULT.E_INVALIDARG, ANY, (0.0, 0.5, 100)),
    (at.scheduler, HRESULT.E_INVALIDARG, ANY, (0.0, 50.0, 0)),
    (at.running, EXCEPTION),  # the test driver's scheduler cannot hold them
    (at.dead_daemon, EXCEPTION),
    (at.undefined, UNKNOWN),
)
