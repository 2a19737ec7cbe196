/* Objects on both sides: proxies of the server's, and a table of ours that the server holds. */
#include "wire.h"
#include <stdlib.h>
#include <string.h>

/* -- results ------------------------------------------------------------------------------------------------- */

void put_result(buffer *b, HRESULT hr, const VARIANT *value, const EXCEPINFO *info)
{
    VARIANT none;

    put_u32(b, (DWORD)hr);
    if (SUCCEEDED(hr)) {
        VariantInit(&none);
        put_value(b, value ? value : &none, 0);
        return;
    }
    put_u32(b, info ? (DWORD)info->scode : 0);
    put_bstr(b, info ? info->bstrSource : NULL);
    put_bstr(b, info ? info->bstrDescription : NULL);
}

HRESULT get_result(reader *r, VARIANT *value, EXCEPINFO *info)
{
    HRESULT hr = (HRESULT)get_u32(r);

    if (SUCCEEDED(hr)) {
        VARIANT result;
        get_value(r, &result, 0);
        if (value && !r->failed) *value = result;
        else VariantClear(&result);
    } else {
        EXCEPINFO told;
        memset(&told, 0, sizeof(told));
        told.scode = (SCODE)get_u32(r);
        told.bstrSource = get_bstr(r);
        told.bstrDescription = get_bstr(r);
        if (info) {
            *info = told;
        } else {
            SysFreeString(told.bstrSource);
            SysFreeString(told.bstrDescription);
        }
    }
    return r->failed ? RPC_E_INVALID_DATA : hr;
}

/* -- our objects that the server holds ----------------------------------------------------------------------- */

static IUnknown **kept; /* an id is its place plus one, and is never used again */
static ULONGLONG kept_count, kept_room;

ULONGLONG local_keep(IUnknown *object)
{
    if (kept_count == kept_room) {
        ULONGLONG room = kept_room ? kept_room * 2 : 16;
        IUnknown **table = realloc(kept, room * sizeof(*table));
        if (!table) return 0;
        kept = table;
        kept_room = room;
    }
    IUnknown_AddRef(object);
    kept[kept_count++] = object;
    return kept_count;
}

IUnknown *local_find(ULONGLONG id) { return id && id <= kept_count ? kept[id - 1] : NULL; }

void local_forget(ULONGLONG id)
{
    IUnknown *object = local_find(id);

    if (!object) return;
    kept[id - 1] = NULL;
    IUnknown_Release(object);
}

HRESULT local_invoke(IDispatch *object, DISPID id, WORD flags, reader *r, VARIANT *value, EXCEPINFO *info)
{
    WORD count = get_u16(r), i;
    VARIANT *args = calloc(count ? count : 1, sizeof(*args));
    DISPID put = DISPID_PROPERTYPUT;
    DISPPARAMS params = {0};
    HRESULT hr;

    if (!args) return E_OUTOFMEMORY;
    for (i = 0; i < count && !r->failed; i++) get_value(r, &args[count - 1 - i], 0);
    params.rgvarg = args;
    params.cArgs = count;
    if (flags & (DISPATCH_PROPERTYPUT | DISPATCH_PROPERTYPUTREF)) {
        params.rgdispidNamedArgs = &put;
        params.cNamedArgs = 1;
    }
    hr = r->failed ? RPC_E_INVALID_DATA
                   : IDispatch_Invoke(object, id, &IID_NULL, LOCALE_USER_DEFAULT, flags, &params, value, info, NULL);
    if (hr == DISP_E_EXCEPTION && info->pfnDeferredFillIn) info->pfnDeferredFillIn(info);
    for (i = 0; i < count; i++) VariantClear(&args[i]);
    free(args);
    return hr;
}

/* -- proxies of the server's objects ------------------------------------------------------------------------- */

/* What is known of the names of one kind of object, the names that it lacks among it. */
struct name {
    WCHAR *text;
    DISPID id;
    HRESULT hr;
};

struct kind {
    DWORD number;
    struct name *names;
    DWORD count, room;
    struct kind *next;
};

static struct kind *kinds;

static struct kind *kind_of(DWORD number)
{
    struct kind *k;

    for (k = kinds; k; k = k->next)
        if (k->number == number) return k;
    if (!(k = calloc(1, sizeof(*k)))) return NULL;
    k->number = number;
    k->next = kinds;
    return kinds = k;
}

typedef struct proxy {
    IDispatch IDispatch_iface;
    LONG refs;
    ULONGLONG handle;
    struct kind *kind;
} proxy;

