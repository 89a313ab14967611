#include "ca/own_key.h"

#include "keys/crypto.h"

bool own_key_derive(struct key *k, const char *label, uint8_t out[SHA256_SIZE], struct err *e)
{
    uint8_t sig[SIG_MAX];
    size_t n;
    struct slice parts[] = {SLICE_LIT("kith-derive-v1\n"), slice_str(label)};
    if (key_type_of(k) != KEY_ED25519)
        return err_set(e, ERR_POLICY, "the derive_key has to be Ed25519");
    if (!key_sign(k, SIG_EDDSA, parts, ARRAY_LEN(parts), sig, &n, e))
        return false;
    sha256(slice_of(sig, n), out);
    explicit_bzero(sig, sizeof sig);
    return true;
}

bool own_key_derive_check(struct key *k, uint8_t out[SHA256_SIZE], struct err *e)
{
    return own_key_derive(k, "check", out, e);
}

bool own_key_is_derive(struct key *k, const struct roster *r, struct err *e)
{
    uint8_t check[SHA256_SIZE];
    if (!own_key_derive_check(k, check, e))
        return err_ctx(e, "[ca] derive_key");
    if (memcmp(check, r->derive_check, sizeof check) == 0)
        return true;
    err_set(e, ERR_KEY_MISMATCH, "[ca] derive_key is not the key that the issuing signer was set up with");
    err_why(e,
            "its roster pins it: with another, no claim that was given out and no serial number would be known again");
    return err_try(e, "correct the setting in kith.conf, or restore the key from its copy");
}
