#include "supervisor/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "keys/p11.h"
#include "model/settings_check.h"

struct state {
    const struct check *c;
    struct arena *a;
    size_t fatal;
};

enum openness {
    PRIVATE,  /* it is a secret: settings_check_private() looks at all but whether it is there */
    READABLE, /* others may read it, for it is public; but whoever can write it decides for us */
};

static void report(struct state *s, const struct err *e, bool fatal)
{
    s->fatal += fatal;
    s->c->found(s->c->ctx, e, fatal);
}

/* Looks at one path; `role` says what it is, `hint` what to do when it is missing. */
static void look(struct state *s, const char *role, const char *path, enum openness openness, bool dir,
                 const char *hint)
{
    struct stat st;
    struct err e;
    if (openness == READABLE ? file_check_trusted(path, dir, &e)
                             : file_exists(path) || file_check_kind(path, dir, &st, &e))
        return;
    if (!e.hint[0] && hint)
        err_try(&e, "%s", hint);
    err_ctx(&e, "%s", role);
    report(s, &e, true);
}

static bool is_readable(const char *path)
{
    return access(path, R_OK) == 0;
}

/* --- what the configuration names --- */

static void check_secret_file(struct state *s, const char *role, const char *path)
{
    static const char credential[] = "credential:";
    struct err e;
    if (!path || strncmp(path, credential, sizeof credential - 1) != 0) {
        if (path)
            look(s, role, path, PRIVATE, false, "put it back, or correct its place in kith.conf");
        return;
    }
    const char *name = path + sizeof credential - 1;
    const char *full = s->c->credentials ? arena_printf(s->a, "%s/%s", s->c->credentials, name) : NULL;
    if (full && is_readable(full))
        return;
    err_set(&e, ERR_SETUP, "%s: no systemd credential \"%s\"", role, ERR_QUOTE(slice_str(name)));
    err_why(&e, "systemd.exec(5): $CREDENTIALS_DIRECTORY is set for services that load credentials");
    err_try(&e, "LoadCredentialEncrypted=%s:FILE in the unit of kithd", ERR_QUOTE(slice_str(name)));
    report(s, &e, full != NULL); /* by hand, outside the unit, it cannot be there */
}

static void check_key(struct state *s, const char *role, const char *ref)
{
    if (!ref || strncmp(ref, "file:", 5) != 0)
        return;
    const char *path = arena_str(s->a, slice_of(ref + 5, strcspn(ref + 5, "?")));
    if (path)
        look(s, role, path, PRIVATE, false, "restore it from the backup; `kith init` makes keys only once");
}

static void check_token(struct state *s)
{
    const struct settings *set = s->c->settings;
    struct err e;
    if (!set->hsm_module)
        return;
    look(s, "[keys] hsm_module", set->hsm_module, READABLE, false, "install the module, or correct its place");
    check_secret_file(s, "[keys] hsm_pin_file", set->hsm_pin_file);
    if (p11_template_check(set->hsm_template, &e))
        return;
    (void)settings_blame(set, "keys", "hsm_template", &e);
    report(s, &e, true);
}

/* The first start makes the file; later its absence is a loss. */
static void check_database(struct state *s)
{
    struct err e;
    if (!settings_check_lost(s->c->settings, s->a, NULL, &e) || !settings_check_database_dir(s->c->settings, s->a, &e))
        report(s, &e, true);
}

static void check_socket(struct state *s)
{
    struct err e;
    if (!settings_check_socket(s->c->settings, s->a, &e))
        report(s, &e, true);
}

/* --- what kith init makes --- */

static void check_profiles(struct state *s, const char *dir)
{
    struct err e;
    size_t n = 0;
    look(s, "profiles", dir, READABLE, true, "copy the profiles that came with Kith there");
    DIR *d = opendir(dir);
    if (!d)
        return; /* told already */
    for (struct dirent *ent; (ent = readdir(d));) {
        const char *dot = strrchr(ent->d_name, '.');
        if (!dot || strcmp(dot, ".profile") != 0)
            continue;
        n++;
        const char *path = arena_printf(s->a, "%s/%s", dir, ent->d_name);
        if (path)
            look(s, "profile", path, READABLE, false, NULL);
    }
    closedir(d);
    if (n)
        return;
    err_set(&e, ERR_SETUP, "\"%s\" has no *.profile", ERR_QUOTE(slice_str(dir)));
    err_try(&e, "copy the profiles that came with Kith there");
    report(s, &e, true);
}

/* With an offline root both certificates come from another machine; until then the server runs, not ready. */
static void check_ca(struct state *s, const char *role, const char *name)
{
    bool to_come;
    struct err e;
    const char *path = settings_path(s->c->settings, s->a, name);
    if (!path)
        return;
    if (settings_check_ca(s->c->settings, s->a, name, &to_come, &e)) {
        look(s, role, path, READABLE, false, NULL);
        return;
    }
    err_ctx(&e, "%s", role);
    report(s, &e, !to_come);
}

static void check_run_dir(struct state *s, const char *dir)
{
    struct err e;
    if (file_exists(dir) || access(s->c->settings->dir, W_OK) == 0)
        return; /* told already, or made at the start */
    err_set(&e, ERR_IO, "\"%s\" cannot be made: %m", ERR_QUOTE(slice_str(dir)));
    report(s, &e, true);
}

static void check_directory(struct state *s)
{
    static const char again[] = "restore it from the backup of the directory";
    static const struct {
        const char *role, *name;
        enum openness openness;
        bool dir;
    } rows[] = {
        {"verifier keys", PATH_VKEYS, READABLE, false},
        {"signer issuing", PATH_SIGNERS "/issuing", PRIVATE, true},
        {"signer ledger", PATH_SIGNERS "/ledger", PRIVATE, true},
        {"roster", PATH_SIGNERS "/issuing/roster", READABLE, false},
    };
    const struct settings *set = s->c->settings;
    look(s, "directory", set->dir, READABLE, true, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *path = settings_path(set, s->a, rows[i].name);
        if (path)
            look(s, rows[i].role, path, rows[i].openness, rows[i].dir, again);
    }
    check_ca(s, "root certificate", PATH_ROOT_CERT);
    check_ca(s, "issuing certificate", PATH_ISSUING_CERT);
    const char *run = settings_path(set, s->a, PATH_RUN), *profiles = settings_path(set, s->a, PATH_PROFILES);
    if (!run || !profiles)
        return;
    check_profiles(s, profiles);
    check_run_dir(s, run);
}

static void report_fatal(void *ctx, const struct err *problem)
{
    report(ctx, problem, true);
}

size_t check_all(const struct check *c, struct arena *a)
{
    struct state s = {.c = c, .a = a};
    const struct settings *set = c->settings;
    struct err e;
    (void)settings_check(set, a, report_fatal, &s);
    (void)settings_check_private(set, a, report_fatal, &s);
    look(&s, "configuration", c->config, READABLE, false, NULL);
    check_directory(&s);
    check_secret_file(&s, "[keys] passphrase_file", set->passphrase_file);
    check_token(&s);
    check_key(&s, "[ca] root_key", set->root_key);
    check_key(&s, "[ca] issuing_key", set->issuing_key);
    check_key(&s, "[ca] ledger_key", set->ledger_key);
    check_key(&s, "[ca] cosign_key", set->cosign_key);
    check_key(&s, "[ca] derive_key", set->derive_key);
    check_database(&s);
    check_socket(&s);
    if (!arena_ok(a, &e))
        report(&s, &e, true);
    return s.fatal;
}