static HRESULT WINAPI proxy_query(IDispatch *iface, REFIID iid, void **out)
{
    if (!out) return E_POINTER;
    *out = NULL;
    if (!IsEqualGUID(iid, &IID_IUnknown) && !IsEqualGUID(iid, &IID_IDispatch)) return E_NOINTERFACE;
    IDispatch_AddRef(iface);
    *out = iface;
    return S_OK;
}

static ULONG WINAPI proxy_addref(IDispatch *iface) { return InterlockedIncrement(&((proxy *)iface)->refs); }

static ULONG WINAPI proxy_release(IDispatch *iface)
{
    proxy *p = (proxy *)iface;
    ULONG refs = InterlockedDecrement(&p->refs);

    if (refs) return refs;
    release_later(p->handle);
    free(p);
    return 0;
}

/* No type library: what is bound late needs none. */
HRESULT WINAPI no_type_count(IDispatch *iface, UINT *count)
{
    (void)iface;
    if (!count) return E_POINTER;
    *count = 0;
    return S_OK;
}

HRESULT WINAPI no_type(IDispatch *iface, UINT index, LCID lcid, ITypeInfo **out)
{
    (void)iface, (void)index, (void)lcid;
    if (out) *out = NULL;
    return out ? DISP_E_BADINDEX : E_POINTER;
}

static HRESULT WINAPI proxy_names(IDispatch *iface, REFIID iid, LPOLESTR *names, UINT count, LCID lcid, DISPID *ids)
{
    proxy *p = (proxy *)iface;
    struct kind *k = p->kind;
    buffer request = {0}, answer = {0};
    reader r = {0};
    struct name *known;
    HRESULT hr;
    DWORD i;

    (void)iid, (void)lcid;
    if (!names || !ids || !count) return E_INVALIDARG;
    for (i = 1; i < count; i++) ids[i] = DISPID_UNKNOWN;
    for (i = 0; i < k->count; i++) {
        if (lstrcmpiW(k->names[i].text, names[0])) continue;
        ids[0] = k->names[i].id;
        return count > 1 && SUCCEEDED(k->names[i].hr) ? DISP_E_UNKNOWNNAME : k->names[i].hr;
    }
    ids[0] = DISPID_UNKNOWN;
    request_begin(&request, K_NAMES);
    put_u64(&request, p->handle);
    put_text(&request, names[0], lstrlenW(names[0]));
    if (SUCCEEDED(hr = request_answered(&request, K_NAMED, &answer))) {
        r.data = answer.data;
        r.left = answer.size;
        hr = (HRESULT)get_u32(&r);
        ids[0] = (DISPID)get_u32(&r);
        if (r.failed) hr = RPC_E_INVALID_DATA;
        if (engine_forgets && SUCCEEDED(hr) && ids[0] == DISPID_VALUE) ids[0] = NAMED_VALUE;
    }
    free(request.data);
    free(answer.data);
    if (FAILED(hr) && hr != DISP_E_UNKNOWNNAME) return hr; /* what is no answer is not remembered */
    if (k->count == k->room) {
        DWORD room = k->room ? k->room * 2 : 8;
        if (!(known = realloc(k->names, room * sizeof(*known)))) return hr;
        k->names = known;
        k->room = room;
    }
    known = &k->names[k->count];
    if (!(known->text = malloc((lstrlenW(names[0]) + 1) * sizeof(WCHAR)))) return hr;
    lstrcpyW(known->text, names[0]);
    known->id = ids[0];
    known->hr = hr;
    k->count++;
    return count > 1 && SUCCEEDED(hr) ? DISP_E_UNKNOWNNAME : hr;
}

static const VARIANT *pointed_at(const VARIANT *value)
{
    while (V_VT(value) == (VT_BYREF | VT_VARIANT)) value = V_VARIANTREF(value);
    return value;
}

/* The argument as text: what OLE Automation makes of it, an object's default property first. Null is the other side's. */
static HRESULT put_as_text(buffer *b, const VARIANT *value)
{
    VARIANT text;
    HRESULT hr;
    VARTYPE vt = V_VT(value = pointed_at(value));
    /* JScript's null is no object, too. VBScript's Nothing is no value. */
    BOOL null = vt == VT_NULL || (vt == VT_DISPATCH && !V_DISPATCH(value) && !engine_forgets);

    if (vt == VT_BSTR || null || (vt == VT_ERROR && V_ERROR(value) == DISP_E_PARAMNOTFOUND)) {
        put_value(b, value, 0);
        return S_OK;
    }
    VariantInit(&text);
    hr = VariantChangeTypeEx(&text, (VARIANT *)value, LOCALE_USER_DEFAULT, 0, VT_BSTR);
    if (SUCCEEDED(hr)) put_value(b, &text, 0);
    VariantClear(&text);
    return hr;
}

