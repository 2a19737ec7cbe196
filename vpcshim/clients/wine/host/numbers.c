/* JScript's numbers: as texts, of which Wine 8.0 knows 15 digits, and cuts off what it should round (ECMA-262, 9.8.1
 * and 15.7.4); of texts, which it does not read exactly (9.3.1); and grouped, of which it knows one group.
 *
 * The C library of the compiler writes and reads a double exactly, with as many digits as one wants.
 */
#define __USE_MINGW_ANSI_STDIO 1
#include "wire.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No double has more digits than 767, none more than 1074 behind the point; what is asked for is 21 at most. */
enum { DIGITS = 770, TEXT = 800, LONGEST = 21 };

/* digits[0].digits[1]... * 10^exponent; without zeros at the end, but for the first. */
typedef struct decimal {
    char digits[DIGITS + 1];
    int count, exponent;
} decimal;

static void take(const char *text, decimal *d)
{
    d->count = 0;
    for (; *text != 'e'; text++)
        if (*text != '.') d->digits[d->count++] = *text;
    while (d->count > 1 && d->digits[d->count - 1] == '0') d->count--;
    d->exponent = atoi(text + 1);
}

static void exact(double x, decimal *d)
{
    char text[TEXT];

    snprintf(text, sizeof(text), "%.*e", DIGITS - 1, x);
    take(text, d);
}

/* One more in its last digit. */
static void next_up(decimal *d)
{
    while (d->count && d->digits[d->count - 1] == '9') d->count--;
    if (d->count) d->digits[d->count - 1]++;
    else d->digits[d->count++] = '1', d->exponent++;
}

/* To so many digits, or to none or fewer: to what is 0 or, from its half on, the one digit before. */
static void rounded(decimal *d, int count)
{
    BOOL up = count >= 0 && count < d->count && d->digits[count] >= '5';

    if (count >= d->count) return;
    d->count = max(count, 0);
    if (up) next_up(d);
    else if (!d->count) d->digits[d->count++] = '0', d->exponent = 0;
    while (d->count > 1 && d->digits[d->count - 1] == '0') d->count--;
}

static char digit(const decimal *d, int i) { return i >= 0 && i < d->count ? d->digits[i] : '0'; }

/* With so many digits behind the point. */
static char *plain(const decimal *d, int places, char *at)
{
    int i;

    if (d->exponent < 0) *at++ = '0';
    for (i = 0; i <= d->exponent; i++) *at++ = digit(d, i);
    if (places > 0) *at++ = '.';
    for (i = d->exponent + 1; places > 0; i++, places--) *at++ = digit(d, i);
    return at;
}

static char *scientific(const decimal *d, int places, char *at)
{
    int i;

    *at++ = digit(d, 0);
    if (places > 0) *at++ = '.';
    for (i = 1; i <= places; i++) *at++ = digit(d, i);
    return at + sprintf(at, "e%c%d", d->exponent < 0 ? '-' : '+', abs(d->exponent));
}

static BOOL tells(const decimal *d, double x)
{
    char text[TEXT];

    *scientific(d, d->count - 1, text) = 0;
    return __mingw_strtod(text, NULL) == x;
}

/* As few digits as tell it from all other doubles. */
static void shortest(double x, decimal *d)
{
    char text[TEXT];
    int digits;

    /* Of normal numbers, 15 digits are those that fewer would have, and zeros. */
    for (digits = x < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1, x);
        take(text, d);
        if (tells(d, x)) return;
        /* Below a power of two doubles are closer together: what is farther off, above, may do where this does not. */
        if (digits == 16 && d->count == 16 && (next_up(d), tells(d, x))) return;
    }
}

static HRESULT answer(const char *text, const char *end, VARIANT *value)
{
    UINT i, length = (UINT)(end - text);

    if (!(V_BSTR(value) = SysAllocStringLen(NULL, length))) return E_OUTOFMEMORY;
    for (i = 0; i < length; i++) V_BSTR(value)[i] = (WCHAR)text[i];
    V_VT(value) = VT_BSTR;
    return S_OK;
}

static HRESULT as_text(double x, VARIANT *value)
{
    char text[TEXT], *at = text;
    decimal d;

    shortest(fabs(x), &d);
    if (x < 0) *at++ = '-';
    if (d.exponent > 20 || d.exponent < -6) at = scientific(&d, d.count - 1, at);
    else at = plain(&d, max(0, d.count - 1 - d.exponent), at);
    return answer(text, at, value);
}

/* toFixed, toPrecision, toExponential of a finite number, and of a count that they allow; of -1, which is none, the last
 * has as many digits as the number needs. */
HRESULT number_written(int how, double x, int count, VARIANT *value)
{
    char text[TEXT], *at = text;
    decimal d;

    if (count < (how == NUMBER_EXPONENTIAL ? -1 : 0) || count > LONGEST || !isfinite(x)) return E_INVALIDARG;
    if (how == NUMBER_FIXED && fabs(x) >= 1e21) return as_text(x, value);
    if (count < 0) {
        shortest(fabs(x), &d);
        count = d.count - 1;
    } else {
        exact(fabs(x), &d);
    }
    if (x < 0) *at++ = '-';
    rounded(&d, how == NUMBER_FIXED ? d.exponent + 1 + count : how == NUMBER_PRECISE ? count : count + 1);
    if (how == NUMBER_FIXED) at = plain(&d, count, at);
    else if (how == NUMBER_EXPONENTIAL) at = scientific(&d, count, at);
    else if (d.exponent < -6 || d.exponent >= count) at = scientific(&d, count - 1, at);
    else at = plain(&d, count - 1 - d.exponent, at);
    return answer(text, at, value);
}

