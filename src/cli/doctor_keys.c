/* What `kith doctor` tries of the keys and the token that they may be in. */
#include "cli/doctor.h"
#include "keys/key.h"
#include "keys/p11.h"

static bool open_token(struct doctor *d, struct p11 **p, struct doctor_finding *f)
{
    struct err e;
    const struct settings *s = d->s;
    *p = NULL;
    if (!s->hsm_module)
        return true;
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

void doctor_check_keys(struct doctor *d, struct doctor_finding *f)
{
    const struct settings *s = d->s;
    const char *const refs[] = {s->issuing_key, s->ledger_key, s->cosign_key, s->derive_key, s->root_key};
    struct p11 *p;
    if (open_token(d, &p, f)) {
        const struct key_env env = {.passphrase_file = s->passphrase_file, .p11 = p};
        for (size_t i = 0; i < ARRAY_LEN(refs) && !f->failed; i++) {
            AUTO(key_free_auto) struct key *k = NULL;
            struct err e;
            if (refs[i] && !key_open(&env, refs[i], &k, &e))
                doctor_bad_err(f, &e, "kith explain the code, or restore the key from its copy");
        }
        if (!f->failed)
            doctor_fine(f, "all open and sign");
    }
    p11_free(p);
}
