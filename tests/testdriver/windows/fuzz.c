/* What the Windows side makes of frames that no honest server sends: every one ends in an answer or a failure.
 *
 * The payloads come on standard input, each after its length, and are read from memory that ends with a page that
 * nobody may touch. What was read as a value is written again, and an object called. The object of ours that frames may
 * name, 1, is an enumerator. Prints how many were read, taken and refused. */
#include "wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096

BOOL serve(BYTE kind, reader *r, buffer *answer)
{
    (void)kind, (void)r, (void)answer;
    return FALSE;
}

void channel_missed(void) {}

static BOOL take(BYTE *data, DWORD size)
{
    HANDLE in = GetStdHandle(STD_INPUT_HANDLE);
    DWORD got;

    for (; size; data += got, size -= got)
        if (!ReadFile(in, data, size, &got, NULL) || !got) return FALSE;
    return TRUE;
}

/* An enumerator of nothing: it has no IDispatch. */
static BOOL keep_enumerator(void)
{
    static const BYTE payload[] = {0, 0, 0, 0, VT_UNKNOWN, 0, OBJ_ENUM, 0, 0, 0, 0};
    reader r = {payload, sizeof(payload), FALSE};
    VARIANT value;

    if (FAILED(get_result(&r, &value, NULL)) || !V_UNKNOWN(&value)) return FALSE;
    return local_keep(V_UNKNOWN(&value)) == 1;
}

int main(void)
{
    unsigned taken = 0, refused = 0, rounds = 0;
    DWORD size, old, room = 64 * PAGE;
    BYTE *memory = VirtualAlloc(NULL, room + PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

    CoInitialize(NULL);
    if (!keep_enumerator() || !memory || !VirtualProtect(memory + room, PAGE, PAGE_NOACCESS, &old)) return 2;
    while (take((BYTE *)&size, sizeof(size)) && size <= room) {
        BYTE *payload = memory + room - size;
        VARIANT value;
        EXCEPINFO info = {0};
        buffer written = {0};
        reader r = {payload, size, FALSE};

        if (!take(payload, size)) return 4;
        VariantInit(&value);
        if (get_result(&r, &value, &info) == RPC_E_INVALID_DATA) refused++;
        else taken++;
        if (V_VT(&value) == VT_DISPATCH && V_DISPATCH(&value)) {
            UINT types = 1;
            if (FAILED(IDispatch_GetTypeInfoCount(V_DISPATCH(&value), &types)) || types) return 3;
        }
        request_begin(&written, K_RESULT);
        put_result(&written, S_OK, &value, NULL);
        VariantClear(&value);
        SysFreeString(info.bstrSource);
        SysFreeString(info.bstrDescription);
        free(written.data);
        rounds++;
    }
    printf("%u %u %u\n", rounds, taken, refused);
    return 0;
}
