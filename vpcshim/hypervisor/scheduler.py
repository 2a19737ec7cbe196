"""CPU shares and limits of a domain: libvirt's scheduler parameters.

Sources: virDomainGetSchedulerParametersFlags, virDomainSetSchedulerParametersFlags; `<cputune>` of
libvirt.org/formatdomain.html. `cpu_shares` is the relative weight, `vcpu_quota` / `vcpu_period` the CPU time
that each vCPU may use, `global_quota` / `global_period` the CPU time that the whole domain may use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import libvirt

from vpcshim.hypervisor.errors import NotAddressable, Unsupported, classify

_PERIOD = 100_000  # microseconds, libvirt's default
_LONGEST_PERIOD = 1_000_000
_SMALLEST_QUOTA = 1_000
_NO_LIMIT = -1
_OPTIONAL = frozenset(("global_quota",))


@dataclass(frozen=True, slots=True)
class Tuning:
    """The part of the scheduler parameters that vpcshim reads.

    Attributes:
        shares: The relative weight; None where none is set (a domain that is off and was never tuned).
        ceiling: How much of one CPU each vCPU may use, 0..1 (more than 1 is possible, and no limit); None for
            no limit.
        whole: How many CPUs' time the whole domain may use; None for no limit.
    """

    shares: int | None
    ceiling: float | None
    whole: float | None = None


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
    return Tuning(int(shares) or None, _limit(values, "vcpu"), _limit(values, "global"))


def _limit(values: Mapping[str, int], what: str) -> float | None:
    quota, period = values.get(f"{what}_quota", _NO_LIMIT), values.get(f"{what}_period", 0)
    return quota / period if quota > 0 and period > 0 else None


def write(domain: libvirt.virDomain, shares: int, ceiling: float | None) -> None:
    """Set the parameters in the definition, and in the running domain if it runs: both, or neither.

    A limit of the whole domain is lifted: under it, the ceiling set here might not be what is in force.

    Args:
        domain: The domain.
        shares: The relative weight.
        ceiling: As in `Tuning`.

    Raises:
        Unsupported: The driver cannot hold them.
        libvirt.libvirtError: libvirt refused the call.
    """
    wanted = _parameters(shares, ceiling)
    places = []
    # The definition comes last: a weight that was never set there could not be taken back.
    if domain.isActive():
        places.append(libvirt.VIR_DOMAIN_AFFECT_LIVE)
    if domain.isPersistent():
        places.append(libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    before = [(place, _values(domain, place, wanted)) for place in places]
    for done, (place, values) in enumerate(before):
        try:
            domain.setSchedulerParametersFlags({name: wanted[name] for name in values}, place)
        except libvirt.libvirtError:
            for changed, old in before[:done]:
                domain.setSchedulerParametersFlags(old, changed)
            raise


def _values(domain: libvirt.virDomain, place: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """What the wanted parameters are there now, without the optional ones that the driver does not know."""
    try:
        values: dict[str, int] = domain.schedulerParametersFlags(place)
    except libvirt.libvirtError as error:
        if classify(error) is not NotAddressable:  # VIR_ERR_INVALID_ARG: the driver does not know the flag
            raise
        raise Unsupported(f"this driver keeps no scheduler parameters: {error.get_error_message()}") from error
    missing = sorted(set(wanted) - set(values) - _OPTIONAL)
    if missing:
        raise Unsupported(f"this driver's scheduler does not know {', '.join(missing)}")
    return {name: values[name] for name in wanted if name in values}


def _parameters(shares: int, ceiling: float | None) -> dict[str, int]:
    period, quota = _PERIOD, _NO_LIMIT
    if ceiling is not None:
        period = _PERIOD if ceiling * _PERIOD >= _SMALLEST_QUOTA else _LONGEST_PERIOD
        quota = max(_SMALLEST_QUOTA, round(ceiling * period))
    return {"cpu_shares": shares, "vcpu_period": period, "vcpu_quota": quota, "global_quota": _NO_LIMIT}
