"""The event loop that libvirt needs for keepalive, close callbacks and events.

libvirt keeps one loop implementation per process, and it has to be there before a connection is opened. A
program that runs its own (libvirtaio, GLib) says so with `use_existing()` before it makes an application object.

GLib's loop, which libvirt's default is, belongs to the thread that is in it, for good if a fork leaves that thread
behind. So the thread steps out of it for each `os.fork`, and a child may run it anew.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import libvirt

from vpcshim.hypervisor import glibloop

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_registered = False
_beats = False
_last_beat = float("-inf")
_gap_until = float("-inf")
_timer = -1
_thread: threading.Thread | None = None
_inherited = False
_gate = threading.Condition()
_turning = False
_forking = 0
_BEAT = 1.0
_SILENCE = 5.0
_STALL = 3.0
_STEP_OUT = 0.5
_loops_in: int | None = None
# How many turns bring to its callback what libvirt had sent before the first: one reads it, one hands it on; which
# of two things a turn does first, nobody says.
_TURNS = 3


def ensure() -> None:
    """Register libvirt's default loop and run it in a daemon thread, once per process."""
    global _registered, _thread
    with _lock:
        ours = not _registered
        if ours:
            libvirt.virEventRegisterDefaultImpl()
            _disinherit()
        _start_beating()
        if ours:
            _thread = threading.Thread(target=_run, name="vpcshim-libvirt-events", daemon=True)
            _thread.start()
            _registered = True


def use_existing() -> None:
    """Rely on a loop that the program has registered and runs itself."""
    global _registered
    with _lock:
        _registered = True


def alive() -> bool:
    """Whether the loop runs, as its own timer shows: without it no event arrives and nothing may be cached."""
    return time.monotonic() - _last_beat < _SILENCE


def stalled() -> bool:
    """Whether the loop stood still until just now: what it tells now may have happened long before."""
    now = time.monotonic()
    return now - _last_beat > _STALL or now - _gap_until < _BEAT


def has_turned(call: Callable[[], None]) -> bool:
    """Have `call` made in the loop's thread, when all that had arrived by now was given to its callbacks.

    Returns:
        Whether it will be: not where no loop turns, and not for a caller whom the loop waits for.
    """
    if not alive() or threading.get_ident() == _loops_in:
        return False
    left = _TURNS

    def turned(timer: int, _opaque: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            libvirt.virEventRemoveTimeout(timer)
            call()

    libvirt.virEventAddTimeout(0, turned, None)
    return True


def _start_beating() -> None:
    global _beats, _timer
    if not _beats:
        _timer = libvirt.virEventAddTimeout(0, _beat, None)
        _beats = True


def _beat(timer: int, _opaque: Any) -> None:
    global _gap_until, _last_beat, _loops_in
    _loops_in = threading.get_ident()
    now = time.monotonic()
    if _last_beat > float("-inf") and now - _last_beat > _STALL:
        _gap_until = now  # a stopped process, or a callback that took long
    _last_beat = now
    libvirt.virEventUpdateTimeout(timer, int(_BEAT * 1000))


def _run() -> None:
    global _turning
    while True:
        with _gate:
            _gate.wait_for(lambda: not _forking)
            _turning = True
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as error:
            # One bad turn of the loop must not end keepalive and events for the whole process.
            logger.error("libvirt's event loop: %s", error)
        finally:
            with _gate:
                _turning = False
                _gate.notify_all()


def _step_out() -> None:
    """Have the thread out of the loop, until `_in_parent` lets it in again."""
    global _forking
    with _gate:
        _forking += 1
        if _turning and threading.current_thread() is not _thread:
            try:
                libvirt.virEventUpdateTimeout(_timer, 0)  # the beat ends the turn
            except libvirt.libvirtError as error:
                logger.debug("the event loop could not be woken up: %s", error)
            _gate.wait_for(lambda: not _turning, _STEP_OUT)


def _in_parent() -> None:
    global _forking
    with _gate:
        _forking -= 1
        _gate.notify_all()


def _in_child() -> None:
    """No loop runs here: the next `ensure` starts one."""
    global _lock, _gate, _forking, _turning, _registered, _beats, _last_beat, _thread, _inherited
    _lock, _gate = threading.Lock(), threading.Condition()
    _forking, _turning = 0, False
    _beats, _last_beat = False, float("-inf")
    if _thread is not None:
        _thread, _registered, _inherited = None, False, True


def _disinherit() -> None:
    """Take the parent's sockets and timers out of a child's loop: it would read the parent's answers."""
    global _inherited
    if not _inherited:
        return
    _inherited = False
    # Both are numbered from 1 on; a new one tells how far.
    last = libvirt.virEventAddHandle(0, 0, _nothing, None)
    for number in range(1, last + 1):
        _removed(libvirt.virEventRemoveHandle, number)
    last = libvirt.virEventAddTimeout(-1, _nothing, None)
    for number in range(1, last + 1):
        _removed(libvirt.virEventRemoveTimeout, number)
    glibloop.own_wakeup()


def _removed(remove: Callable[[int], Any], number: int) -> None:
    try:
        remove(number)
    except libvirt.libvirtError:
        logger.debug("number %d was removed before", number)


def _nothing(*_arguments: Any) -> None:
    return None


os.register_at_fork(before=_step_out, after_in_parent=_in_parent, after_in_child=_in_child)
# For good: a callback that is made when the interpreter is no more is a crash, and the beat comes every second.
atexit.register(_step_out)