static BOOL is_space(WCHAR c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0xa0 || c == 0xfeff || c == 0x2028 || c == 0x2029;
}

static UINT digits_from(const WCHAR *text, UINT at, UINT end)
{
    while (at < end && text[at] >= '0' && text[at] <= '9') at++;
    return at;
}

/* Where a number in decimal digits ends that begins there, from its sign to its exponent; there itself where is none. */
static UINT decimal_end(const WCHAR *text, UINT at, UINT end)
{
    UINT begin, digits, none = at;

    if (at < end && (text[at] == '+' || text[at] == '-')) at++;
    begin = at;
    at = digits_from(text, at, end);
    digits = at - begin;
    if (at < end && text[at] == '.') {
        begin = ++at;
        at = digits_from(text, at, end);
        digits += at - begin;
    }
    if (!digits) return none;
    if (at < end && (text[at] == 'e' || text[at] == 'E')) {
        begin = at + 1;
        if (begin < end && (text[begin] == '+' || text[begin] == '-')) begin++;
        digits = digits_from(text, begin, end);
        if (digits > begin) at = digits;
    }
    return at;
}

static double hexadecimal(const WCHAR *text, UINT at, UINT end)
{
    double number = 0;

    for (; at < end; at++) {
        WCHAR c = text[at];
        if (c >= '0' && c <= '9') number = number * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f') number = number * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F') number = number * 16 + (c - 'A' + 10);
        else return NAN;
    }
    return number;
}

double number_read(const WCHAR *text, UINT length)
{
    UINT begin = 0, end = length, i, sign;
    double number;
    char *narrow;

    while (begin < end && is_space(text[begin])) begin++;
    while (end > begin && is_space(text[end - 1])) end--;
    if (begin == end) return 0;
    if (end - begin > 2 && text[begin] == '0' && (text[begin + 1] | 0x20) == 'x') return hexadecimal(text, begin + 2, end);
    sign = text[begin] == '+' || text[begin] == '-';
    if (end - begin - sign == 8 && !memcmp(text + begin + sign, L"Infinity", 8 * sizeof(WCHAR)))
        return text[begin] == '-' ? -INFINITY : INFINITY;
    if (decimal_end(text, begin, end) != end || !(narrow = malloc(end - begin + 1))) return NAN;
    for (i = begin; i < end; i++) narrow[i - begin] = (char)text[i];
    narrow[end - begin] = 0;
    number = __mingw_strtod(narrow, NULL);
    free(narrow);
    return number;
}

/* parseFloat: of what the text begins with. */
double number_leading(const WCHAR *text, UINT length)
{
    UINT begin = 0, end, sign;

    while (begin < length && is_space(text[begin])) begin++;
    sign = begin < length && (text[begin] == '+' || text[begin] == '-');
    if (length - begin - sign >= 8 && !memcmp(text + begin + sign, L"Infinity", 8 * sizeof(WCHAR)))
        return text[begin] == '-' ? -INFINITY : INFINITY;
    end = decimal_end(text, begin, length);
    return end == begin ? NAN : number_read(text + begin, end - begin);
}

/* -- what the engine asks of others ---------------------------------------------------------------------------- */

typedef HRESULT(WINAPI *change_type)(VARIANT *, const VARIANT *, LCID, USHORT, VARTYPE);
typedef int(WINAPI *format_number)(LCID, DWORD, LPCWSTR, const NUMBERFMTW *, LPWSTR, int);

static change_type ole_change;
static format_number windows_format;

static HRESULT WINAPI changed(VARIANT *into, const VARIANT *from, LCID lcid, USHORT flags, VARTYPE type)
{
    double x = V_R8(from);
    HRESULT hr;

    if (V_VT(from) != VT_R8 || type != VT_BSTR || !isfinite(x)) return ole_change(into, from, lcid, flags, type);
    return FAILED(hr = VariantClear(into)) ? hr : as_text(x, into);
}

static UINT locale_number(LCID lcid, LCTYPE what)
{
    DWORD number = 0;

    GetLocaleInfoW(lcid, what | LOCALE_RETURN_NUMBER, (WCHAR *)&number, sizeof(number) / sizeof(WCHAR));
    return number;
}

/* The locale's format, written out: what is asked for without one has a single group. */
static int WINAPI grouped(LCID lcid, DWORD flags, LPCWSTR number, const NUMBERFMTW *format, LPWSTR text, int size)
{
    WCHAR point[8] = L".", comma[8] = L",";
    NUMBERFMTW locale = {locale_number(lcid, LOCALE_IDIGITS), locale_number(lcid, LOCALE_ILZERO), 3, point, comma,
                         locale_number(lcid, LOCALE_INEGNUMBER)};

    if (format) return windows_format(lcid, flags, number, format, text, size);
    GetLocaleInfoW(lcid, LOCALE_SDECIMAL, point, 8);
    GetLocaleInfoW(lcid, LOCALE_STHOUSAND, comma, 8);
    return windows_format(lcid, 0, number, &locale, text, size);
}

void mend_numbers(const WCHAR *library)
{
    ole_change = (change_type)replace_import(library, L"oleaut32.dll", "VariantChangeTypeEx", (void *)changed);
    windows_format = (format_number)replace_import(library, L"kernel32.dll", "GetNumberFormatW", (void *)grouped);
}
