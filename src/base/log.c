#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/rfc3339.h"
#include "core/writer.h"

static const struct {
    const char *name;
    int priority; /* of syslog(3) */
} levels[] = {
    [LOG_LEVEL_DEBUG] = {"debug", 7}, [LOG_LEVEL_INFO] = {"info", 6},   [LOG_LEVEL_NOTICE] = {"notice", 5},
    [LOG_LEVEL_WARN] = {"warn", 4},   [LOG_LEVEL_ERROR] = {"error", 3},
};

static const char *const secret_words[] = {"pin", "password", "passphrase", "secret", "claim", "token", "private"};

static void sink_fd(void *ctx, const char *line, size_t n)
{
    ssize_t done = write((int)(intptr_t)ctx, line, n);
    (void)done; /* a log that cannot be written has nowhere to say so */
}

void log_init_fd(struct log *log, int fd, enum log_level min, bool journal)
{
    *log = (struct log){.min = min, .journal = journal, .sink = sink_fd, .ctx = (void *)(intptr_t)fd};
}

static void put_str(struct writer *w, const char *s)
{
    writer_put(w, slice_str(s));
}

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\')
            return false;
    return s.n > 0;
}

static void put_escaped(struct writer *w, struct slice s)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < s.n && writer_ok(w); i++) {
        uint8_t c = s.p[i];
        if (c == '"' || c == '\\')
            writer_u8(w, '\\');
        if (c >= 0x20 && c != 0x7f && c < 0x80) {
            writer_u8(w, c);
        } else if (c == '\n') {
            put_str(w, "\\n");
        } else {
            put_str(w, "\\x");
            writer_u8(w, (uint8_t)hex[c >> 4]);
            writer_u8(w, (uint8_t)hex[c & 15]);
        }
    }
}

static void put_value(struct writer *w, struct slice s)
{
    if (is_plain(s)) {
        writer_put(w, s);
        return;
    }
    writer_u8(w, '"');
    put_escaped(w, s);
    writer_u8(w, '"');
}

static void put_pair(struct writer *w, const char *key, struct slice value)
{
    writer_u8(w, ' ');
    put_str(w, key);
    writer_u8(w, '=');
    put_value(w, value);
}

static bool is_secret(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(secret_words); i++) {
        size_t n = strlen(secret_words[i]), k = strlen(key);
        if (k >= n && strcmp(key + k - n, secret_words[i]) == 0 && (k == n || key[k - n - 1] == '_'))
            return true;
    }
    return false;
}

static void put_field(struct writer *w, const struct log_field *f)
{
    char text[24];
    switch (f->type) {
    case LOG_TYPE_NONE:
        return;
    case LOG_TYPE_ERR:
        if (!f->e)
            return;
        put_pair(w, "code", slice_str(err_slug(f->e->code)));
        put_pair(w, "error", slice_str(f->e->what));
        if (f->e->why[0])
            put_pair(w, "why", slice_str(f->e->why));
        if (f->e->hint[0])
            put_pair(w, "try", slice_str(f->e->hint));
        return;
    case LOG_TYPE_INT:
        snprintf(text, sizeof text, "%" PRId64, f->i);
        put_pair(w, f->key, is_secret(f->key) ? SLICE_LIT("[withheld]") : slice_str(text));
        return;
    case LOG_TYPE_STR:
    case LOG_TYPE_SLICE:
        put_pair(w, f->key, is_secret(f->key) ? SLICE_LIT("[withheld]") : f->s);
        return;
    case LOG_TYPE_HEX:
        if (is_secret(f->key)) {
            put_pair(w, f->key, SLICE_LIT("[withheld]"));
            return;
        }
        writer_u8(w, ' ');
        put_str(w, f->key);
        writer_u8(w, '=');
        for (size_t i = 0; i < f->s.n && writer_ok(w); i++) {
            snprintf(text, sizeof text, "%02x", f->s.p[i]);
            put_str(w, text);
        }
        return;
    }
}

/* False: this line is left out.  *dropped: how many were before it.  Threads may race by a line or two; that is fine. */
static bool site_admits(struct log_site *site, int64_t now, uint32_t *dropped)
{
    now += now >= 0; /* 0 means never used */
    int64_t start = atomic_load_explicit(&site->window_at, memory_order_relaxed);
    if (start == 0 || now - start >= LOG_BURST_WINDOW_MS || now < start) {
        atomic_store_explicit(&site->window_at, now, memory_order_relaxed);
        atomic_store_explicit(&site->count, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&site->count, 1, memory_order_relaxed) >= LOG_BURST) {
        atomic_fetch_add_explicit(&site->dropped, 1, memory_order_relaxed);
        return false;
    }
    *dropped = atomic_exchange_explicit(&site->dropped, 0, memory_order_relaxed);
    return true;
}

void log_write(const struct env *env, struct log_site *site, enum log_level level, const char *component,
               const char *msg, const struct log_field *fields, size_t n)
{
    const struct log *log = env ? env->log : NULL;
    uint32_t dropped = 0;
    if (!log || level < log->min || (size_t)level >= ARRAY_LEN(levels))
        return;
    if (site && !log->unlimited && !site_admits(site, env_mono_ms(env), &dropped))
        return;
    char line[LOG_LINE_MAX], text[RFC3339_MAX];
    static const char cut[] = "...\n";
    struct writer w = writer_of(line, sizeof line - sizeof cut);
    if (log->journal) {
        snprintf(text, sizeof text, "<%d>", levels[level].priority);
        put_str(&w, text);
    } else {
        put_str(&w, rfc3339_format_ms(env_now_ms(env), text));
        writer_u8(&w, ' ');
    }
    put_str(&w, levels[level].name);
    writer_u8(&w, ' ');
    put_str(&w, component);
    writer_u8(&w, ' ');
    put_value(&w, slice_str(msg));
    for (size_t i = 0; i < n; i++)
        put_field(&w, &fields[i]);
    if (dropped) {
        snprintf(text, sizeof text, "%" PRIu32, dropped);
        put_pair(&w, "left_out", slice_str(text));
    }
    size_t len = w.n;
    const char *end = writer_ok(&w) ? "\n" : cut;
    memcpy(line + len, end, strlen(end));
    log->sink(log->ctx, line, len + strlen(end));
}

void log_trouble(const struct env *env, struct log_trouble *t, const char *component, const char *msg,
                 const struct err *e)
{
    int64_t now = env_mono_ms(env);
    enum err_code code = e ? e->code : ERR_NONE;
    if (code == t->code)
        return;
    if (e)
        LOG(env, WARN, component, msg, log_err(e));
    else
        LOG(env, NOTICE, component, "over", log_str("was", msg), log_int("for_s", (now - t->since_ms) / 1000));
    if (!t->code)
        t->since_ms = now;
    t->code = code;
}
