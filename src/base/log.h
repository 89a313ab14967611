/* One line a record: `2026-11-23T11:00:00.123Z info est "certificate issued" device=dev_... ms=4`.  Under systemd the line
 * begins with the priority ("<6>") and has no time, for the journal has both.  A call site that repeats itself is
 * limited; the next line says how many were left out.  A field whose key names a secret (pin, password, passphrase,
 * secret, claim, token, private) is withheld whatever its value.  Thread-safe if the sink is. */
#ifndef KITH_BASE_LOG_H
#define KITH_BASE_LOG_H

#include <stdatomic.h>

#include "base/env.h"
#include "core/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_NOTICE, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log {
    enum log_level min;
    bool journal;                                        /* the caller found JOURNAL_STREAM to be its stderr */
    bool unlimited;                                      /* no rate limit (tests, command lines) */
    void (*sink)(void *ctx, const char *line, size_t n); /* n includes the newline; one call a record */
    void *ctx;
};

/* Writes to a file descriptor, one write(2) a line. */
void log_init_fd(struct log *log, int fd, enum log_level min, bool journal);

enum log_type { LOG_TYPE_NONE, LOG_TYPE_STR, LOG_TYPE_INT, LOG_TYPE_SLICE, LOG_TYPE_HEX, LOG_TYPE_ERR };

struct log_field {
    const char *key;
    enum log_type type;
    int64_t i;
    struct slice s;
    const struct err *e;
};

static inline struct log_field log_str(const char *key, const char *v)
{
    return (struct log_field){.key = key, .type = LOG_TYPE_STR, .s = v ? slice_str(v) : (struct slice){0}};
}
static inline struct log_field log_int(const char *key, int64_t v)
{
    return (struct log_field){.key = key, .type = LOG_TYPE_INT, .i = v};
}
static inline struct log_field log_slice(const char *key, struct slice v)
{
    return (struct log_field){.key = key, .type = LOG_TYPE_SLICE, .s = v};
}
static inline struct log_field log_hex(const char *key, struct slice v)
{
    return (struct log_field){.key = key, .type = LOG_TYPE_HEX, .s = v};
}
/* Becomes code=slug error="what" why="why" try="hint". */
static inline struct log_field log_err(const struct err *e)
{
    return (struct log_field){.type = LOG_TYPE_ERR, .e = e};
}

#define LOG_LINE_MAX        2048
#define LOG_BURST           20    /* lines of one call site ... */
#define LOG_BURST_WINDOW_MS 10000 /* ... in this time */

struct log_site {
    _Atomic int64_t window_at;
    _Atomic uint32_t count, dropped;
};

/* LOG(env, INFO, "est", "certificate issued", log_str("device", id), log_int("ms", ms)); */
#define LOG(env_, level_, component, msg, ...)                                                                         \
    do {                                                                                                               \
        static struct log_site log_site_;                                                                              \
        const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                                                   \
        log_write((env_), &log_site_, LOG_LEVEL_##level_, (component), (msg), log_fields_ + 1,                         \
                  ARRAY_LEN(log_fields_) - 1);                                                                         \
    } while (0)

/* Of what is tried again and again: told when it begins or becomes another, and when it is over.  One thread's. */
struct log_trouble {
    enum err_code code; /* 0: all is well */
    int64_t since_ms;
};

/* `e` NULL: it went well. */
void log_trouble(const struct env *env, struct log_trouble *t, const char *component, const char *msg,
                 const struct err *e);

void log_write(const struct env *env, struct log_site *site, enum log_level level, const char *component,
               const char *msg, const struct log_field *fields, size_t n);

#endif
