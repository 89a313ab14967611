#include "ca/roster.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/config.h"
#include "base/file.h"

#define ROSTER_MAX (64 * 1024)

struct reading {
    struct roster *r;
    const char *dir;
    const struct crypto *crypto;
    bool pinned; /* derive_check was there */
};

static bool read_digest(struct slice text, uint8_t out[SHA256_SIZE], struct err *e)
{
    size_t n;
    return (codec_decode(CODEC_HEX, text, out, SHA256_SIZE, &n, e) && n == SHA256_SIZE) ||
           err_set(e, ERR_ROSTER, "\"%s\" is no SHA-256", ERR_QUOTE(text));
}

static bool read_profile(struct reading *rd, const struct config_line *line, struct err *e)
{
    char path[4096];
    uint8_t want[SHA256_SIZE];
    struct roster *r = rd->r;
    if (r->profiles_n == ROSTER_PROFILES_MAX)
        return err_set(e, ERR_ROSTER, "more than %d profiles", ROSTER_PROFILES_MAX);
    if (roster_profile(r, line->key))
        return err_set(e, ERR_ROSTER, "profile \"%s\" comes twice", ERR_QUOTE(line->key));
    if (!read_digest(line->value, want, e))
        return false;
    snprintf(path, sizeof path, "%s/%.*s.profile", rd->dir, (int)line->key.n, (const char *)line->key.p);
    AUTO(buf_clear) struct buf text = {0};
    buf_init(&text, PROFILE_FILE_MAX);
    if (!file_read(path, PROFILE_FILE_MAX, &text, e))
        return false;
    struct profile *p = &r->profiles[r->profiles_n];
    if (!profile_parse(rd->crypto, buf_slice(&text), p, e))
        return err_ctx(e, "%s", path);
    if (memcmp(p->digest, want, sizeof want) != 0) {
        err_set(e, ERR_ROSTER, "%s is not the file that the roster names", path);
        return err_why(e, "its SHA-256 differs from the one that was approved");
    }
    if (!slice_eq(slice_str(p->name), line->key))
        return err_set(e, ERR_ROSTER, "%s calls itself %s", path, p->name);
    r->profiles_n++;
    return true;
}

static bool read_line(void *ctx, const struct config_line *line, struct err *e)
{
    struct reading *rd = ctx;
    int64_t *number = NULL;
    if (line->key.n == 0)
        return true;
    if (strcmp(line->section, "profiles") == 0)
        return read_profile(rd, line, e);
    if (line->section[0])
        return err_set(e, ERR_ROSTER, "a roster has no section [%s]", line->section);
    if (slice_eq(line->key, SLICE_LIT("derive_check")) && !rd->pinned) {
        rd->pinned = true;
        return read_digest(line->value, rd->r->derive_check, e);
    }
    if (slice_eq(line->key, SLICE_LIT("version")))
        number = &rd->r->version;
    else if (slice_eq(line->key, SLICE_LIT("rate_per_minute")))
        number = &rd->r->rate_per_minute;
    if (!number || *number)
        return err_set(e, ERR_ROSTER, "\"%s\" is unknown or comes twice", ERR_QUOTE(line->key));
    struct slice digits = line->value;
    uint64_t n;
    if (!slice_take_decimal(&digits, INT32_MAX, &n) || digits.n)
        return err_set(e, ERR_ROSTER, "\"%s\" is no number", ERR_QUOTE(line->value));
    *number = (int64_t)n;
    return true;
}

bool roster_read(const char *path, const char *profiles_dir, const struct crypto *crypto, struct roster *out,
                 struct err *e)
{
    *out = (struct roster){0};
    AUTO(buf_clear) struct buf text = {0};
    buf_init(&text, ROSTER_MAX);
    if (!file_read(path, ROSTER_MAX, &text, e))
        return false;
    struct roster r = {.profiles = calloc(ROSTER_PROFILES_MAX, sizeof *r.profiles)};
    if (!r.profiles)
        return err_set(e, ERR_NOMEM, "profiles");
    struct reading rd = {.r = &r, .dir = profiles_dir, .crypto = crypto};
    bool ok = config_scan(path, buf_slice(&text), read_line, &rd, e);
    if (ok && (r.version != 1 || r.rate_per_minute == 0 || !rd.pinned))
        ok = err_set(e, ERR_ROSTER, "%s: version 1, a rate and a derive_check are needed", path);
    if (!ok) {
        roster_clear(&r);
        return false;
    }
    struct slice bytes = buf_slice(&text);
    crypto->sha256(&bytes, 1, r.digest);
    *out = r;
    return true;
}

void roster_clear(struct roster *r)
{
    free(r->profiles);
    *r = (struct roster){0};
}

const struct profile *roster_profile(const struct roster *r, struct slice name)
{
    for (size_t i = 0; i < r->profiles_n; i++)
        if (slice_eq(slice_str(r->profiles[i].name), name))
            return &r->profiles[i];
    return NULL;
}

void roster_put(struct buf *b, int64_t rate_per_minute, const uint8_t derive_check[SHA256_SIZE],
                const struct roster_file *files, size_t n)
{
    buf_put_str(b, "# What this signer may sign. It is pinned: a change needs a new set-up of the signer.\n");
    buf_printf(b, "version = 1\nrate_per_minute = %lld\nderive_check = ", (long long)rate_per_minute);
    codec_put(b, CODEC_HEX, slice_of(derive_check, SHA256_SIZE));
    buf_put_str(b, "\n\n[profiles]\n");
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%s = ", files[i].name);
        codec_put(b, CODEC_HEX, SLICE_ARRAY(files[i].digest));
        buf_put_char(b, '\n');
    }
}
