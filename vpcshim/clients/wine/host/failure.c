/* Errors that Wine's VBScript forgets: of `x(args)`, where the variable x holds an object, it drops the HRESULT.
 *
 * So such a call succeeds there, and hands out an object that fails with that error at whatever is done with it: taking
 * its value, a member, or handing it to an object of the server's. What only keeps it (`Set`) has it checked before.
 */
#include "wire.h"
#include <stdlib.h>

typedef struct failure {
    IDispatch IDispatch_iface;
    LONG refs;
    HRESULT hr;
    EXCEPINFO info;
} failure;

BOOL engine_forgets, error_told;

static HRESULT WINAPI failure_query(IDispatch *iface, REFIID iid, void **out)
{
    *out = NULL;
    if (!IsEqualGUID(iid, &IID_IUnknown) && !IsEqualGUID(iid, &IID_IDispatch)) return E_NOINTERFACE;
    *out = iface;
    IDispatch_AddRef(iface);
    return S_OK;
}

static ULONG WINAPI failure_addref(IDispatch *iface) { return InterlockedIncrement(&((failure *)iface)->refs); }

static ULONG WINAPI failure_release(IDispatch *iface)
{
    failure *f = (failure *)iface;
    LONG refs = InterlockedDecrement(&f->refs);

    if (refs) return refs;
    SysFreeString(f->info.bstrSource);
    SysFreeString(f->info.bstrDescription);
    free(f);
    return 0;
}

/* It has every member: only a call can say what went wrong. */
static HRESULT WINAPI any_name(IDispatch *iface, REFIID iid, LPOLESTR *names, UINT count, LCID lcid, DISPID *ids)
{
    UINT i;

    (void)iface, (void)iid, (void)names, (void)lcid;
    for (i = 0; i < count; i++) ids[i] = i ? DISPID_UNKNOWN : 1;
    return count > 1 ? DISP_E_UNKNOWNNAME : S_OK;
}

static HRESULT tell(const failure *f, EXCEPINFO *info)
{
    if (info) {
        *info = f->info;
        info->bstrSource = SysAllocString(f->info.bstrSource);
        info->bstrDescription = SysAllocString(f->info.bstrDescription);
    }
    return f->hr;
}

static HRESULT WINAPI failure_invoke(IDispatch *iface, DISPID id, REFIID iid, LCID lcid, WORD flags, DISPPARAMS *params,
                                     VARIANT *value, EXCEPINFO *info, UINT *wrong)
{
    (void)id, (void)iid, (void)lcid, (void)flags, (void)params, (void)wrong;
    if (value) VariantInit(value);
    return tell((failure *)iface, info);
}

static const IDispatchVtbl failure_vtbl = {
    failure_query, failure_addref, failure_release, no_type_count, no_type, any_name, failure_invoke,
};

IDispatch *failure_new(HRESULT hr, EXCEPINFO *info)
{
    failure *f = calloc(1, sizeof(*f));

    if (!f) return NULL;
    f->IDispatch_iface.lpVtbl = (IDispatchVtbl *)&failure_vtbl;
    f->refs = 1;
    f->hr = hr;
    if (info) {
        f->info = *info;
        memset(info, 0, sizeof(*info));
    }
    return &f->IDispatch_iface;
}

HRESULT failure_among(const DISPPARAMS *params, EXCEPINFO *info)
{
    UINT i;

    for (i = params->cArgs; i-- > 0;) {
        const VARIANT *value = &params->rgvarg[i];
        while (V_VT(value) == (VT_BYREF | VT_VARIANT)) value = V_VARIANTREF(value);
        if (V_VT(value) != VT_DISPATCH || !V_DISPATCH(value)) continue;
        if (V_DISPATCH(value)->lpVtbl == &failure_vtbl) return tell((failure *)V_DISPATCH(value), info);
    }
    return S_OK;
}
