/* What the root says of the issuing CA (ca/root_list.h), as the signer sees it: it reads the list itself. */
#include "base/log.h"
#include "ca/ca_cert.h"
#include "ca/root_list.h"
#include "signer/domain.h"

#define LOOK_EVERY_MS 1000

bool domain_read_root(struct domain *d, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    d->root_list_path = settings_path(d->settings, &d->arena, PATH_ROOT_CRL);
    if (!ca_cert_read(d->settings, PATH_ROOT_CERT, &b, &d->root, e))
        return false;
    struct slice der = arena_dup(&d->arena, buf_slice(&b));
    return arena_ok(&d->arena, e) && cert_read(der, &d->root, e) && root_check_issuing(d->crypto, &d->root, &d->ca, e);
}

bool domain_check_root(struct domain *d, struct err *e)
{
    struct root_list list;
    int64_t now = env_mono_ms(d->env);
    enum err_code before = d->root_refusal.code;
    if (!d->root_looked || now - d->root_looked_ms >= LOOK_EVERY_MS) {
        err_clear(&d->root_refusal);
        (void)!root_list_check(d->crypto, d->root_list_path, &d->root, &d->ca, &list, &d->root_refusal);
        d->root_looked_ms = now;
        d->root_looked = true;
    }
    if (d->root_refusal.code && d->root_refusal.code != before)
        LOG(d->env, ERROR, "signer", "no certificates any more", log_err(&d->root_refusal));
    if (d->root_refusal.code)
        *e = d->root_refusal;
    return d->root_refusal.code == ERR_NONE;
}
