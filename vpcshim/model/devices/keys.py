"""The keys of a US keyboard: by their documented names, as Linux numbers them, and what types each character.

Sources: the "Key Identifiers" pages of both references; linux/input-event-codes.h, which is libvirt's key code set
`VIR_KEYCODE_SET_LINUX`.
"""

from __future__ import annotations

KEYS: dict[str, int] = {
    "Key_Escape": 1,
    **{f"Key_{digit}": 2 + place for place, digit in enumerate("1234567890")},
    "Key_Hyphen": 12,
    "Key_Equals": 13,
    "Key_Backspace": 14,
    "Key_Tab": 15,
    **{f"Key_{letter}": 16 + place for place, letter in enumerate("QWERTYUIOP")},
    "Key_LeftBracket": 26,
    "Key_RightBracket": 27,
    "Key_Enter": 28,
    "Key_LeftCtrl": 29,
    **{f"Key_{letter}": 30 + place for place, letter in enumerate("ASDFGHJKL")},
    "Key_SemiColon": 39,
    "Key_SingleQuote": 40,
    "Key_LeftApostrophe": 41,
    "Key_LeftShift": 42,
    "Key_Backslash": 43,
    **{f"Key_{letter}": 44 + place for place, letter in enumerate("ZXCVBNM")},
    "Key_Comma": 51,
    "Key_Period": 52,
    "Key_Slash": 53,
    "Key_RightShift": 54,
    "KeyPad_Multiply": 55,
    "Key_LeftAlt": 56,
    "Key_Space": 57,
    **{f"Key_F{number}": 58 + number for number in range(1, 11)},
    "Key_NumLock": 69,
    "Key_ScrollLock": 70,
    "KeyPad_7": 71,
    "KeyPad_8": 72,
    "KeyPad_9": 73,
    "KeyPad_Minus": 74,
    "KeyPad_4": 75,
    "KeyPad_5": 76,
    "KeyPad_6": 77,
    "KeyPad_Plus": 78,
    "KeyPad_1": 79,
    "KeyPad_2": 80,
    "KeyPad_3": 81,
    "KeyPad_0": 82,
    "KeyPad_DecimalPoint": 83,
    "Key_F11": 87,
    "Key_F12": 88,
    "KeyPad_Enter": 96,
    "Key_RightCtrl": 97,
    "KeyPad_Divide": 98,
    "Key_SysReq": 99,
    "Key_RightAlt": 100,
    "Key_Home": 102,
    "Key_Up": 103,
    "Key_PageUp": 104,
    "Key_Left": 105,
    "Key_Right": 106,
    "Key_End": 107,
    "Key_Down": 108,
    "Key_PageDown": 109,
    "Key_Insert": 110,
    "Key_Delete": 111,
    "Key_Break": 119,
    "Key_LeftWindows": 125,
    "Key_RightWindows": 126,
    "Key_Application": 127,
}
_BY_NAME = {name.casefold(): code for name, code in KEYS.items()}
_SHIFT = KEYS["Key_LeftShift"]

_PLAIN = {
    "-": "Key_Hyphen",
    "=": "Key_Equals",
    "[": "Key_LeftBracket",
    "]": "Key_RightBracket",
    "\\": "Key_Backslash",
    ";": "Key_SemiColon",
    "'": "Key_SingleQuote",
    "`": "Key_LeftApostrophe",
    ",": "Key_Comma",
    ".": "Key_Period",
    "/": "Key_Slash",
    " ": "Key_Space",
    "\t": "Key_Tab",
    "\n": "Key_Enter",
    "\r": "Key_Enter",
    "\b": "Key_Backspace",
    "\x1b": "Key_Escape",
}
_SHIFTED = dict(zip('!@#$%^&*()_+{}|:"~<>?', "1234567890-=[]\\;'`,./", strict=True))


def code_of(name: str) -> int | None:
    """The code of a key by its documented name, in any case; None for a name that is none."""
    return _BY_NAME.get(name.strip().casefold())


def typed(character: str) -> tuple[int, ...] | None:
    """The keys that are held together to type a character; None where a US keyboard has no such."""
    if character in _SHIFTED:
        below = typed(_SHIFTED[character])
        return None if below is None else (_SHIFT, *below)
    if character.isascii() and character.isalnum():
        code = KEYS[f"Key_{character.upper()}"]
        return (_SHIFT, code) if character.isupper() else (code,)
    name = _PLAIN.get(character)
    return None if name is None else (KEYS[name],)
