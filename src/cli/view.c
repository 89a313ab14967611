#include "cli/view.h"

#include "base/rfc3339.h"
#include "keys/crypto.h"
#include "x509/name.h"

/* "not before" is not_before in JSON. */
static const char *json_key_of(const char *key, char dst[32])
{
    size_t i = 0;
    for (; key[i] && i < 31; i++)
        dst[i] = key[i] == ' ' || key[i] == '-' ? '_' : key[i];
    dst[i] = 0;
    return dst;
}
#define JSON_KEY(key) json_key_of((key), (char[32]){0})

void view_put_text(struct view *v, const char *key, const char *text)
{
    if (v->json)
        json_out_text(&v->o, JSON_KEY(key), text);
    else
        buf_printf(&v->b, "%-14s %s\n", key, text);
}

void view_put_int(struct view *v, const char *key, int64_t n)
{
    if (v->json)
        json_out_int(&v->o, JSON_KEY(key), n);
    else
        buf_printf(&v->b, "%-14s %lld\n", key, (long long)n);
}

void view_put_bytes(struct view *v, const char *key, struct slice s)
{
    AUTO(buf_clear) struct buf hex = {0};
    buf_init(&hex, INSPECT_MAX);
    codec_put(&hex, CODEC_HEX, s);
    view_put_text(v, key, buf_str(&hex));
}

/* Text from outside: escaped. */
void view_put_slice(struct view *v, const char *key, struct slice s)
{
    if (v->json)
        json_out_slice(&v->o, JSON_KEY(key), s);
    else
        view_put_text(v, key, ERR_QUOTE(s));
}

void view_list(struct view *v, const char *key)
{
    if (v->json)
        json_out_list(&v->o, key);
}

void view_put_item(struct view *v, const char *key, struct slice s)
{
    if (v->json)
        json_out_slice(&v->o, NULL, s);
    else
        view_put_slice(v, key, s);
}

void view_list_end(struct view *v)
{
    if (v->json)
        json_out_end(&v->o);
}

void view_put_time(struct view *v, const char *key, int64_t at)
{
    view_put_text(v, key, RFC3339(at));
}

void view_put_digest(struct view *v, struct slice s)
{
    uint8_t digest[SHA256_SIZE];
    sha256(s, digest);
    view_put_bytes(v, "sha256", SLICE_ARRAY(digest));
}

void view_put_verdict(struct view *v, const char *key, bool ok, const struct err *e)
{
    view_put_text(v, key, ok ? "good" : e->what);
}

void view_put_name(struct view *v, const char *key, struct slice name)
{
    char text[NAME_TEXT_MAX];
    view_put_text(v, key, name_is_empty(name) ? "(empty)" : name_quote(name, text, sizeof text));
}
