/* The script host: runs one script in an Active Script engine; everything it asks of its host is vpcshim's.
 *
 * Standard input and output are the channel. What the script is, and what it is given, comes with the answer to the
 * first frame.
 */
#include <initguid.h>
#include "wire.h"
#include <activscp.h>
#include <stdlib.h>
#include <string.h>

DEFINE_GUID(CLSID_VBScriptEngine, 0xb54f3741, 0x5b07, 0x11cf, 0xa4, 0xb0, 0x00, 0xaa, 0x00, 0x4a, 0x55, 0xe8);
DEFINE_GUID(CLSID_JScriptEngine, 0xf414c260, 0x6ac0, 0x11cf, 0xb6, 0xd1, 0x00, 0xaa, 0x00, 0xbb, 0xbb, 0x58);

#ifdef _WIN64
#define IID_ScriptParse IID_IActiveScriptParse64
#else
#define IID_ScriptParse IID_IActiveScriptParse32
#endif

#define E_TOLD ((HRESULT)0x80020101) /* SCRIPT_E_REPORTED */

struct global {
    BSTR name;
    DWORD flags;
    VARIANT value;
};

static struct global *globals;
static WORD global_count;
static IActiveScript *script;
static IActiveScriptParse *parser;
static IDispatch *names_of_script;

/* -- the channel ---------------------------------------------------------------------------------------------- */

static BOOL secret_from_environment(BYTE *secret)
{
    char text[2 * SECRET_SIZE + 1];
    int i;

    if (GetEnvironmentVariableA("VPCSHIM_SECRET", text, sizeof(text)) != 2 * SECRET_SIZE) return FALSE;
    SetEnvironmentVariableA("VPCSHIM_SECRET", NULL); /* not for what the script starts */
    for (i = 0; i < SECRET_SIZE; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], 0}, *end;
        secret[i] = (BYTE)strtoul(pair, &end, 16);
        if (*end) return FALSE;
    }
    SecureZeroMemory(text, sizeof(text));
    return TRUE;
}

/* Temporary files are the host's: on Wine's own drive, C:, whose letter may stand for another folder, nobody looks. */
static void temporary_from_environment(void)
{
    WCHAR folder[MAX_PATH];
    DWORD length = GetEnvironmentVariableW(L"VPCSHIM_TEMP", folder, MAX_PATH);

    if (!length || length >= MAX_PATH) return;
    SetEnvironmentVariableW(L"VPCSHIM_TEMP", NULL);
    SetEnvironmentVariableW(L"TEMP", folder);
    SetEnvironmentVariableW(L"TMP", folder);
}

/* A script that handles this error over and over would never end. */
void channel_missed(void)
{
    static LONG missed;
    if (InterlockedIncrement(&missed) > 1000) ExitProcess(70);
}

/* -- the site ------------------------------------------------------------------------------------------------ */

static HRESULT WINAPI site_query(IActiveScriptSite *site, REFIID iid, void **out)
{
    *out = NULL;
    if (!IsEqualGUID(iid, &IID_IUnknown) && !IsEqualGUID(iid, &IID_IActiveScriptSite)) return E_NOINTERFACE;
    *out = site;
    return S_OK;
}

static ULONG WINAPI site_addref(IActiveScriptSite *site) { (void)site; return 2; }
static ULONG WINAPI site_release(IActiveScriptSite *site) { (void)site; return 1; }

static HRESULT WINAPI site_lcid(IActiveScriptSite *site, LCID *lcid)
{
    (void)site;
    *lcid = GetUserDefaultLCID();
    return S_OK;
}

static HRESULT WINAPI site_item(IActiveScriptSite *site, LPCOLESTR name, DWORD mask, IUnknown **item, ITypeInfo **type)
{
    WORD i;

    (void)site;
    if (type) *type = NULL;
    if (!(mask & SCRIPTINFO_IUNKNOWN)) return S_OK;
    *item = NULL;
    for (i = 0; i < global_count; i++) {
        if (lstrcmpiW(globals[i].name, name)) continue;
        *item = V_UNKNOWN(&globals[i].value);
        IUnknown_AddRef(*item);
        return S_OK;
    }
    return TYPE_E_ELEMENTNOTFOUND;
}

static HRESULT WINAPI site_version(IActiveScriptSite *site, BSTR *version) { (void)site, (void)version; return E_NOTIMPL; }

