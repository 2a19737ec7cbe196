"""The answers of a machine's adapters, ports, USB devices, and of their collections."""

from __future__ import annotations

from tests.testdriver import device_situations as at
from tests.testdriver.decision_table import (
    ANY,
    BOTH,
    DENIED,
    EXCEPTION,
    IS_RUNNING,
    NOT_RUNNING,
    S_FALSE,
    S_OK,
    UNKNOWN,
    never,
    rows,
)
from tests.testdriver.device_situations import ADAPTER, LAB, STICK
from tests.testdriver.support import VPC, VS
from vpcshim import HRESULT
from vpcshim.constants import (
    VMSerialPortType,
    VMUSBDeviceClassEnum,
)

_M = "IVMVirtualMachine"
_SETTER = "of the setter alone: test_devices.py"
_INVALID = HRESULT.E_INVALIDARG
_ILLEGAL = HRESULT.VM_E_PREF_ILLEGAL_VALUE
_BADINDEX = HRESULT.DISP_E_BADINDEX

rows(
    BOTH,
    _M,
    "NetworkAdapters SerialPorts ParallelPorts",
    (at.running, S_OK),
    (at.off, S_OK),
    (at.dead, EXCEPTION),
    (at.undefined, UNKNOWN),
)
for _member, _args in (("AddNetworkAdapter", ()), ("RemoveNetworkAdapter", (ADAPTER,))):
    for _products, _active in (((VS,), IS_RUNNING), ((VPC,), HRESULT.VM_E_VM_RUNNING_OR_SAVED)):
        rows(
            _products,
            _M,
            _member,
            (at.off, S_OK, ANY, _args),
            (at.running, _active, ANY, _args),
            (at.saved, _active, ANY, _args),
            (at.undefined, UNKNOWN, ANY, _args),
            (at.dead, EXCEPTION, ANY, _args),
        )
rows((VS,), _M, "AddNetworkAdapter", (at.full, S_OK, ANY, ()))
rows((VPC,), _M, "AddNetworkAdapter", (at.full, _ILLEGAL, ANY, ()))

_A = "IVMNetworkAdapter"
_GONE = ((at.dead, EXCEPTION), (at.undefined, UNKNOWN))
rows(BOTH, _A, "_ID", (at.running, S_OK, 0), (at.off, S_OK, 0), *_GONE)
rows(BOTH, _A, "VirtualMachine", (at.running, S_OK), *_GONE)
rows(BOTH, _A, "EthernetAddress", (at.running, S_OK), (at.off, S_OK), *_GONE)
rows(BOTH, _A, "IsEthernetAddressDynamic", (at.off, S_OK, True), (at.static_address, S_OK, False), *_GONE)
never(BOTH, _A, "EthernetAddress", "E_INVALIDARG VM_E_CANT_SET_DYNAMIC_MAC_ADDRESS", _SETTER)
rows(
    BOTH,
    _A,
    "VirtualNetwork",
    (at.running, S_OK),
    (at.leading_nowhere, S_FALSE, None),
    (at.in_a_bridge, HRESULT.VM_E_INVALID_VIRTUAL_NETWORK_ID),
    (at.network_gone, HRESULT.VM_E_INVALID_VIRTUAL_NETWORK_ID),
    (at.dead, EXCEPTION),
    (at.undefined, EXCEPTION),
)
rows(
    BOTH,
    _A,
    "AttachToVirtualNetwork",
    (at.leading_nowhere, S_OK, ANY, (LAB,)),
    (at.in_a_bridge, S_OK, ANY, (LAB,)),
    (at.updatable, S_OK, ANY, (LAB,)),
    (at.off, _INVALID, ANY, (None,)),
    (at.off, _INVALID, ANY, (ADAPTER,)),
    (at.network_gone, HRESULT.VM_E_INVALID_VIRTUAL_NETWORK_ID, ANY, (LAB,)),
    (at.refused_update, DENIED, ANY, (LAB,)),
    (at.running, EXCEPTION, ANY, (LAB,)),  # the test driver changes no devices of a running machine
    (at.dead, EXCEPTION, ANY, (LAB,)),
    (at.undefined, UNKNOWN, ANY, (LAB,)),
)
rows(
    BOTH,
    _A,
    "DetachFromVirtualNetwork",
    (at.off, S_OK),
    (at.updatable, S_OK),
    (at.running, EXCEPTION),
    (at.dead, EXCEPTION),
    (at.undefined, EXCEPTION),
)

for _collection, _count in (("IVMNetworkAdapterCollection", 3), ("IVMSerialPortCollection", 2)):
    rows(BOTH, _collection, "Count", (at.running, S_OK, _count), (at.off, S_OK, _count), (at.dead, EXCEPTION))
    rows(BOTH, _collection, "Item", (at.running, S_OK), (at.running, S_OK, ANY, (_count,)), (at.dead, EXCEPTION))
    rows(BOTH, _collection, "Item", *((at.running, _BADINDEX, ANY, (index,)) for index in (-1, 0, _count + 1)))
    rows(BOTH, _collection, "_NewEnum", (at.running, S_OK), (at.dead, EXCEPTION))
rows(BOTH, "IVMSerialPortCollection", "Item", (at.undefined, UNKNOWN))

_C = "IVMParallelPortCollection"
rows(BOTH, _C, "Count", (at.running, S_OK, 1), (at.dead, EXCEPTION))
rows((VS,), _C, "Count", (at.undefined, UNKNOWN))
rows(BOTH, _C, "Item", (at.running, S_OK), (at.running, _BADINDEX, ANY, (2,)), *_GONE)
rows(BOTH, _C, "_NewEnum", (at.running, S_OK), (at.dead, EXCEPTION))