static HRESULT ask(proxy *p, DISPID id, WORD flags, DISPPARAMS *params, VARIANT *value, EXCEPINFO *info, UINT *argerr)
{
    buffer request = {0}, answer = {0};
    reader r = {0};
    HRESULT hr;
    UINT i;

    if (params->cArgs > MAXWORD) return DISP_E_BADPARAMCOUNT;
    if (params->cNamedArgs > 1 || (params->cNamedArgs == 1 && params->rgdispidNamedArgs[0] != DISPID_PROPERTYPUT))
        return DISP_E_NONAMEDARGS;
    if (FAILED(hr = failure_among(params, info))) return hr;
    request_begin(&request, K_INVOKE);
    put_u64(&request, p->handle);
    put_u32(&request, (DWORD)id);
    put_u16(&request, flags);
    put_u16(&request, (WORD)params->cArgs);
    for (i = params->cArgs; i-- > 0;) {
        if (!TAKES_TEXT(id)) {
            put_value(&request, &params->rgvarg[i], 0);
        } else if (FAILED(hr = put_as_text(&request, &params->rgvarg[i]))) {
            if (argerr) *argerr = i;
            free(request.data);
            return hr;
        }
    }
    if (SUCCEEDED(hr = request_answered(&request, K_RESULT, &answer))) {
        r.data = answer.data;
        r.left = answer.size;
        hr = get_result(&r, value, info);
        if (FAILED(hr) && hr != DISP_E_EXCEPTION && info) {
            SysFreeString(info->bstrSource);
            SysFreeString(info->bstrDescription);
            memset(info, 0, sizeof(*info));
        }
    }
    if (hr == E_SERVER_GONE && info && !channel_alive()) {
        info->scode = E_SERVER_GONE;
        info->bstrSource = SysAllocString(L"vpcshim");
        info->bstrDescription = SysAllocString(L"The server of this object has ended.");
        hr = DISP_E_EXCEPTION;
    }
    free(request.data);
    free(answer.data);
    return hr;
}

static HRESULT WINAPI proxy_invoke(IDispatch *iface, DISPID id, REFIID iid, LCID lcid, WORD flags, DISPPARAMS *params,
                                   VARIANT *value, EXCEPINFO *info, UINT *argerr)
{
    EXCEPINFO own;
    HRESULT hr;

    (void)iid, (void)lcid;
    if (!info && engine_forgets) info = &own;
    if (value) VariantInit(value);
    if (info) memset(info, 0, sizeof(*info));
    if (argerr) *argerr = 0;
    if (!params) return E_POINTER;
    error_told = FALSE;
    hr = ask((proxy *)iface, id == NAMED_VALUE ? DISPID_VALUE : id, flags, params, value, info, argerr);
    if (hr == DISP_E_EXCEPTION && error_told && info) info->dwHelpContext = TOLD_BEFORE;
    if (FAILED(hr) && engine_forgets && id == DISPID_VALUE && params->cArgs && !params->cNamedArgs && value) {
        V_DISPATCH(value) = failure_new(hr, info);
        V_VT(value) = VT_DISPATCH;
        if (V_DISPATCH(value)) hr = S_OK;
        else V_VT(value) = VT_EMPTY;
    }
    if (info == &own) {
        SysFreeString(own.bstrSource);
        SysFreeString(own.bstrDescription);
    }
    return hr;
}

static const IDispatchVtbl proxy_vtbl = {
    proxy_query, proxy_addref, proxy_release, no_type_count, no_type, proxy_names, proxy_invoke,
};

IDispatch *proxy_new(ULONGLONG handle, DWORD kind)
{
    proxy *p = calloc(1, sizeof(*p));

    if (!p) return NULL;
    p->IDispatch_iface.lpVtbl = (IDispatchVtbl *)&proxy_vtbl;
    p->refs = 1;
    p->handle = handle;
    if ((p->kind = kind_of(kind))) return &p->IDispatch_iface;
    free(p);
    return NULL;
}

BOOL proxy_handle(IUnknown *object, ULONGLONG *handle)
{
    if (object->lpVtbl != (IUnknownVtbl *)&proxy_vtbl) return FALSE;
    *handle = ((proxy *)object)->handle;
    return TRUE;
}
