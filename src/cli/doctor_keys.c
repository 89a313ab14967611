/* What `kith doctor` tries of the keys and the token that they may be in. */
#include <stdlib.h>

#include "base/file.h"
#include "ca/own_key.h"
#include "cli/doctor.h"
#include "cli/rehearse.h"
#include "keys/crypto.h"
#include "keys/p11.h"
#include "ledger/note.h"

/* systemd gives it to kithd alone. */
static bool is_elsewhere(const char *file, struct doctor_finding *f)
{
    if (!file || strncmp(file, "credential:", 11) != 0 || getenv("CREDENTIALS_DIRECTORY")) /* banned: read, not kept */
        return false;
    doctor_skip(f, "a passphrase or PIN comes from systemd when kithd starts; kithd -t in its unit tries it");
    return true;
}

static bool open_token(struct doctor *d, struct p11 **p, struct doctor_finding *f)
{
    struct err e;
    const struct settings *s = d->s;
    *p = NULL;
    if (!s->hsm_module)
        return true;
    if (is_elsewhere(s->hsm_pin_file, f))
        return false;
    if (d->token_away) {
        doctor_skip(f, "the token cannot be used");
        return false;
    }
    struct p11_config cfg = {.mark_file = settings_path(s, &d->cli->arena, PATH_PIN_MARK)};
    if (p11_open(s->hsm_module, s->hsm_token, s->hsm_pin_file, &cfg, p, &e) && p11_check(*p, &e))
        return true;
    d->token_away = true;
    doctor_bad_err(
        f, &e,
        strstr(s->hsm_module, "softhsm")
            ? "export SOFTHSM2_CONF=FILE, the one that the platform was started with; softhsm2-util --show-slots"
            : "look at the token with its maker's tools");
    return false;
}

void doctor_check_token(struct doctor *d, struct doctor_finding *f)
{
    struct p11 *p;
    struct p11_health h;
    if (!d->s->hsm_module) {
        doctor_skip(f, "keys are in files");
        return;
    }
    if (open_token(d, &p, f)) {
        p11_health(p, &h);
        doctor_fine(f, "%s %s \"%s\", %s%s", h.manufacturer, h.model, h.label, p11_state_name(h.state),
                    p11_can_sign(p, KEY_ED25519) ? "" : "; no Ed25519, so ledger keys are sealed files");
    }
    p11_free(p);
}

/* Before the offline root has signed there is no certificate to compare with. */
static bool is_issuing(struct doctor *d, struct key *k, struct err *e)
{
    AUTO(buf_clear) struct buf der = {0};
    struct cert c;
    bool to_come;
    if (!settings_check_ca(d->s, &d->cli->arena, PATH_ISSUING_CERT, &to_come, e))
        return to_come;
    return doctor_read_cert(d, PATH_ISSUING_CERT, &der, &c, e) &&
           own_key_is_of(k, &c, "issuing key", doctor_path(d, PATH_ISSUING_CERT), e);
}

static bool is_root(struct doctor *d, struct key *k, struct err *e)
{
    AUTO(buf_clear) struct buf der = {0};
    struct cert c;
    return doctor_read_cert(d, PATH_ROOT_CERT, &der, &c, e) &&
           own_key_is_of(k, &c, "root's key", doctor_path(d, PATH_ROOT_CERT), e);
}

static bool is_ledgers(struct doctor *d, struct key *k, struct err *e)
{
    return own_key_vouches(&crypto_openssl, k, NOTE_KEY_LOG, doctor_path(d, PATH_VKEYS), e);
}

static bool is_cosigners(struct doctor *d, struct key *k, struct err *e)
{
    return own_key_vouches(&crypto_openssl, k, NOTE_KEY_COSIGNER, doctor_path(d, PATH_VKEYS), e);
}

static bool is_derive(struct doctor *d, struct key *k, struct err *e)
{
    struct roster r;
    if (!doctor_read_roster(d, &r, e))
        return false;
    bool ok = own_key_is_derive(k, &r, e);
    roster_clear(&r);
    return ok;
}

void doctor_check_keys(struct doctor *d, struct doctor_finding *f)
{
    const struct settings *s = d->s;
    const struct {
        const char *ref;
        bool (*is_right)(struct doctor *d, struct key *k, struct err *e);
    } rows[] = {
        {s->issuing_key, is_issuing}, {s->ledger_key, is_ledgers}, {s->cosign_key, is_cosigners},
        {s->derive_key, is_derive},   {s->root_key, is_root},
    };
    struct p11 *p = NULL;
    if (!is_elsewhere(s->passphrase_file, f) && open_token(d, &p, f)) {
        const struct key_env env = {.passphrase_file = s->passphrase_file, .p11 = p};
        for (size_t i = 0; i < ARRAY_LEN(rows) && !f->failed; i++) {
            AUTO(key_free_auto) struct key *k = NULL;
            struct err e;
            if (rows[i].ref && !(key_open(&env, rows[i].ref, &k, &e) && rows[i].is_right(d, k, &e)))
                doctor_bad_err(f, &e, "kith explain the code, or restore the key from its copy");
        }
        if (!f->failed)
            doctor_fine(f, "all open and sign, and are those that the platform was set up with");
    }
    p11_free(p);
}

void doctor_check_signers(struct doctor *d, struct doctor_finding *f)
{
    struct err e;
    bool to_come;
    (void)!settings_check_ca(d->s, &d->cli->arena, PATH_ISSUING_CERT, &to_come, &e); /* its signer says if it is lost */
    if (is_elsewhere(d->s->passphrase_file, f) || is_elsewhere(d->s->hsm_pin_file, f))
        return;
    if (d->token_away)
        doctor_skip(f, "the token cannot be used");
    else if (!rehearse_signers(d->cli, d->s->file, !to_come, &e))
        doctor_bad_err(f, &e, "restore what is named from its copy");
    else
        doctor_fine(f,
                    to_come ? "the ledger's would start as it is; no issuing CA yet" : "both would start as they are");
}
