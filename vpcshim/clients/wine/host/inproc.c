/* The in-process COM server: makes the applications of a vpcshim elsewhere, for programs on genuine Windows.
 *
 * VPCSHIM_SERVER (host:port; the near end of an ssh tunnel, since nothing here is encrypted) and VPCSHIM_SECRET say
 * where it is. It is registered without a threading model, so COM keeps all objects in one apartment.
 */
#include <initguid.h>
#include "wire.h"
#include <stdlib.h>
#include <string.h>

DEFINE_GUID(CLSID_VirtualServer, 0xda3111bc, 0x1bd7, 0x4884, 0xa5, 0x35, 0x84, 0x70, 0xd3, 0x60, 0x28, 0xf7);
DEFINE_GUID(CLSID_VirtualPC, 0x9a1774b7, 0x8251, 0x4468, 0xa2, 0x14, 0x61, 0xdc, 0xae, 0xd9, 0xac, 0x2f);

static IDispatch *functions; /* what the server has for us: CreateObject */

/* Nothing but our own objects crosses the channel this way. */
BOOL serve(BYTE kind, reader *r, buffer *answer)
{
    if (kind == K_FORGET) {
        local_forget(get_u64(r));
        return FALSE;
    }
    put_result(answer, E_NOTIMPL, NULL, NULL);
    return TRUE;
}

static HRESULT connect_once(void)
{
    char place[300], *port;
    buffer answer = {0};
    reader r = {0};
    VARIANT value;
    HRESULT hr;

    if (functions && channel_alive()) return S_OK;
    if (functions) return E_SERVER_GONE;
    if (!GetEnvironmentVariableA("VPCSHIM_SERVER", place, sizeof(place)) || !(port = strrchr(place, ':')))
        return E_SERVER_GONE;
    *port++ = 0;
    if (!channel_tcp(place, port)) return E_SERVER_GONE;
    if (SUCCEEDED(hr = greet(&answer))) {
        r.data = answer.data;
        r.left = answer.size;
        get_u8(&r);
        SysFreeString(get_bstr(&r));
        SysFreeString(get_bstr(&r));
        SysFreeString(get_bstr(&r));
        if (get_u16(&r) != 1) r.failed = TRUE;
        SysFreeString(get_bstr(&r));
        get_u32(&r);
        get_value(&r, &value, 0);
        if (r.failed || V_VT(&value) != VT_DISPATCH) hr = RPC_E_INVALID_DATA;
        else functions = V_DISPATCH(&value);
    }
    free(answer.data);
    return hr;
}

static HRESULT create(const WCHAR *progid, REFIID iid, void **out)
{
    WCHAR name[] = L"CreateObject";
    LPOLESTR names[1] = {name};
    DISPPARAMS params = {0};
    EXCEPINFO info;
    VARIANT argument, made;
    DISPID id;
    HRESULT hr;

    if (FAILED(hr = connect_once())) return hr;
    if (FAILED(hr = IDispatch_GetIDsOfNames(functions, &IID_NULL, names, 1, 0, &id))) return hr;
    V_VT(&argument) = VT_BSTR;
    V_BSTR(&argument) = SysAllocString(progid);
    params.rgvarg = &argument;
    params.cArgs = 1;
    hr = IDispatch_Invoke(functions, id, &IID_NULL, 0, DISPATCH_METHOD, &params, &made, &info, NULL);
    if (hr == DISP_E_EXCEPTION) {
        hr = info.scode;
        SysFreeString(info.bstrSource);
        SysFreeString(info.bstrDescription);
    }
    VariantClear(&argument);
    if (FAILED(hr)) return hr;
    hr = V_VT(&made) == VT_DISPATCH ? IDispatch_QueryInterface(V_DISPATCH(&made), iid, out) : E_UNEXPECTED;
    VariantClear(&made);
    return hr;
}

/* -- the class factories, one for each product ------------------------------------------------------------------ */

typedef struct factory {
    IClassFactory IClassFactory_iface;
    const WCHAR *progid;
} factory;

