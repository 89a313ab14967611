#include "ca/own_key.h"

#include "base/file.h"
#include "keys/crypto.h"

#define VKEYS_MAX 4096

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

bool own_key_is_of(const struct key *k, const struct cert *c, const char *role, const char *path, struct err *e)
{
    if (slice_eq(c->spki, key_get0_spki(k)))
        return true;
    err_set(e, ERR_KEY_MISMATCH, "%s is not the certificate of the %s", path, role);
    err_why(e, "what this key signs does not verify under that certificate");
    return err_try(e, "restore the one of the two that was changed from its copy");
}

static bool read_vkeys(const struct crypto *c, const char *path, struct note_key keys[NOTE_KEYS], struct err *e)
{
    AUTO(buf_clear) struct buf text = {0};
    buf_init(&text, VKEYS_MAX);
    if (file_read(path, VKEYS_MAX, &text, e) && note_keys_read(c, buf_slice(&text), keys, e))
        return true;
    err_try(e, "restore it from the backup of the directory");
    return err_ctx(e, "%s", path);
}

bool own_key_vkeys(const struct crypto *c, const struct settings *s, struct note_key keys[NOTE_KEYS], struct err *e)
{
    AUTO(arena_clear) struct arena a;
    arena_init(&a, 8192);
    const char *path = settings_path(s, &a, PATH_VKEYS);
    return arena_ok(&a, e) && read_vkeys(c, path, keys, e);
}

bool own_key_vouches(const struct crypto *c, const struct key *k, int which, const char *path, struct err *e)
{
    struct note_key keys[NOTE_KEYS], ours;
    const struct note_key *want = &keys[which];
    const char *setting = which == NOTE_KEY_LOG ? "ledger_key" : "cosign_key";
    if (!read_vkeys(c, path, keys, e))
        return false;
    if (!note_key_make(c, want->name, want->type, key_get0_spki(k), &ours, e))
        return err_ctx(e, "[ca] %s", setting);
    if (want->type == (which == NOTE_KEY_LOG ? NOTE_ED25519 : NOTE_COSIGNATURE) &&
        memcmp(want->pub, ours.pub, sizeof ours.pub) == 0)
        return true;
    err_set(e, ERR_KEY_MISMATCH, "[ca] %s is not the key that %s names", setting, path);
    err_why(e, "checkpoints that another key signed are refused by every auditor, and can never be taken back");
    return err_try(e, "correct the setting in kith.conf, or restore the key or " PATH_VKEYS " from its copy");
}
