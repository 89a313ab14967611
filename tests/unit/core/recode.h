/* The oracle of CBOR: decodes one item by the public readers and encodes it again. */
#ifndef KITH_TESTS_UNIT_CORE_RECODE_H
#define KITH_TESTS_UNIT_CORE_RECODE_H

#include "core/cbor.h"

static inline void recode_item(struct reader *r, struct writer *w)
{
    if (!reader_ok(r))
        return;
    enum cbor_type t = cbor_peek(r), got;
    size_t n;
    switch (t) {
    case CBOR_UINT:
        cbor_put_uint(w, cbor_get_uint(r));
        break;
    case CBOR_NINT:
        cbor_put_head(w, CBOR_NINT, cbor_get_head(r, &got));
        break;
    case CBOR_BSTR:
        cbor_put_bstr(w, cbor_get_bstr(r));
        break;
    case CBOR_TSTR:
        cbor_put_tstr(w, cbor_get_tstr(r));
        break;
    case CBOR_ARRAY:
        n = cbor_get_array(r);
        cbor_put_array(w, n);
        for (size_t i = 0; i < n && reader_ok(r); i++)
            recode_item(r, w);
        break;
    case CBOR_MAP: {
        struct cbor_map m = cbor_get_map(r);
        cbor_put_map(w, m.left);
        while (cbor_map_next(r, &m)) {
            recode_item(r, w);
            recode_item(r, w);
        }
        break;
    }
    case CBOR_TAG:
        cbor_put_tag(w, cbor_get_tag(r));
        recode_item(r, w);
        break;
    case CBOR_SIMPLE:
        if (cbor_take_null(r))
            cbor_put_null(w);
        else
            cbor_put_bool(w, cbor_get_bool(r));
        break;
    case CBOR_NONE:
        reader_fail(r);
        break;
    }
}

#endif
