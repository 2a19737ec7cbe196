/* The in-process COM server: makes the applications of a vpcshim elsewhere, for programs on genuine Windows.
 *
 * It starts a command, `ssh HOST vpcshim serve` as a rule, and talks with that over its standard streams: nobody else
 * has an end of them, and ssh says who may. The command stands in the registry where administrators alone write, with
 * the program's whole path, so that no search path decides which program an elevated process starts.
 * It is registered without a threading model, so COM keeps all objects in one apartment.
 */
#include <initguid.h>
#include "wire.h"
#include <stdlib.h>
#include <string.h>

DEFINE_GUID(CLSID_VirtualServer, 0xda3111bc, 0x1bd7, 0x4884, 0xa5, 0x35, 0x84, 0x70, 0xd3, 0x60, 0x28, 0xf7);
DEFINE_GUID(CLSID_VirtualPC, 0x9a1774b7, 0x8251, 0x4468, 0xa2, 0x14, 0x61, 0xdc, 0xae, 0xd9, 0xac, 0x2f);

#define MAX_COMMAND 2000

/* The view of the registry that programs of the other bitness have. */
#define OTHER_VIEW (sizeof(void *) == 8 ? KEY_WOW64_32KEY : KEY_WOW64_64KEY)

static const struct {
    const WCHAR *progid, *clsid;
} classes[] = {
    {L"VirtualServer.Application", L"{DA3111BC-1BD7-4884-A535-8470D36028F7}"},
    {L"VirtualPC.Application", L"{9A1774B7-8251-4468-A214-61DCAED9AC2F}"},
};
#define CLASSES (sizeof(classes) / sizeof(*classes))

/* A value of InprocServer32: what is started. It also tells our registration from another product's. */
static const WCHAR command_value[] = L"vpcshim";

/* HKEY_CLASSES_ROOT would show what a user wrote as well. */
static void class_key(WCHAR *key, size_t class, const WCHAR *below)
{
    lstrcpyW(key, L"Software\\Classes\\CLSID\\");
    lstrcatW(key, classes[class].clsid);
    lstrcatW(key, below);
}

static void progid_key(WCHAR *key, size_t class, const WCHAR *below)
{
    lstrcpyW(key, L"Software\\Classes\\");
    lstrcatW(key, classes[class].progid);
    lstrcatW(key, below);
}

static LONG get_text(const WCHAR *key, const WCHAR *name, WCHAR *text, DWORD length)
{
    DWORD size = length * sizeof(WCHAR);
    return RegGetValueW(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_SZ, NULL, text, &size);
}

static LONG set_text(const WCHAR *key, const WCHAR *name, const WCHAR *text)
{
    return RegSetKeyValueW(HKEY_LOCAL_MACHINE, key, name, REG_SZ, text, (lstrlenW(text) + 1) * sizeof(WCHAR));
}

/* -- the channel ------------------------------------------------------------------------------------------------- */

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

/* The program decides how long it goes on. */
void channel_missed(void) {}

static HRESULT last_error(void) { return HRESULT_FROM_WIN32(GetLastError()); }

static void close_handle(HANDLE handle)
{
    if (handle && handle != INVALID_HANDLE_VALUE) CloseHandle(handle);
}

/* The program that a command names: what is quoted at its beginning, or what stands before its first blank. */
static void program_of(const WCHAR *command, WCHAR *program)
{
    const WCHAR end = *command == '"' ? '"' : ' ';

    if (end == '"') command++;
    while (*command && *command != end) *program++ = *command++;
    *program = 0;
}

/* Start the command with these as its standard streams, and with nothing else of this process. */
static HRESULT start(WCHAR *command, HANDLE streams[3])
{
    STARTUPINFOEXW startup = {0};
    PROCESS_INFORMATION process;
    WCHAR program[MAX_COMMAND];
    SIZE_T size = 0;
    HRESULT hr = S_OK;

    program_of(command, program); /* else C:\Program.exe would be tried for a path with blanks without quotes */
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    if (!(startup.lpAttributeList = calloc(1, size))) return E_OUTOFMEMORY;
    if (!InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &size)) {
        hr = last_error();
        free(startup.lpAttributeList);
        return hr;
    }
    startup.StartupInfo.cb = sizeof(startup);
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = streams[0];
    startup.StartupInfo.hStdOutput = streams[1];
    startup.StartupInfo.hStdError = streams[2];
    if (!UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, streams,
                                   3 * sizeof(*streams), NULL, NULL) ||
        !CreateProcessW(program, command, NULL, NULL, TRUE, CREATE_NO_WINDOW | EXTENDED_STARTUPINFO_PRESENT, NULL, NULL,
                        &startup.StartupInfo, &process)) {
        hr = last_error();
    } else {
        CloseHandle(process.hThread);
        CloseHandle(process.hProcess); /* it ends when the pipes close, which is when this process ends */
    }
    DeleteProcThreadAttributeList(startup.lpAttributeList);
    free(startup.lpAttributeList);
    return hr;
}

