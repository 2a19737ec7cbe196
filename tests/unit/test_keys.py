"""The keyboard: which key a name is, and what types a character."""

from __future__ import annotations

import string

import libvirt
import pytest

from vpcshim.com.errors import Failure
from vpcshim.model.devices.keyboard import _parsed
from vpcshim.model.devices.keys import KEYS, code_of, typed


def test_every_key_has_a_code_of_its_own() -> None:
    assert len(set(KEYS.values())) == len(KEYS)
    assert libvirt.VIR_KEYCODE_SET_LINUX == 0
    assert (KEYS["Key_Q"], KEYS["Key_0"], KEYS["Key_F10"], KEYS["Key_M"]) == (16, 11, 68, 50)


def test_names_are_found_in_any_case() -> None:
    assert code_of(" key_LEFTctrl ") == KEYS["Key_LeftCtrl"]
    assert code_of("LeftCtrl") is None


def test_every_printable_character_is_typed_in_its_own_way() -> None:
    ways = {character: typed(character) for character in string.printable if character not in "\r\x0b\x0c"}
    assert None not in ways.values()
    assert len(set(ways.values())) == len(ways)
    assert typed("A") == (42, 30)
    assert typed("?") == (42, 53)


@pytest.mark.parametrize("character", ["\xe4", "\x00", "\u20ac", "\xb2", "\u0661"])
def test_what_a_us_keyboard_does_not_have(character: str) -> None:
    assert typed(character) is None


@pytest.mark.parametrize("sequence", ["", ",", "Key_A,", "DOWN", "DOWN,DOWN,Key_A", "Key_A DOWN", "UP,"])
def test_a_sequence_that_is_none(sequence: str) -> None:
    with pytest.raises(Failure):
        _parsed(sequence)


def test_a_sequence() -> None:
    assert _parsed("down, Key_LeftShift ,Key_A,UP,Key_LeftShift") == [("DOWN", 42), ("", 30), ("UP", 42)]
