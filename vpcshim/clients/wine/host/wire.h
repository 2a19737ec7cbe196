/* What the host program and the in-process server say to vpcshim, and how: frames over one channel.
 *
 * A frame is a length (u32, of what follows), a kind (u8) and a payload; all numbers are little-endian. Whoever waits
 * for an answer serves the other side's requests meanwhile, so one channel carries nested calls in both directions.
 */
#ifndef VPCSHIM_WIRE_H
#define VPCSHIM_WIRE_H

#define COBJMACROS
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <ole2.h>
#include <oleauto.h>
#include <cguid.h>

#define WIRE_VERSION 2
#define MAX_FRAME (64u << 20)
#define MAX_DEPTH 16
#define MAX_DIMENSIONS 60
#define MAX_NESTING 64
#define SECRET_SIZE 32
#define ENGINE_READS 0x80 /* with the engine of K_START: the script is read, and not run */
#define E_SERVER_GONE ((HRESULT)0x800706BA)

/* Texts that the engine has, by number: the others are preludes of texts that a script has executed, and what JScript
 * makes code of by itself (new Function); the texts that it has executed come after these. */
enum { TEXT_OTHER = 0, TEXT_SCRIPT = 1, TEXT_PRELUDE = 2 };

/* Kinds of frames; upper case asks or tells, lower case answers. */
enum {
    K_HELLO = 'H',   /* to the server: version u32, secret */
    K_START = 'S',   /* answer to it: engine u8, name, prelude, text, u16 globals of (name, flags u32, value) */
    K_NAMES = 'N',   /* handle u64, name -> K_NAMED: hr i32, dispid i32 */
    K_NAMED = 'n',
    K_INVOKE = 'I',  /* handle u64, dispid i32, flags u16, u16 arguments -> K_RESULT */
    K_RESULT = 'r',  /* hr i32; then the value, or scode i32, source, description */
    K_RELEASE = 'F', /* u32 count, handles u64; no answer */
    K_ERROR = 'E',   /* of what was told before, and nobody handled u8, text u32 (as K_PARSE has it), line u32 (0: the
                        engine does not say), column i32, scode i32, source, description, text of the line; no answer */
    K_DONE = 'D',    /* hr i32: the script has ended; no answer */
    K_CALL = 'C',    /* to the host: name of a function of the script, u16 arguments -> K_RESULT */
    K_LOCAL = 'L',   /* to the host: id u64, dispid i32, flags u16, name, u16 arguments -> K_RESULT */
    K_FORGET = 'G',  /* to the host: id u64; no answer */
    K_CREATE = 'X',  /* to the host: ProgID -> K_RESULT with the object */
    K_GET = 'O',     /* to the host: moniker -> K_RESULT with the object */
    K_PARSE = 'P',   /* to the host: flags u32, the text's number u32, text -> K_RESULT */
    K_QUIT = 'Q',    /* to the host: exit code i32; no answer */
};

/* These DISPIDs take their arguments as text, converted by OLE Automation on this side. */
#define TAKES_TEXT(id) (((DWORD)(id) & 0xffff0000) == 0x54580000)

/* What a member by the name of DISPID_VALUE is called by where the engine forgets errors: `x.Item(1)` is none of these. */
#define NAMED_VALUE ((DISPID)0x54560000)

/* What a VT_DISPATCH or VT_UNKNOWN is followed by. */
enum { OBJ_NULL = 0, OBJ_REMOTE = 1, OBJ_LOCAL = 2, OBJ_ENUM = 3 };

typedef struct buffer {
    BYTE *data;
    DWORD size, room;
    BOOL failed; /* out of memory, or more than MAX_FRAME */
} buffer;

typedef struct reader {
    const BYTE *data;
    DWORD left;
    BOOL failed; /* read past the end, or nonsense */
} reader;

void put_bytes(buffer *b, const void *data, DWORD size);
void put_u8(buffer *b, BYTE value);
void put_u16(buffer *b, WORD value);
void put_u32(buffer *b, DWORD value);
void put_u64(buffer *b, ULONGLONG value);
void put_text(buffer *b, const WCHAR *text, UINT length);
void put_bstr(buffer *b, BSTR text);
void put_value(buffer *b, const VARIANT *value, int depth);

