"""What libvirt's events of one machine come to: once each, in order, never a state twice in a row."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.states import OFF, ON, PAUSED, RESTORING, RUNNING, SAVED, SAVING, STOPPING
from vpcshim.constants import VMEventType, VMVMState
from vpcshim.hypervisor.census import Medium
from vpcshim.hypervisor.events import Event, Extra, Kind
from vpcshim.model.events import tracker as tracking
from vpcshim.model.events.tracker import HEARTBEAT, Told, Tracker

UUID = "5d0c7fe8-8d3f-4d7c-9c60-7a0d5a6e5f03"
START = 1000.0
STARTED, SUSPENDED, RESUMED = (
    libvirt.VIR_DOMAIN_EVENT_STARTED,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED,
)
STOPPED, SHUTDOWN, CRASHED = (
    libvirt.VIR_DOMAIN_EVENT_STOPPED,
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN,
    libvirt.VIR_DOMAIN_EVENT_CRASHED,
)


def machine(state: VMVMState = RUNNING) -> Tracker:
    return Tracker(UUID, "web", state, START)


def short(told: Any) -> list[Any]:
    """What was told: states as themselves, events by their name, scripts by their kind."""
    found: list[Any] = []
    for one in told:
        assert (one.uuid, one.machine) == (UUID, "web")
        if one.event == "OnStateChange":
            found += one.args
        elif one.event:
            found.append((one.event, *one.args) if one.args else one.event)
        if one.script is not None:
            found.append(one.script)
    return found


def on(
    web: Tracker,
    kind: Kind | Extra,
    *details: Any,
    at: float = START + 1,
    asked: Callable[[], VMVMState] = lambda: RUNNING,
) -> list[Any]:
    return short(web.on(Event(kind, UUID, details, at, name="web", at=at), asked))


def life(web: Tracker, what: int, detail: int = 0, now: VMVMState = RUNNING) -> list[Any]:
    return on(web, Kind.LIFECYCLE, what, detail, asked=lambda: now)


# -- states ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "what", "detail", "now", "told"),
    [
        (OFF, STARTED, 0, RUNNING, [RUNNING, VMEventType.vmEvent_VirtualMachineLaunched]),
        (SAVED, STARTED, 2, RUNNING, [RUNNING, VMEventType.vmEvent_VirtualMachineStateRestored]),
        (OFF, STARTED, 1, RUNNING, [RUNNING]),
        (RUNNING, SUSPENDED, 0, PAUSED, [PAUSED]),
        (RUNNING, SUSPENDED, 0, SAVING, [SAVING]),
        (RUNNING, libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED, 0, PAUSED, [PAUSED]),
        (PAUSED, RESUMED, 0, RUNNING, [RUNNING]),
        (RUNNING, RESUMED, 0, RUNNING, []),
        (RUNNING, SHUTDOWN, 1, STOPPING, ["OnRequestShutdown", "OnGuestShutdown", STOPPING]),
        (RUNNING, SHUTDOWN, 0, STOPPING, ["OnRequestShutdown", "OnGuestShutdown", STOPPING]),
        (RUNNING, SHUTDOWN, 2, STOPPING, [STOPPING]),
        (STOPPING, STOPPED, 0, OFF, [OFF, VMEventType.vmEvent_VirtualMachineTurnedOffByGuest]),
        (RUNNING, STOPPED, 1, OFF, [OFF, VMEventType.vmEvent_VirtualMachineTurnedOff]),
        (RUNNING, STOPPED, 3, OFF, [OFF]),
        (SAVING, STOPPED, 4, SAVED, [SAVED, VMEventType.vmEvent_VirtualMachineStateSaved]),
        (SAVING, STOPPED, 4, OFF, [OFF, VMEventType.vmEvent_VirtualMachineTurnedOff]),  # into a file of somebody's
        (
            RUNNING,
            STOPPED,
            5,
            OFF,
            [
                "OnHeartbeatStopped",
                VMEventType.vmEvent_VirtualMachineNoHeartbeat,
                OFF,
                VMEventType.vmEvent_VirtualMachineTurnedOff,
            ],
        ),
        (RUNNING, CRASHED, 1, RUNNING, ["OnHeartbeatStopped", VMEventType.vmEvent_VirtualMachineNoHeartbeat]),
        (RUNNING, libvirt.VIR_DOMAIN_EVENT_DEFINED, 1, RUNNING, []),
        (RUNNING, libvirt.VIR_DOMAIN_EVENT_UNDEFINED, 0, RUNNING, []),
        (RUNNING, 4711, 0, RUNNING, []),
    ],
)
def test_what_a_transition_comes_to(
    before: VMVMState, what: int, detail: int, now: VMVMState, told: list[Any]
) -> None:
    assert life(machine(before), what, detail, now) == told


def test_a_crash_is_told_once() -> None:
    web = machine()
    fault = ["OnTripleFault", VMEventType.vmEvent_VirtualMachineProcessorError]
    off = [VMEventType.vmEvent_VirtualMachineTurnedOff]
    assert life(web, CRASHED) == [*fault, OFF]
    assert life(web, STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED) == off
    life(web, STARTED)
    assert life(web, STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED) == [*fault, OFF, *off]


def test_what_came_before_is_in_the_state_already() -> None:
    web = machine(PAUSED)
    assert on(web, Kind.LIFECYCLE, RESUMED, 0, at=START - 1) == []
    assert web.state is PAUSED


def test_a_name_is_the_latest() -> None:
    web = machine()
    defined = Event(
        Kind.LIFECYCLE, UUID, (libvirt.VIR_DOMAIN_EVENT_DEFINED, 2), START + 1, name="shop", at=START + 1
    )
    gone = Event(Kind.LIFECYCLE, UUID, (libvirt.VIR_DOMAIN_EVENT_UNDEFINED, 1), START + 1, name="web", at=START + 1)
    assert [*web.on(defined, lambda: RUNNING), *web.on(gone, lambda: RUNNING)] == []
    assert web.name == "shop"


# -- states in between -----------------------------------------------------------------------------------------


def begins(web: Tracker, task: int, state: VMVMState) -> list[Any]:
    return short(web.begins(task, state))


def ends(web: Tracker, task: int, now: VMVMState = VMVMState.vmVMState_Invalid, *, well: bool = False) -> list[Any]:
    return short(web.ends(task, lambda: now, well=well))


def states(told: list[Any]) -> list[VMVMState]:
    return [one for one in told if isinstance(one, VMVMState)]


def test_a_task_is_told_when_it_begins_and_its_end_when_libvirt_tells_of_it() -> None:
    web = machine(OFF)
    assert begins(web, 1, ON) == [ON]
    assert life(web, RESUMED) == []  # QEMU's guests run before they count as started
    assert states(life(web, STARTED)) == [RUNNING]
    assert ends(web, 1, well=True) == []
    assert begins(web, 2, SAVING) == [SAVING]
    assert life(web, SUSPENDED, now=SAVING) == []
    assert life(web, STOPPED, 4)[0] is SAVED
    assert ends(web, 2, well=True) == []


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ([(RESUMED, 0)], [RUNNING]),
        ([(SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_RESTORED)], [PAUSED]),
        ([], [RUNNING]),  # as the test driver does it
        ([(RESUMED, 0), (SUSPENDED, 0)], [RUNNING, PAUSED]),
    ],
)
def test_one_that_was_saved_while_it_was_paused_is_restored_paused(
    after: list[tuple[int, int]], told: list[VMVMState]
) -> None:
    web = machine(SAVED)
    assert begins(web, 1, RESTORING) == [RESTORING]
    assert states(life(web, STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_RESTORED)) == []
    found = [state for event in after for state in states(life(web, *event))]
    assert found + ends(web, 1, OFF, well=True) == told


def test_a_task_that_overlaps_another_is_told_after_the_end_of_that() -> None:
    web = machine(OFF)
    told = [begins(web, 1, ON), begins(web, 2, STOPPING), states(life(web, STARTED)), life(web, STOPPED, 1)[:1]]
    assert told == [[ON], [], [RUNNING, STOPPING], [OFF]]
    assert [ends(web, 1, well=True), ends(web, 2, well=True)] == [[], []]


@pytest.mark.parametrize("first_to_end", [1, 2])
def test_a_save_that_is_broken_off_by_the_end_of_the_machine(first_to_end: int) -> None:
    web = machine()
    assert begins(web, 1, SAVING) == [SAVING]
    life(web, SUSPENDED)
    assert begins(web, 2, STOPPING) == []
    if first_to_end == 1:
        assert ends(web, 1) == [STOPPING]
        assert life(web, STOPPED, 1)[0] is OFF
    else:
        assert states(life(web, STOPPED, 1)) == [STOPPING, OFF]
        assert ends(web, 1) == []
    assert ends(web, 2, well=True) == []


def test_a_task_that_another_made_needless() -> None:
    web = machine()
    assert begins(web, 1, STOPPING) == [STOPPING]
    assert life(web, STOPPED, 4, SAVED)[0] is VMEventType.vmEvent_VirtualMachineStateSaved
    assert ends(web, 1, SAVED) == [SAVED]


@pytest.mark.parametrize(("now", "told"), [(OFF, OFF), (SAVED, SAVED), (RUNNING, OFF), (PAUSED, OFF)])
def test_a_task_that_fails_leaves_what_was_and_not_what_was_done_since(now: VMVMState, told: VMVMState) -> None:
    web = machine(OFF)
    assert begins(web, 1, ON) == [ON]
    assert ends(web, 1, now) == [told]


def test_a_save_that_was_broken_off_goes_on_as_it_was() -> None:
    web = machine()
    assert begins(web, 1, SAVING) == [SAVING]
    assert [*life(web, SUSPENDED), *life(web, RESUMED)] == []
    assert ends(web, 1) == [RUNNING]
    life(web, SUSPENDED, now=PAUSED)
    assert [begins(web, 2, SAVING), ends(web, 2)] == [[SAVING], [PAUSED]]


def test_a_task_that_did_well_without_an_event_of_it() -> None:
    web = machine(OFF)
    assert [begins(web, 1, ON), ends(web, 1, RUNNING, well=True)] == [[ON], [RUNNING]]
    assert [begins(web, 2, STOPPING), ends(web, 2, well=True)] == [[STOPPING], [RUNNING]], "nobody answered"
    merging = VMVMState.vmVMState_MergingDrives
    off = machine(OFF)
    assert [begins(off, 3, merging), ends(off, 3, RUNNING, well=True)] == [[merging], [OFF]]


def test_a_task_that_began_before_somebody_listened() -> None:
    web = machine(ON)
    assert ends(web, 1, RUNNING, well=True) == []
    assert states(life(web, STARTED)) == [RUNNING]


def test_tasks_are_over_when_the_connection_was_lost() -> None:
    web = machine(OFF)
    begins(web, 1, ON)
    begins(web, 2, STOPPING)
    assert short(web.settles(RUNNING, START)) == [RUNNING]
    assert [ends(web, 1, RUNNING, well=True), ends(web, 2, OFF)] == [[], []]
    assert life(web, STOPPED, 1)[0] is OFF


def test_a_saved_state_that_was_discarded() -> None:
    web = machine(SAVED)
    assert short(web.lost_its_saved_state()) == [OFF]
    assert short(web.lost_its_saved_state()) == []
    assert short(machine(RUNNING).lost_its_saved_state()) == []


def test_a_save_by_another_process_that_was_broken_off_goes_on_running() -> None:
    web = machine()
    assert life(web, SUSPENDED, now=SAVING) == [SAVING]
    assert life(web, SUSPENDED, now=RUNNING) == []
    assert life(web, RESUMED) == [RUNNING]
    assert life(web, SUSPENDED, now=PAUSED) == [PAUSED]


_STEPS = ["start", "suspend", "resume", "stop", "saved", "save", "on", "off", "merge", "well", "fail", "census"]


@given(st.lists(st.sampled_from(_STEPS)))
def test_no_state_is_told_twice_in_a_row_and_none_in_between_outlives_its_task(steps: list[str]) -> None:
    web = machine(OFF)
    numbers = itertools.count()
    tasks: list[int] = []
    told: list[Any] = [OFF]
    begun = {"save": SAVING, "on": ON, "off": STOPPING, "merge": VMVMState.vmVMState_MergingDrives}
    libvirts = {"start": (STARTED, 0), "suspend": (SUSPENDED, 0), "resume": (RESUMED, 0), "stop": (STOPPED, 1)}
    for step in [*steps, *["fail"] * len(steps)]:
        match step:
            case "well" | "fail" if tasks:
                told += ends(web, tasks.pop(0), OFF, well=step == "well")
            case "census":
                told += short(web.settles(RUNNING, START))
            case "saved":
                told += life(web, STOPPED, 4, SAVED)
            case _ if step in begun:
                tasks.append(next(numbers))
                told += begins(web, tasks[-1], begun[step])
            case _ if step in libvirts:
                told += life(web, *libvirts[step], now=PAUSED)
    assert all(one is not other for one, other in itertools.pairwise(states(told)))
    assert states(told)[-1] is web.state
    assert web.state in (OFF, SAVED, RUNNING, PAUSED)


# -- what happens ----------------------------------------------------------------------------------------------


def test_one_reset_is_one_event() -> None:
    web = machine()
    reset = ["OnReset", VMEventType.vmEvent_VirtualMachineReset]
    assert [on(web, Kind.REBOOT, at=START + gap) for gap in (0, 0.02, 0.05, 0.6, 0.65)] == [
        reset,
        [],
        [],
        reset,
        [],
    ]


def agent(web: Tracker, state: int, reason: int = 2, at: float = START + 1) -> list[Any]:
    return on(web, Extra.AGENT_LIFECYCLE, state, reason, at=at)


def test_an_agent_that_stays_away_is_a_heartbeat_that_stopped() -> None:
    web = machine()
    assert agent(web, 1) == ["OnAdditionsAvailable"]
    assert agent(web, 2) == []
    assert short(web.passes(START + 1 + HEARTBEAT / 2)) == []
    due = web.due
    assert due == START + 1 + HEARTBEAT
    no_heartbeat = ["OnHeartbeatStopped", VMEventType.vmEvent_VirtualMachineNoHeartbeat]
    assert short(web.passes(due)) == no_heartbeat
    assert short(web.passes(due + 100)) == []
    assert on(web, Extra.WATCHDOG, 1) == no_heartbeat


@pytest.mark.parametrize(
    "reason",
    [
        lambda web: agent(web, 1),
        lambda web: on(web, Kind.REBOOT),
        lambda web: life(web, SHUTDOWN, 1),
        lambda web: life(web, STOPPED, 0),
        lambda web: life(web, SUSPENDED, 0, PAUSED),
    ],
)
def test_an_agent_that_is_away_for_another_reason_is_none(reason: Callable[[Tracker], object]) -> None:
    web = machine()
    agent(web, 2)
    reason(web)
    assert web.due > START + 1e9


def test_the_agents_state_at_the_start_is_no_news() -> None:
    web = machine()
    assert agent(web, 2, reason=1) == []
    assert web.due > START + 1e9
    off = machine(OFF)
    assert agent(off, 2) == []
    assert off.due > START + 1e9


def test_a_full_disk_is_told_once_until_the_machine_goes_on() -> None:
    web = machine()
    full = [("OnDiskOutOfSpace", True), VMEventType.vmEvent_VirtualMachineHostDiskSpaceError]
    details = ("/srv/web.qcow2", "virtio-disk0", 1, "enospc")
    assert [on(web, Extra.IO_ERROR, *details) for _ in range(3)] == [full, [], []]
    assert on(web, Extra.IO_ERROR, *details[:3], "eio") == []
    life(web, SUSPENDED, 2, PAUSED)
    life(web, RESUMED)
    assert on(web, Extra.IO_ERROR, *details) == full
    warning = [("OnDiskOutOfSpace", False), VMEventType.vmEvent_VirtualMachineHostDiskSpaceWarning]
    assert on(web, Extra.BLOCK_THRESHOLD, "vda", "/srv/web.qcow2", 1, 2) == warning


def test_configuration_values_that_differ_are_told() -> None:
    web = machine()
    web.values = {"a": 1, "b": "x", "c": True}
    changed = short(web.has_values({"a": 1, "b": "y", "c": 1, "d": b"\1"}))
    assert changed == [
        ("OnConfigurationChanged", "b", "y"),
        ("OnConfigurationChanged", "c", 1),
        ("OnConfigurationChanged", "d", b"\1"),
    ]
    assert short(web.has_values({"a": 1})) == [("OnConfigurationChanged", key, None) for key in "bcd"]


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_value_that_we_and_libvirt_tell_of_is_told_once(ours_first: bool) -> None:
    web = machine()
    web.values = {}
    steps = [lambda: web.was_configured("a", 1, kept=True), lambda: web.has_values({"a": 1})]
    told = [one for step in (steps if ours_first else reversed(steps)) for one in short(step())]
    assert told == [("OnConfigurationChanged", "a", 1)]
    # One that libvirt holds itself is told of by nobody else, as often as it is set.
    again = [*web.was_configured("memory", 128, kept=False), *web.was_configured("memory", 128, kept=False)]
    assert len(again) == 2


def test_media() -> None:
    web = machine()
    web.media = {"ide0-1-0": Medium("hdc", "/iso/a"), "fdc0-0-0": Medium("fda", "")}
    none = {"ide0-1-0": Medium("hdc", ""), "fdc0-0-0": Medium("fda", "")}
    other = {**none, "ide0-1-0": Medium("hdc", "/iso/b")}
    assert [*web.has_media(none, "ide0-1-0", opened=True)] == [
        Told(UUID, "web", "OnMediaEject", ("/iso/a",), drive="hdc")
    ]
    assert [*web.has_media(none, "ide0-1-0", opened=False)] == []
    assert [*web.has_media(other, "ide0-1-0", opened=False)] == [
        Told(UUID, "web", "OnMediaInsert", ("/iso/b",), drive="hdc")
    ]
    assert [*web.has_media(other, "fdc0-0-0", opened=True)] == []
    assert [*web.has_media(other, "unknown", opened=True)] == []


def test_media_of_drives_without_events() -> None:
    web = machine()
    web.media = {"fdc0-0-0": Medium("fda", "", silent=True), "ide0-1-0": Medium("hdc", "/iso/a")}

    def looked(path: str) -> list[tuple[str, Any]]:
        media = {"fda": Medium("fda", path, silent=True), "ide0-1-0": Medium("hdc", "/iso/b")}
        return [(one.event, one.args) for one in web.looked(media)]

    assert looked("") == []
    assert looked("/a") == [("OnMediaInsert", ("/a",))]
    assert looked("/b") == [("OnMediaEject", ("/a",)), ("OnMediaInsert", ("/b",))]
    assert looked("/b") == []
    assert looked("") == [("OnMediaEject", ("/b",))]


def test_the_pause_between_resets_is_what_the_accountant_takes() -> None:
    from vpcshim.hypervisor import runkeeper

    assert tracking._ONE_RESET == runkeeper._ONE_RESET
