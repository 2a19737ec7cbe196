"""The language of messages. There is one: English, for these are vpcshim's own words and libvirt's.

Sources: the IVMVirtualServer pages (Locale, DefaultLocale, QueryLocale); RFC 2616, 14.4; [MS-LCID].
"""

from __future__ import annotations

import re
from functools import cache

from vpcshim.com.declare import method, propget, propput
from vpcshim.com.errors import Failure
from vpcshim.com.hresult import HRESULT
from vpcshim.com.variant import VT
from vpcshim.model.base import ModelObject

_ENGLISH_US = 0x0409
_PRIMARY = 0x3FF  # the bits of a locale ID that tell the language; the rest is where it is spoken
_ENGLISH = _ENGLISH_US & _PRIMARY
# LOCALE_NEUTRAL, LOCALE_USER_DEFAULT, LOCALE_SYSTEM_DEFAULT: whatever the default is.
_DEFAULTS = (0x0000, 0x0400, 0x0800)
_LONGEST = 1000  # characters of a header
_RANGE = re.compile(r"(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?))?")


class Locale(ModelObject):
    """Locale, DefaultLocale, QueryLocale: locale IDs as Windows numbers them, of which 1033 is US English."""

    @propput(vs=0x60020003, vt=VT.UI4, fails=(HRESULT.E_FAIL,))
    def Locale(self, value: int) -> None:
        """The locale for messages: any English one, or a default one; E_FAIL for another language."""
        if value not in _DEFAULTS and value & _PRIMARY != _ENGLISH:
            raise Failure(HRESULT.E_FAIL, f"messages are in English only (as locale {_ENGLISH_US}), not in {value}")

    @propget(vs=0x60020002, vt=VT.UI4)
    def DefaultLocale(self) -> int:
        """The locale that messages are in: 1033, US English."""
        return _ENGLISH_US

    @method(vs=0x60020001, vt=VT.UI4, params=(VT.BSTR,), reads=True)
    def QueryLocale(self, inLanguage: str) -> int:
        """The locale that suits best what a reader prefers, of those that messages are in.

        Args:
            inLanguage: Languages as browsers name them in Accept-Language: `de, en-GB;q=0.8`. English is answered
                as it is asked for (en-GB: 2057); where it is not asked for, with the default.
        """
        found = _preferred(inLanguage)
        return _ENGLISH_US if found is None else found


def _preferred(header: str) -> int | None:
    """The English locale that is preferred most, None when none is asked for.

    Raises:
        Failure: E_INVALIDARG: this is no Accept-Language header.
    """
    if len(header) > _LONGEST:
        raise Failure(HRESULT.E_INVALIDARG, f"a list of languages has at most {_LONGEST} characters")
    best: tuple[float, int | None] = (0.0, None)
    for part in filter(None, (part.strip() for part in header.split(","))):
        match = _RANGE.fullmatch(part)
        if match is None:
            text = f"{part!r:.80} is no language; write them as de, en-GB;q=0.8"
            raise Failure(HRESULT.E_INVALIDARG, text)
        quality = float(match[2] or 1)
        number = _locales().get(match[1].lower(), _ENGLISH_US)
        if match[1].lower().partition("-")[0] == "en" and quality > best[0]:
            best = (quality, number)
    return best[1]


@cache
def _locales() -> dict[str, int]:
    """The locale IDs by the names of languages as browsers write them, in lower case."""
    import locale

    return {name.replace("_", "-").lower(): number for number, name in locale.windows_locale.items()}
