/* What an engine's library takes from another, and is given instead where Wine's is wrong. */
#include "wire.h"

void *replace_import(const WCHAR *name, const WCHAR *of, const char *function, void *with)
{
    HMODULE exports = GetModuleHandleW(of);
    BYTE *library = (BYTE *)GetModuleHandleW(name);
    void *from = exports ? (void *)GetProcAddress(exports, function) : NULL, **entry;
    const IMAGE_IMPORT_DESCRIPTOR *each;
    const IMAGE_NT_HEADERS *nt;
    DWORD imports, allowed;

    if (!library || !from) return from;
    nt = (const IMAGE_NT_HEADERS *)(library + ((IMAGE_DOS_HEADER *)library)->e_lfanew);
    imports = nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress;
    if (!imports) return from;
    for (each = (const IMAGE_IMPORT_DESCRIPTOR *)(library + imports); each->Name; each++) {
        for (entry = (void **)(library + each->FirstThunk); *entry; entry++) {
            if (*entry != from || !VirtualProtect(entry, sizeof(*entry), PAGE_READWRITE, &allowed)) continue;
            *entry = with;
            VirtualProtect(entry, sizeof(*entry), allowed, &allowed);
        }
    }
    return from;
}
