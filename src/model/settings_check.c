#include "model/settings_check.h"

#include <dirent.h>
#include <stddef.h>
#include <sys/statvfs.h>

#include "base/config.h"
#include "base/file.h"
#include "base/host.h"

#define VKEYS_MAX 4096

struct finding {
    const struct settings *s;
    struct arena *a;
    settings_found *found;
    void *ctx;
    size_t n;
};

static void report(struct finding *f, const struct err *e)
{
    f->n++;
    if (f->found)
        f->found(f->ctx, e);
}

bool settings_blame(const struct settings *s, const char *section, const char *name, struct err *e)
{
    AUTO(buf_clear) struct buf text = {0};
    struct err ignored;
    buf_init(&text, CONFIG_MAX);
    unsigned line =
        file_read(s->file, CONFIG_MAX, &text, &ignored) ? config_line_of(buf_slice(&text), section, name) : 0;
    return line ? err_ctx(e, "%s:%u", s->file, line) : err_ctx(e, "%s", s->file);
}

/* --- values --- */

/* The first verifier key is the log's, and begins with its name; a file that has none is told where keys are read. */
static bool check_origin(const struct settings *s, struct arena *a, struct err *e)
{
    AUTO(buf_clear) struct buf text = {0};
    struct err ignored;
    const char *path = settings_path(s, a, PATH_VKEYS);
    buf_init(&text, VKEYS_MAX);
    if (!path || !file_read(path, VKEYS_MAX, &text, &ignored))
        return true;
    struct slice rest = buf_slice(&text), first;
    const uint8_t *plus = slice_take_said_line(&rest, &first) ? memchr(first.p, '+', first.n) : NULL;
    struct slice name = slice_of(first.p, plus ? (size_t)(plus - first.p) : 0);
    if (!plus || slice_eq(name, slice_str(s->origin)))
        return true;
    err_set(e, ERR_CONFIG, "[platform] origin: \"%s\" is not the name of this platform's log",
            ERR_QUOTE(slice_str(s->origin)));
    err_why(e, "it stands in every checkpoint that was signed and in " PATH_VKEYS ", and can never change");
    return err_try(e, "origin = %s", ERR_QUOTE(name));
}

static bool check_database_scheme(const struct settings *s, struct arena *a, struct err *e)
{
    static const char *const known[] = {"sqlite:", "postgres://", "postgresql://"};
    (void)a;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strncmp(s->database, known[i], strlen(known[i])) == 0)
            return true;
    err_set(e, ERR_CONFIG, "[store] database: \"%s\" is no database that Kith knows",
            ERR_QUOTE(slice_str(s->database)));
    err_why(e, "sqlite:FILE or postgresql://...");
    return err_try(e, "database = sqlite:" PATH_DATA "/kith.db");
}

static bool check_peer(const struct settings *s, struct arena *a, struct err *e)
{
    struct hsm_peer peer;
    (void)a;
    return settings_hsm_peer(s, &peer, e);
}

/* Of a host in a certificate: an address stands there as its bytes, of which a short text may have more than letters. */
static size_t bytes_of(struct slice host)
{
    uint8_t address[16];
    size_t n = host_address(host, address);
    return n ? n : host.n;
}

/* All of them stand in the server's certificate, which has room for so much. */
static bool check_hostnames(const struct settings *s, struct arena *a, struct err *e)
{
    size_t bytes = bytes_of(host_of_url(s->url));
    (void)a;
    for (size_t i = 0; i < s->hostnames.n; i++) {
        if (!host_check(slice_str(s->hostnames.v[i]), e)) {
            e->code = ERR_CONFIG;
            err_ctx(e, "[server] hostnames");
            return err_try(e, "a name such as kith.example, or an address");
        }
        bytes += bytes_of(slice_str(s->hostnames.v[i]));
    }
    if (bytes <= SETTINGS_HOSTS_TEXT_MAX)
        return true;
    err_set(e, ERR_CONFIG, "[server] hostnames: %zu bytes, with the url's host", bytes);
    err_why(e, "the server's certificate has room for %d", SETTINGS_HOSTS_TEXT_MAX);
    return err_try(e, "fewer names, or shorter ones");
}

static bool check_sockets(const struct settings *s, struct arena *a, struct err *e)
{
    (void)a;
    if (strcmp(s->listen, s->plain_listen) != 0)
        return true;
    err_set(e, ERR_CONFIG, "[server] plain_listen: \"%s\" is where listen is already",
            ERR_QUOTE(slice_str(s->plain_listen)));
    err_why(e, "one port speaks TLS, the other does not");
    return err_try(e, "plain_listen = 127.0.0.1:8080");
}

