/* The keys of a new installation: in files or in its token.  What a killed run began to make is written down before it is made,
 * so that the next one can tell its own keys from a stranger's. */
#include "cli/platform_impl.h"

#include "base/file.h"
#include "keys/p11_uri.h"

const char *const platform_key_names[KEYS] = {"root", "issuing", "ledger", "cosign", "derive"};

static bool is_marked(struct making *m, const char *ref, bool *out, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 65536);
    *out = false;
    if (!file_exists(platform_path(m, PLATFORM_MARKS_FILE)))
        return true;
    if (!file_read(platform_path(m, PLATFORM_MARKS_FILE), 65536, &b, e))
        return false;
    const char *line = arena_printf(m->a, "%s\n", ref);
    *out = line && strstr(buf_str(&b), line);
    return true;
}

static bool mark(struct making *m, const char *ref, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    struct slice s;
    buf_init(&b, 65536);
    if (file_exists(platform_path(m, PLATFORM_MARKS_FILE)) &&
        !file_read(platform_path(m, PLATFORM_MARKS_FILE), 65536, &b, e))
        return false;
    buf_printf(&b, "%s\n", ref);
    return buf_done(&b, &s, e) && file_write_atomic(platform_path(m, PLATFORM_MARKS_FILE), 0600, s, e);
}

const char *platform_token_ref(struct arena *a, const char *token, const char *label, const char *name)
{
    char text[1024];
    struct writer w = WRITER_ARRAY(text);
    writer_put(&w, SLICE_LIT("pkcs11:token="));
    p11_uri_put(&w, slice_str(token));
    writer_put(&w, SLICE_LIT(";object="));
    p11_uri_put(&w, slice_str(label));
    writer_put(&w, SLICE_LIT("-"));
    writer_put(&w, slice_str(name));
    return arena_str(a, writer_slice(&w));
}

bool platform_choose_refs(struct making *m, struct err *e)
{
    const struct platform_plan *p = m->plan;
    for (size_t i = 0; i < KEYS; i++) {
        enum key_type type = i <= KEY_ISSUING ? p->key_type : KEY_ED25519;
        if (i == KEY_ROOT && p->offline_root)
            continue;
        if (i <= KEY_ISSUING && m->p11 && !p11_can_generate(m->p11, type)) {
            err_set(e, ERR_P11_REFUSED, "token \"%s\" makes no %s keys", ERR_QUOTE(slice_str(p->hsm_token)),
                    key_type_name(type));
            return err_try(e, "--key-type %s",
                           p11_can_generate(m->p11, KEY_RSA3072) ? key_type_name(KEY_RSA3072) : "of another kind");
        }
        bool on_token = m->p11 && (i <= KEY_ISSUING || (p11_can_sign(m->p11, type) && p11_can_generate(m->p11, type)));
        m->conf_ref[i] = on_token ? platform_token_ref(m->a, p->hsm_token, p->hsm_label, platform_key_names[i])
                                  : arena_printf(m->a, "file:keys/%s.key", platform_key_names[i]);
        m->out->ledger_on_token = m->out->ledger_on_token || (on_token && i == KEY_LEDGER);
    }
    return arena_ok(m->a, e);
}

static bool refuse_foreign_key(const char *ref, struct err *e)
{
    err_set(e, ERR_KEY_EXISTS, "there is a key at %s that this init did not make", ref);
    err_why(e, "two installations must not share a key");
    return err_try(e, "--hsm-label OTHER, or another token");
}

/* Ours if an earlier run wrote down that it would make it. */
static bool settle_key(struct making *m, size_t i, struct err *e)
{
    if (!m->conf_ref[i])
        return true;
    enum key_type type = i <= KEY_ISSUING ? m->plan->key_type : KEY_ED25519;
    bool file = strncmp(m->conf_ref[i], "file:", 5) == 0, marked;
    const char *ref = file ? arena_printf(m->a, "file:%s/%s", m->plan->dir, m->conf_ref[i] + 5) : m->conf_ref[i];
    if (!ref || !is_marked(m, ref, &marked, e))
        return ref ? false : arena_ok(m->a, e);
    struct err probe = {0};
    bool there = key_open(&m->keys, ref, &m->key[i], &probe);
    if (there && marked)
        return true;
    if (there)
        return refuse_foreign_key(ref, e);
    if (err_class_of(probe.code) != ERR_CLASS_NOTFOUND) {
        *e = probe;
        return false;
    }
    return (marked || mark(m, ref, e)) && key_generate(&m->keys, ref, type, &m->key[i], e);
}

bool platform_refuse_foreign_keys(struct making *m, struct err *e)
{
    for (size_t i = 0; i < KEYS && !m->out->continued; i++) {
        AUTO(key_free_auto) struct key *k = NULL;
        struct err probe = {0};
        const char *ref = m->conf_ref[i];
        if (ref && strncmp(ref, "pkcs11:", 7) == 0 && key_open(&m->keys, ref, &k, &probe))
            return refuse_foreign_key(ref, e);
    }
    return true;
}

bool platform_settle_keys(struct making *m, struct err *e)
{
    for (size_t i = 0; i < KEYS; i++)
        if (!settle_key(m, i, e))
            return err_ctx(e, "%s key", platform_key_names[i]);
    return true;
}
