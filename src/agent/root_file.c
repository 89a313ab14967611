#include "agent/root_file.h"

#include "base/pem.h"
#include "keys/crypto.h"

static const char *const names[] = {"root.cer", "root.pem"};

/* What has to be in the file. */
static struct slice text_of(size_t which, struct slice root, struct buf *pem)
{
    if (which == 0 || root.n == 0)
        return root;
    buf_reset(pem);
    pem_put(pem, PEM_CERT, root);
    return buf_slice(pem);
}

bool root_file_find(const struct state *s, const uint8_t sha256_of[SHA256_SIZE], struct buf *root)
{
    char path[STATE_PATH_MAX];
    uint8_t got[SHA256_SIZE];
    bool found = false;
    AUTO(buf_clear) struct buf file = {0};
    buf_init(&file, STATE_CERT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(names) && !found; i++) {
        buf_reset(&file);
        buf_reset(root);
        if (!file_read(state_path(s, names[i], path), STATE_CERT_MAX, &file, NULL) ||
            !pem_or_der_get(buf_slice(&file), PEM_CERT, root, NULL))
            continue;
        sha256(buf_slice(root), got);
        found = slice_eq(SLICE_ARRAY(got), slice_of(sha256_of, SHA256_SIZE));
    }
    if (!found)
        buf_reset(root);
    return found;
}

static bool is_right(const struct state *s, const char *name, struct slice want, struct err *e)
{
    char path[STATE_PATH_MAX];
    AUTO(buf_clear) struct buf file = {0};
    buf_init(&file, STATE_CERT_MAX);
    if (!file_exists(state_path(s, name, path)))
        err_set(e, ERR_AGENT_STATE, "%s is not there", path);
    else if (!file_read(path, STATE_CERT_MAX, &file, e))
        return false;
    else if (!want.n || !slice_eq(buf_slice(&file), want))
        err_set(e, ERR_AGENT_ROOT, "%s is not the platform's root certificate", path);
    else
        return true;
    err_why(e, "the fingerprint that came with the token (root_sha256 in agent.conf) says what has to be there");
    return err_try(e, "kith-agent run --once --dir %s makes it anew", ERR_QUOTE_PATH(slice_str(s->dir)));
}

bool root_file_check(const struct state *s, struct slice root, struct err *e)
{
    bool ok = true;
    AUTO(buf_clear) struct buf pem = {0};
    buf_init(&pem, STATE_CERT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(names) && ok; i++)
        ok = is_right(s, names[i], text_of(i, root, &pem), e);
    return ok;
}

bool root_file_write(const struct state *s, struct slice root, struct err *e)
{
    char path[STATE_PATH_MAX];
    bool ok = true;
    AUTO(buf_clear) struct buf pem = {0};
    buf_init(&pem, STATE_CERT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(names) && ok; i++) {
        struct slice text = text_of(i, root, &pem);
        ok = is_right(s, names[i], text, e) || file_write_atomic(state_path(s, names[i], path), 0644, text, e);
    }
    return ok;
}
