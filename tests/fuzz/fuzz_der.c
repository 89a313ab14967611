/* Takes elements apart and writes them again: what is accepted has one encoding. */
#include "core/der.h"
#include "fuzz.h"

static void again(struct reader *r, struct writer *w)
{
    uint8_t tag = der_peek(r);
    struct reader value = *r;
    switch (tag) {
    case DER_BOOLEAN:
        der_put_bool(w, der_bool(r));
        return;
    case DER_NULL:
        der_null(r);
        der_put_null(w);
        return;
    case DER_OID:
        der_put_oid(w, der_oid(r));
        return;
    case DER_UTF8_STRING:
        der_put_utf8(w, der_utf8(r));
        return;
    case DER_PRINTABLE_STRING:
        der_put_printable(w, der_printable(r));
        return;
    case DER_IA5_STRING:
        der_put_ia5(w, der_ia5(r));
        return;
    case DER_GENERALIZED_TIME:
        der_put_generalized_time(w, der_generalized_time(r));
        return;
    case DER_UTC_TIME:
        der_put_time(w, der_time(r));
        return;
    case DER_INTEGER:
        der_uint(&value);
        if (reader_ok(&value)) {
            der_put_uint(w, der_uint(r));
        } else {
            value = *r;
            int64_t v = der_int64(&value);
            struct slice raw = der_raw(r);
            if (reader_ok(&value))
                der_put_int(w, v);
            else
                der_put_raw(w, raw);
        }
        return;
    case DER_BIT_STRING:
        der_bits(&value);
        if (reader_ok(&value)) {
            der_put_bits(w, der_bits(r));
        } else {
            value = *r;
            uint32_t bits = der_named_bits(&value);
            struct slice raw = der_raw(r);
            if (reader_ok(&value))
                der_put_named_bits(w, bits);
            else
                der_put_raw(w, raw);
        }
        return;
    default:
        break;
    }
    if (!(tag & 0x20)) {
        der_put(w, tag, der_expect(r, tag));
        return;
    }
    struct reader inner = der_enter(r, tag);
    size_t mark = der_open(w, tag);
    while (reader_left(&inner))
        again(&inner, w);
    der_close(w, mark);
    der_leave(r, &inner);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n), out;
    if (!der_valid(s))
        return 0;
    uint8_t *buf = malloc(n + 1);
    if (!buf)
        return 0;
    struct writer w = writer_of(buf, n + 1);
    struct reader r = reader_of(s), set = r;
    again(&r, &w);
    HOLDS(reader_end(&r));
    HOLDS(writer_done(&w, &out));
    HOLDS(slice_eq(out, s));
    /* Sorting makes a SET OF out of anything. */
    if (der_peek(&set) == DER_SET) {
        struct reader inner = der_enter(&set, DER_SET);
        w = writer_of(buf, n + 1);
        size_t mark = der_open(&w, DER_SET);
        der_put_raw(&w, reader_rest(&inner));
        der_close_set_of(&w, mark);
        HOLDS(writer_done(&w, &out));
        struct reader sorted = reader_of(out);
        der_enter_set_of(&sorted, DER_SET);
        HOLDS(reader_end(&sorted));
        HOLDS(out.n == n);
    }
    free(buf);
    return 0;
}