_S = "IVMSerialPort"
_NULL = VMSerialPortType.vmSerialPort_Null
_FILE, _HOST, _PIPE = 1, 0, 2
for _port in (_S, "IVMParallelPort"):
    rows(BOTH, _port, "_ID", (at.running, S_OK, 0), (at.off, S_OK, 0), (at.dead, EXCEPTION))
    rows((VS,), _port, "_ID", (at.undefined, EXCEPTION))
    rows((VPC,), _port, "_ID", (at.undefined, UNKNOWN))
    rows(BOTH, _port, "Name", (at.off, S_OK, ""), *_GONE)
never(BOTH, "IVMParallelPort", "Name", "E_INVALIDARG", _SETTER)
rows(BOTH, _S, "Type", (at.off, S_OK, _NULL), (at.running, S_OK, _NULL), *_GONE)
rows(BOTH, _S, "ConnectImmediately", (at.off, S_OK, False), *_GONE)
_TO_FILE = (_FILE, r"C:\com1.txt", False)
rows(
    BOTH,
    _S,
    "Configure",
    (at.off, S_OK, ANY, _TO_FILE),
    (at.off, S_OK, ANY, (_HOST, "COM1", True)),
    (at.off, S_OK, ANY, (_PIPE, r"\\.\pipe\debug", False)),
    (at.off, S_OK, ANY, (3, "", False)),
    (at.off, _INVALID, ANY, (4, "COM1", False)),
    (at.off, _INVALID, ANY, (_FILE, "", False)),
    (at.off, _ILLEGAL, ANY, (_HOST, "LPT1", False)),
    (at.off, _ILLEGAL, ANY, (_PIPE, "debug", False)),
    (at.off, _ILLEGAL, ANY, (_FILE, r"Q:\com1.txt", False)),
    (at.running, EXCEPTION, ANY, _TO_FILE),
    (at.saved, EXCEPTION, ANY, _TO_FILE),
    (at.dead, EXCEPTION, ANY, _TO_FILE),
    (at.undefined, UNKNOWN, ANY, _TO_FILE),
)
rows(
    (VPC,),
    _S,
    "Configure",
    (at.off, HRESULT.E_BUFFER_OVERFLOW, ANY, (_FILE, "C:\\" + "x" * 260, False)),
    (at.off, HRESULT.E_INVALID_NAME, ANY, (_FILE, r"C:\a?b", False)),
    (at.off, HRESULT.E_BAD_PATHNAME, ANY, (_FILE, "com1.txt", False)),
)
never((VPC,), _S, "Configure", "E_OUTOFMEMORY", "Python raises MemoryError wherever it is short of memory")

_U = "IVMUSBDevice"
rows((VPC,), _U, "DeviceString", (at.running, S_OK, "Stick"))
rows((VPC,), _U, "ManufacturerString", (at.running, S_OK, "Acme"))
rows((VPC,), _U, "HubID", (at.running, S_OK, 1))
rows((VPC,), _U, "Port", (at.running, S_OK, 2))
rows((VPC,), _U, "DeviceClass", (at.running, S_OK, VMUSBDeviceClassEnum.vmUSBDeviceClass_MassStorage))
rows((VPC,), _U, "AttachedToVM", (at.running, S_FALSE, ""), (at.has_stick, S_OK, "web"), (at.dead, EXCEPTION))
never((VPC,), _U, "AttachedToVM", "VM_E_USB_EXTERNAL_VM", "libvirt's machines are all of them listed")
_C = "IVMUSBDeviceCollection"
rows((VPC,), _C, "Count", (at.running, S_OK, 0), (at.dead, EXCEPTION))  # the test driver has no USB devices
rows((VPC,), _C, "Item", (at.running, _BADINDEX), (at.dead, EXCEPTION))
never((VPC,), _C, "Item", "S_OK", "the test driver has no USB devices: tests/unit/test_usb.py reads some")
rows((VPC,), _C, "_NewEnum", (at.running, S_OK), (at.dead, EXCEPTION))
rows(
    (VPC,),
    _M,
    "AttachUSBDevice",
    (at.takes_stick, S_OK, ANY, (STICK,)),
    (at.has_stick, HRESULT.VM_E_USB_ATTACH_FAILED_ALREADY_ASSIGNED, ANY, (STICK,)),
    (at.running, HRESULT.VM_E_USB_ATTACH_FAILED, ANY, (STICK,)),
    (at.off, NOT_RUNNING, ANY, (STICK,)),
    (at.undefined, UNKNOWN, ANY, (STICK,)),
    (at.dead, EXCEPTION, ANY, (STICK,)),
)
never(
    (VPC,),
    _M,
    "AttachUSBDevice",
    "VM_E_ADDITIONS_NOT_AVAIL VM_E_ADDITIONS_FEATURE_NOT_AVAIL VM_E_USB_CONNECTOR_DRIVER_ERROR "
    "VM_E_USB_ATTACH_FAILED_MORE_DEVICES VM_E_USB_ATTACH_FAILED_GP_ERROR",
    "QEMU hands the device to the guest itself, without components in it or drivers of its own; libvirt's error "
    "does not tell one failure from another",
)
rows(
    (VPC,),
    _M,
    "DetachUSBDevice",
    (at.has_stick, S_OK, ANY, (STICK,)),
    (at.running, HRESULT.VM_E_USB_DETACH_FAILED, ANY, (STICK,)),
    (at.off, NOT_RUNNING, ANY, (STICK,)),
    (at.dead, EXCEPTION, ANY, (STICK,)),
)
