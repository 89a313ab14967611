/* What the root says of the issuing CA (ca/root_list.h), as the signer sees it: it reads the list itself. */
#include "base/log.h"
#include "ca/ca_cert.h"
#include "ca/root_list.h"
#include "core/cbor.h"
#include "signer/domain.h"

#define LOOK_EVERY_MS 1000

bool domain_read_root(struct domain *d, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    d->root_list_path = settings_path(d->settings, &d->arena, PATH_ROOT_CRL);
    if (!ca_cert_read(d->settings, PATH_ROOT_CERT, &b, &d->root, e))
        return false;
    struct slice der = arena_dup(&d->arena, buf_slice(&b));
    return arena_ok(&d->arena, e) && cert_read(der, &d->root, e) &&
           root_list_check_issuing(d->crypto, &d->root, &d->ca, e);
}

/* Durable with the batch.  Before anything was signed there is nothing that an older list would make good again, and the
 * journal of a platform that never ran has its set-up only. */
static bool remember(struct domain *d, const struct root_list *list, struct err *e)
{
    uint8_t record[96];
    struct writer w = WRITER_ARRAY(record);
    struct domain_step step = {.kind = JOURNAL_ROOT_LIST, .seq = d->root_list.number};
    if (!d->journal || !d->last_time || d->damage.code || memcmp(list->digest, d->root_list.digest, SHA256_SIZE) == 0)
        return true;
    memcpy(step.prev, d->root_list.digest, SHA256_SIZE);
    cbor_put_array(&w, 4);
    cbor_put_uint(&w, JOURNAL_ROOT_LIST);
    cbor_put_int(&w, domain_clock(d));
    cbor_put_uint(&w, list->number);
    cbor_put_bstr(&w, SLICE_ARRAY(list->digest));
    if (!domain_step(d, &step, e) || !domain_record(d, writer_slice(&w), NULL, e))
        return false;
    d->root_list = *list;
    return true;
}

/* A list that revokes the CA is one to be remembered, too. */
static bool look(struct domain *d, struct err *e)
{
    struct root_list list;
    bool ok = root_list_check(d->crypto, d->root_list_path, &d->root, &d->ca, &d->root_list, &list, e);
    return (ok || e->code == ERR_CA_REVOKED) && remember(d, &list, e) && ok;
}

void domain_watch_root(struct domain *d)
{
    int64_t now = env_mono_ms(d->env);
    enum err_code before = d->root_refusal.code;
    if (!d->ca_key || (d->root_looked && now - d->root_looked_ms < LOOK_EVERY_MS))
        return;
    err_clear(&d->root_refusal);
    (void)!look(d, &d->root_refusal);
    d->root_looked_ms = now;
    d->root_looked = true;
    if (d->root_refusal.code && d->root_refusal.code != before)
        LOG(d->env, ERROR, "signer", "no certificates any more", log_err(&d->root_refusal));
}

bool domain_check_root(const struct domain *d, struct err *e)
{
    if (d->root_refusal.code)
        *e = d->root_refusal;
    return d->root_refusal.code == ERR_NONE;
}
