#include "agent/mend.h"

#include "agent/root_file.h"
#include "base/log.h"
#include "keys/crypto.h"
#include "x509/certs_only.h"

bool mend_fetch_root(struct agent *a, struct platform_answer *cas, struct slice *root, struct err *e)
{
    uint8_t want[SHA256_SIZE], got[SHA256_SIZE];
    struct slice one, left;
    *root = (struct slice){0};
    if (!conf_is_enrolled(a->conf, want))
        return err_set(e, ERR_AGENT_NOT_ENROLLED, "%s names no platform and device", a->state->dir);
    bool ok = a->platform.cacerts(a->platform.ctx, cas, e);
    a->retry_after_s = cas->retry_after_s;
    if (!ok)
        return false;
    left = buf_slice(&cas->certs);
    while (!root->n && certs_only_next(&left, &one)) {
        sha256(one, got);
        if (slice_eq(SLICE_ARRAY(got), SLICE_ARRAY(want)))
            *root = one;
    }
    if (root->n)
        return true;
    err_set(e, ERR_AGENT_ROOT, "no CA certificate of %s has the fingerprint %s", a->conf->url, a->conf->root_sha256);
    return err_try(e, "compare with `kith ca ls` there; a new token is needed if the platform was made anew");
}

/* A certificate that cannot be read is for whoever uses it to tell (agent/credential.h). */
static bool check_issuers(const struct state *s, struct slice root, struct err *e)
{
    char path[STATE_PATH_MAX];
    struct credential c;
    struct err ignored;
    unsigned slot = state_slot(s, STATE_CURRENT);
    if (!credential_peek(s, slot, &c, &ignored))
        return true;
    bool ok = !c.chain_n || credential_leads_to(&c, root, e);
    credential_clear(&c);
    if (ok)
        return true;
    err_ctx(e, "%s", state_slot_path(s, slot, "cert.pem", path));
    return err_try(e,
                   "kith-agent run --once --dir %s puts the issuers back, or --renew with it gets another certificate",
                   ERR_QUOTE_PATH(slice_str(s->dir)));
}

static bool check(const struct state *s, const struct conf *c, struct buf *root, struct err *e)
{
    uint8_t want[SHA256_SIZE];
    if (!state_slot(s, STATE_CURRENT) || !conf_is_enrolled(c, want))
        return true;
    (void)root_file_find(s, want, root);
    return root_file_check(s, buf_slice(root), e) && check_issuers(s, buf_slice(root), e);
}

bool mend_check(const struct state *s, const struct conf *c, struct err *e)
{
    AUTO(buf_clear) struct buf root = {0};
    buf_init(&root, STATE_CERT_MAX);
    return check(s, c, &root, e);
}

/* cert.pem again, with the issuers that the platform has. */
static bool put_issuers(struct agent *a, const struct platform_answer *cas, struct slice root, struct err *e)
{
    struct credential c;
    unsigned slot = state_slot(a->state, STATE_CURRENT);
    bool ok = credential_open(a->state, &a->keys, slot, &c, e) && credential_is_of(&c, a->conf->device, e) &&
              credential_store_cert(a->state, &c, c.chain[0], buf_slice(&cas->certs), root, c.received_at, e);
    credential_clear(&c);
    return ok;
}

bool mend_files(struct agent *a, struct err *e)
{
    struct err found, issuers;
    struct platform_answer cas = {0};
    AUTO(buf_clear) struct buf kept = {0};
    buf_init(&kept, STATE_CERT_MAX);
    if (agent_is_retired(a) || check(a->state, a->conf, &kept, &found))
        return true;
    a->retry_after_s = 0;
    buf_init(&cas.certs, STATE_CERT_MAX);
    struct slice root = buf_slice(&kept);
    bool ok = (root.n || mend_fetch_root(a, &cas, &root, e)) && root_file_write(a->state, root, e);
    if (ok && !check_issuers(a->state, root, &issuers))
        ok = (cas.certs.n || mend_fetch_root(a, &cas, &root, e)) && put_issuers(a, &cas, root, e);
    buf_clear(&cas.certs);
    if (ok) {
        LOG(a->env, WARN, "agent", "a file was not what it has to be; it is made anew", log_err(&found));
        return true;
    }
    err_ctx(e, "%s", found.what);
    return e->hint[0] ? false : err_try(e, "%s", found.hint);
}
