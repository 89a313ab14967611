/* The gateway's memory on disk, in DIR:
 *
 *   feed.state     the last head and its sets       } the feed's own frames between a line that names the file
 *   devices.state  policy, directory, its cursor    } and the SHA-256 of everything before it
 *   seen.state     highest head ever, highest time  }
 *
 * The head's signature is checked again when the file is read; seen.state is a file of its own so that an older feed.state
 * put in place of a newer one is noticed. */
#include "gate/gate_impl.h"

#include "base/file.h"
#include "base/log.h"
#include "keys/crypto.h"

#include <stdio.h>

#define FEED_FILE    "feed.state"
#define DEVICES_FILE "devices.state"
#define SEEN_FILE    "seen.state"
#define SEEN_MAX     4096

#define DEVICES_EVERY_MS 1000
#define DEVICES_SHARE    20 /* at most a twentieth of the time goes into writing the directory */
#define LINE             "kith-gate 1 "

void gate_path(const struct gate *g, const char *name, char out[512])
{
    snprintf(out, 512, "%s/%s", g->dir, name);
}

static bool save(struct gate *g, const char *name, struct buf *b, struct err *e)
{
    char path[512];
    uint8_t hash[SHA256_SIZE];
    sha256(buf_slice(b), hash);
    buf_put(b, SLICE_ARRAY(hash));
    struct slice all;
    gate_path(g, name, path);
    return buf_done(b, &all, e) && file_write_atomic(path, 0600, all, e);
}

/* Reads a file whole and yields what stands between its first line and its hash. */
static bool load(const struct gate *g, const char *name, struct buf *b, struct slice *body, struct err *e)
{
    char path[512], line[64];
    uint8_t hash[SHA256_SIZE];
    *body = (struct slice){0};
    gate_path(g, name, path);
    if (!file_read_trusted(path, b->max, b, e))
        return false;
    size_t head = (size_t)snprintf(line, sizeof line, LINE "%s\n", name);
    struct slice s = buf_slice(b);
    if (s.n < head + SHA256_SIZE || memcmp(s.p, line, head) != 0)
        return err_set(e, ERR_GATE_STATE, "%s is cut off or not such a file (%zu bytes)", path, s.n);
    sha256(slice_of(s.p, s.n - SHA256_SIZE), hash);
    if (memcmp(hash, s.p + s.n - SHA256_SIZE, SHA256_SIZE) != 0)
        return err_set(e, ERR_GATE_STATE, "%s is cut off or damaged: its hash is not right", path);
    *body = slice_of(s.p + head, s.n - head - SHA256_SIZE);
    return true;
}

static void frame_put(struct buf *b, const struct feed_frame *f)
{
    struct writer size = writer_counting();
    feed_frame_put(&size, f);
    char *room = size.bad ? NULL : buf_space(b, size.n);
    if (!room) {
        b->bad = true;
        return;
    }
    struct writer w = writer_of(room, size.n);
    feed_frame_put(&w, f);
    buf_added(b, size.n);
}

static bool save_feed(struct gate *g, const struct snap *s, struct err *e)
{
    struct buf b;
    buf_init(&b, GATE_STATE_MAX);
    buf_put_str(&b, LINE FEED_FILE "\n");
    frame_put(&b, &(struct feed_frame){.kind = FEED_SNAPSHOT, .head = slice_of(s->head, s->head_n)});
    for (size_t i = 0; i < s->shard_n; i++) {
        const struct feed_set *set = &s->shards[i]->set;
        frame_put(&b,
                  &(struct feed_frame){.kind = FEED_ROW, .key = set->key, .revoked = set->revoked, .held = set->held});
    }
    bool ok = save(g, FEED_FILE, &b, e);
    buf_clear(&b);
    return ok;
}

static bool save_devices(struct gate *g, const struct snap *s, struct err *e)
{
    struct buf b;
    buf_init(&b, GATE_STATE_MAX);
    buf_put_str(&b, LINE DEVICES_FILE "\n");
    if (s->policy)
        frame_put(&b, &(struct feed_frame){.kind = FEED_POLICY, .policy = s->policy->text});
    for (size_t i = 0; s->devs && i < s->devs->n; i++) {
        const uint8_t *p = s->devs->v[i]->bytes; /* a whole frame */
        struct reader r = reader_of(slice_of(p, 4));
        buf_put(&b, slice_of(p, 4 + (size_t)reader_u32(&r)));
    }
    frame_put(&b, &(struct feed_frame){.kind = FEED_DEVICES_DONE});
    if (g->has_cursor)
        frame_put(&b, &(struct feed_frame){.kind = FEED_CURSOR, .cursor = SLICE_ARRAY(g->cursor)});
    bool ok = save(g, DEVICES_FILE, &b, e);
    buf_clear(&b);
    return ok;
}

