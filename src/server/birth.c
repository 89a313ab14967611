#include "server/birth.h"

#include <stdio.h>

#include "ca/roster.h"
#include "keys/crypto.h"
#include "keys/key.h"
#include "ledger/note.h"
#include "store/row.h"

struct birth {
    struct job job;
    struct app *app;
    struct roster roster;
    struct note_key keys[2];
};

static const char *storage_of(const char *ref)
{
    return ref && strncmp(ref, "pkcs11:", 7) == 0 ? "pkcs11" : "file";
}

static bool put(struct tx *tx, const struct event_draft *d, struct err *e)
{
    uint8_t fields[1024];
    struct event ev;
    return event_make(d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, NULL, 0, NULL, e);
}

static bool put_key(struct tx *tx, const char *purpose, const struct cert *c, const char *ref, struct err *e)
{
    uint8_t spki[SHA256_SIZE];
    struct event_draft d = event_draft_of(EVENT_KEY_GENERATED);
    sha256(c->spki, spki);
    event_set_text(&d, "who", "system:init");
    event_set_text(&d, "purpose", purpose);
    event_set_text(&d, "algorithm", key_type_name(key_type_of_spki(c->spki)));
    event_set_text(&d, "storage", ref ? storage_of(ref) : "unknown");
    event_set_bytes(&d, "spki", SLICE_ARRAY(spki));
    event_set_flag(&d, "extractable", !ref || strcmp(storage_of(ref), "file") == 0);
    event_set_text(&d, "entropy", ref && strcmp(storage_of(ref), "pkcs11") == 0 ? "token" : "kernel");
    event_set_text(&d, "ref", ref);
    return put(tx, &d, e);
}

static bool put_vkey(struct tx *tx, const struct birth *b, size_t i, struct err *e)
{
    char vkey[NOTE_VKEY_MAX];
    struct event_draft d = event_draft_of(i == 0 ? EVENT_LOG_OPENED : EVENT_COSIGNER_ADDED);
    note_key_write(&b->keys[i], vkey);
    event_set_text(&d, "who", "system:init");
    event_set_text(&d, "vkey", vkey);
    if (i == 0) {
        event_set_text(&d, "origin", b->app->settings.origin);
        event_set_int(&d, "node", b->app->settings.node);
    }
    return put(tx, &d, e);
}

static bool put_profile(struct tx *tx, const struct profile *p, struct err *e)
{
    struct event_draft d = event_draft_of(EVENT_PROFILE_LOADED);
    event_set_text(&d, "who", "system:init");
    event_set_text(&d, "profile", p->name);
    event_set_int(&d, "version", p->version);
    event_set_bytes(&d, "digest", SLICE_ARRAY(p->digest));
    return put(tx, &d, e);
}

static bool run(struct tx *tx, struct job *job, struct err *e)
{
    struct birth *b = (struct birth *)job;
    struct app *app = b->app;
    const struct settings *s = &app->settings;
    uint8_t root[SHA256_SIZE], issuing[SHA256_SIZE];
    struct event_draft d = event_draft_of(EVENT_PLATFORM_INITIALISED);
    sha256(app->root_der, root);
    sha256(app->ca_der, issuing);
    event_set_text(&d, "who", "system:init");
    event_set_text(&d, "org", s->name);
    event_set_text(&d, "origin", s->origin);
    event_set_text(&d, "version", KITH_VERSION);
    event_set_text(&d, "algorithm", key_type_name(key_type_of_spki(app->ca.spki)));
    event_set_text(&d, "storage", storage_of(s->issuing_key));
    event_set_flag(&d, "offline_root", !s->root_key);
    event_set_bytes(&d, "root", SLICE_ARRAY(root));
    event_set_bytes(&d, "issuing", SLICE_ARRAY(issuing));
    bool ok = put(tx, &d, e) && put_vkey(tx, b, 0, e) && put_vkey(tx, b, 1, e) &&
              put_key(tx, "root", &app->root, s->root_key, e) && put_key(tx, "issuing", &app->ca, s->issuing_key, e);
    for (size_t i = 0; ok && i < b->roster.profiles_n; i++)
        ok = put_profile(tx, &b->roster.profiles[i], e);
    return ok;
}

/* ---- CA certificates; which is in use is a setting ---- */

struct ca_job {
    struct job job;
    struct app *app;
};

static bool record_ca(struct tx *tx, const char *ca, const struct cert *c, struct err *e)
{
    uint8_t digest[SHA256_SIZE], spki[SHA256_SIZE], fields[1024];
    char key[32], hex[2 * SHA256_SIZE + 1];
    struct event ev;
    struct event_draft d = event_draft_of(EVENT_CA_INSTALLED);
    AUTO(rows_close) struct rows r = {0};
    sha256(c->der, digest);
    sha256(c->spki, spki);
    snprintf(key, sizeof key, "ca:%s", ca);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    const struct value cols[SETTING_COLS] = {[SETTING_KEY] = value_text(key), [SETTING_VALUE] = value_text(hex)};
    bool found = row_read(tx_db(tx), &table_setting, cols, &r, e);
    if (!found && e->code)
        return false;
    if (found && strcmp(rows_text(&r, SETTING_VALUE), hex) == 0)
        return true;
    event_set_text(&d, "who", "system:server");
    event_set_text(&d, "ca", ca);
    event_set_text(&d, "algorithm", key_type_name(key_type_of_spki(c->spki)));
    event_set_bytes(&d, "serial", c->serial);
    event_set_bytes(&d, "spki", SLICE_ARRAY(spki));
    event_set_bytes(&d, "digest", SLICE_ARRAY(digest));
    event_set_int(&d, "not_after", c->not_after);
    const struct change change = {.table = &table_setting, .cols = cols};
    return event_make(&d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
}

static bool run_ca(struct tx *tx, struct job *job, struct err *e)
{
    const struct app *app = ((const struct ca_job *)job)->app;
    err_clear(e);
    return record_ca(tx, "root", &app->root, e) && record_ca(tx, "issuing", &app->ca, e);
}

bool birth_record_ca(struct app *app, struct err *e)
{
    struct ca_job j = {.job = {.run = run_ca}, .app = app};
    return commit_run(app->commit, &j.job, e);
}

bool birth_record(struct app *app, struct err *e)
{
    struct birth b = {.job = {.run = run}, .app = app};
    if (tree_size(app->tree))
        return true;
    bool ok = app_vkeys(app, b.keys, e) &&
              roster_read(settings_path(&app->settings, &app->arena, PATH_SIGNERS "/issuing/roster"),
                          settings_path(&app->settings, &app->arena, PATH_PROFILES), app->crypto, &b.roster, e) &&
              commit_run(app->commit, &b.job, e);
    roster_clear(&b.roster);
    return ok;
}