static HRESULT WINAPI site_terminate(IActiveScriptSite *site, const VARIANT *result, const EXCEPINFO *info)
{
    (void)site, (void)result, (void)info;
    return S_OK;
}

static HRESULT WINAPI site_state(IActiveScriptSite *site, SCRIPTSTATE state) { (void)site, (void)state; return S_OK; }

static HRESULT WINAPI site_error(IActiveScriptSite *site, IActiveScriptError *error)
{
    EXCEPINFO info;
    BSTR text = NULL;
    DWORD number = TEXT_SCRIPT;
    ULONG line = 0;
    LONG column = 0;
    buffer told = {0};

    (void)site;
    memset(&info, 0, sizeof(info));
    IActiveScriptError_GetExceptionInfo(error, &info);
    if (info.pfnDeferredFillIn) info.pfnDeferredFillIn(&info);
    if (SUCCEEDED(IActiveScriptError_GetSourcePosition(error, &number, &line, &column))) line++;
    IActiveScriptError_GetSourceLineText(error, &text);
    request_begin(&told, K_ERROR);
    put_u8(&told, info.dwHelpContext == TOLD_BEFORE);
    put_u32(&told, number);
    put_u32(&told, line);
    put_u32(&told, (DWORD)column + 1);
    put_u32(&told, (DWORD)info.scode);
    put_bstr(&told, info.bstrSource);
    put_bstr(&told, info.bstrDescription);
    put_bstr(&told, text);
    request_told(&told);
    free(told.data);
    SysFreeString(text);
    SysFreeString(info.bstrSource);
    SysFreeString(info.bstrDescription);
    SysFreeString(info.bstrHelpFile);
    return S_OK;
}

static HRESULT WINAPI site_enter(IActiveScriptSite *site) { (void)site; return S_OK; }

static const IActiveScriptSiteVtbl site_vtbl = {
    site_query, site_addref,    site_release, site_lcid,  site_item,  site_version,
    site_terminate, site_state, site_error,   site_enter, site_enter,
};
static IActiveScriptSite site = {(IActiveScriptSiteVtbl *)&site_vtbl};

/* -- what the server asks of us ------------------------------------------------------------------------------- */

static HRESULT parse(const WCHAR *text, DWORD number, DWORD flags, VARIANT *value, EXCEPINFO *info)
{
    if (!parser || !text) return E_UNEXPECTED;
    return parser->lpVtbl->ParseScriptText(parser, text, NULL, NULL, NULL, number, 0, flags, value, info);
}

static HRESULT create(BSTR progid, VARIANT *value)
{
    CLSID clsid;
    IDispatch *object;
    HRESULT hr = CLSIDFromString(progid, &clsid);

    if (FAILED(hr)) hr = CLSIDFromProgID(progid, &clsid);
    if (FAILED(hr)) return hr;
    hr = CoCreateInstance(&clsid, NULL, CLSCTX_INPROC_SERVER | CLSCTX_LOCAL_SERVER, &IID_IDispatch, (void **)&object);
    if (SUCCEEDED(hr)) hr = mend(&clsid, &object);
    if (FAILED(hr)) return hr;
    V_VT(value) = VT_DISPATCH;
    V_DISPATCH(value) = object;
    return S_OK;
}

static HRESULT get_by_moniker(BSTR name, VARIANT *value)
{
    HRESULT hr = CoGetObject(name, NULL, &IID_IDispatch, (void **)&V_DISPATCH(value));

    if (SUCCEEDED(hr)) V_VT(value) = VT_DISPATCH;
    return hr;
}

static HRESULT invoke_named(IDispatch *object, BSTR name, DISPID id, WORD flags, reader *r, VARIANT *value,
                            EXCEPINFO *info)
{
    HRESULT hr;

    if (SysStringLen(name)) {
        LPOLESTR names[1] = {name};
        if (FAILED(hr = IDispatch_GetIDsOfNames(object, &IID_NULL, names, 1, LOCALE_USER_DEFAULT, &id))) return hr;
    }
    return local_invoke(object, id, flags, r, value, info);
}