static HRESULT open_channel(void)
{
    SECURITY_ATTRIBUTES inherit = {sizeof(inherit), NULL, TRUE};
    HANDLE in = NULL, out = NULL, streams[3] = {NULL, NULL, NULL}, here = GetCurrentProcess();
    HANDLE errors = GetStdHandle(STD_ERROR_HANDLE);
    WCHAR key[120], command[MAX_COMMAND];
    HRESULT hr;

    class_key(key, 0, L"\\InprocServer32");
    hr = HRESULT_FROM_WIN32(get_text(key, command_value, command, MAX_COMMAND));
    if (FAILED(hr)) return hr;
    /* What the command complains of is for our own standard error, where there is one. */
    if (!errors || errors == INVALID_HANDLE_VALUE /* which would be this process */ ||
        !DuplicateHandle(here, errors, here, &streams[2], 0, TRUE, DUPLICATE_SAME_ACCESS))
        streams[2] = CreateFileW(L"NUL", GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit, OPEN_EXISTING,
                                 0, NULL);
    if (streams[2] == INVALID_HANDLE_VALUE || !CreatePipe(&streams[0], &out, &inherit, 0) ||
        !CreatePipe(&in, &streams[1], &inherit, 0) || !SetHandleInformation(in, HANDLE_FLAG_INHERIT, 0) ||
        !SetHandleInformation(out, HANDLE_FLAG_INHERIT, 0))
        hr = last_error();
    else
        hr = start(command, streams);
    close_handle(streams[0]);
    close_handle(streams[1]);
    close_handle(streams[2]);
    if (SUCCEEDED(hr) && channel_pipes(in, out)) return S_OK;
    close_handle(in);
    close_handle(out);
    return FAILED(hr) ? hr : E_UNEXPECTED;
}

static HRESULT connect_once(void)
{
    static HRESULT tried = S_FALSE;
    static const BYTE no_secret[SECRET_SIZE]; /* whoever started the server is known to it */
    buffer answer = {0};
    reader r = {0};
    VARIANT value;

    /* What did not work, or has ended, is not begun anew in the same process. */
    if (tried != S_FALSE) return FAILED(tried) || channel_alive() ? tried : E_SERVER_GONE;
    if (FAILED(tried = open_channel())) return tried;
    if (SUCCEEDED(tried = greet(no_secret, &answer))) {
        VariantInit(&value);
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
        if (!r.failed && V_VT(&value) == VT_DISPATCH && V_DISPATCH(&value)) {
            functions = V_DISPATCH(&value);
        } else {
            VariantClear(&value);
            tried = RPC_E_INVALID_DATA;
        }
    }
    free(answer.data);
    return tried;
}

static HRESULT create(const WCHAR *progid, REFIID iid, void **out)
{
    WCHAR name[] = L"CreateObject";
    LPOLESTR names[1] = {name};
    DISPPARAMS params = {0};
    EXCEPINFO info = {0};
    VARIANT argument, made;
    DISPID id;
    HRESULT hr;

    if (FAILED(hr = connect_once())) return hr;
    if (FAILED(hr = IDispatch_GetIDsOfNames(functions, &IID_NULL, names, 1, 0, &id))) return hr;
    V_VT(&argument) = VT_BSTR;
    if (!(V_BSTR(&argument) = SysAllocString(progid))) return E_OUTOFMEMORY;
    VariantInit(&made);
    params.rgvarg = &argument;
    params.cArgs = 1;
    hr = IDispatch_Invoke(functions, id, &IID_NULL, 0, DISPATCH_METHOD, &params, &made, &info, NULL);
    if (hr == DISP_E_EXCEPTION) {
        hr = FAILED(info.scode) ? info.scode : E_FAIL;
        SysFreeString(info.bstrSource);
        SysFreeString(info.bstrDescription);
    }
    VariantClear(&argument);
    if (FAILED(hr)) return hr;
    hr = V_VT(&made) == VT_DISPATCH && V_DISPATCH(&made) ? IDispatch_QueryInterface(V_DISPATCH(&made), iid, out)
                                                         : E_UNEXPECTED;
    VariantClear(&made);
    return hr;
}

