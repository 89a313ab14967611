#include "cli/platform_impl.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/config.h"
#include "base/file.h"
#include "base/pem.h"
#include "ca/journal.h"
#include "ca/own_key.h"
#include "ca/roster.h"
#include "cli/pki.h"
#include "keys/crypto.h"
#include "ledger/note.h"
#include "model/settings_check.h"

#define PART_FILE       SETTINGS_FILE ".part" /* what an init that is not done yet has set its mind on */
#define RATE_PER_MINUTE 600000
#define ROOT_CRL_DAYS   365

const char *platform_path(struct making *m, const char *name)
{
    return arena_printf(m->a, "%s/%s", m->plan->dir, name);
}

bool platform_dirs(const char *dir, struct arena *a, struct err *e)
{
    static const char *const parts[] = {"",      "/ca",      "/profiles",        "/keys",          "/run",
                                        "/data", "/signers", "/signers/issuing", "/signers/ledger"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const char *p = arena_printf(a, "%s%s", dir, parts[i]);
        if (!p || !file_mkdir_private(p, e))
            return p ? err_try(e, "choose a directory whose parent exists and that is yours alone") : arena_ok(a, e);
    }
    return true;
}

bool platform_passphrase(const char *file, const struct env *env, struct err *e)
{
    uint8_t bytes[32];
    char text[64], line[sizeof text + 1];
    if (file_exists(file))
        return file_check_private(file, e);
    if (!env_random(env, bytes, sizeof bytes, e))
        return false;
    if (!codec_encode(CODEC_BASE64URL, SLICE_ARRAY(bytes), text, sizeof text))
        return err_set(e, ERR_INTERNAL, "passphrase");
    snprintf(line, sizeof line, "%s\n", text);
    bool ok = file_write_new(file, 0600, slice_str(line), e);
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(text, sizeof text);
    explicit_bzero(line, sizeof line);
    return ok;
}

/* ---- kith.conf ---- */

static void put_section(struct buf *b, const char *name, const char *comment)
{
    buf_printf(b, "\n# %s\n[%s]\n", comment, name);
}

static void put_row(struct buf *b, const char *key, const char *value)
{
    if (!value)
        return;
    buf_printf(b, "%s = ", key);
    config_put_value(b, slice_str(value));
    buf_put_char(b, '\n');
}

static void put_conf(struct making *m, struct buf *b)
{
    const struct platform_plan *p = m->plan;
    buf_put_str(b,
                "# Kith: what this installation is set to. man kith.conf has every word; kithd -t checks the file.\n");
    put_section(b, "platform", "Who operates it, and how devices and everybody else reach it.");
    put_row(b, "name", p->name);
    buf_put_str(b, "# The ledger's own name. It stands in every checkpoint and can never change.\n");
    put_row(b, "origin", p->origin);
    put_row(b, "url", p->url);
    buf_put_str(b, "# Stands in every certificate as the place of CRLs.\n");
    put_row(b, "plain_url", p->plain_url);
    put_section(b, "server", "Listeners. hostnames: further names and addresses for the server's certificate.");
    put_row(b, "listen", p->listen);
    put_row(b, "plain_listen", p->plain_listen);
    if (p->hostnames && *p->hostnames)
        put_row(b, "hostnames", p->hostnames);
    put_section(b, "store", "sqlite:FILE or postgresql://USER@HOST/NAME");
    put_row(b, "database", p->database);
    put_section(b, "keys", "How private keys are opened. The secrets themselves are never in this directory.");
    put_row(b, "passphrase_file", m->out->passphrase_file);
    put_row(b, "hsm_module", p->hsm_module);
    put_row(b, "hsm_token", p->hsm_token);
    put_row(b, "hsm_pin_file", p->hsm_pin_file);
    put_row(b, "hsm_template", p->hsm_template);
    put_row(b, "hsm_paths", p->hsm_paths);
    put_section(b, "ca", "Which key does what: file:PATH or pkcs11:...");
    for (size_t i = 0; i < KEYS; i++)
        if (m->conf_ref[i])
            put_row(b, arena_printf(m->a, "%s_key", platform_key_names[i]), m->conf_ref[i]);
}

/* ---- going on after a kill ---- */

bool platform_is_vacant(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT;
    size_t n = 0;
    for (struct dirent *f; (f = readdir(d));)
        n += strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0;
    closedir(d);
    return n == 0;
}

static bool refuse_foreign(const struct platform_plan *p, const char *what, struct err *e)
{
    err_set(e, ERR_CONFLICT, "%s %s", p->dir, what);
    err_why(e, "init makes its directory from nothing, or goes on where it was killed");
    return err_try(e, "kith init --dir with a directory that does not exist yet");
}

