"""What of JScript's own library Wine's engine gets wrong, in JScript; a script is given what it names.

Digits and numbers are the script host's (`host/numbers.c`). Sources: ECMA-262, 3rd edition, 9.3.1 and 15.7.4.5 to
15.7.4.7; the JScript reference, RegExp object.
"""

from __future__ import annotations

import re

from vpcshim.clients.scripting.expressions import ENGINE

# The first comparison of joined texts tells the host what the engine does wrong in it (`host/texts.c`), and whether
# that is mended.
_COMPARES = f"""(function (a) {{ {ENGINE}.Equal((a + "1") == (a + "2")); }})("machine-");
"""
# Numbers cut off what they should round. A count that is left out is 0 for toFixed, as many as are needed for
# toExponential, and leaves them to the engine for toPrecision; so does what has no digits, and what is refused.
# Of three digits, toLocaleString rounds two.
_WRITTEN = f"""(function (of) {{
var grouped = of.toLocaleString;
function number(of) {{ return typeof of == "number" || of instanceof Number ? +of : NaN; }}
function written(name, fewest, most, least, as) {{
var engines = of[name];
of[name] = function (digits) {{
var x = number(this);
if (digits === undefined && least === null && isFinite(x)) return as(x, -1);
var n = digits === undefined ? least : Number(digits) || 0;
n = n < 0 ? Math.ceil(n) : Math.floor(n);
return isFinite(x) && n >= fewest && n <= most ? as(x, n) : engines.apply(this, arguments);
}};
}}
written("toFixed", 0, 20, 0, function (x, n) {{ return {ENGINE}.Fixed(x, n); }});
written("toPrecision", 1, 21, -1, function (x, n) {{ return {ENGINE}.Precise(x, n); }});
written("toExponential", 0, 20, null, function (x, n) {{ return {ENGINE}.Exponential(x, n); }});
of.toLocaleString = function () {{
var x = number(this);
return grouped.call(Math.abs(x) < 1e15 ? +{ENGINE}.Fixed(x, 2) : this);
}};
}})(Number.prototype);
"""
# A text's number is not the literal's: "0.3" is more than 0.3, "1.5e3" is none, and "-" is 0. The engine has no
# `typeof` of a date that is not its own.
_READ = f"""function vpcshim_Number(v) {{
try {{
if (typeof v == "string") return {ENGINE}.Number(v);
}} catch (e) {{ }}
return arguments.length ? +v : 0;
}}
function vpcshim_isNaN(v) {{ v = vpcshim_Number(v); return v != v; }}
function vpcshim_isFinite(v) {{ v = vpcshim_Number(v); return v - v == 0; }}
function vpcshim_parseFloat(v) {{ return {ENGINE}.Leading(String(v)); }}
"""
# They are undefined.
_CONSTANTS = """Number.MAX_VALUE = Math.pow(2, 1023) * (2 - Math.pow(2, -52));
Number.MIN_VALUE = Math.pow(2, -1074);
Number.NaN = NaN;
Number.POSITIVE_INFINITY = Infinity;
Number.NEGATIVE_INFINITY = -Infinity;
"""
# What a replacement found is looked up in the wrong text, and beyond its end; a function that replaces is told of
# the last match.
_MATCHED = """(function (of) {
var replace = of.replace;
of.replace = function (what, by) {
if (!(what instanceof RegExp)) return replace.apply(this, arguments);
var text = String(this), again = vpcshim_global(what);
text.match(what);
if (typeof by != "function") return replace.apply(this, arguments);
return replace.call(text, what, function () {
again.lastIndex = arguments[arguments.length - 2];
again.exec(text);
return by.apply(this, arguments);
});
};
})(String.prototype);
"""
# What a text that is replaced is to be replaced by is taken as it is.
_DOLLARS = """(function (of) {
var replace = of.replace;
of.replace = function (what, by) {
var other = what instanceof RegExp || typeof by == "function" || arguments.length < 2;
if (other) return replace.apply(this, arguments);
var text = String(this), found = String(what), at = text.indexOf(found);
if (at < 0) return text;
var before = text.substring(0, at), behind = text.substring(at + found.length), kinds = "$&`'";
var parts = ["$", found, before, behind], made = "", from = 0, kind;
by = String(by);
while ((at = by.indexOf("$", from)) >= 0) {
kind = at + 1 < by.length ? kinds.indexOf(by.charAt(at + 1)) : -1;
made += by.substring(from, at) + (kind < 0 ? "$" : parts[kind]);
from = at + (kind < 0 ? 1 : 2);
}
return before + made + by.substring(from) + behind;
};
})(String.prototype);
"""
# Without a function it orders numbers as numbers, and takes a text that was joined for less than its first part.
_SORTED = """var vpcshim_sort = (function (sort) {
function ordered(a, b) { return a.text < b.text ? -1 : a.text > b.text ? 1 : 0; }
return function (v) {
if (!(v instanceof Array) || v.sort !== sort) return v.sort();
var all = [], none = 0, count = v.length, i, text;
for (i = 0; i < count; i++) {
if (!(i in v)) continue;
if (v[i] === undefined) { none++; continue; }
text = String(v[i]);
text.indexOf("");
all.push({text: text, value: v[i]});
}
sort.call(all, ordered);
for (i = 0; i < all.length; i++) v[i] = all[i].value;
for (; none > 0; none--, i++) v[i] = undefined;
for (; i < count; i++) delete v[i];
return v;
};
})(Array.prototype.sort);
"""
# It fills what is not there.
_UNSHIFTED = """(function (of) {
var unshift = of.unshift;
of.unshift = function () {
var more = arguments.length, count = this.length + more, i;
if (!(this instanceof Array)) return unshift.apply(this, arguments);
for (i = this.length - 1; i >= 0 && more; i--) {
if (i in this) this[i + more] = this[i];
else delete this[i + more];
}
for (i = 0; i < more; i++) this[i] = arguments[i];
return this.length = count;
};
})(Array.prototype);
"""
# It never ends where a match is empty. What is done over again is done with a pattern of one's own.
_MATCHES = """function vpcshim_global(of) {
return new RegExp(of.source, "g" + (of.ignoreCase ? "i" : "") + (of.multiline ? "m" : ""));
}
(function (of) {
var match = of.match, replace = of.replace;
of.match = function (what) {
if (!(what instanceof RegExp) || !what.global) return match.apply(this, arguments);
var text = String(this), found = [], empty = false, last = 0, again;
replace.call(text, what, function (all) {
found.push(all);
empty = empty || all == "";
last = arguments[arguments.length - 2];
return "";
});
if (!empty) return match.apply(this, arguments);
again = vpcshim_global(what);
again.lastIndex = last;
again.exec(text);
what.lastIndex = 0;
return found;
};
})(String.prototype);
"""
# It is not there.
_COMPARED = f"""String.prototype.localeCompare = function (other) {{
return {ENGINE}.Compare(String(this), String(other));
}};
"""
# What asks for what a pattern has found.
_FOUND = r"\bRegExp\s*(?:\.|\[\s*[\"'])\s*(?:\$[1-9]|leftContext|rightContext)"
# In a string as well: `x["toFixed"](2)`.
_PARTS = (
    (re.compile(r"to(?:Fixed|Precision|Exponential|LocaleString)"), _WRITTEN),
    (re.compile(r"\bvpcshim_(?:Number|isNaN|isFinite|parseFloat)\b"), _READ),
    (re.compile(r"\b(?:(?:MAX|MIN)_VALUE|(?:POSITIVE|NEGATIVE)_INFINITY|Number\s*\.\s*NaN)\b"), _CONSTANTS),
    (re.compile(r"\blocaleCompare\b"), _COMPARED),
    (re.compile(r"\bvpcshim_sort\b"), _SORTED),
    (re.compile(r"\bunshift\b"), _UNSHIFTED),
    (re.compile(rf"\bmatch\b|{_FOUND}"), _MATCHES),
    (re.compile(r"\$[$&`']"), _DOLLARS),
    (re.compile(_FOUND), _MATCHED),  # with _MATCHES before it
)


def library(text: str) -> str:
    """What a text needs to run before it; the text is what the engine is given."""
    return _COMPARES + "".join(part for named, part in _PARTS if named.search(text))
