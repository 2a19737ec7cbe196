"""JScript's toFixed, toPrecision and toExponential, which Wine's engine cuts off where they should round.

Their digits are those of the script host (`host/numbers.c`); what the engine is asked for is what it refuses, and
what has no digits. Source: ECMA-262, 3rd edition, 15.7.4.5 to 15.7.4.7.
"""

from __future__ import annotations

import re

from vpcshim.clients.scripting.expressions import ENGINE

# In a string as well: `x["toFixed"](2)`.
_NAMED = re.compile(r"to(?:Fixed|Precision|Exponential)")

# A count that is left out is 0 for toFixed, and leaves the digits to the engine for the others.
WRITTEN_NUMBERS = f"""(function (of) {{
function written(name, fewest, most, least, as) {{
var engines = of[name];
of[name] = function (digits) {{
var x = typeof this == "number" || this instanceof Number ? Number(this) : NaN;
var n = digits === undefined ? least : Number(digits) || 0;
n = n < 0 ? Math.ceil(n) : Math.floor(n);
return isFinite(x) && n >= fewest && n <= most ? as(x, n) : engines.apply(this, arguments);
}};
}}
written("toFixed", 0, 20, 0, function (x, n) {{ return {ENGINE}.Fixed(x, n); }});
written("toPrecision", 1, 21, -1, function (x, n) {{ return {ENGINE}.Precise(x, n); }});
written("toExponential", 0, 20, -1, function (x, n) {{ return {ENGINE}.Exponential(x, n); }});
}})(Number.prototype);
"""


def writes_numbers(text: str) -> bool:
    """Whether a script names one of them."""
    return _NAMED.search(text) is not None