/* Is there an installation, a part of this one, or nothing? */
static bool look_around(struct making *m, struct err *e)
{
    const struct platform_plan *p = m->plan;
    struct stat st;
    if (stat(p->dir, &st) == 0 && !S_ISDIR(st.st_mode))
        return refuse_foreign(p, "is no directory", e);
    if (file_exists(platform_path(m, SETTINGS_FILE))) {
        err_set(e, ERR_CONFLICT, "%s is a Kith installation already", p->dir);
        err_why(e, "%s/" SETTINGS_FILE " exists; init never changes an installation", p->dir);
        return err_try(e, "kith --dir %s status, or another directory", p->dir);
    }
    m->out->continued = file_exists(platform_path(m, PART_FILE));
    /* Killed before that file had its name. */
    if (!m->out->continued && !file_remove_leftovers(p->dir, PART_FILE, e))
        return false;
    if (!m->out->continued && !platform_is_vacant(p->dir))
        return refuse_foreign(p, "has something in it that no unfinished init left there", e);
    return !file_exists(p->dir) || file_mkdir_private(p->dir, e); /* one that is there has to be ours */
}

/* The file is written first and named kith.conf last.  One that is there must say the same. */
static bool settle_part(struct making *m, struct slice conf, struct err *e)
{
    AUTO(buf_clear) struct buf old = {0};
    buf_init(&old, CONFIG_MAX);
    if (!m->out->continued)
        return file_write_new(platform_path(m, PART_FILE), 0600, conf, e);
    if (!file_read(platform_path(m, PART_FILE), CONFIG_MAX, &old, e))
        return false;
    if (slice_eq(buf_slice(&old), conf))
        return true;
    err_set(e, ERR_INIT_HALF, "%s was begun by an init with other options", m->plan->dir);
    err_why(e, "%s/" PART_FILE " has them; what it made would not fit", m->plan->dir);
    return err_try(e, "the same options again, or remove %s and begin anew", m->plan->dir);
}

/* ---- certificates ---- */

/* Reads a certificate that an earlier run wrote; *found false if there is none. */
static bool find_cert(struct making *m, const char *name, struct key *key, struct buf *der, bool *found, struct err *e)
{
    struct cert c;
    *found = file_exists(platform_path(m, name));
    if (!*found)
        return true;
    if (!file_read(platform_path(m, name), CERT_MAX, der, e) || !cert_read(buf_slice(der), &c, e))
        return err_ctx(e, "%s", name);
    return slice_eq(c.spki, key_get0_spki(key)) || err_set(e, ERR_KEY_MISMATCH, "%s is not of its key", name);
}

static bool settle_root(struct making *m, struct err *e)
{
    bool found;
    AUTO(buf_clear) struct buf crl = {0};
    buf_init(&crl, CERT_MAX);
    struct key *k = m->key[KEY_ROOT];
    if (!find_cert(m, PATH_ROOT_CERT, k, &m->root_der, &found, e))
        return false;
    if (!found && !(pki_make_root(k, m->plan->name, ROOT_YEARS, m->env, &m->root_der, e) &&
                    file_write_new(platform_path(m, PATH_ROOT_CERT), 0644, buf_slice(&m->root_der), e)))
        return false;
    if (!cert_read(buf_slice(&m->root_der), &m->root, e))
        return false;
    sha256(m->root.der, m->out->root_sha256);
    return file_exists(platform_path(m, PATH_ROOT_CRL)) ||
           (pki_make_root_crl(k, &m->root, NULL, 0, 1, ROOT_CRL_DAYS, m->env, &crl, e) &&
            file_write_new(platform_path(m, PATH_ROOT_CRL), 0644, buf_slice(&crl), e));
}

static bool settle_issuing(struct making *m, struct err *e)
{
    bool found;
    uint8_t subject[1024];
    struct writer w = WRITER_ARRAY(subject);
    struct key *k = m->key[KEY_ISSUING];
    AUTO(buf_clear) struct buf der = {0};
    buf_init(&der, CERT_MAX);
    if (!find_cert(m, PATH_ISSUING_CERT, k, &der, &found, e))
        return false;
    if (!found && !(pki_ca_name(m->plan->name, "Issuing CA", &w, e) &&
                    pki_make_issuing(m->key[KEY_ROOT], &m->root, writer_slice(&w), key_get0_spki(k), m->plan->plain_url,
                                     ISSUING_YEARS, m->env, &der, e) &&
                    file_write_new(platform_path(m, PATH_ISSUING_CERT), 0644, buf_slice(&der), e)))
        return false;
    sha256(buf_slice(&der), m->out->issuing_sha256);
    return true;
}