BOOL serve(BYTE kind, reader *r, buffer *answer)
{
    IUnknown *object = NULL;
    IDispatch *dispatch = NULL;
    DWORD number = 0, parse_flags = 0;
    WORD flags = DISPATCH_METHOD;
    VARIANT value;
    EXCEPINFO info;
    HRESULT hr = E_NOTIMPL;
    BSTR text = NULL;

    VariantInit(&value);
    memset(&info, 0, sizeof(info));
    switch (kind) {
    case K_QUIT:
        number = get_u32(r);
        ExitProcess(r->failed ? 70 : number);
    case K_FORGET:
        local_forget(get_u64(r));
        return FALSE;
    case K_LOCAL:
        object = local_find(get_u64(r));
        number = get_u32(r);
        flags = get_u16(r);
        break;
    case K_PARSE:
        parse_flags = get_u32(r);
        number = get_u32(r);
        break;
    }
    text = get_bstr(r); /* which all the others have as well */
    if (r->failed) kind = 0, hr = RPC_E_INVALID_DATA;
    switch (kind) {
    case K_CALL:
        hr = names_of_script ? invoke_named(names_of_script, text, 0, flags, r, &value, &info) : E_UNEXPECTED;
        error_told = hr == E_TOLD;
        break;
    case K_LOCAL:
        hr = object ? IUnknown_QueryInterface(object, &IID_IDispatch, (void **)&dispatch) : E_POINTER;
        if (FAILED(hr)) break;
        hr = invoke_named(dispatch, text, (DISPID)number, flags, r, &value, &info);
        IDispatch_Release(dispatch);
        break;
    case K_CREATE:
        hr = create(text, &value);
        break;
    case K_GET:
        hr = get_by_moniker(text, &value);
        break;
    case K_PARSE:
        hr = parse(text, number, parse_flags, parse_flags & SCRIPTTEXT_ISEXPRESSION ? &value : NULL, &info);
        error_told = hr == E_TOLD;
        break;
    }
    put_result(answer, hr, &value, &info);
    VariantClear(&value);
    SysFreeString(info.bstrSource);
    SysFreeString(info.bstrDescription);
    SysFreeString(info.bstrHelpFile);
    SysFreeString(text);
    return TRUE;
}

/* -- the run ------------------------------------------------------------------------------------------------- */

typedef HRESULT(WINAPI *get_class)(REFCLSID, REFIID, void **);

/* The engine straight from its library: what is in the registry need not be looked up. */
static HRESULT engine_of(const WCHAR *library, REFCLSID clsid)
{
    HMODULE module = LoadLibraryW(library);
    get_class entry = module ? (get_class)(void *)GetProcAddress(module, "DllGetClassObject") : NULL;
    IClassFactory *factory;
    HRESULT hr;

    if (!entry) return CoCreateInstance(clsid, NULL, CLSCTX_INPROC_SERVER, &IID_IActiveScript, (void **)&script);
    if (FAILED(hr = entry(clsid, &IID_IClassFactory, (void **)&factory))) return hr;
    hr = IClassFactory_CreateInstance(factory, NULL, &IID_IActiveScript, (void **)&script);
    IClassFactory_Release(factory);
    return hr;
}

/* The engines take letters from their C library, whose first locale knows those of ASCII alone. */
static void know_letters(void)
{
    typedef char *(__cdecl *set_locale)(int, const char *);
    enum { of_characters = 2 }; /* LC_CTYPE of that library */
    HMODULE library = GetModuleHandleW(L"ucrtbase.dll");
    set_locale set = library ? (set_locale)(void *)GetProcAddress(library, "setlocale") : NULL;

    if (set) set(of_characters, "English_United States.1252");
}

static BOOL only_read, asked_whole, jscript;

static void done(HRESULT hr)
{
    buffer told = {0};

    request_begin(&told, K_DONE);
    put_u32(&told, (DWORD)hr);
    request_told(&told);
    ExitProcess(FAILED(hr) ? 1 : 0);
}

/* The engine has dropped a part of the script, or all of it, without a word. */
static void lost(void)
{
    buffer told = {0};

    request_begin(&told, K_ERROR);
    put_u8(&told, FALSE);
    put_u32(&told, TEXT_SCRIPT);
    put_u32(&told, 1);
    put_u32(&told, 1);
    put_u32(&told, 0x800a03ea); /* a syntax error */
    put_text(&told, L"vpcshim_whole", 13);
    put_text(&told, NULL, 0);
    put_text(&told, NULL, 0);
    request_told(&told);
    done(E_FAIL);
}

HRESULT script_read(BOOL whole)
{
    asked_whole = TRUE;
    if (!whole) lost();
    if (only_read) done(S_OK);
    return S_OK;
}