static HRESULT WINAPI factory_query(IClassFactory *iface, REFIID iid, void **out)
{
    if (!out) return E_POINTER;
    *out = NULL;
    if (!IsEqualGUID(iid, &IID_IUnknown) && !IsEqualGUID(iid, &IID_IClassFactory)) return E_NOINTERFACE;
    *out = iface;
    return S_OK;
}

static ULONG WINAPI factory_addref(IClassFactory *iface) { (void)iface; return 2; }
static ULONG WINAPI factory_release(IClassFactory *iface) { (void)iface; return 1; }

static HRESULT WINAPI factory_create(IClassFactory *iface, IUnknown *outer, REFIID iid, void **out)
{
    if (!out) return E_POINTER;
    *out = NULL;
    return outer ? CLASS_E_NOAGGREGATION : create(((factory *)iface)->progid, iid, out);
}

static HRESULT WINAPI factory_lock(IClassFactory *iface, BOOL lock) { (void)iface, (void)lock; return S_OK; }

static const IClassFactoryVtbl factory_vtbl = {
    factory_query, factory_addref, factory_release, factory_create, factory_lock,
};
static factory factories[] = {
    {{(IClassFactoryVtbl *)&factory_vtbl}, L"VirtualServer.Application"},
    {{(IClassFactoryVtbl *)&factory_vtbl}, L"VirtualPC.Application"},
};

__declspec(dllexport) HRESULT WINAPI DllGetClassObject(REFCLSID clsid, REFIID iid, void **out)
{
    if (!out) return E_POINTER;
    *out = NULL;
    if (IsEqualGUID(clsid, &CLSID_VirtualServer)) return factory_query(&factories[0].IClassFactory_iface, iid, out);
    if (IsEqualGUID(clsid, &CLSID_VirtualPC)) return factory_query(&factories[1].IClassFactory_iface, iid, out);
    return CLASS_E_CLASSNOTAVAILABLE;
}

/* The channel lives as long as the process. */
__declspec(dllexport) HRESULT WINAPI DllCanUnloadNow(void) { return S_FALSE; }

/* -- registration (regsvr32) -------------------------------------------------------------------------------------- */

static const struct {
    const WCHAR *progid, *clsid;
} classes[] = {
    {L"VirtualServer.Application", L"{DA3111BC-1BD7-4884-A535-8470D36028F7}"},
    {L"VirtualPC.Application", L"{9A1774B7-8251-4468-A214-61DCAED9AC2F}"},
};

static LONG set_key(const WCHAR *key, const WCHAR *value)
{
    return RegSetValueW(HKEY_CLASSES_ROOT, key, REG_SZ, value, 0);
}

__declspec(dllexport) HRESULT WINAPI DllRegisterServer(void)
{
    WCHAR path[MAX_PATH], key[120];
    HMODULE self;
    LONG error = 0;
    size_t i;

    if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                            (const WCHAR *)classes, &self) ||
        !GetModuleFileNameW(self, path, MAX_PATH))
        return HRESULT_FROM_WIN32(GetLastError());
    for (i = 0; i < sizeof(classes) / sizeof(*classes) && !error; i++) {
        lstrcpyW(key, classes[i].progid);
        lstrcatW(key, L"\\CLSID");
        error = set_key(key, classes[i].clsid);
        lstrcpyW(key, L"CLSID\\");
        lstrcatW(key, classes[i].clsid);
        lstrcatW(key, L"\\InprocServer32");
        if (!error) error = set_key(key, path);
    }
    return HRESULT_FROM_WIN32(error);
}

__declspec(dllexport) HRESULT WINAPI DllUnregisterServer(void)
{
    WCHAR key[120];
    size_t i;

    for (i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        lstrcpyW(key, L"CLSID\\");
        lstrcatW(key, classes[i].clsid);
        RegDeleteTreeW(HKEY_CLASSES_ROOT, key);
        RegDeleteTreeW(HKEY_CLASSES_ROOT, classes[i].progid);
    }
    return S_OK;
}
