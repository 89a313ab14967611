#include "model/event_print.h"

#include "core/cbor.h"

#include <inttypes.h>
#include <stdio.h>

/* One value in both forms; what no field can be (arrays, maps) is shown as the hex of its encoding. */
void event_print_value(struct json_out *o, const char *key, struct reader *r)
{
    switch (cbor_peek(r)) {
    case CBOR_UINT:
    case CBOR_NINT:
        json_out_int(o, key, cbor_get_int(r));
        break;
    case CBOR_TSTR:
        json_out_slice(o, key, cbor_get_tstr(r));
        break;
    case CBOR_BSTR:
        json_out_bytes(o, key, CODEC_HEX, cbor_get_bstr(r));
        break;
    case CBOR_SIMPLE:
        if (cbor_peek_null(r)) {
            cbor_get_null(r);
            json_out_null(o, key);
        } else {
            json_out_bool(o, key, cbor_get_bool(r));
        }
        break;
    default:
        json_out_bytes(o, key, CODEC_HEX, cbor_take_raw(r));
    }
}

static void text_value(struct buf *b, struct reader *r)
{
    struct slice s;
    switch (cbor_peek(r)) {
    case CBOR_UINT:
    case CBOR_NINT:
        buf_printf(b, "%" PRId64, cbor_get_int(r));
        break;
    case CBOR_TSTR:
        s = cbor_get_tstr(r);
        if (s.n && !memchr(s.p, ' ', s.n) && !memchr(s.p, '"', s.n))
            buf_put_str(b, ERR_QUOTE(s));
        else
            json_out_put_string(b, s);
        break;
    case CBOR_SIMPLE:
        if (cbor_take_null(r))
            buf_put_str(b, "null");
        else
            buf_put_str(b, cbor_get_bool(r) ? "yes" : "no");
        break;
    case CBOR_BSTR:
        codec_put(b, CODEC_HEX, cbor_get_bstr(r));
        break;
    default:
        codec_put(b, CODEC_HEX, cbor_take_raw(r));
    }
}

/* Calls one of the two for each field; one that the catalogue does not have is named by its number. */
static void each_field(unsigned type, struct slice fields,
                       void (*put)(void *ctx, const char *name, struct reader *value), void *ctx)
{
    const struct event_kind *k = event_kind_of(type);
    struct reader r = reader_of(fields);
    struct cbor_map m = cbor_get_map(&r);
    while (cbor_map_next(&r, &m)) {
        char number[24];
        uint64_t key = cbor_get_uint(&r);
        struct slice raw = cbor_take_raw(&r);
        size_t i = 0;
        if (!reader_ok(&r))
            return;
        while (k && k->fields[i].type && i + 1 != key)
            i++;
        snprintf(number, sizeof number, "%" PRIu64, key);
        struct reader value = reader_of(raw);
        put(ctx, k && k->fields[i].type ? k->fields[i].name : number, &value);
    }
}

static void put_json(void *ctx, const char *name, struct reader *value)
{
    event_print_value(ctx, name, value);
}

void event_print_json(struct json_out *o, unsigned type, struct slice fields)
{
    each_field(type, fields, put_json, o);
}

static void put_text(void *ctx, const char *name, struct reader *value)
{
    struct buf *b = ctx;
    buf_printf(b, " %s=", name);
    text_value(b, value);
}

void event_print_text(struct buf *b, unsigned type, struct slice fields)
{
    if (event_kind_of(type))
        buf_put_str(b, event_name(type));
    else
        buf_printf(b, "event-%u", type);
    each_field(type, fields, put_text, b);
}