static bool save_seen(struct gate *g, struct err *e)
{
    struct buf b;
    uint8_t body[64];
    struct writer w = WRITER_ARRAY(body);
    buf_init(&b, SEEN_MAX);
    buf_put_str(&b, LINE SEEN_FILE "\n");
    cbor_put_array(&w, 3);
    cbor_put_uint(&w, g->top_seq);
    cbor_put_bstr(&w, SLICE_ARRAY(g->top_hash));
    cbor_put_uint(&w, (uint64_t)atomic_load(&g->seen_at));
    buf_put(&b, writer_slice(&w));
    bool ok = save(g, SEEN_FILE, &b, e);
    buf_clear(&b);
    return ok;
}

bool disk_save(struct gate *g, struct err *e)
{
    const struct snap *s = atomic_load(&g->snap);
    int64_t now = env_mono_ms(g->env);
    /* The directory is written whole, so single changes wait: a cursor that is a little old has them told again. */
    if (g->devices_dirty && (g->devices_urgent || now >= g->devices_due_ms)) {
        if (!save_devices(g, s, e))
            return false;
        int64_t took = env_mono_ms(g->env) - now;
        g->devices_due_ms = now + (took > DEVICES_EVERY_MS / DEVICES_SHARE ? took * DEVICES_SHARE : DEVICES_EVERY_MS);
        g->devices_dirty = g->devices_urgent = false;
    }
    if (g->feed_dirty) {
        if (!save_feed(g, s, e) || !save_seen(g, e))
            return false;
        g->feed_dirty = false;
    }
    return true;
}

void disk_flush(struct gate *g)
{
    struct err e = {0};
    g->devices_urgent = g->devices_dirty;
    if (!disk_save(g, &e))
        LOG(g->env, ERROR, "gate", "state cannot be written", log_err(&e));
}

static bool load_seen(struct gate *g, struct err *e)
{
    struct buf b;
    struct slice body;
    buf_init(&b, SEEN_MAX);
    bool ok = load(g, SEEN_FILE, &b, &body, e);
    if (ok) {
        struct reader r = reader_of(body);
        cbor_get_array_n(&r, 3);
        uint64_t seq = cbor_get_uint(&r);
        struct slice hash = cbor_get_bstr_n(&r, SHA256_SIZE);
        uint64_t at = cbor_get_uint_max(&r, INT64_MAX / 2);
        ok = reader_end(&r) || err_set(e, ERR_GATE_STATE, "%s/" SEEN_FILE " is damaged", g->dir);
        if (ok) {
            g->top_seq = seq;
            memcpy(g->top_hash, hash.p, SHA256_SIZE);
            gate_note_time(g, (int64_t)at);
        }
    }
    buf_clear(&b);
    return ok;
}

static bool load_frames(struct gate *g, const char *name, struct err *e)
{
    struct buf b;
    struct slice body;
    buf_init(&b, GATE_STATE_MAX);
    bool ok = load(g, name, &b, &body, e) && gate_feed(g, body, e);
    buf_clear(&b);
    return ok;
}

/* Nothing at all is a new gateway; something that does not fit together is refused with its reason. */
void disk_load(struct gate *g)
{
    struct err seen = {0}, feed = {0}, devices = {0};
    bool have_seen = load_seen(g, &seen), have_feed = load_frames(g, FEED_FILE, &feed);
    bool have_devices = load_frames(g, DEVICES_FILE, &devices);
    const struct err *bad = NULL;
    if (!have_feed && (have_seen || feed.code != ERR_NOTFOUND))
        bad = &feed;
    else if (have_feed && !have_seen)
        bad = &seen;
    else if (have_feed && !have_devices)
        bad = &devices;
    if (bad) {
        struct err e = *bad;
        if (e.code == ERR_NOTFOUND)
            e.code = !have_feed ? ERR_GATE_NO_STATE : ERR_GATE_STATE;
        else if (e.code != ERR_FEED_ROLLBACK && e.code != ERR_FEED_FORK)
            e.code = ERR_GATE_STATE;
        err_ctx(&e, "state on disk");
        gate_trouble(g, &e);
        LOG(g->env, ERROR, "gate", "state on disk cannot be used", log_err(&e));
    }
    g->feed_dirty = g->devices_dirty = g->devices_urgent = false;
    g->has_cursor = g->has_cursor && have_devices;
    feed_in_reset(g);
}