static bool settle_request(struct making *m, struct err *e)
{
    AUTO(buf_clear) struct buf der = {0}, pem = {0};
    buf_init(&der, CSR_MAX);
    buf_init(&pem, 2 * CSR_MAX);
    m->out->request = platform_path(m, "ca/issuing.csr");
    if (!pki_make_request(m->key[KEY_ISSUING], m->plan->name, m->plan->plain_url, &der, e))
        return false;
    sha256(buf_slice(&der), m->out->request_sha256);
    pem_put(&pem, PEM_CSR, buf_slice(&der));
    struct slice s;
    return buf_done(&pem, &s, e) && file_write_atomic(m->out->request, 0644, s, e);
}

/* ---- profiles, roster and the journals that pin it, verifier keys ---- */

static int is_profile(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 8 && strcmp(d->d_name + n - 8, ".profile") == 0;
}

static bool take_profile(struct making *m, const char *file, bool copy, struct roster_file *out, struct err *e)
{
    struct profile p;
    AUTO(buf_clear) struct buf text = {0};
    buf_init(&text, PROFILE_FILE_MAX);
    const char *from = arena_printf(m->a, "%s/%s", m->plan->profiles, file);
    if (!from || !file_read(from, PROFILE_FILE_MAX, &text, e))
        return false;
    if (!profile_parse(&crypto_openssl, buf_slice(&text), &p, e))
        return err_ctx(e, "%s", from);
    if (!copy)
        return true;
    out->name = arena_str(m->a, slice_of(file, strlen(file) - 8));
    memcpy(out->digest, p.digest, sizeof p.digest);
    return file_write_atomic(arena_printf(m->a, "%s/" PATH_PROFILES "/%s", m->plan->dir, file), 0644, buf_slice(&text),
                             e);
}

/* Nothing has signed yet, for kith.conf is not there: what an earlier run left may be of another roster or key. */
static bool settle_journal(struct making *m, const char *name, const uint8_t set_up[SHA256_SIZE], struct err *e)
{
    const char *file = platform_path(m, name);
    return file ? file_remove(file, e) && journal_set_up(file, &crypto_openssl, set_up, env_now_s(m->env), e)
                : arena_ok(m->a, e);
}

/* copy: into the platform; else they are only read. */
static bool take_profiles(struct making *m, bool copy, struct roster_file files[ROSTER_PROFILES_MAX], size_t *count,
                          struct err *e)
{
    struct dirent **list = NULL;
    int n = scandir(m->plan->profiles, &list, is_profile, alphasort);
    bool ok = n > 0 && n <= ROSTER_PROFILES_MAX;
    if (!ok) {
        err_set(e, ERR_NOTFOUND, "%s profiles in %s", n > 0 ? "too many" : "no", m->plan->profiles);
        err_why(e, "a platform has 1 to %d files *.profile", ROSTER_PROFILES_MAX);
        err_try(e, "--profiles DIR: where profiles/ of Kith's sources or packages is");
    }
    for (int i = 0; i < n; i++) {
        ok = ok && take_profile(m, list[i]->d_name, copy, &files[i], e);
        free(list[i]);
    }
    free(list);
    *count = ok ? (size_t)n : 0;
    return ok;
}

static bool settle_roster(struct making *m, struct err *e)
{
    struct roster_file files[ROSTER_PROFILES_MAX];
    AUTO(buf_clear) struct buf b = {0};
    size_t n;
    struct slice s;
    uint8_t check[SHA256_SIZE];
    buf_init(&b, 65536);
    bool ok = take_profiles(m, true, files, &n, e) && own_key_derive_check(m->key[KEY_DERIVE], check, e);
    if (ok)
        roster_put(&b, RATE_PER_MINUTE, check, files, n);
    if (!ok || !buf_done(&b, &s, e) || !file_write_atomic(platform_path(m, PATH_SIGNERS "/issuing/roster"), 0600, s, e))
        return false;
    uint8_t digest[SHA256_SIZE];
    sha256(s, digest);
    return settle_journal(m, PATH_SIGNERS "/issuing/journal", digest, e);
}

