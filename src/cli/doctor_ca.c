/* What `kith doctor` reads of root and issuing CA: certificates and the root's list. */
#include "base/rfc3339.h"
#include "ca/ca_cert.h"
#include "ca/root_list.h"
#include "cli/doctor.h"
#include "keys/crypto.h"

#define DAY_S        86400
#define ISSUING_DAYS 90 /* to renew an issuing CA takes a ceremony */
#define ROOT_DAYS    365
#define CRL_DAYS     30

bool doctor_read_cert(struct doctor *d, const char *name, struct buf *der, struct cert *c, struct err *e)
{
    return ca_cert_read(d->s, name, der, c, e);
}

static bool read_cert(struct doctor *d, const char *name, struct buf *der, struct cert *c, struct doctor_finding *f)
{
    struct err e;
    if (doctor_read_cert(d, name, der, c, &e))
        return true;
    doctor_bad_err(f, &e, NULL);
    return false;
}

static void judge_cert(struct doctor *d, const char *name, int64_t least_days, struct doctor_finding *f)
{
    struct cert c;
    AUTO(buf_clear) struct buf der = {0};
    if (!read_cert(d, name, &der, &c, f))
        return;
    int64_t days = (c.not_after - d->now) / DAY_S;
    if (d->now < c.not_before)
        doctor_bad(f, "set the clock", "it begins only at %s", RFC3339(c.not_before));
    else if (c.not_after < d->now)
        doctor_bad(f, "a new one has to be made and brought to every gateway", "it ended at %s", RFC3339(c.not_after));
    else if (days < least_days)
        doctor_bad(f, "prepare the next one now", "it ends in %lld days", (long long)days);
    else
        doctor_fine(f, "good until %s", RFC3339(c.not_after));
}

void doctor_check_issuing(struct doctor *d, struct doctor_finding *f)
{
    struct cert root, issuing;
    struct err e;
    AUTO(buf_clear) struct buf der = {0}, issuing_der = {0};
    judge_cert(d, PATH_ISSUING_CERT, ISSUING_DAYS, f);
    if (f->failed || !read_cert(d, PATH_ROOT_CERT, &der, &root, f) ||
        !read_cert(d, PATH_ISSUING_CERT, &issuing_der, &issuing, f))
        return;
    if (!root_list_check_issuing(&crypto_openssl, &root, &issuing, &e))
        doctor_bad_err(f, &e, NULL);
}

void doctor_check_root(struct doctor *d, struct doctor_finding *f)
{
    judge_cert(d, PATH_ROOT_CERT, ROOT_DAYS, f);
}

void doctor_check_root_crl(struct doctor *d, struct doctor_finding *f)
{
    static const char hint[] = "kith ca crl --root-dir ROOT, then kith ca install FILE";
    struct root_list list;
    struct cert root, issuing;
    struct err e;
    AUTO(buf_clear) struct buf der = {0}, issuing_der = {0};
    if (!read_cert(d, PATH_ROOT_CERT, &der, &root, f) || !read_cert(d, PATH_ISSUING_CERT, &issuing_der, &issuing, f))
        return;
    if (!root_list_check(&crypto_openssl, doctor_path(d, PATH_ROOT_CRL), &root, &issuing, NULL, &list, &e))
        doctor_bad_err(f, &e, NULL);
    else if (list.next_update && list.next_update < d->now)
        doctor_bad(f, hint, "the list was due to be renewed at %s", RFC3339(list.next_update));
    else if (list.next_update && list.next_update < d->now + CRL_DAYS * DAY_S)
        doctor_bad(f, hint, "the list has to be renewed before %s", RFC3339(list.next_update));
    else
        doctor_fine(f, "list %llu is good until %s", (unsigned long long)list.number, RFC3339(list.next_update));
}