/* -- the class factories, one for each product ------------------------------------------------------------------- */

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

/* -- registration (regsvr32 /n /i:COMMAND) ----------------------------------------------------------------------- */

static BOOL is_there(const WCHAR *key, REGSAM view)
{
    HKEY opened;

    if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, key, 0, KEY_QUERY_VALUE | view, &opened)) return FALSE;
    RegCloseKey(opened);
    return TRUE;
}

/* Whether a class is registered, and whether it is by us: Virtual Server itself may be installed here. */
static BOOL is_ours(size_t class)
{
    WCHAR key[120], command[MAX_COMMAND];

    class_key(key, class, L"\\InprocServer32");
    return !get_text(key, command_value, command, MAX_COMMAND);
}

static BOOL is_anothers(size_t class)
{
    WCHAR key[120], clsid[50];

    class_key(key, class, L"");
    if (is_there(key, 0) && !is_ours(class)) return TRUE;
    class_key(key, class, L"\\LocalServer32"); /* a program, which serves those of both bitnesses */
    if (is_there(key, OTHER_VIEW)) return TRUE;
    progid_key(key, class, L"\\CLSID");
    return !get_text(key, NULL, clsid, 50) && lstrcmpiW(clsid, classes[class].clsid);
}

static LONG register_class(size_t class, const WCHAR *library, const WCHAR *command)
{
    WCHAR key[120];
    LONG error;

    class_key(key, class, L"\\InprocServer32");
    if ((error = set_text(key, command_value, command))) return error;
    if ((error = set_text(key, NULL, library))) return error;
    class_key(key, class, L"\\ProgID");
    if ((error = set_text(key, NULL, classes[class].progid))) return error;
    progid_key(key, class, L"\\CLSID");
    return set_text(key, NULL, classes[class].clsid);
}

/* The names of the classes belong to the libraries of both bitnesses, the classes to one. */
static LONG unregister_class(size_t class)
{
    WCHAR key[120];
    LONG error;

    if (!is_ours(class)) return 0;
    class_key(key, class, L"");
    if ((error = RegDeleteTreeW(HKEY_LOCAL_MACHINE, key)) || is_there(key, OTHER_VIEW)) return error;
    progid_key(key, class, L"");
    error = RegDeleteTreeW(HKEY_LOCAL_MACHINE, key);
    return error == ERROR_FILE_NOT_FOUND ? 0 : error;
}

__declspec(dllexport) HRESULT WINAPI DllUnregisterServer(void)
{
    LONG error = 0;
    size_t i;

    for (i = 0; i < CLASSES && !error; i++) error = unregister_class(i);
    return HRESULT_FROM_WIN32(error);
}

/* C:\folder\program.exe ..., or "C:\a folder\program.exe" ... */
static BOOL has_whole_path(const WCHAR *command)
{
    const WCHAR *path = *command == '"' ? command + 1 : command;
    return ((*path >= 'A' && *path <= 'Z') || (*path >= 'a' && *path <= 'z')) && path[1] == ':' && path[2] == '\\';
}

__declspec(dllexport) HRESULT WINAPI DllInstall(BOOL install, const WCHAR *command)
{
    WCHAR library[MAX_PATH];
    HMODULE self;
    DWORD length;
    LONG error = 0;
    size_t i;

    if (!install) return DllUnregisterServer();
    if (!command || lstrlenW(command) >= MAX_COMMAND || !has_whole_path(command)) return E_INVALIDARG;
    if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                            (const WCHAR *)classes, &self))
        return last_error();
    length = GetModuleFileNameW(self, library, MAX_PATH);
    if (!length) return last_error();
    if (length >= MAX_PATH) return HRESULT_FROM_WIN32(ERROR_FILENAME_EXCED_RANGE);
    for (i = 0; i < CLASSES; i++)
        if (is_anothers(i)) return HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS);
    for (i = 0; i < CLASSES && !error; i++) error = register_class(i, library, command);
    return HRESULT_FROM_WIN32(error);
}