const BYTE *get_bytes(reader *r, DWORD size);
BYTE get_u8(reader *r);
WORD get_u16(reader *r);
DWORD get_u32(reader *r);
ULONGLONG get_u64(reader *r);
BSTR get_bstr(reader *r); /* SysFreeString it */
void get_value(reader *r, VARIANT *value, int depth);

/* The channel. */
BOOL channel_pipes(HANDLE in, HANDLE out);
BOOL channel_alive(void);
/* The program goes on after the channel broke, and has been told of it once more: what is to become of it? */
void channel_missed(void);
void request_begin(buffer *b, BYTE kind);
/* Send the request and wait for its answer, whose payload is put in *answer (free its data). */
HRESULT request_answered(buffer *b, BYTE wanted, buffer *answer);
/* Send what is not answered. */
BOOL request_told(buffer *b);
/* Say who we are, and wait for K_START. */
HRESULT greet(const BYTE secret[SECRET_SIZE], buffer *answer);
/* Released handles go out with the next request. */
void release_later(ULONGLONG handle);

/* What the other side asks for; put the answer's payload (a K_RESULT's) in *answer. FALSE: there is no answer. */
BOOL serve(BYTE kind, reader *r, buffer *answer);

/* Objects. */
/* What an object without a type library says of it. */
HRESULT WINAPI no_type_count(IDispatch *iface, UINT *count);
HRESULT WINAPI no_type(IDispatch *iface, UINT index, LCID lcid, ITypeInfo **out);
IDispatch *proxy_new(ULONGLONG handle, DWORD kind);
BOOL proxy_handle(IUnknown *object, ULONGLONG *handle);
ULONGLONG local_keep(IUnknown *object);
IUnknown *local_find(ULONGLONG id);
void local_forget(ULONGLONG id);
/* Answer a result: for the requests of the other side, and for what Invoke is told. */
void put_result(buffer *b, HRESULT hr, const VARIANT *value, const EXCEPINFO *info);
HRESULT get_result(reader *r, VARIANT *value, EXCEPINFO *info);
/* Call a local object for the other side. */
HRESULT local_invoke(IDispatch *object, DISPID id, WORD flags, reader *arguments, VARIANT *value, EXCEPINFO *info);
/* Errors that the engine forgets (failure.c): whether it does; an error as a value (the texts of *info become its own);
 * the error of the first argument that is one, else S_OK. */
extern BOOL engine_forgets;
/* Whether the engine has just told the site of an error in what the other side had it run. */
extern BOOL error_told;
/* The help context of such an error where it goes on to the script that asked for it. */
#define TOLD_BEFORE 0x56504353
IDispatch *failure_new(HRESULT hr, EXCEPINFO *info);
HRESULT failure_among(const DISPPARAMS *params, EXCEPINFO *info);
/* What Wine's engines get wrong (engine.c): the object whose methods they are given instead, and VBScript's operators. */
extern IDispatch engine_functions;
void mend_operators(const WCHAR *library);
/* What it tells the host: the script in JScript was read to its end, or not; where it is only to be read, that was all. */
HRESULT script_read(BOOL whole);
/* JScript's numbers (numbers.c): a text's, their texts, and those of its toFixed, toPrecision and toExponential. */
double number_read(const WCHAR *text, UINT length);
enum { NUMBER_FIXED, NUMBER_PRECISE, NUMBER_EXPONENTIAL };
HRESULT number_written(int how, double x, int count, VARIANT *value);
double number_leading(const WCHAR *text, UINT length);
void mend_numbers(const WCHAR *library);
/* JScript's comparisons of texts (texts.c). */
void mend_texts(const WCHAR *library);
/* Let a library call another function wherever it has this one of another library's, which is returned (imports.c). */
void *replace_import(const WCHAR *library, const WCHAR *of, const char *function, void *with);
/* An object of Wine's just made: where that class gets a call wrong, *object becomes one that does not. */
HRESULT mend(REFCLSID clsid, IDispatch **object);

#endif
