/* What Wine 8.0's engines get wrong, and scripts do too often for it to be asked of the server.
 *
 * Functions are the methods of an object that the script's text calls by its name. Of the operators that OLE Automation
 * computes for the engine, those that are wrong are replaced where the engine's library imports them.
 */
#include "wire.h"
#include <stdlib.h>
#include <string.h>

#define VB_ERROR(number) ((HRESULT)(0x800a0000 | (number)))
enum { BAD_ARGUMENT = 5, BAD_NULL = 94 };

/* -- arguments ------------------------------------------------------------------------------------------------- */

static const VARIANT *argument(const DISPPARAMS *params, UINT i)
{
    const VARIANT *value = &params->rgvarg[params->cArgs - 1 - i];

    while (V_VT(value) == (VT_BYREF | VT_VARIANT)) value = V_VARIANTREF(value);
    return value;
}

static HRESULT number_of(const DISPPARAMS *params, UINT i, VARTYPE vt, LONG *number)
{
    const VARIANT *value = argument(params, i);
    VARIANT converted;
    HRESULT hr;

    if (V_VT(value) == VT_NULL) return VB_ERROR(BAD_NULL);
    VariantInit(&converted);
    if (SUCCEEDED(hr = VariantChangeType(&converted, (VARIANT *)value, 0, vt)))
        *number = vt == VT_I2 ? V_I2(&converted) : V_I4(&converted);
    return hr;
}

/* The text from a place on, of at most so many characters; what the first argument is, it is Null of Null. */
static HRESULT part(const DISPPARAMS *params, BSTR *whole)
{
    const VARIANT *value = argument(params, 0);
    VARIANT text;
    HRESULT hr;

    VariantInit(&text);
    *whole = NULL;
    if (V_VT(value) == VT_NULL) return S_FALSE;
    if (SUCCEEDED(hr = VariantChangeType(&text, (VARIANT *)value, VARIANT_LOCALBOOL, VT_BSTR))) *whole = V_BSTR(&text);
    return hr;
}

static HRESULT text_result(VARIANT *value, BSTR whole, UINT begin, UINT count)
{
    V_VT(value) = VT_BSTR;
    V_BSTR(value) = SysAllocStringLen(whole ? whole + begin : NULL, count);
    SysFreeString(whole);
    return V_BSTR(value) ? S_OK : E_OUTOFMEMORY;
}

/* -- functions ------------------------------------------------------------------------------------------------- */

/* Hands out its argument: as with all of them, one that is an error which the engine forgot was told before. */
static HRESULT checked(const DISPPARAMS *params, VARIANT *value, EXCEPINFO *info)
{
    (void)info;
    return VariantCopyInd(value, &params->rgvarg[0]);
}

/* A literal, marked as one for VarCmp. What has the mark cannot be cleared: a text is kept for when it comes again. */
static HRESULT hard(const DISPPARAMS *params, VARIANT *value, EXCEPINFO *info)
{
    static BSTR *texts;
    static UINT count;
    const VARIANT *literal = argument(params, 0);
    HRESULT hr;
    UINT i;

    (void)info;
    if (V_VT(literal) != VT_BSTR) {
        if (SUCCEEDED(hr = VariantCopyInd(value, (VARIANT *)literal)) && V_VT(value) != VT_DISPATCH) V_VT(value) |= VT_HARDTYPE;
        return hr;
    }
    for (i = 0; i < count; i++)
        if (!lstrcmpW(texts[i], V_BSTR(literal))) break;
    if (i == count) {
        BSTR *more = realloc(texts, (count + 1) * sizeof(*texts));
        if (!more) return E_OUTOFMEMORY;
        texts = more;
        if (!(texts[count] = SysAllocString(V_BSTR(literal)))) return E_OUTOFMEMORY;
        count++;
    }
    V_VT(value) = VT_BSTR | VT_HARDTYPE;
    V_BSTR(value) = texts[i];
    return S_OK;
}

