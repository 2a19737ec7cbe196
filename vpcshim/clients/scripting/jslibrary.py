"""What of JScript's own library Wine's engine gets wrong, in JScript; a script is given what it names.

Digits and numbers are the script host's (`host/numbers.c`). Sources: ECMA-262, 3rd edition, 9.3.1 and 15.7.4.5 to
15.7.4.7; the JScript reference, RegExp object.
"""

from __future__ import annotations

import re

from vpcshim.clients.scripting.expressions import ENGINE

# Numbers cut off what they should round. A count that is left out is 0 for toFixed, and leaves the digits to the
# engine for the others; so does what has no digits, and what is to be refused.
_WRITTEN = f"""(function (of) {{
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
# A text's number is not the literal's: "0.3" is more than 0.3, "1.5e3" is none, and "-" is 0. The engine has no
# `typeof` of a date that is not its own.
_READ = f"""function vpcshim_Number(v) {{
var text = false;
try {{ text = typeof v == "string"; }} catch (e) {{ }}
return text ? {ENGINE}.Number(v) : arguments.length ? Number(v) : 0;
}}
function vpcshim_isNaN(v) {{ return isNaN(vpcshim_Number(v)); }}
function vpcshim_isFinite(v) {{ return isFinite(vpcshim_Number(v)); }}
"""
# They are undefined.
_CONSTANTS = """Number.MAX_VALUE = Math.pow(2, 1023) * (2 - Math.pow(2, -52));
Number.MIN_VALUE = Math.pow(2, -1074);
Number.NaN = NaN;
Number.POSITIVE_INFINITY = Infinity;
Number.NEGATIVE_INFINITY = -Infinity;
"""
# What a replacement found is looked up in the wrong text, and beyond its end.
_MATCHED = """(function (of) {
var replace = of.replace;
of.replace = function (what) {
if (what instanceof RegExp) String(this).match(what);
return replace.apply(this, arguments);
};
})(String.prototype);
"""
# In a string as well: `x["toFixed"](2)`.
_PARTS = (
    (re.compile(r"to(?:Fixed|Precision|Exponential)"), _WRITTEN),
    (re.compile(r"\bvpcshim_(?:Number|isNaN|isFinite)\b"), _READ),
    (re.compile(r"\b(?:(?:MAX|MIN)_VALUE|(?:POSITIVE|NEGATIVE)_INFINITY|Number\s*\.\s*NaN)\b"), _CONSTANTS),
    (re.compile(r"\bRegExp\s*(?:\.|\[\s*[\"'])\s*(?:\$[1-9]|leftContext|rightContext)"), _MATCHED),
)


def library(text: str) -> str:
    """What a text needs to run before it; the text is what the engine is given."""
    return "".join(part for named, part in _PARTS if named.search(text))
