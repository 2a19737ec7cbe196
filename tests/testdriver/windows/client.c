/* A program as one on Windows is: asks COM for Virtual Server, and calls it late-bound.
 * With an argument it goes on until its server has gone, and then for much longer. */
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

    VariantInit(value);
    if (FAILED(hr)) return hr;
    return IDispatch_Invoke(object, id, &IID_NULL, 0, DISPATCH_PROPERTYGET, &none, value, NULL, NULL);
}

int main(int count, char **arguments)
{
    IDispatch *app = NULL, *machines;
    VARIANT value;
    HRESULT hr;
    int i;

    (void)arguments;
    CoInitialize(NULL);
    hr = CoCreateInstance(&CLSID_VirtualServer, NULL, CLSCTX_INPROC_SERVER, &IID_IDispatch, (void **)&app);
    printf("create %d %08lx\n", (int)sizeof(void *) * 8, hr);
    if (FAILED(hr)) return 1;
    hr = get(app, L"NAME", &value);
    printf("name %08lx %ls\n", hr, V_BSTR(&value));
    VariantClear(&value);
    hr = get(app, L"VirtualMachines", &value);
    printf("machines %08lx\n", hr);
    machines = V_DISPATCH(&value);
    hr = get(machines, L"Count", &value);
    printf("count %08lx %ld\n", hr, V_I4(&value));
    IDispatch_Release(machines);
    printf("nothing %08lx\n", get(app, L"Nothing", &value));
    fflush(stdout);
    if (count > 1) {
        while (SUCCEEDED(hr = get(app, L"NAME", &value))) VariantClear(&value), Sleep(20);
        for (i = 0; i < 3000; i++) get(app, L"NAME", &value);
        printf("gone %08lx %08lx\n", hr, get(app, L"Name2", &value));
    }
    IDispatch_Release(app);
    return 0;
}