/* A condition: the numbers that the engine takes for none are true or false, the others stay. */
static HRESULT truth(const DISPPARAMS *params, VARIANT *value, EXCEPINFO *info)
{
    const VARIANT *condition = argument(params, 0);

    (void)info;
    switch (V_VT(condition)) {
    case VT_R4:
    case VT_R8:
    case VT_CY:
    case VT_DATE:
    case VT_DECIMAL:
    case VT_UI1:
    case VT_UI4:
    case VT_I8:
        return VariantChangeType(value, (VARIANT *)condition, 0, VT_BOOL);
    }
    return VariantCopyInd(value, (VARIANT *)condition);
}

/* Spaces alone: the engine takes tabs and the ends of lines as well, and RTrim leaves one of nothing but spaces. */
static HRESULT trimmed(const DISPPARAMS *params, VARIANT *value, BOOL left, BOOL right)
{
    UINT begin = 0, end;
    BSTR whole;
    HRESULT hr = part(params, &whole);

    if (hr == S_FALSE) V_VT(value) = VT_NULL;
    if (hr != S_OK) return FAILED(hr) ? hr : S_OK;
    end = SysStringLen(whole);
    while (left && begin < end && whole[begin] == ' ') begin++;
    while (right && end > begin && whole[end - 1] == ' ') end--;
    return text_result(value, whole, begin, end - begin);
}

static HRESULT trim(const DISPPARAMS *p, VARIANT *value, EXCEPINFO *info) { (void)info; return trimmed(p, value, TRUE, TRUE); }
static HRESULT ltrim(const DISPPARAMS *p, VARIANT *value, EXCEPINFO *info) { (void)info; return trimmed(p, value, TRUE, FALSE); }
static HRESULT rtrim(const DISPPARAMS *p, VARIANT *value, EXCEPINFO *info) { (void)info; return trimmed(p, value, FALSE, TRUE); }

/* Mid(text, start[, length]): the engine reads what stands before the text where start is 0. */
static HRESULT mid(const DISPPARAMS *params, VARIANT *value, EXCEPINFO *info)
{
    LONG start, count = MAXLONG;
    BSTR whole;
    HRESULT hr;

    (void)info;
    if (FAILED(hr = number_of(params, 1, VT_I4, &start))) return hr;
    if (params->cArgs == 3 && FAILED(hr = number_of(params, 2, VT_I4, &count))) return hr;
    if (start < 1 || count < 0) return VB_ERROR(BAD_ARGUMENT);
    hr = part(params, &whole);
    if (hr == S_FALSE) V_VT(value) = VT_NULL;
    if (hr != S_OK) return FAILED(hr) ? hr : S_OK;
    start = min((UINT)start - 1, SysStringLen(whole));
    return text_result(value, whole, start, min((UINT)count, SysStringLen(whole) - start));
}

/* The days since 30 December 1899 of the first day of a month, which may be any number, of the Gregorian calendar. */
static LONG first_of(LONG year, LONG month)
{
    LONG months = year * 12 + month - 1, y = months / 12, m = months % 12 + 1;
    LONG marches, shifted = m > 2 ? m - 3 : m + 9;

    y -= m <= 2;
    marches = y * 365 + y / 4 - y / 100 + y / 400;
    return marches + (153 * shifted + 2) / 5 - 693899;
}

/* DateSerial(year, month, day): the engine errs by a month where it goes on into a month of 30 days and beyond. */
static HRESULT date_serial(const DISPPARAMS *params, VARIANT *value, EXCEPINFO *info)
{
    static const LONG first = -657434, last = 2958465; /* of the years 100 to 9999 */
    LONG year, month, day, found;
    HRESULT hr;

    (void)info;
    if (FAILED(hr = number_of(params, 0, VT_I2, &year)) || FAILED(hr = number_of(params, 1, VT_I2, &month))
        || FAILED(hr = number_of(params, 2, VT_I2, &day)))
        return hr;
    if (year >= 0 && year < 100) year += year < 30 ? 2000 : 1900;
    if (year < 0 || year > 9999 || year * 12 + month < 13) return VB_ERROR(BAD_ARGUMENT);
    found = first_of(year, month) + day - 1;
    if (found < first || found > last) return VB_ERROR(BAD_ARGUMENT);
    V_VT(value) = VT_DATE;
    V_DATE(value) = found;
    return S_OK;
}

