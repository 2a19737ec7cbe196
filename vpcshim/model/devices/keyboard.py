"""IVMKeyboard: the machine's keyboard.

libvirt presses a set of keys together and lets all of them go again. So a key that is held (PressKey, DOWN) is
kept here and pressed along with every key that is typed until it is released; one that is released without that is
pressed and let go then.

QEMU plays the keys one after another while the calls come back at once, and forgets those that its queue has no
room for. So a long text is typed no faster than the machine takes it.

Sources: the IVMKeyboard and "Key Sequences" pages of both references; virDomainSendKey.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import libvirt

from vpcshim.com.declare import method, propget
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.hypervisor import forks
from vpcshim.model.devices.base import DeviceObject
from vpcshim.model.devices.keys import code_of, typed
from vpcshim.model.server import Server

_INVALID = (HRESULT.E_INVALIDARG,)
_MODIFIERS = ("DOWN", "UP", "HOLD")
_HELD_FOR = 30  # milliseconds; long enough for a guest's keyboard driver, short enough for a text
# How long QEMU takes for a step (a key down, or up), in seconds: its timers are late on a busy host. And for how
# many seconds steps may wait there: its queue holds about 340 of them.
_STEP = 1.5 * _HELD_FOR / 1000
_AHEAD = 5.0
_MOST = 16  # VIR_DOMAIN_SEND_KEY_MAX_KEYS, which the binding does not name
_NOT_EXCLUSIVE = "libvirt has no exclusive input: whoever may send keys to a domain or has its console types"

Held = dict[int, bool]  # the keys that are held, and whether another was typed with them meanwhile


@dataclass
class _Typing:
    """What this process types into one run of a machine.

    Attributes:
        run: The domain's id in that run.
        held: The keys that are held.
        done: When the machine has taken all that was sent (time.monotonic).
        turn: Held by whoever types, so that no other's keys come in between.
    """

    run: int
    held: Held = field(default_factory=dict)
    done: float = 0.0
    turn: threading.Lock = field(default_factory=forks.lock)


# By server and machine, of its present run alone: a machine that starts has no keys held.
_typing: weakref.WeakKeyDictionary[Server, dict[str, _Typing]] = weakref.WeakKeyDictionary()
_lock = forks.lock()


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
        with self._running("asked for its keys") as (domain, _):
            return code in self._typing_into(domain).held

    @method(vs=0x60020004, vpc=0x60020004, params=(VT.BSTR,), fails=_INVALID)
    def TypeAsciiText(self, text: str) -> None:
        """Type a text as on a US keyboard; E_INVALIDARG for a character that it does not have.

        The call ends when the machine has taken all but the last seconds of it: about 11 characters a second.
        """
        chords = [(character, typed(character)) for character in text.replace("\r\n", "\n")]
        wrong = sorted({character for character, keys in chords if keys is None})
        if wrong or not text:
            what = f"it cannot type {' '.join(map(repr, wrong))}" if wrong else "there is no text"
            raise Failure(HRESULT.E_INVALIDARG, f"the keyboard is a US one: {what}")
        with self._typed_into() as (domain, typing):
            for _, keys in chords:
                _send(domain, typing, keys or ())

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

    @contextmanager
    def _typed_into(self) -> Iterator[tuple[libvirt.virDomain, _Typing]]:
        """The running machine, whose keyboard is this thread's; a long text takes its connection from nobody."""
        with self._server.connection.one_more(), self._running("typed into") as (domain, _):
            typing = self._typing_into(domain)
            with typing.turn:
                yield domain, typing

    def _typing_into(self, domain: libvirt.virDomain) -> _Typing:
        with _lock:
            machines, run = _typing.setdefault(self._server, {}), domain.ID()
            found = machines.get(self._uuid)
            if found is None or found.run != run:
                found = machines[self._uuid] = _Typing(run)
            return found

    def _do(self, steps: Iterable[tuple[str, int]]) -> None:
        with self._typed_into() as (domain, typing):
            for modifier, key in steps:
                if modifier in ("DOWN", "HOLD"):
                    typing.held.setdefault(key, False)
                elif modifier == "UP" and key in typing.held:
                    if not typing.held.pop(key):
                        _send(domain, typing, (key,))
                elif modifier == "":
                    _send(domain, typing, (key,))


def _send(domain: libvirt.virDomain, typing: _Typing, keys: tuple[int, ...]) -> None:
    together = list(dict.fromkeys((*typing.held, *keys)))
    if len(together) > _MOST:
        text = f"libvirt presses {_MOST} keys together at most, not {len(together)}: release some first"
        raise Failure(HRESULT.E_INVALIDARG, text)
    time.sleep(max(0.0, typing.done - time.monotonic() - _AHEAD))
    domain.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, _HELD_FOR, together, len(together), 0)
    typing.done = max(typing.done, time.monotonic()) + 2 * len(together) * _STEP
    for key in typing.held:
        typing.held[key] = True


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
