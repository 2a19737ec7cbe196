"""CPU shares and limits of a domain: libvirt's scheduler parameters.

Sources: virDomainGetSchedulerParametersFlags, virDomainSetSchedulerParametersFlags; `<cputune>` of
libvirt.org/formatdomain.html. `cpu_shares` is the relative weight, `vcpu_quota` / `vcpu_period` the CPU time
that each vCPU may use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import libvirt

from vpcshim.hypervisor.errors import NotAddressable, Unsupported, classify

_PERIOD = 100_000  # microseconds, libvirt's default
_LONGEST_PERIOD = 1_000_000
_SMALLEST_QUOTA = 1_000


@dataclass(frozen=True, slots=True)
class Tuning:
    """The part of the scheduler parameters that vpcshim reads.

    Attributes:
        shares: The relative weight.
        ceiling: How much of one CPU each vCPU may use, 0..1 (more than 1 is possible, and no limit); None for
            no limit.
    """

    shares: int
    ceiling: float | None


def read(domain: libvirt.virDomain) -> Tuning:
    """The parameters in force: of the running domain, or of the definition of one that is off.

    Raises:
        Unsupported: The driver has no weight among its parameters.
        libvirt.libvirtError: libvirt refused the call.
    """
    values = domain.schedulerParameters()
    shares = values.get("cpu_shares", values.get("weight"))
    if shares is None:
        raise Unsupported(f"this driver's scheduler has no weight, only {', '.join(sorted(values)) or 'nothing'}")
    quota, period = values.get("vcpu_quota", -1), values.get("vcpu_period", 0)
    return Tuning(int(shares), quota / period if quota > 0 and period > 0 else None)


def write(domain: libvirt.virDomain, tuning: Tuning) -> None:
    """Set the parameters in the definition, and in the running domain if it runs: both, or neither.

    Raises:
        Unsupported: The driver cannot hold them.
        libvirt.libvirtError: libvirt refused the call.
    """
    wanted = _parameters(tuning)
    places = []
    if domain.isPersistent():
        places.append(libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    if domain.isActive():
        places.append(libvirt.VIR_DOMAIN_AFFECT_LIVE)
    before = [(place, _values(domain, place, wanted)) for place in places]
    for done, (place, _) in enumerate(before):
        try:
            domain.setSchedulerParametersFlags(wanted, place)
        except libvirt.libvirtError:
            for changed, values in before[:done]:
                domain.setSchedulerParametersFlags(values, changed)
            raise


def _values(domain: libvirt.virDomain, place: int, names: Iterable[str]) -> dict[str, int]:
    """What the parameters of those names are there now."""
    try:
        values: dict[str, int] = domain.schedulerParametersFlags(place)
    except libvirt.libvirtError as error:
        if classify(error) is not NotAddressable:  # VIR_ERR_INVALID_ARG: the driver does not know the flag
            raise
        raise Unsupported(f"this driver keeps no scheduler parameters: {error.get_error_message()}") from error
    missing = sorted(set(names) - set(values))
    if missing:
        raise Unsupported(f"this driver's scheduler does not know {', '.join(missing)}")
    return {name: values[name] for name in names}


def _parameters(tuning: Tuning) -> dict[str, int]:
    if tuning.ceiling is None:
        return {"cpu_shares": tuning.shares, "vcpu_period": _PERIOD, "vcpu_quota": -1}
    period = _PERIOD if tuning.ceiling * _PERIOD >= _SMALLEST_QUOTA else _LONGEST_PERIOD
    quota = max(_SMALLEST_QUOTA, round(tuning.ceiling * period))
    return {"cpu_shares": tuning.shares, "vcpu_period": period, "vcpu_quota": quota}