/* TimeSerial(hour, minute, second): before midnight it is less than nothing, and not some time two days before. */
static HRESULT time_serial(const DISPPARAMS *params, VARIANT *value, EXCEPINFO *info)
{
    LONG hour, minute, second, all, rest;
    HRESULT hr;

    (void)info;
    if (FAILED(hr = number_of(params, 0, VT_I2, &hour)) || FAILED(hr = number_of(params, 1, VT_I2, &minute))
        || FAILED(hr = number_of(params, 2, VT_I2, &second)))
        return hr;
    all = hour * 3600 + minute * 60 + second;
    rest = labs(all);
    /* In these steps, as OLE Automation makes a date of a text: equal times are to be equal. */
    V_VT(value) = VT_DATE;
    V_DATE(value) = rest / 86400;
    V_DATE(value) += rest % 86400 / 3600 / 24.0;
    V_DATE(value) += rest % 3600 / 60 / 1440.0;
    V_DATE(value) += rest % 60 / 86400.0;
    if (all < 0) V_DATE(value) = -V_DATE(value);
    return S_OK;
}

/* Fixed(number, digits) and the like: what JScript's toFixed, toPrecision and toExponential are. */
static HRESULT written(int how, const DISPPARAMS *params, VARIANT *value)
{
    VARIANT number;
    LONG count;
    HRESULT hr;

    VariantInit(&number);
    if (FAILED(hr = VariantChangeType(&number, (VARIANT *)argument(params, 0), 0, VT_R8))) return hr;
    if (FAILED(hr = number_of(params, 1, VT_I4, &count))) return hr;
    return number_written(how, V_R8(&number), count, value);
}

static HRESULT fixed(const DISPPARAMS *p, VARIANT *value, EXCEPINFO *info) { (void)info; return written(NUMBER_FIXED, p, value); }
static HRESULT precise(const DISPPARAMS *p, VARIANT *value, EXCEPINFO *info) { (void)info; return written(NUMBER_PRECISE, p, value); }
static HRESULT exponential(const DISPPARAMS *p, VARIANT *value, EXCEPINFO *info) { (void)info; return written(NUMBER_EXPONENTIAL, p, value); }

/* Number(text) and Leading(text), which is parseFloat: the engine's numbers are not those of the literals, and it takes
 * for one what is none. */
static HRESULT number_of_text(double (*reader)(const WCHAR *, UINT), const DISPPARAMS *params, VARIANT *value)
{
    const VARIANT *text = argument(params, 0);

    if (V_VT(text) != VT_BSTR) return DISP_E_TYPEMISMATCH;
    V_VT(value) = VT_R8;
    V_R8(value) = reader(V_BSTR(text), SysStringLen(V_BSTR(text)));
    return S_OK;
}

static HRESULT number(const DISPPARAMS *p, VARIANT *value, EXCEPINFO *info) { (void)info; return number_of_text(number_read, p, value); }
static HRESULT leading(const DISPPARAMS *p, VARIANT *value, EXCEPINFO *info) { (void)info; return number_of_text(number_leading, p, value); }

