#include "x509/oid_text.h"

#define ARC_MAX (UINT64_MAX >> 4)

static void put_arc(struct writer *w, uint64_t v)
{
    uint8_t b[10];
    size_t n = 0;
    do {
        b[n++] = v & 0x7f;
        v >>= 7;
    } while (v);
    while (n--)
        writer_u8(w, b[n] | (n ? 0x80 : 0));
}

void oid_from_text(struct writer *w, struct slice text)
{
    uint64_t arc, first = 0;
    size_t count = 0;
    for (;;) {
        if (!slice_take_decimal(&text, ARC_MAX, &arc))
            return writer_fail(w);
        if (count == 0) {
            if (arc > 2)
                return writer_fail(w);
            first = arc;
        } else if (count == 1) {
            if (first < 2 && arc > 39)
                return writer_fail(w);
            put_arc(w, first * 40 + arc);
        } else {
            put_arc(w, arc);
        }
        count++;
        if (text.n == 0)
            break;
        if (!slice_take_prefix(&text, SLICE_LIT(".")))
            return writer_fail(w);
    }
    if (count < 2)
        writer_fail(w);
}

static void put_number(struct writer *w, uint64_t v)
{
    uint8_t b[20];
    size_t n = 0;
    do {
        b[n++] = (uint8_t)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n--)
        writer_u8(w, b[n]);
}

void oid_text(struct writer *w, struct slice oid)
{
    uint64_t v = 0;
    bool first = true;
    for (size_t i = 0; i < oid.n; i++) {
        if (v >> 57)
            return writer_fail(w);
        v = v << 7 | (oid.p[i] & 0x7f);
        if (oid.p[i] & 0x80)
            continue;
        if (first) {
            uint64_t top = v < 80 ? v / 40 : 2;
            put_number(w, top);
            v -= top * 40;
            first = false;
        }
        writer_u8(w, '.');
        put_number(w, v);
        v = 0;
    }
}
