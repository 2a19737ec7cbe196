/* A program as one on Windows is: asks COM for Virtual Server, and calls it late-bound. */
#define COBJMACROS
#include <initguid.h>
#include <windows.h>
#include <ole2.h>
#include <cguid.h>
#include <stdio.h>

DEFINE_GUID(CLSID_VirtualServer, 0xda3111bc, 0x1bd7, 0x4884, 0xa5, 0x35, 0x84, 0x70, 0xd3, 0x60, 0x28, 0xf7);

static HRESULT get(IDispatch *object, WCHAR *name, VARIANT *value)
{
    DISPPARAMS none = {0};
    DISPID id;
    HRESULT hr = IDispatch_GetIDsOfNames(object, &IID_NULL, &name, 1, 0, &id);

    if (FAILED(hr)) return hr;
    return IDispatch_Invoke(object, id, &IID_NULL, 0, DISPATCH_PROPERTYGET, &none, value, NULL, NULL);
}

int main(void)
{
    IDispatch *app = NULL;
    VARIANT value;
    HRESULT hr;

    CoInitialize(NULL);
    hr = CoCreateInstance(&CLSID_VirtualServer, NULL, CLSCTX_INPROC_SERVER, &IID_IDispatch, (void **)&app);
    printf("create %08lx\n", hr);
    if (FAILED(hr)) return 1;
    hr = get(app, L"NAME", &value);
    printf("name %08lx %ls\n", hr, V_BSTR(&value));
    hr = get(app, L"VirtualMachines", &value);
    printf("machines %08lx\n", hr);
    hr = get(V_DISPATCH(&value), L"Count", &value);
    printf("count %08lx %ld\n", hr, V_I4(&value));
    printf("nothing %08lx\n", get(app, L"Nothing", &value));
    return 0;
}
