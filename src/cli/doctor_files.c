/* What `kith doctor` looks at in the platform's directory: kith.conf, rights, passphrase, roster. */
#include "base/file.h"
#include "base/path.h"
#include "ca/roster.h"
#include "cli/doctor.h"
#include "keys/crypto.h"
#include "keys/secret.h"
#include "model/settings_check.h"

static void keep_problem(void *ctx, const struct err *problem)
{
    struct doctor_finding *f = ctx;
    if (!f->failed)
        doctor_bad_err(f, problem, NULL);
}

void doctor_check_settings(struct doctor *d, struct doctor_finding *f)
{
    if (settings_check(d->s, &d->cli->arena, keep_problem, f) == 0)
        doctor_fine(f, "%s", d->s->file);
}

void doctor_check_permissions(struct doctor *d, struct doctor_finding *f)
{
    struct err e;
    if (!file_check_private(d->s->dir, &e))
        doctor_bad_err(f, &e, NULL);
    else if (settings_check_private(d->s, &d->cli->arena, keep_problem, f) == 0)
        doctor_fine(f, "directories, keys and journals are closed to others");
}

void doctor_check_passphrase(struct doctor *d, struct doctor_finding *f)
{
    AUTO(secret_free_auto) struct secret *s = NULL;
    struct err e;
    const char *file = d->s->passphrase_file;
    if (!file)
        doctor_skip(f, "no keys in files");
    else if (strncmp(file, "credential:", 11) == 0)
        doctor_skip(f, "comes from systemd when it starts");
    else if (!secret_read_file(file, &s, &e))
        doctor_bad_err(f, &e, "restore it from where init told you to back it up");
    else if (path_is_below(d->s->dir, file))
        doctor_bad(f, "move it and name the place in kith.conf", "%s lies beside the keys that it opens", file);
    else
        doctor_fine(f, "%s", file);
}

bool doctor_read_roster(struct doctor *d, struct roster *r, struct err *e)
{
    return roster_read(doctor_path(d, PATH_SIGNERS "/issuing/roster"), doctor_path(d, PATH_PROFILES), &crypto_openssl,
                       r, e);
}

void doctor_check_roster(struct doctor *d, struct doctor_finding *f)
{
    struct roster r;
    struct err e;
    if (!doctor_read_roster(d, &r, &e)) {
        doctor_bad_err(f, &e, "put back the profile that init copied");
        return;
    }
    doctor_fine(f, "%zu profiles, as the signer was set up with", r.profiles_n);
    roster_clear(&r);
}
