/* Buffers, values and the channel. */
#include "wire.h"
#include <stdlib.h>
#include <string.h>

/* -- writing ------------------------------------------------------------------------------------------------- */

static BOOL reserve(buffer *b, DWORD size)
{
    DWORD room;
    BYTE *data;

    if (b->failed || size > MAX_FRAME || b->size > MAX_FRAME - size) {
        b->failed = TRUE;
        return FALSE;
    }
    if (b->size + size <= b->room) return TRUE;
    for (room = b->room ? b->room : 256; room < b->size + size; room *= 2) ;
    if (!(data = realloc(b->data, room))) {
        b->failed = TRUE;
        return FALSE;
    }
    b->data = data;
    b->room = room;
    return TRUE;
}

void put_bytes(buffer *b, const void *data, DWORD size)
{
    if (!size || !reserve(b, size)) return;
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

void put_u8(buffer *b, BYTE value) { put_bytes(b, &value, 1); }
void put_u16(buffer *b, WORD value) { put_bytes(b, &value, 2); }
void put_u32(buffer *b, DWORD value) { put_bytes(b, &value, 4); }
void put_u64(buffer *b, ULONGLONG value) { put_bytes(b, &value, 8); }

void put_text(buffer *b, const WCHAR *text, UINT length)
{
    if (length > MAX_FRAME / sizeof(WCHAR)) {
        b->failed = TRUE;
        return;
    }
    put_u32(b, length * sizeof(WCHAR));
    put_bytes(b, text, length * sizeof(WCHAR));
}

void put_bstr(buffer *b, BSTR text) { put_text(b, text, text ? SysStringLen(text) : 0); }

static void put_object(buffer *b, VARTYPE vt, IUnknown *object)
{
    ULONGLONG handle;

    put_u16(b, vt);
    if (!object) {
        put_u8(b, OBJ_NULL);
    } else if (proxy_handle(object, &handle)) {
        put_u8(b, OBJ_REMOTE);
        put_u64(b, handle);
    } else {
        put_u8(b, OBJ_LOCAL);
        put_u64(b, local_keep(object));
    }
}

/* Whether a VARIANT has room for an element: an array of records has elements of any size. */
static BOOL held_by_variant(SAFEARRAY *array, VARTYPE vt)
{
    UINT size = SafeArrayGetElemsize(array);

    if (vt == VT_VARIANT) return size == sizeof(VARIANT);
    return vt != VT_RECORD && size <= (vt == VT_DECIMAL ? sizeof(DECIMAL) : sizeof(LONGLONG));
}

static void put_array(buffer *b, SAFEARRAY *array, int depth)
{
    LONG low[MAX_DIMENSIONS], high[MAX_DIMENSIONS], index[MAX_DIMENSIONS];
    UINT i, dims;
    VARTYPE vt;
    ULONGLONG count = 1;

    if (!array || FAILED(SafeArrayGetVartype(array, &vt)) || !held_by_variant(array, vt)) {
        put_u16(b, VT_EMPTY);
        return;
    }
    dims = SafeArrayGetDim(array);
    put_u16(b, VT_ARRAY | VT_VARIANT);
    put_u8(b, (BYTE)dims);
    if (dims < 1 || dims > MAX_DIMENSIONS) b->failed = TRUE;
    for (i = 0; i < dims && !b->failed; i++) {
        LONGLONG size;
        if (FAILED(SafeArrayGetLBound(array, i + 1, &low[i])) || FAILED(SafeArrayGetUBound(array, i + 1, &high[i])))
            low[i] = 0, high[i] = -1;
        size = (LONGLONG)high[i] - low[i] + 1;
        put_u32(b, (DWORD)size);
        put_u32(b, (DWORD)low[i]);
        index[i] = low[i];
        count *= (ULONGLONG)size;
        if (count > MAX_FRAME) b->failed = TRUE;
    }
    /* The last index runs fastest. */
    while (count-- && !b->failed) {
        VARIANT element;
        HRESULT hr;
        memset(&element, 0, sizeof(element));
        if (vt == VT_VARIANT) {
            hr = SafeArrayGetElement(array, index, &element);
        } else {
            hr = SafeArrayGetElement(array, index, vt == VT_DECIMAL ? (void *)&element.decVal : &V_UI1(&element));
            if (SUCCEEDED(hr)) V_VT(&element) = vt;
        }
        if (FAILED(hr)) {
            b->failed = TRUE;
            return;
        }
        put_value(b, &element, depth + 1);
        VariantClear(&element);
        for (i = dims; i-- > 0;) {
            if (index[i] < high[i]) {
                index[i]++;
                break;
            }
            index[i] = low[i];
        }
    }
}

void put_value(buffer *b, const VARIANT *value, int depth)
{
    VARIANT plain;
    VARTYPE vt = V_VT(value);

    if (depth > MAX_DEPTH) {
        b->failed = TRUE;
        return;
    }
    if (vt == (VT_BYREF | VT_VARIANT)) {
        put_value(b, V_VARIANTREF(value), depth + 1);
        return;
    }
    if (vt & VT_ARRAY) {
        put_array(b, vt & VT_BYREF ? *V_ARRAYREF(value) : V_ARRAY(value), depth);
        return;
    }
    if (vt & VT_BYREF) {
        VariantInit(&plain);
        if (FAILED(VariantCopyInd(&plain, (VARIANT *)value))) put_u16(b, VT_EMPTY);
        else put_value(b, &plain, depth + 1);
        VariantClear(&plain);
        return;
    }
    switch (vt) {
    case VT_EMPTY:
    case VT_NULL:
        put_u16(b, vt);
        break;
    case VT_I2:
        put_u16(b, vt);
        put_u16(b, (WORD)V_I2(value));
        break;
    case VT_BOOL:
        put_u16(b, vt);
        put_u8(b, V_BOOL(value) != VARIANT_FALSE);
        break;
    case VT_UI1:
        put_u16(b, vt);
        put_u8(b, V_UI1(value));
        break;
    case VT_I1:
        put_u16(b, VT_I2);
        put_u16(b, (WORD)(SHORT)(signed char)V_I1(value));
        break;
    case VT_UI2:
        put_u16(b, VT_I4);
        put_u32(b, V_UI2(value));
        break;
    case VT_INT:
    case VT_I4:
        put_u16(b, VT_I4);
        put_u32(b, (DWORD)V_I4(value));
        break;
    case VT_UINT:
    case VT_UI4:
        put_u16(b, VT_UI4);
        put_u32(b, V_UI4(value));
        break;
    case VT_ERROR:
        put_u16(b, vt);
        put_u32(b, (DWORD)V_ERROR(value));
        break;
    case VT_I8:
    case VT_UI8:
    case VT_CY:
        /* As a DECIMAL: exact, and what arithmetic makes of them anyway. */
        VariantInit(&plain);
        if (FAILED(VariantChangeType(&plain, (VARIANT *)value, 0, VT_DECIMAL))) put_u16(b, VT_EMPTY);
        else put_value(b, &plain, depth + 1);
        break;
    case VT_R4: {
        double real = V_R4(value);
        put_u16(b, VT_R8);
        put_bytes(b, &real, 8);
        break;
    }
    case VT_R8:
    case VT_DATE:
        put_u16(b, vt);
        put_bytes(b, &V_R8(value), 8);
        break;
    case VT_DECIMAL: {
        DECIMAL number = V_DECIMAL(value);
        number.wReserved = 0;
        put_u16(b, vt);
        put_bytes(b, &number, 16);
        break;
    }
    case VT_BSTR:
        put_u16(b, vt);
        put_bstr(b, V_BSTR(value));
        break;
    case VT_DISPATCH:
    case VT_UNKNOWN:
        put_object(b, vt, V_UNKNOWN(value));
        break;
    default:
        put_u16(b, VT_EMPTY);
    }
}

/* -- reading ------------------------------------------------------------------------------------------------- */

const BYTE *get_bytes(reader *r, DWORD size)
{
    const BYTE *data = r->data;

    if (r->failed || size > r->left) {
        r->failed = TRUE;
        return NULL;
    }
    r->data += size;
    r->left -= size;
    return data;
}

#define GETTER(name, type) \
    type name(reader *r) \
    { \
        type value = 0; \
        const BYTE *data = get_bytes(r, sizeof(type)); \
        if (data) memcpy(&value, data, sizeof(type)); \
        return value; \
    }
GETTER(get_u8, BYTE)
GETTER(get_u16, WORD)
GETTER(get_u32, DWORD)
GETTER(get_u64, ULONGLONG)

BSTR get_bstr(reader *r)
{
    DWORD size = get_u32(r);
    const BYTE *data = get_bytes(r, size);
    BSTR text = SysAllocStringLen(NULL, data ? size / sizeof(WCHAR) : 0);

    if (!text || size % sizeof(WCHAR)) r->failed = TRUE;
    else if (data) memcpy(text, data, size);
    return text;
}

/* IEnumVARIANT over values that came with the answer. */
typedef struct enumerator {
    IEnumVARIANT IEnumVARIANT_iface;
    LONG refs;
    ULONG count, next;
    struct items *items;
} enumerator;

struct items {
    LONG refs;
    VARIANT values[1];
};

static const IEnumVARIANTVtbl enumerator_vtbl;

static IUnknown *enumerator_new(struct items *items, ULONG count, ULONG next)
{
    enumerator *e = calloc(1, sizeof(*e));

    if (!e) return NULL;
    e->IEnumVARIANT_iface.lpVtbl = (IEnumVARIANTVtbl *)&enumerator_vtbl;
    e->refs = 1;
    e->items = items;
    e->count = count;
    e->next = next;
    return (IUnknown *)&e->IEnumVARIANT_iface;
}

static HRESULT WINAPI enum_query(IEnumVARIANT *iface, REFIID iid, void **out)
{
    if (!out) return E_POINTER;
    *out = NULL;
    if (!IsEqualGUID(iid, &IID_IUnknown) && !IsEqualGUID(iid, &IID_IEnumVARIANT)) return E_NOINTERFACE;
    IEnumVARIANT_AddRef(iface);
    *out = iface;
    return S_OK;
}

static ULONG WINAPI enum_addref(IEnumVARIANT *iface) { return InterlockedIncrement(&((enumerator *)iface)->refs); }

static ULONG WINAPI enum_release(IEnumVARIANT *iface)
{
    enumerator *e = (enumerator *)iface;
    ULONG refs = InterlockedDecrement(&e->refs), i;

    if (refs) return refs;
    if (!InterlockedDecrement(&e->items->refs)) {
        for (i = 0; i < e->count; i++) VariantClear(&e->items->values[i]);
        free(e->items);
    }
    free(e);
    return 0;
}

static HRESULT WINAPI enum_next(IEnumVARIANT *iface, ULONG wanted, VARIANT *out, ULONG *fetched)
{
    enumerator *e = (enumerator *)iface;
    ULONG i;

    if (!out) return E_POINTER;
    for (i = 0; i < wanted && e->next < e->count; i++, e->next++) {
        HRESULT hr;
        VariantInit(&out[i]);
        if (FAILED(hr = VariantCopy(&out[i], &e->items->values[e->next]))) {
            e->next -= i;
            while (i--) VariantClear(&out[i]);
            if (fetched) *fetched = 0;
            return hr;
        }
    }
    if (fetched) *fetched = i;
    return i == wanted ? S_OK : S_FALSE;
}

static HRESULT WINAPI enum_skip(IEnumVARIANT *iface, ULONG count)
{
    enumerator *e = (enumerator *)iface;
    ULONG left = e->count - e->next;

    e->next += count < left ? count : left;
    return count <= left ? S_OK : S_FALSE;
}

static HRESULT WINAPI enum_reset(IEnumVARIANT *iface)
{
    ((enumerator *)iface)->next = 0;
    return S_OK;
}

static HRESULT WINAPI enum_clone(IEnumVARIANT *iface, IEnumVARIANT **out)
{
    enumerator *e = (enumerator *)iface;

    if (!out) return E_POINTER;
    InterlockedIncrement(&e->items->refs);
    *out = (IEnumVARIANT *)enumerator_new(e->items, e->count, e->next);
    if (*out) return S_OK;
    InterlockedDecrement(&e->items->refs);
    return E_OUTOFMEMORY;
}

static const IEnumVARIANTVtbl enumerator_vtbl = {
    enum_query, enum_addref, enum_release, enum_next, enum_skip, enum_reset, enum_clone,
};

static IUnknown *get_enumerator(reader *r, int depth)
{
    DWORD count = get_u32(r), i;
    struct items *items;
    IUnknown *e;

    /* Every value takes two bytes at least, which bounds the count by the frame. */
    if (r->failed || count > r->left / 2 || !(items = calloc(1, sizeof(*items) + count * sizeof(VARIANT)))) {
        r->failed = TRUE;
        return NULL;
    }
    items->refs = 1;
    for (i = 0; i < count; i++) get_value(r, &items->values[i], depth + 1);
    if (!(e = enumerator_new(items, count, 0))) {
        for (i = 0; i < count; i++) VariantClear(&items->values[i]);
        free(items);
        r->failed = TRUE;
    }
    return e;
}

/* An object, and as what: one that has no IDispatch does not become a VT_DISPATCH, whatever the frame says. */
static IUnknown *get_object(reader *r, VARTYPE *vt, int depth)
{
    BYTE tag = get_u8(r);
    IUnknown *object = NULL;
    IDispatch *dispatch;

    if (tag == OBJ_NULL) return NULL;
    if (tag == OBJ_REMOTE) {
        ULONGLONG handle = get_u64(r);
        DWORD kind = get_u32(r);
        if (!r->failed) object = (IUnknown *)proxy_new(handle, kind);
    } else if (tag == OBJ_LOCAL) {
        object = local_find(get_u64(r));
        if (object && SUCCEEDED(IUnknown_QueryInterface(object, &IID_IDispatch, (void **)&dispatch))) {
            *vt = VT_DISPATCH;
            return (IUnknown *)dispatch;
        }
        *vt = VT_UNKNOWN;
        if (object) IUnknown_AddRef(object);
    } else if (tag == OBJ_ENUM && *vt == VT_UNKNOWN) {
        object = get_enumerator(r, depth);
    }
    if (!object) r->failed = TRUE;
    return object;
}

static SAFEARRAY *get_array(reader *r, VARTYPE vt, int depth)
{
    SAFEARRAYBOUND bounds[MAX_DIMENSIONS];
    LONG index[MAX_DIMENSIONS];
    BYTE dims = get_u8(r), i;
    /* What an element takes in the frame at least bounds their number. */
    ULONGLONG count = 1, most = r->left / (vt == VT_UI1 ? 1 : 2);
    SAFEARRAY *array;

    if (dims < 1 || dims > MAX_DIMENSIONS) r->failed = TRUE;
    for (i = 0; i < dims && !r->failed; i++) {
        bounds[i].cElements = get_u32(r);
        bounds[i].lLbound = (LONG)get_u32(r);
        index[i] = bounds[i].lLbound;
        count *= bounds[i].cElements;
        if (count > most || (LONGLONG)bounds[i].lLbound + bounds[i].cElements > MAXLONG) r->failed = TRUE;
    }
    if (r->failed || !(array = SafeArrayCreate(vt, dims, bounds))) {
        r->failed = TRUE;
        return NULL;
    }
    while (count-- && !r->failed) {
        HRESULT hr;
        if (vt == VT_UI1) {
            BYTE byte = get_u8(r);
            hr = SafeArrayPutElement(array, index, &byte);
        } else {
            VARIANT element;
            get_value(r, &element, depth + 1);
            hr = SafeArrayPutElement(array, index, &element);
            VariantClear(&element);
        }
        if (FAILED(hr)) r->failed = TRUE;
        for (i = dims; i-- > 0;) {
            if (index[i] + 1 < bounds[i].lLbound + (LONG)bounds[i].cElements) {
                index[i]++;
                break;
            }
            index[i] = bounds[i].lLbound;
        }
    }
    return array;
}

void get_value(reader *r, VARIANT *value, int depth)
{
    VARTYPE vt = get_u16(r);
    const BYTE *data;

    VariantInit(value);
    if (depth > MAX_DEPTH) r->failed = TRUE;
    if (r->failed) return;
    switch (vt) {
    case VT_EMPTY:
    case VT_NULL:
        break;
    case VT_I2:
        V_I2(value) = (SHORT)get_u16(r);
        break;
    case VT_BOOL:
        V_BOOL(value) = get_u8(r) ? VARIANT_TRUE : VARIANT_FALSE;
        break;
    case VT_UI1:
        V_UI1(value) = get_u8(r);
        break;
    case VT_I4:
    case VT_UI4:
    case VT_ERROR:
        V_UI4(value) = get_u32(r);
        break;
    case VT_R8:
    case VT_DATE:
        if ((data = get_bytes(r, 8))) memcpy(&V_R8(value), data, 8);
        break;
    case VT_DECIMAL:
        if ((data = get_bytes(r, 16))) memcpy(&V_DECIMAL(value), data, 16);
        break;
    case VT_BSTR:
        V_BSTR(value) = get_bstr(r);
        break;
    case VT_DISPATCH:
    case VT_UNKNOWN:
        V_UNKNOWN(value) = get_object(r, &vt, depth);
        break;
    case VT_ARRAY | VT_UI1:
    case VT_ARRAY | VT_VARIANT:
        V_ARRAY(value) = get_array(r, vt & ~VT_ARRAY, depth);
        if (!V_ARRAY(value)) return;
        break;
    default:
        r->failed = TRUE;
        return;
    }
    V_VT(value) = vt; /* last: in a DECIMAL it stands in the first two bytes */
}

/* -- the channel --------------------------------------------------------------------------------------------- */

static HANDLE channel_in, channel_out;
static BOOL alive;
static int nesting;
static buffer released; /* handles that the server may forget */

BOOL channel_alive(void) { return alive; }

BOOL channel_pipes(HANDLE in, HANDLE out)
{
    channel_in = in;
    channel_out = out;
    alive = in && out && in != INVALID_HANDLE_VALUE && out != INVALID_HANDLE_VALUE;
    return alive;
}

static BOOL write_all(const BYTE *data, DWORD size)
{
    DWORD done;

    while (alive && size) {
        if (!WriteFile(channel_out, data, size, &done, NULL) || !done) alive = FALSE;
        else data += done, size -= done;
    }
    return alive;
}

/* What was read beyond the frame that is being taken; most frames come in one piece, with one read. */
static BYTE ahead[4096];
static DWORD ahead_at, ahead_end;

static BOOL read_all(BYTE *data, DWORD size)
{
    while (alive && size) {
        DWORD have = ahead_end - ahead_at, done;
        if (have) {
            if (have > size) have = size;
            memcpy(data, ahead + ahead_at, have);
            ahead_at += have;
            data += have;
            size -= have;
        } else if (size >= sizeof(ahead)) {
            if (!ReadFile(channel_in, data, size, &done, NULL) || !done) alive = FALSE;
            else data += done, size -= done;
        } else {
            ahead_at = ahead_end = 0;
            if (!ReadFile(channel_in, ahead, sizeof(ahead), &done, NULL) || !done) alive = FALSE;
            else ahead_end = done;
        }
    }
    return alive;
}

/* One frame; its payload in *payload, whose memory is used again. */
static BOOL read_frame(BYTE *kind, buffer *payload)
{
    DWORD size;

    if (!read_all((BYTE *)&size, 4)) return FALSE;
    if (size < 1 || size > MAX_FRAME || !read_all(kind, 1)) return alive = FALSE;
    payload->size = 0;
    if (!reserve(payload, size - 1)) return alive = FALSE;
    payload->size = size - 1;
    return read_all(payload->data, size - 1);
}

void release_later(ULONGLONG handle)
{
    if (!released.size) {
        put_u32(&released, 0);
        put_u8(&released, K_RELEASE);
        put_u32(&released, 0);
    }
    put_u64(&released, handle);
}

void request_begin(buffer *b, BYTE kind)
{
    b->size = 0;
    b->failed = FALSE;
    put_u32(b, 0); /* the length, filled in when the frame is complete */
    put_u8(b, kind);
}

/* Send a frame, and before it, in the same write, what was released since the last one. */
static BOOL send_frame(buffer *b)
{
    DWORD size = b->size - 4;

    memcpy(b->data, &size, 4);
    if (released.failed) released.size = 0, released.failed = FALSE;
    if (released.size && reserve(b, released.size)) {
        DWORD length = released.size - 4, count = (released.size - 9) / 8;
        memcpy(released.data, &length, 4);
        memcpy(released.data + 5, &count, 4);
        memmove(b->data + released.size, b->data, b->size);
        memcpy(b->data, released.data, released.size);
        b->size += released.size;
        released.size = 0;
    }
    b->failed = FALSE; /* where there was no room, they go with a later frame */
    return write_all(b->data, b->size);
}

BOOL request_told(buffer *b) { return !b->failed && alive && send_frame(b); }

HRESULT request_answered(buffer *b, BYTE wanted, buffer *answer)
{
    BYTE kind;

    if (!alive) {
        channel_missed();
        return E_SERVER_GONE;
    }
    if (b->failed) return E_OUTOFMEMORY;
    if (nesting >= MAX_NESTING) return E_OUTOFMEMORY;
    if (!send_frame(b)) return E_SERVER_GONE;
    nesting++;
    while (read_frame(&kind, answer)) {
        buffer asked, reply = {0};
        reader r;

        if (kind == wanted) {
            nesting--;
            return S_OK;
        }
        /* A request of the other side: its payload is taken away, since calls may nest. */
        asked = *answer;
        memset(answer, 0, sizeof(*answer));
        r.data = asked.data;
        r.left = asked.size;
        r.failed = FALSE;
        request_begin(&reply, K_RESULT);
        if (serve(kind, &r, &reply)) {
            if (reply.failed) {
                request_begin(&reply, K_RESULT);
                put_result(&reply, E_OUTOFMEMORY, NULL, NULL);
            }
            if (!request_told(&reply)) alive = FALSE; /* the other side waits for it in vain */
        }
        free(reply.data);
        free(asked.data);
    }
    nesting--;
    return E_SERVER_GONE;
}

/* -- the greeting -------------------------------------------------------------------------------------------- */

HRESULT greet(const BYTE secret[SECRET_SIZE], buffer *answer)
{
    buffer request = {0};
    HRESULT hr;

    request_begin(&request, K_HELLO);
    put_u32(&request, WIRE_VERSION);
    put_bytes(&request, secret, SECRET_SIZE);
    hr = request_answered(&request, K_START, answer);
    if (request.data) SecureZeroMemory(request.data, request.size);
    free(request.data);
    return hr;
}
