#include "ca/root_list.h"

#include "base/file.h"
#include "x509/chain.h"

bool root_list_read(const struct crypto *crypto, struct slice der, const struct cert *root, const struct cert *issuing,
                    struct root_list *out, struct err *e)
{
    struct crl crl;
    struct crl_entry entry;
    bool listed = false;
    *out = (struct root_list){0};
    if (!crl_read(der, &crl, e) || !crl_verify(crypto, &crl, root->spki, e))
        return false;
    if (!slice_eq(crl.issuer, root->subject))
        return err_set(e, ERR_CRL_SIGNATURE, "a list of another issuer than the root");
    if (issuing && !crl_find(&crl, issuing->serial, &entry, &listed, e))
        return false;
    *out = (struct root_list){.number = crl.number, .next_update = crl.next_update, .revokes = listed};
    crypto->sha256(&der, 1, out->digest);
    return true;
}

bool root_list_follows(const struct root_list *list, const struct root_list *last, struct err *e)
{
    static const uint8_t none[SHA256_SIZE];
    bool is_same = memcmp(list->digest, last->digest, SHA256_SIZE) == 0;
    if (memcmp(last->digest, none, SHA256_SIZE) == 0 || list->number > last->number || is_same)
        return true;
    err_set(e, ERR_CONFLICT, "list %llu %s the one that was there before (%llu)", (unsigned long long)list->number,
            list->number < last->number ? "is older than" : "has the number and not the content of",
            (unsigned long long)last->number);
    return err_why(e, "RFC 5280 section 5.2.3: the number of a list only grows; what was revoked would be valid again");
}

/* Devices hear this too: it does not say where our files are. */
static bool refuse_list(const char *what, const char *why, struct err *e)
{
    err_set(e, ERR_ROOT_CRL, "the root's list is of no use: %s", what);
    err_why(e, "%s", why);
    return err_try(e, "restore the newest ca/root.crl, or make the next one: kith ca crl, then kith ca install FILE");
}

static bool load(const struct crypto *crypto, const char *file, const struct cert *root, const struct cert *issuing,
                 const struct root_list *last, struct buf *der, struct root_list *out, struct err *e)
{
    static const char why[] = "without it nobody knows whether the root has taken the issuing CA back";
    struct root_list list;
    struct err cause = {0};
    *out = (struct root_list){0};
    if (!file_read(file, ROOT_LIST_MAX, der, &cause))
        return refuse_list(file_exists(file) ? "it cannot be read" : "it is not there", why, e);
    if (!root_list_read(crypto, buf_slice(der), root, issuing, &list, &cause))
        return refuse_list(cause.what, why, e);
    if (last && !root_list_follows(&list, last, &cause))
        return refuse_list(cause.what, cause.why, e);
    *out = list;
    return true;
}

bool root_list_get(const struct crypto *crypto, const char *file, const struct cert *root, const struct root_list *last,
                   struct buf *der, struct err *e)
{
    struct root_list list;
    return load(crypto, file, root, NULL, last, der, &list, e);
}

bool root_list_check(const struct crypto *crypto, const char *file, const struct cert *root, const struct cert *issuing,
                     const struct root_list *last, struct root_list *out, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, ROOT_LIST_MAX);
    if (!load(crypto, file, root, issuing, last, &b, out, e))
        return false;
    if (!out->revokes)
        return true;
    err_set(e, ERR_CA_REVOKED, "the root has revoked the issuing CA");
    err_why(e, "list %llu of the root has its serial number: what it signs is not valid any more",
            (unsigned long long)out->number);
    return err_try(e, "kith ca sign-request with ca/issuing.csr where the root is, kith ca install FILE, and a restart "
                      "of kithd; if its key is known to others, a new platform");
}

bool root_list_check_issuing(const struct crypto *crypto, const struct cert *root, const struct cert *issuing,
                             struct err *e)
{
    struct chain path;
    const struct chain_rules rules = {.at = issuing->not_before, .key_usage = KU_KEY_CERT_SIGN | KU_CRL_SIGN};
    const char *file = "ca/root.cer";
    bool ok = cert_verify(crypto, root, root->spki, e);
    if (ok) {
        file = "ca/issuing.cer";
        ok = chain_verify(crypto, issuing, NULL, 0, root, 1, &rules, &path, e);
    }
    if (ok)
        return true;
    err_ctx(e, "%s is not what the root signed", file);
    err_why(e, "every TLS client checks that signature and would refuse this platform");
    return err_try(e, "restore %s from its copy", file);
}
