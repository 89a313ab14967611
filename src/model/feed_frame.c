/* The messages of the feed's stream (doc/spec/feed.md, "Frames"). */
#include "model/feed.h"

static void device_put(struct writer *w, const struct feed_device *d)
{
    cbor_put_tstr(w, d->id);
    cbor_put_tstr(w, d->site);
    cbor_put_tstr(w, d->model);
    if (d->tags.n)
        cbor_put_raw(w, d->tags);
    else
        cbor_put_map(w, 0);
    if (d->certs.n)
        cbor_put_raw(w, d->certs);
    else
        cbor_put_array(w, 0);
    cbor_put_bool(w, d->removed);
}

/* How many items a frame of each kind has, its number included; 0: there is no such kind. */
static const uint8_t items[] = {[FEED_SNAPSHOT] = 2, [FEED_DELTA] = 3, [FEED_DEVICE] = 7,  [FEED_DEVICES_DONE] = 1,
                                [FEED_POLICY] = 2,   [FEED_ROW] = 6,   [FEED_RESUMED] = 1, [FEED_CURSOR] = 2};

static bool is_known(enum feed_kind kind)
{
    return (size_t)kind < ARRAY_LEN(items) && items[kind];
}

static void body_put(struct writer *w, const struct feed_frame *f)
{
    if (!is_known(f->kind)) {
        writer_fail(w);
        return;
    }
    cbor_put_array(w, items[f->kind]);
    cbor_put_uint(w, (uint64_t)f->kind);
    switch (f->kind) {
    case FEED_SNAPSHOT:
        cbor_put_bstr(w, f->head);
        break;
    case FEED_DELTA:
        cbor_put_bstr(w, f->head);
        cbor_put_bstr(w, f->delta);
        break;
    case FEED_DEVICE:
        device_put(w, &f->device);
        break;
    case FEED_DEVICES_DONE:
    case FEED_RESUMED:
        break;
    case FEED_POLICY:
        cbor_put_tstr(w, f->policy);
        break;
    case FEED_CURSOR:
        cbor_put_bstr(w, f->cursor);
        break;
    case FEED_ROW:
        cbor_put_uint(w, f->key.issuer);
        cbor_put_uint(w, f->key.node);
        cbor_put_uint(w, f->key.shard);
        cbor_put_bstr(w, f->revoked);
        cbor_put_bstr(w, f->held);
        break;
    }
}

void feed_frame_put(struct writer *w, const struct feed_frame *f)
{
    struct writer size = writer_counting();
    body_put(&size, f);
    if (size.bad || size.n > FEED_FRAME_MAX) {
        writer_fail(w);
        return;
    }
    writer_u32(w, (uint32_t)size.n);
    body_put(w, f);
}

static struct slice tags_get(struct reader *r)
{
    struct slice raw = cbor_take_raw(r);
    struct reader in = reader_of(raw);
    struct cbor_map m = cbor_get_map(&in);
    size_t n = 0;
    while (cbor_map_next(&in, &m)) {
        cbor_get_tstr(&in);
        cbor_get_tstr(&in);
        n++;
    }
    if (!reader_end(&in) || n > FEED_TAGS_MAX)
        reader_fail(r);
    return raw;
}

static struct slice certs_get(struct reader *r)
{
    struct slice raw = cbor_take_raw(r);
    struct reader in = reader_of(raw);
    size_t n = cbor_get_array(&in);
    uint64_t last = 0;
    for (size_t i = 0; i < n && reader_ok(&in); i++) {
        uint64_t v = cbor_get_uint_max(&in, INT64_MAX);
        if (i && v <= last)
            reader_fail(&in);
        last = v;
    }
    if (!reader_end(&in))
        reader_fail(r);
    return raw;
}

static void device_get(struct reader *r, struct feed_device *d)
{
    d->id = cbor_get_tstr(r);
    d->site = cbor_get_tstr(r);
    d->model = cbor_get_tstr(r);
    d->tags = tags_get(r);
    d->certs = certs_get(r);
    d->removed = cbor_get_bool(r);
}

static void frame_rest(struct reader *r, size_t n, struct feed_frame *f)
{
    switch (f->kind) {
    case FEED_SNAPSHOT:
        f->head = cbor_get_bstr(r);
        break;
    case FEED_DELTA:
        f->head = cbor_get_bstr(r);
        f->delta = cbor_get_bstr(r);
        break;
    case FEED_DEVICE:
        device_get(r, &f->device);
        break;
    case FEED_DEVICES_DONE:
    case FEED_RESUMED:
        break;
    case FEED_POLICY:
        f->policy = cbor_get_tstr(r);
        break;
    case FEED_CURSOR:
        f->cursor = cbor_get_bstr_n(r, FEED_CURSOR_SIZE);
        break;
    case FEED_ROW:
        f->key.issuer = (uint8_t)cbor_get_uint_max(r, UINT8_MAX);
        f->key.node = (uint8_t)cbor_get_uint_max(r, 0x7f);
        f->key.shard = (uint16_t)cbor_get_uint_max(r, UINT16_MAX);
        f->revoked = cbor_get_bstr(r);
        f->held = cbor_get_bstr(r);
        break;
    default:
        f->kind = 0;
        for (size_t i = 1; i < n && reader_ok(r); i++)
            cbor_skip(r);
    }
}

bool feed_frame_read(struct slice body, struct feed_frame *out, struct err *e)
{
    *out = (struct feed_frame){0};
    struct feed_frame f = {0};
    struct reader r = reader_of(body);
    size_t n = cbor_get_array(&r);
    uint64_t kind = cbor_get_uint(&r);
    f.kind = kind < ARRAY_LEN(items) ? (enum feed_kind)kind : 0;
    if (!reader_ok(&r) || n < 1 || !kind || (f.kind && n != items[f.kind]))
        return err_set(e, ERR_FEED, "a frame of kind %llu with %zu items", (unsigned long long)kind, n);
    frame_rest(&r, n, &f);
    if (!reader_end(&r))
        return err_set(e, ERR_FEED, "frame of kind %llu: not what it should hold", (unsigned long long)kind),
               err_why(e, "doc/spec/feed.md, frames");
    *out = f;
    return true;
}

bool feed_frame_split(struct slice stream, struct slice *body, size_t *taken, struct err *e)
{
    *body = (struct slice){0};
    *taken = 0;
    struct reader r = reader_of(stream);
    if (reader_left(&r) < 4)
        return true;
    uint32_t n = reader_u32(&r);
    if (!n || n > FEED_FRAME_MAX)
        return err_set(e, ERR_FEED, "a frame of %u bytes; the most is %u", n, FEED_FRAME_MAX);
    if (reader_left(&r) < n)
        return true;
    *body = reader_take(&r, n);
    *taken = 4 + (size_t)n;
    return true;
}

bool feed_tag_find(struct slice tags, struct slice name, struct slice *value)
{
    *value = (struct slice){0};
    struct reader r = reader_of(tags);
    struct cbor_map m = cbor_get_map(&r);
    while (cbor_map_next(&r, &m)) {
        struct slice k = cbor_get_tstr(&r), v = cbor_get_tstr(&r);
        if (reader_ok(&r) && slice_eq(k, name)) {
            *value = v;
            return true;
        }
    }
    return false;
}