static const struct {
    const char *section, *name; /* whose line is shown */
    bool (*check)(const struct settings *s, struct arena *a, struct err *e);
} checks[] = {
    {"platform", "origin", check_origin},           {"server", "hostnames", check_hostnames},
    {"server", "plain_listen", check_sockets},      {"store", "database", check_database_scheme},
    {"store", "database", settings_check_database}, {"keys", "hsm_network", check_peer},
};

#define KEY(field)                                                                                                     \
    {                                                                                                                  \
#field, offsetof(struct settings, field)                                                                       \
    }
static const struct key_row {
    const char *name;
    size_t offset;
} keys[] = {KEY(root_key), KEY(issuing_key), KEY(ledger_key), KEY(cosign_key), KEY(derive_key)};

static const char *ref_of(const struct settings *s, const struct key_row *row)
{
    const char *ref;
    memcpy(&ref, (const char *)s + row->offset, sizeof ref);
    return ref;
}

static bool check_key(const struct settings *s, const struct key_row *row, struct err *e)
{
    const char *ref = ref_of(s, row);
    bool token = ref && strncmp(ref, "pkcs11:", 7) == 0;
    if (!ref || strncmp(ref, "file:", 5) == 0 || (token && s->hsm_module))
        return true;
    if (token) {
        err_set(e, ERR_CONFIG, "[ca] %s: \"%s\" is in a token, and no PKCS#11 module is named", row->name,
                ERR_QUOTE(slice_str(ref)));
        err_why(e, "RFC 7512: the module is what speaks to the token");
        return err_try(e, "set hsm_module in [keys] of kith.conf");
    }
    err_set(e, ERR_CONFIG, "[ca] %s: \"%s\" is not a reference to a key", row->name, ERR_QUOTE(slice_str(ref)));
    err_why(e, "file:PATH or pkcs11:... (RFC 7512)");
    return err_try(e, "%s = file:keys/%.*s.key", row->name, (int)strcspn(row->name, "_"), row->name);
}

size_t settings_check(const struct settings *s, struct arena *a, settings_found *found, void *ctx)
{
    struct finding f = {.s = s, .a = a, .found = found, .ctx = ctx};
    struct err e = {0};
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        if (!checks[i].check(s, a, &e)) {
            (void)settings_blame(s, checks[i].section, checks[i].name, &e);
            report(&f, &e);
        }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!check_key(s, &keys[i], &e)) {
            (void)settings_blame(s, "ca", keys[i].name, &e);
            report(&f, &e);
        }
    return f.n;
}

/* --- files --- */

enum kind { FILE_, DIR_, ANY };

/* Something else in a secret's place is told as that: chmod would not mend it. */
static bool is_private(const char *path, enum kind kind, struct err *e)
{
    struct stat st;
    if (kind == ANY)
        return file_check_private(path, e);
    if (file_check_kind(path, kind == DIR_, &st, e))
        return file_check_private_stat(path, &st, 077, e);
    return err_try(e, "move it away, and put back what was there, from the backup of the directory");
}

static void look(struct finding *f, const char *role, const char *path, enum kind kind)
{
    struct err e;
    if (!path || !file_exists(path) || is_private(path, kind, &e))
        return;
    (void)err_ctx(&e, "%s", role);
    report(f, &e);
}

static void look_at_secret(struct finding *f, const char *role, const char *path)
{
    if (path && strncmp(path, "credential:", 11) != 0) /* systemd closes those */
        look(f, role, path, FILE_);
}

/* The file of a key; NULL if it is in a token. */
static const char *key_file(const struct settings *s, const struct key_row *row, struct arena *a)
{
    const char *ref = ref_of(s, row);
    if (!ref || strncmp(ref, "file:", 5) != 0)
        return NULL;
    return arena_str(a, slice_of(ref + 5, strcspn(ref + 5, "?"))); /* an attribute such as ?plain may follow */
}