/* Compare(text, other): as the user's locale sorts them, which the engine does not do at all. */
static HRESULT compare(const DISPPARAMS *params, VARIANT *value, EXCEPINFO *info)
{
    const VARIANT *text = argument(params, 0), *other = argument(params, 1);
    int order;

    (void)info;
    if (V_VT(text) != VT_BSTR || V_VT(other) != VT_BSTR) return DISP_E_TYPEMISMATCH;
    order = CompareStringW(LOCALE_USER_DEFAULT, 0, V_BSTR(text) ? V_BSTR(text) : L"", SysStringLen(V_BSTR(text)),
                           V_BSTR(other) ? V_BSTR(other) : L"", SysStringLen(V_BSTR(other)));
    if (!order) return HRESULT_FROM_WIN32(GetLastError());
    V_VT(value) = VT_I4;
    V_I4(value) = order - CSTR_EQUAL;
    return S_OK;
}

/* Equal(whether): of two texts that are not. A script is not to run where the engine takes them for one. */
static HRESULT equal(const DISPPARAMS *params, VARIANT *value, EXCEPINFO *info)
{
    const VARIANT *whether = argument(params, 0);

    (void)value;
    if (V_VT(whether) == VT_BOOL && !V_BOOL(whether)) return S_OK;
    if (info) info->bstrDescription = SysAllocString(L"this version of Wine compares texts in a way unknown here");
    if (info) info->scode = E_FAIL;
    return info ? DISP_E_EXCEPTION : E_FAIL;
}

/* A script asks at its beginning for the type of the function at its end, which is there if it was read that far. */
static HRESULT whole(const DISPPARAMS *params, VARIANT *value, EXCEPINFO *info)
{
    const VARIANT *type = argument(params, 0);

    (void)value, (void)info;
    return script_read(V_VT(type) == VT_BSTR && V_BSTR(type) && !lstrcmpW(V_BSTR(type), L"function"));
}

static const struct function {
    const WCHAR *name;
    UINT least, most;
    HRESULT (*call)(const DISPPARAMS *params, VARIANT *value, EXCEPINFO *info);
} functions[] = {
    {L"Checked", 1, 1, checked}, {L"Hard", 1, 1, hard},
    {L"Truth", 1, 1, truth},     {L"Trim", 1, 1, trim},
    {L"LTrim", 1, 1, ltrim},     {L"RTrim", 1, 1, rtrim},
    {L"Mid", 2, 3, mid},         {L"DateSerial", 3, 3, date_serial},
    {L"TimeSerial", 3, 3, time_serial},
    {L"Fixed", 2, 2, fixed},     {L"Precise", 2, 2, precise},
    {L"Exponential", 2, 2, exponential},
    {L"Number", 1, 1, number},   {L"Leading", 1, 1, leading},
    {L"Compare", 2, 2, compare}, {L"Equal", 1, 1, equal},
    {L"Whole", 1, 1, whole},
};
enum { function_count = sizeof(functions) / sizeof(*functions) };

static HRESULT WINAPI functions_query(IDispatch *iface, REFIID iid, void **out)
{
    *out = NULL;
    if (!IsEqualGUID(iid, &IID_IUnknown) && !IsEqualGUID(iid, &IID_IDispatch)) return E_NOINTERFACE;
    *out = iface;
    return S_OK;
}

static ULONG WINAPI forever(IDispatch *iface) { (void)iface; return 1; }

static HRESULT WINAPI functions_names(IDispatch *iface, REFIID iid, LPOLESTR *names, UINT count, LCID lcid, DISPID *ids)
{
    UINT i;

    (void)iface, (void)iid, (void)lcid;
    for (i = 0; i < count; i++) ids[i] = DISPID_UNKNOWN;
    for (i = 0; i < function_count; i++) {
        if (lstrcmpiW(functions[i].name, names[0])) continue;
        ids[0] = i + 1;
        return count > 1 ? DISP_E_UNKNOWNNAME : S_OK;
    }
    return DISP_E_UNKNOWNNAME;
}

