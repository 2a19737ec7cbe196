/* JScript's texts. Wine 8.0 keeps what is joined in parts, and compares two such texts by half of their characters: `a +
 * "1"` and `a + "2"` are equal. And it orders characters by their lower bytes.
 *
 * Only that comparison hands two buffers of the stack to memcmp, and the count of characters for that of bytes. A
 * comparison of two texts of nine characters, before any other, tells whether this engine does (`Equal` of engine.c).
 */
#define _WIN32_WINNT 0x0602 /* GetCurrentThreadStackLimits */
#include "wire.h"

enum { PROBED = 9 };

static ULONG_PTR low, high; /* of the stack of the thread that runs scripts */

static BOOL on_stack(const void *at) { return (ULONG_PTR)at >= low && (ULONG_PTR)at < high; }

static int __cdecl compared(const void *left, const void *right, size_t size)
{
    static size_t unit; /* 0 before the first */
    const BYTE *l = left, *r = right;
    size_t i, bytes = size;

    if (on_stack(left) && on_stack(right)) {
        if (!unit) unit = size == PROBED ? sizeof(WCHAR) : 1;
        bytes *= unit;
    }
    for (i = 0; i + 1 < bytes; i += 2) {
        WCHAR a = (WCHAR)(l[i] | l[i + 1] << 8), b = (WCHAR)(r[i] | r[i + 1] << 8);
        if (a != b) return a < b ? -1 : 1;
    }
    return i < bytes ? l[i] - r[i] : 0;
}

void mend_texts(const WCHAR *library)
{
    GetCurrentThreadStackLimits(&low, &high);
    replace_import(library, L"ucrtbase.dll", "memcmp", (void *)compared);
}