/* Also those that no row names: a key that was put aside is a key. */
static void look_at_keys(struct finding *f)
{
    const char *dir = settings_path(f->s, f->a, "keys");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        look(f, arena_printf(f->a, "[ca] %s", keys[i].name), key_file(f->s, &keys[i], f->a), FILE_);
    look(f, "keys", dir, DIR_);
    DIR *d = dir ? opendir(dir) : NULL;
    for (struct dirent *ent; d && (ent = readdir(d));) {
        const char *path = arena_printf(f->a, "%s/%s", dir, ent->d_name);
        bool told = ent->d_name[0] == '.' || !path;
        for (size_t i = 0; i < ARRAY_LEN(keys) && !told; i++) {
            const char *named = key_file(f->s, &keys[i], f->a);
            told = named && strcmp(named, path) == 0;
        }
        if (!told)
            look(f, "key", path, ANY);
    }
    if (d)
        closedir(d);
}

size_t settings_check_private(const struct settings *s, struct arena *a, settings_found *found, void *ctx)
{
    static const struct {
        const char *role, *name;
        enum kind kind;
    } rows[] = {
        {"run", PATH_RUN, DIR_},
        {"signers", PATH_SIGNERS, DIR_},
        {"lock of kithd", PATH_LOCK, FILE_},
        {"signer issuing", PATH_SIGNERS "/issuing", DIR_},
        {"signer issuing", PATH_SIGNERS "/issuing/journal", FILE_},
        {"signer issuing", PATH_SIGNERS "/issuing/state", FILE_},
        {"signer ledger", PATH_SIGNERS "/ledger", DIR_},
        {"signer ledger", PATH_SIGNERS "/ledger/journal", FILE_},
        {"signer ledger", PATH_SIGNERS "/ledger/state", FILE_},
    };
    struct finding f = {.s = s, .a = a, .found = found, .ctx = ctx};
    if (strncmp(s->database, "postgres", 8) == 0 && strchr(s->database, '@'))
        look(&f, "configuration", s->file, FILE_); /* there may be a password in it */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        look(&f, rows[i].role, settings_path(s, a, rows[i].name), rows[i].kind);
    look_at_secret(&f, "[keys] passphrase_file", s->passphrase_file);
    look_at_secret(&f, "[keys] hsm_pin_file", s->hsm_pin_file);
    look_at_keys(&f);
    look(&f, "[store] database", settings_database_file(s), FILE_);
    return f.n;
}

/* --- the first of them --- */

static void keep_first(void *ctx, const struct err *problem)
{
    struct err *first = ctx;
    if (!first->code)
        *first = *problem;
}

static bool is_none(size_t n, const struct err *first, struct err *e)
{
    if (n && e)
        *e = *first;
    return n == 0;
}

bool settings_are_private(const struct settings *s, struct arena *a, struct err *e)
{
    struct err first = {0};
    return is_none(settings_check_private(s, a, keep_first, &first), &first, e) && arena_ok(a, e);
}

static bool are_right(const struct settings *s, struct arena *a, struct err *e)
{
    struct err first = {0};
    return is_none(settings_check(s, a, keep_first, &first), &first, e) && arena_ok(a, e);
}

bool settings_load(const char *path, struct arena *a, struct settings *out, struct err *e)
{
    if (settings_read(path, a, out, e) && are_right(out, a, e))
        return true;
    *out = (struct settings){0};
    return false;
}

bool settings_would_load(const char *path, struct slice text, struct arena *a, struct err *e)
{
    struct settings s;
    return settings_parse(path, text, a, &s, e) && are_right(&s, a, e);
}

/* ---- room ---- */

#define ROOM_LEAST (1u << 20)

static bool has_room(const char *what, const char *dir, struct err *e)
{
    struct statvfs v;
    if (!dir || statvfs(dir, &v) != 0)
        return true; /* not ours to look at: then its owner meets it */
    uint64_t bytes = (uint64_t)v.f_bavail * v.f_frsize;
    if (bytes >= ROOM_LEAST && (!v.f_files || v.f_favail))
        return true;
    err_set(e, ERR_STORE_FULL, "%s: %llu KiB left%s", what, (unsigned long long)(bytes >> 10),
            v.f_files && !v.f_favail ? ", no inodes" : "");
    err_why(e, "nothing is issued when ledger and journals cannot be written");
    return err_try(e, "make room on that file system; it goes on by itself");
}

bool settings_check_room(const struct settings *s, struct arena *a, struct err *e)
{
    return has_room("database", settings_database_dir(s, a), e) &&
           has_room("issuing signer", settings_path(s, a, PATH_SIGNERS "/issuing"), e) &&
           has_room("ledger signer", settings_path(s, a, PATH_SIGNERS "/ledger"), e);
}
