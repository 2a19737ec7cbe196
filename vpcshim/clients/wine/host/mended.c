/* Objects of Wine's own that get a call wrong, behind one that gets it right and passes everything else on. */
#include <initguid.h>
#include "wire.h"
#include <stdlib.h>

DEFINE_GUID(CLSID_Dictionary, 0xee09b103, 0x97e0, 0x11cf, 0x97, 0x8f, 0x00, 0xa0, 0x24, 0x63, 0xe0, 0x6f);
DEFINE_GUID(CLSID_WshShell, 0x72c24dd5, 0xd70a, 0x438b, 0x8a, 0x42, 0x98, 0x42, 0x4b, 0x88, 0xaf, 0xb8);

typedef struct mended {
    IDispatch IDispatch_iface;
    LONG refs;
    IDispatch *inner;
    DISPID expands; /* ExpandEnvironmentStrings; DISPID_UNKNOWN of what has no such member */
} mended;

static HRESULT WINAPI mended_query(IDispatch *iface, REFIID iid, void **out)
{
    if (!IsEqualGUID(iid, &IID_IUnknown) && !IsEqualGUID(iid, &IID_IDispatch))
        return IDispatch_QueryInterface(((mended *)iface)->inner, iid, out);
    *out = iface;
    IDispatch_AddRef(iface);
    return S_OK;
}

static ULONG WINAPI mended_addref(IDispatch *iface) { return InterlockedIncrement(&((mended *)iface)->refs); }

static ULONG WINAPI mended_release(IDispatch *iface)
{
    mended *m = (mended *)iface;
    LONG refs = InterlockedDecrement(&m->refs);

    if (!refs) {
        IDispatch_Release(m->inner);
        free(m);
    }
    return refs;
}

static HRESULT WINAPI mended_type_count(IDispatch *iface, UINT *count)
{
    return IDispatch_GetTypeInfoCount(((mended *)iface)->inner, count);
}

static HRESULT WINAPI mended_type(IDispatch *iface, UINT index, LCID lcid, ITypeInfo **type)
{
    return IDispatch_GetTypeInfo(((mended *)iface)->inner, index, lcid, type);
}

static HRESULT WINAPI mended_names(IDispatch *iface, REFIID iid, LPOLESTR *names, UINT count, LCID lcid, DISPID *ids)
{
    return IDispatch_GetIDsOfNames(((mended *)iface)->inner, iid, names, count, lcid, ids);
}

/* The texts of the errors that these objects tell by their numbers alone; the engines do not have them all. */
static void tell_text(EXCEPINFO *info)
{
    static const struct { SCODE scode; const WCHAR *text; } texts[] = {
        {0x800a0005, L"Invalid procedure call or argument"},
        {0x800a01c9, L"This key is already associated with an element of this collection"},
        {0x800a802b, L"Element not found"},
    };
    UINT i;

    if (info->pfnDeferredFillIn || info->bstrDescription) return;
    for (i = 0; i < ARRAYSIZE(texts); i++) {
        if (info->scode != texts[i].scode) continue;
        info->bstrDescription = SysAllocString(texts[i].text);
        if (!info->bstrSource) info->bstrSource = SysAllocString(L"Microsoft VBScript runtime error");
    }
}

static HRESULT WINAPI mended_invoke(IDispatch *iface, DISPID id, REFIID iid, LCID lcid, WORD flags, DISPPARAMS *params,
                                    VARIANT *value, EXCEPINFO *info, UINT *wrong)
{
    mended *m = (mended *)iface;
    HRESULT hr;
    UINT length;

    if (FAILED(hr = failure_among(params, info))) return hr;
    /* `Set d(key) = object`: the Dictionary takes objects, as it takes all values, by a plain assignment alone. */
    if (flags & DISPATCH_PROPERTYPUTREF) flags = DISPATCH_PROPERTYPUT;
    hr = IDispatch_Invoke(m->inner, id, iid, lcid, flags, params, value, info, wrong);
    /* The text comes with the NUL that ends it. */
    if (SUCCEEDED(hr) && id == m->expands && value && V_VT(value) == VT_BSTR
        && (length = SysStringLen(V_BSTR(value))) && !V_BSTR(value)[length - 1]) {
        BSTR text = SysAllocStringLen(V_BSTR(value), length - 1);
        SysFreeString(V_BSTR(value));
        V_BSTR(value) = text;
        if (!text) hr = E_OUTOFMEMORY;
    }
    if (hr == DISP_E_EXCEPTION && info) tell_text(info);
    return hr;
}

static const IDispatchVtbl mended_vtbl = {
    mended_query, mended_addref, mended_release, mended_type_count, mended_type, mended_names, mended_invoke,
};

HRESULT mend(REFCLSID clsid, IDispatch **object)
{
    WCHAR name[] = L"ExpandEnvironmentStrings";
    LPOLESTR names[1] = {name};
    mended *m;

    if (!IsEqualGUID(clsid, &CLSID_Dictionary) && !IsEqualGUID(clsid, &CLSID_WshShell)) return S_OK;
    if (!(m = calloc(1, sizeof(*m)))) {
        IDispatch_Release(*object);
        return E_OUTOFMEMORY;
    }
    m->IDispatch_iface.lpVtbl = (IDispatchVtbl *)&mended_vtbl;
    m->refs = 1;
    m->inner = *object;
    if (FAILED(IDispatch_GetIDsOfNames(m->inner, &IID_NULL, names, 1, LOCALE_USER_DEFAULT, &m->expands)))
        m->expands = DISPID_UNKNOWN;
    *object = &m->IDispatch_iface;
    return S_OK;
}