static bool settle_vkeys(struct making *m, struct err *e)
{
    struct note_key log, cosigner;
    char v[2][NOTE_VKEY_MAX];
    const char *cosigner_name = arena_printf(m->a, "%s/issuing", m->plan->origin);
    if (!cosigner_name ||
        !note_key_make(&crypto_openssl, m->plan->origin, NOTE_ED25519, key_get0_spki(m->key[KEY_LEDGER]), &log, e) ||
        !note_key_make(&crypto_openssl, cosigner_name, NOTE_COSIGNATURE, key_get0_spki(m->key[KEY_COSIGN]), &cosigner,
                       e))
        return cosigner_name ? false : arena_ok(m->a, e);
    note_key_write(&log, v[0]);
    note_key_write(&cosigner, v[1]);
    const char *text = arena_printf(m->a, "%s\n%s\n", v[0], v[1]);
    uint8_t digest[SHA256_SIZE];
    note_key_digest(&crypto_openssl, &log, digest);
    return text ? file_write_atomic(platform_path(m, PATH_VKEYS), 0644, slice_str(text), e) &&
                      settle_journal(m, PATH_SIGNERS "/ledger/journal", digest, e)
                : arena_ok(m->a, e);
}

/* ---- all of it ---- */

static bool choose_secrets(struct making *m, struct err *e)
{
    const struct platform_plan *p = m->plan;
    m->out->passphrase_file = arena_printf(m->a, "%s/passphrase", p->secrets);
    if (!m->out->passphrase_file)
        return arena_ok(m->a, e);
    if (!m->out->continued && file_exists(m->out->passphrase_file)) {
        err_set(e, ERR_CONFLICT, "%s exists and belongs to something else", m->out->passphrase_file);
        return err_try(e, "--secrets DIR with another directory, or remove it if nothing needs it");
    }
    m->keys.passphrase_file = m->out->passphrase_file;
    return true;
}

static bool make_secrets(const struct platform_plan *p, struct err *e)
{
    return file_mkdir_private(p->secrets, e) ||
           err_try(e, "--secrets DIR: a place for the passphrase, outside %s", p->dir);
}

/* Nothing is made before all that kithd would refuse is refused. */
static bool make(struct making *m, struct err *e)
{
    AUTO(buf_clear) struct buf conf = {0};
    struct slice s;
    struct roster_file files[ROSTER_PROFILES_MAX];
    size_t files_n;
    buf_init(&conf, CONFIG_MAX);
    const struct platform_plan *p = m->plan;
    if (!look_around(m, e) || !choose_secrets(m, e) || !take_profiles(m, false, files, &files_n, e))
        return false;
    const struct p11_config cfg = {.template = p->hsm_template};
    if (p->hsm_module && !p11_open(p->hsm_module, p->hsm_token, p->hsm_pin_file, &cfg, &m->p11, e))
        return false;
    m->keys.p11 = m->p11;
    if (!platform_choose_refs(m, e) || !platform_refuse_foreign_keys(m, e))
        return false;
    put_conf(m, &conf);
    /* The configuration goes to the disk before anything else, so that a killed run can be told from a stranger's files. */
    if (!buf_done(&conf, &s, e) ||
        (!m->out->continued && !settings_would_load(platform_path(m, SETTINGS_FILE), s, m->a, e)) ||
        !make_secrets(p, e) || !file_mkdir_private(p->dir, e) || !settle_part(m, s, e) ||
        !platform_dirs(p->dir, m->a, e) || !platform_passphrase(m->out->passphrase_file, m->env, e) ||
        !platform_settle_keys(m, e) || !settle_roster(m, e) || !settle_vkeys(m, e))
        return false;
    bool ok = p->offline_root ? settle_request(m, e) : settle_root(m, e) && settle_issuing(m, e);
    if (!ok || !file_remove(platform_path(m, PLATFORM_MARKS_FILE), e))
        return false;
    if (rename(platform_path(m, PART_FILE), platform_path(m, SETTINGS_FILE)) != 0)
        return err_set(e, ERR_IO, "cannot name %s: %s", platform_path(m, SETTINGS_FILE), strerror(errno));
    return file_sync_dir_of(platform_path(m, SETTINGS_FILE), e);
}

bool platform_make(const struct platform_plan *plan, const struct env *env, struct arena *a, struct platform_made *out,
                   struct err *e)
{
    *out = (struct platform_made){0};
    struct making m = {.plan = plan, .env = env, .a = a, .out = out};
    buf_init(&m.root_der, CERT_MAX);
    bool ok = make(&m, e);
    for (size_t i = 0; i < KEYS; i++)
        key_free(m.key[i]);
    p11_free(m.p11);
    buf_clear(&m.root_der);
    return ok;
}