static HRESULT WINAPI functions_invoke(IDispatch *iface, DISPID id, REFIID iid, LCID lcid, WORD flags,
                                       DISPPARAMS *params, VARIANT *value, EXCEPINFO *info, UINT *wrong)
{
    VARIANT unused;
    HRESULT hr;

    (void)iface, (void)iid, (void)lcid, (void)flags, (void)wrong;
    VariantInit(value ? value : &unused);
    if (info) memset(info, 0, sizeof(*info));
    if (id < 1 || id > function_count) return DISP_E_MEMBERNOTFOUND;
    if (params->cArgs < functions[id - 1].least || params->cArgs > functions[id - 1].most) return DISP_E_BADPARAMCOUNT;
    if (FAILED(hr = failure_among(params, info))) return hr;
    hr = functions[id - 1].call(params, value ? value : &unused, info);
    if (!value) VariantClear(&unused);
    return hr;
}

static const IDispatchVtbl functions_vtbl = {
    functions_query, forever, forever, no_type_count, no_type, functions_names, functions_invoke,
};
IDispatch engine_functions = {(IDispatchVtbl *)&functions_vtbl};

/* -- operators ------------------------------------------------------------------------------------------------- */

typedef HRESULT(WINAPI *ole_cmp_type)(VARIANT *, VARIANT *, LCID, ULONG);
typedef HRESULT(WINAPI *ole_and_type)(VARIANT *, VARIANT *, VARIANT *);

static ole_cmp_type ole_cmp;
static ole_and_type ole_and;

/* What is compared as a text: a text, and a truth value beside a text that is a literal. */
static const WCHAR *text_of(const VARIANT *value, const VARIANT *other, UINT *length)
{
    if ((V_VT(value) & ~VT_HARDTYPE) == VT_BSTR) {
        *length = SysStringLen(V_BSTR(value));
        return V_BSTR(value) ? V_BSTR(value) : L"";
    }
    if (V_VT(value) != VT_BOOL || V_VT(other) != (VT_BSTR | VT_HARDTYPE)) return NULL;
    *length = V_BOOL(value) ? 4 : 5;
    return V_BOOL(value) ? L"True" : L"False";
}

/* Texts by the codes of their characters, and not as a dictionary has them. */
static HRESULT WINAPI compared(VARIANT *left, VARIANT *right, LCID lcid, ULONG flags)
{
    UINT lefts, rights, i;
    const WCHAR *a = text_of(left, right, &lefts), *b = text_of(right, left, &rights);

    if (!a || !b) return ole_cmp(left, right, lcid, flags);
    for (i = 0; i < lefts && i < rights; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? VARCMP_LT : VARCMP_GT;
    return lefts == rights ? VARCMP_EQ : lefts < rights ? VARCMP_LT : VARCMP_GT;
}

/* `False And Null` is False, `True And Null` is Null: Wine's leaves the value open, and that may be anything. */
static HRESULT WINAPI conjunction(VARIANT *left, VARIANT *right, VARIANT *value)
{
    VARIANT *other = V_VT(left) == VT_NULL ? right : left, number;
    HRESULT hr;

    if (V_VT(left) != VT_NULL && V_VT(right) != VT_NULL) return ole_and(left, right, value);
    V_VT(value) = VT_NULL;
    if (V_VT(other) == VT_NULL) return S_OK;
    VariantInit(&number);
    if (FAILED(hr = VariantChangeType(&number, other, 0, V_VT(other) == VT_BSTR ? VT_BOOL : VT_I4))) return hr;
    if (V_VT(&number) == VT_BOOL ? V_BOOL(&number) : V_I4(&number)) return S_OK;
    V_VT(value) = V_VT(other) == VT_BOOL || V_VT(other) == VT_BSTR ? VT_BOOL : VT_I2;
    V_I2(value) = 0;
    return S_OK;
}

void mend_operators(const WCHAR *library)
{
    ole_cmp = (ole_cmp_type)replace_import(library, L"oleaut32.dll", "VarCmp", (void *)compared);
    ole_and = (ole_and_type)replace_import(library, L"oleaut32.dll", "VarAnd", (void *)conjunction);
}
