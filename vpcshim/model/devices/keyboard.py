"""IVMKeyboard: the machine's keyboard.

libvirt presses a set of keys together and lets all of them go again. So a key that is held (PressKey, DOWN) is
kept here and pressed along with every key that is typed until it is released; one that is released without that is
pressed and let go then.

Sources: the IVMKeyboard and "Key Sequences" pages of both references; virDomainSendKey.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable

import libvirt

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.devices.base import DeviceObject
from vpcshim.model.devices.keys import code_of, typed
from vpcshim.model.server import Server

_INVALID = (HRESULT.E_INVALIDARG,)
_MODIFIERS = ("DOWN", "UP", "HOLD")
_HELD_FOR = 30  # milliseconds; long enough for a guest's keyboard driver, short enough for a text
_MOST = 16  # VIR_DOMAIN_SEND_KEY_MAX_KEYS, which the binding does not name
_NOT_EXCLUSIVE = "libvirt has no exclusive input: whoever may send keys to a domain or has its console types"

Held = dict[int, bool]  # the keys that are held, and whether another was typed with them meanwhile

# By server and machine, of its present run alone: a machine that starts has no keys held.
_held: weakref.WeakKeyDictionary[Server, dict[str, tuple[int, Held]]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class Keyboard(
    DeviceObject,
    interface="IVMKeyboard",
    vs="{DED94C45-FFC2-41F8-B0AD-F6DD5512164E}",
    vpc="{00695F2E-C5AD-4D6E-B1AB-336ED121F8C4}",
):
    """The keyboard of a running machine, with the keys of a US one."""

    @method(vs=0x60020000, vpc=0x60020000, params=(VT.BSTR,), fails=_INVALID)
    def PressKey(self, key: str) -> None:
        """Hold a key; it is pressed along with each key that is typed until it is released."""
        self._do([("DOWN", _known(key))])

    @method(vs=0x60020001, vpc=0x60020001, params=(VT.BSTR,), fails=_INVALID)
    def ReleaseKey(self, key: str) -> None:
        """Release a key that is held; one that no other was typed with is pressed and let go now."""
        self._do([("UP", _known(key))])

    @method(vs=0x60020002, vpc=0x60020002, params=(VT.BSTR,), fails=_INVALID)
    def PressAndReleaseKey(self, key: str) -> None:
        """Press a key and let it go."""
        self._do([("", _known(key))])

    @method(vs=0x60020003, vpc=0x60020003, vt=VT.BOOL, params=(VT.BSTR,), fails=_INVALID, reads=True)
    def IsPressed(self, key: str) -> bool:
        """Whether a key is held by this process; libvirt tells nothing of keys held at a console."""
        code = _known(key)
        with self._running("asked for its keys") as (domain, _), _lock:
            return code in self._holding(domain)

    @method(vs=0x60020004, vpc=0x60020004, params=(VT.BSTR,), fails=_INVALID)
    def TypeAsciiText(self, text: str) -> None:
        """Type a text as on a US keyboard; E_INVALIDARG for a character that it does not have."""
        chords = [(character, typed(character)) for character in text.replace("\r\n", "\n")]
        wrong = sorted({character for character, keys in chords if keys is None})
        if wrong or not text:
            what = f"it cannot type {' '.join(map(repr, wrong))}" if wrong else "there is no text"
            raise Failure(HRESULT.E_INVALIDARG, f"the keyboard is a US one: {what}")
        with self._running("typed into") as (domain, _), _lock:
            held = self._holding(domain)
            for _, keys in chords:
                self._send(domain, held, keys or ())

    @method(vs=0x60020005, vpc=0x60020005, params=(VT.BSTR,), fails=_INVALID)
    def TypeKeySequence(self, keySequence: str) -> None:
        """Type keys by their names, separated by commas; DOWN before a name holds the key, UP releases it."""
        self._do(_parsed(keySequence))

    @propget(
        vs=0x60020006,
        vpc=0x60020006,
        vt=VT.BOOL,
        vpc_fails=(HRESULT.VM_E_SET_EXCLUSIVE_MODE_FAIL, HRESULT.E_INVALIDARG),
        unavailable=_NOT_EXCLUSIVE,
    )
    def HasExclusiveAccess(self) -> bool:
        """Whether this object alone types into the machine."""
        return False

    @HasExclusiveAccess.write
    def _put_HasExclusiveAccess(self, exclusive: bool) -> None:
        """Keep others from typing."""

    def _holding(self, domain: libvirt.virDomain) -> Held:
        machines, run = _held.setdefault(self._server, {}), domain.ID()
        if machines.get(self._uuid, (None,))[0] != run:
            machines[self._uuid] = (run, {})
        return machines[self._uuid][1]

    def _do(self, steps: Iterable[tuple[str, int]]) -> None:
        with self._running("typed into") as (domain, _), _lock:
            held = self._holding(domain)
            for modifier, key in steps:
                if modifier in ("DOWN", "HOLD"):
                    held.setdefault(key, False)
                elif modifier == "UP" and key in held:
                    if not held.pop(key):
                        self._send(domain, held, (key,))
                elif modifier == "":
                    self._send(domain, held, (key,))

    def _send(self, domain: libvirt.virDomain, held: Held, keys: tuple[int, ...]) -> None:
        together = list(dict.fromkeys((*held, *keys)))
        if len(together) > _MOST:
            text = f"libvirt presses {_MOST} keys together at most, not {len(together)}: release some first"
            raise Failure(HRESULT.E_INVALIDARG, text)
        domain.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, _HELD_FOR, together, len(together), 0)
        for key in held:
            held[key] = True


def _known(name: str) -> int:
    code = code_of(name)
    if code is None:
        text = f"{name!r} is no key: keys are named as Key_A, Key_F1, Key_LeftCtrl, KeyPad_0"
        raise Failure(HRESULT.E_INVALIDARG, text)
    return code


def _parsed(sequence: str) -> list[tuple[str, int]]:
    parts = [part.strip() for part in sequence.split(",")]
    steps, modifier = [], ""
    for part in parts:
        if part.upper() in _MODIFIERS and not modifier:
            modifier = part.upper()
        else:
            steps.append((modifier, _known(part)))
            modifier = ""
    if modifier:
        raise Failure(HRESULT.E_INVALIDARG, f"a key is to follow after {modifier} in {sequence!r}")
    return steps