/* An engine that is not connected reads a script, says what it does not know, and runs none of it. JScript's has to be
 * connected to tell whether it did; the script then ends where it begins. */
static HRESULT start(BYTE engine)
{
    HRESULT hr = engine_of(jscript ? L"jscript.dll" : L"vbscript.dll",
                           jscript ? &CLSID_JScriptEngine : &CLSID_VBScriptEngine);
    WORD i;

    if (FAILED(hr)) return hr;
    engine_forgets = !jscript;
    if (jscript) mend_numbers(L"jscript.dll"), mend_texts(L"jscript.dll");
    else mend_operators(L"vbscript.dll");
    know_letters();
    if (FAILED(hr = IActiveScript_QueryInterface(script, &IID_ScriptParse, (void **)&parser))) return hr;
    if (FAILED(hr = parser->lpVtbl->InitNew(parser))) return hr;
    if (FAILED(hr = IActiveScript_SetScriptSite(script, &site))) return hr;
    for (i = 0; i < global_count; i++) {
        hr = IActiveScript_AddNamedItem(script, globals[i].name, globals[i].flags);
        if (FAILED(hr)) return hr;
    }
    only_read = (engine & ENGINE_READS) != 0;
    if (only_read && !jscript) return S_OK;
    hr = IActiveScript_SetScriptState(script, SCRIPTSTATE_CONNECTED);
    if (SUCCEEDED(hr)) IActiveScript_GetScriptDispatch(script, NULL, &names_of_script);
    return hr;
}

int main(void)
{
    HANDLE in = GetStdHandle(STD_INPUT_HANDLE), out = GetStdHandle(STD_OUTPUT_HANDLE), nothing;
    SECURITY_ATTRIBUTES inherit = {sizeof(inherit), NULL, TRUE};
    buffer answer = {0};
    BYTE engine, secret[SECRET_SIZE];
    EXCEPINFO info;
    reader r = {0};
    BSTR name, text, prelude;
    HRESULT hr;
    WORD i;

    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    /* The channel is ours alone: programs that the script starts get neither end of it. */
    SetHandleInformation(in, HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation(out, HANDLE_FLAG_INHERIT, 0);
    nothing = CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit,
                          OPEN_EXISTING, 0, NULL);
    SetStdHandle(STD_INPUT_HANDLE, nothing);
    SetStdHandle(STD_OUTPUT_HANDLE, nothing);
    if (!channel_pipes(in, out)) return 70;
    if (FAILED(CoInitializeEx(NULL, COINIT_APARTMENTTHREADED))) return 70;

    temporary_from_environment();
    if (!secret_from_environment(secret)) return 70;
    hr = greet(secret, &answer);
    SecureZeroMemory(secret, sizeof(secret));
    if (FAILED(hr)) return 70;
    r.data = answer.data;
    r.left = answer.size;
    engine = get_u8(&r);
    name = get_bstr(&r);
    prelude = get_bstr(&r);
    text = get_bstr(&r);
    global_count = get_u16(&r);
    if (r.failed || !(globals = calloc(global_count + 1, sizeof(*globals)))) return 70;
    for (i = 0; i < global_count; i++) {
        globals[i].name = get_bstr(&r);
        globals[i].flags = get_u32(&r);
        get_value(&r, &globals[i].value, 0);
        if (r.failed || V_VT(&globals[i].value) != VT_DISPATCH) return 70;
    }
    SysFreeString(name);
    globals[global_count].name = SysAllocString(L"vpcshim_engine");
    globals[global_count].flags = SCRIPTITEM_ISVISIBLE;
    V_VT(&globals[global_count].value) = VT_DISPATCH;
    V_DISPATCH(&globals[global_count].value) = &engine_functions;
    global_count++;

    memset(&info, 0, sizeof(info));
    jscript = (engine & ~ENGINE_READS) == 1;
    hr = start(engine);
    if (SUCCEEDED(hr) && SysStringLen(prelude)) hr = parse(prelude, TEXT_PRELUDE, SCRIPTTEXT_ISVISIBLE, NULL, &info);
    if (SUCCEEDED(hr)) hr = parse(text, TEXT_SCRIPT, SCRIPTTEXT_HOSTMANAGESSOURCE | SCRIPTTEXT_ISVISIBLE, NULL, &info);
    if (SUCCEEDED(hr) && jscript && !asked_whole) lost();
    done(hr);
}
