/* The checks of `kith doctor`: each is one function in a table. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/file.h"
#include "base/rfc3339.h"
#include "base/sandbox.h"
#include "ca/root_list.h"
#include "ca/roster.h"
#include "cli/client.h"
#include "cli/doctor.h"
#include "cli/show.h"
#include "keys/crypto.h"
#include "keys/p11.h"
#include "keys/secret.h"
#include "model/settings_check.h"
#include "store/schema.h"
#include "store/tables.h"

#define DAY_S          86400
#define CLOCK_SLACK_S  60
#define ISSUING_DAYS   90 /* to renew an issuing CA takes a ceremony */
#define ROOT_DAYS      365
#define CRL_DAYS       30
#define DISK_LEAST_MIB 512

void doctor_fine(struct doctor_finding *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->detail, sizeof f->detail, fmt, ap);
    va_end(ap);
}

static void skip(struct doctor_finding *f, const char *why)
{
    f->skipped = true;
    doctor_fine(f, "%s", why);
}

static void bad(struct doctor_finding *f, const char *hint, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void bad(struct doctor_finding *f, const char *hint, const char *fmt, ...)
{
    va_list ap;
    f->failed = true;
    snprintf(f->hint, sizeof f->hint, "%s", hint ? hint : "");
    va_start(ap, fmt);
    vsnprintf(f->detail, sizeof f->detail, fmt, ap);
    va_end(ap);
}

static void bad_err(struct doctor_finding *f, const struct err *e, const char *hint)
{
    bad(f, e->hint[0] ? e->hint : hint, "%s", e->what);
}

static const char *in_dir(struct doctor *d, const char *name)
{
    const char *p = settings_path(d->s, &d->cli->arena, name);
    return p ? p : "";
}

/* ---- this machine ---- */

static const struct sql sql_last_entry = {"SELECT time_ms FROM entry ORDER BY pos DESC LIMIT 1"};

static int64_t last_entry_at(struct doctor *d)
{
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    struct err ignored;
    if (!db_open(d->s->database, false, &db, &ignored) || !db_query_row(db, &sql_last_entry, NULL, 0, &r, &ignored))
        return 0;
    return rows_int(&r, 0) / 1000;
}

static void check_clock(struct doctor *d, struct doctor_finding *f)
{
    struct timex t = {0};
    int64_t last = last_entry_at(d);
    bool synchronised = adjtimex(&t) != TIME_ERROR;
    if (last && d->now + CLOCK_SLACK_S < last)
        bad(f, "set the clock: timedatectl set-ntp true", "it is %s, but the ledger's last entry is of %s",
            RFC3339(d->now), RFC3339(last));
    else
        doctor_fine(f, "%s%s", RFC3339(d->now),
                    synchronised ? "" : "; the kernel does not say that it is synchronised");
}

static void check_entropy(struct doctor *d, struct doctor_finding *f)
{
    uint8_t b[16];
    struct err e;
    if (!env_random(&d->cli->env, b, sizeof b, &e))
        bad_err(f, &e, "rng-tools, or virtio-rng in a virtual machine");
    else
        doctor_fine(f, "the kernel gives random bytes");
}

static void check_sandbox(struct doctor *d, struct doctor_finding *f)
{
    int abi = sandbox_landlock_abi();
    if (!d->s->sandbox)
        bad(f, "sandbox = yes in [server] of kith.conf", "it is off by configuration");
    else if (abi == 0)
        bad(f, "a kernel of 5.13 or later with landlock in its lsm= list",
            "the kernel has no Landlock: files are not closed to server and signers");
    else if (d->s->hsm_module && d->s->hsm_network)
        doctor_fine(f, "Landlock version %d, seccomp; signers reach their token at %s%s", abi, d->s->hsm_network,
                    d->s->hsm_network[0] != '/' && abi < SANDBOX_ABI_PORTS
                        ? ", and this kernel cannot hold them to its port"
                        : "");
    else
        doctor_fine(f, "Landlock version %d, seccomp; signers reach no network", abi);
}

static bool has_room(const char *dir, uint64_t *least_mib, struct doctor_finding *f)
{
    struct statvfs v;
    if (!dir || !file_exists(dir))
        return true;
    if (statvfs(dir, &v) != 0) {
        bad(f, "look at that file system", "%s: %s", dir, strerror(errno));
        return false;
    }
    uint64_t mib = (uint64_t)v.f_bavail * v.f_frsize >> 20;
    *least_mib = mib < *least_mib ? mib : *least_mib;
    if (mib < DISK_LEAST_MIB)
        bad(f, "make room: nothing is issued when ledger and journals cannot be written", "%s: %llu MiB left", dir,
            (unsigned long long)mib);
    else if (v.f_files && v.f_favail < 1000)
        bad(f, "remove files", "%s: %llu inodes left", dir, (unsigned long long)v.f_favail);
    return !f->failed;
}

/* They may be on file systems of their own. */
static void check_disk(struct doctor *d, struct doctor_finding *f)
{
    uint64_t mib = UINT64_MAX;
    if (has_room(d->s->dir, &mib, f) && has_room(settings_database_dir(d->s, &d->cli->arena), &mib, f) &&
        has_room(in_dir(d, PATH_SIGNERS "/issuing"), &mib, f) && has_room(in_dir(d, PATH_SIGNERS "/ledger"), &mib, f))
        doctor_fine(f, "%llu MiB left", (unsigned long long)mib);
}

static void check_crypto(struct doctor *d, struct doctor_finding *f)
{
    static const char *const newer[] = {"ML-DSA-65", "ML-KEM-768", "SLH-DSA-SHA2-128s"};
    char found[100] = "";
    (void)d;
    for (size_t i = 0; i < ARRAY_LEN(newer); i++) {
        EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, newer[i], NULL);
        if (c)
            snprintf(found + strlen(found), sizeof found - strlen(found), " %s", newer[i]);
        EVP_PKEY_CTX_free(c);
    }
    doctor_fine(f, "%s; newer algorithms:%s", OpenSSL_version(OPENSSL_VERSION), found[0] ? found : " none");
}

/* ---- files ---- */

static void keep_problem(void *ctx, const struct err *problem)
{
    struct doctor_finding *f = ctx;
    if (!f->failed)
        bad_err(f, problem, NULL);
}

static void check_settings(struct doctor *d, struct doctor_finding *f)
{
    if (settings_check(d->s, &d->cli->arena, keep_problem, f) == 0)
        doctor_fine(f, "%s", d->s->file);
}

static void check_permissions(struct doctor *d, struct doctor_finding *f)
{
    struct err e;
    if (!file_check_private(d->s->dir, &e))
        bad_err(f, &e, NULL);
    else if (settings_check_private(d->s, &d->cli->arena, keep_problem, f) == 0)
        doctor_fine(f, "directories, keys and journals are closed to others");
}

static void check_passphrase(struct doctor *d, struct doctor_finding *f)
{
    AUTO(secret_free_auto) struct secret *s = NULL;
    struct err e;
    const char *file = d->s->passphrase_file;
    if (!file)
        skip(f, "no keys in files");
    else if (strncmp(file, "credential:", 11) == 0)
        skip(f, "comes from systemd when it starts");
    else if (!secret_read_file(file, &s, &e))
        bad_err(f, &e, "restore it from where init told you to back it up");
    else if (strncmp(file, d->s->dir, strlen(d->s->dir)) == 0 && file[strlen(d->s->dir)] == '/')
        bad(f, "move it and name the place in kith.conf", "%s lies beside the keys that it opens", file);
    else
        doctor_fine(f, "%s", file);
}

static void check_roster(struct doctor *d, struct doctor_finding *f)
{
    struct roster r;
    struct err e;
    if (!roster_read(in_dir(d, PATH_SIGNERS "/issuing/roster"), in_dir(d, PATH_PROFILES), &crypto_openssl, &r, &e)) {
        bad_err(f, &e, "put back the profile that init copied");
        return;
    }
    doctor_fine(f, "%zu profiles, as the signer was set up with", r.profiles_n);
    roster_clear(&r);
}

/* ---- keys and token ---- */

static bool open_token(struct doctor *d, struct p11 **p, struct doctor_finding *f)
{
    struct err e;
    const struct settings *s = d->s;
    *p = NULL;
    if (!s->hsm_module)
        return true;
    if (d->token_away) {
        skip(f, "the token cannot be used");
        return false;
    }
    struct p11_config cfg = {.mark_file = settings_path(s, &d->cli->arena, PATH_PIN_MARK)};
    if (p11_open(s->hsm_module, s->hsm_token, s->hsm_pin_file, &cfg, p, &e) && p11_check(*p, &e))
        return true;
    d->token_away = true;
    bad_err(f, &e,
            strstr(s->hsm_module, "softhsm")
                ? "export SOFTHSM2_CONF=FILE, the one that the platform was started with; softhsm2-util --show-slots"
                : "look at the token with its maker's tools");
    return false;
}

static void check_token(struct doctor *d, struct doctor_finding *f)
{
    struct p11 *p;
    struct p11_health h;
    if (!d->s->hsm_module) {
        skip(f, "keys are in files");
        return;
    }
    if (open_token(d, &p, f)) {
        p11_health(p, &h);
        doctor_fine(f, "%s %s \"%s\", %s%s", h.manufacturer, h.model, h.label, p11_state_name(h.state),
                    p11_can_sign(p, KEY_ED25519) ? "" : "; no Ed25519, so ledger keys are sealed files");
    }
    p11_free(p);
}

static void check_keys(struct doctor *d, struct doctor_finding *f)
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
                bad_err(f, &e, "kith explain the code, or restore the key from its copy");
        }
        if (!f->failed)
            doctor_fine(f, "all open and sign");
    }
    p11_free(p);
}

/* ---- CA ---- */

static bool read_cert(struct doctor *d, const char *name, struct buf *der, struct cert *c, struct doctor_finding *f,
                      const char *hint)
{
    struct err e;
    if (file_read(in_dir(d, name), CERT_MAX, der, &e) && cert_read(buf_slice(der), c, &e))
        return true;
    bad(f, hint, "%s", e.what);
    return false;
}

static void judge_cert(struct doctor *d, const char *name, int64_t least_days, struct doctor_finding *f)
{
    struct cert c;
    AUTO(buf_clear) struct buf der = {0};
    buf_init(&der, CERT_MAX);
    if (!read_cert(d, name, &der, &c, f, "kith ca install FILE, once the offline root has signed the request"))
        return;
    int64_t days = (c.not_after - d->now) / DAY_S;
    if (d->now < c.not_before)
        bad(f, "set the clock", "it begins only at %s", RFC3339(c.not_before));
    else if (c.not_after < d->now)
        bad(f, "a new one has to be made and brought to every gateway", "it ended at %s", RFC3339(c.not_after));
    else if (days < least_days)
        bad(f, "prepare the next one now", "it ends in %lld days", (long long)days);
    else
        doctor_fine(f, "good until %s", RFC3339(c.not_after));
}

static void check_issuing(struct doctor *d, struct doctor_finding *f)
{
    struct cert root, issuing;
    struct err e;
    AUTO(buf_clear) struct buf der = {0}, issuing_der = {0};
    buf_init(&der, CERT_MAX);
    buf_init(&issuing_der, CERT_MAX);
    judge_cert(d, PATH_ISSUING_CERT, ISSUING_DAYS, f);
    if (f->failed || !read_cert(d, PATH_ROOT_CERT, &der, &root, f, "kith ca install FILE") ||
        !read_cert(d, PATH_ISSUING_CERT, &issuing_der, &issuing, f, "kith ca install FILE"))
        return;
    if (!root_check_issuing(&crypto_openssl, &root, &issuing, &e))
        bad_err(f, &e, NULL);
}

static void check_root(struct doctor *d, struct doctor_finding *f)
{
    judge_cert(d, PATH_ROOT_CERT, ROOT_DAYS, f);
}

static void check_root_crl(struct doctor *d, struct doctor_finding *f)
{
    static const char hint[] = "kith ca crl --root-dir ROOT, then kith ca install FILE";
    struct root_list list;
    struct cert root, issuing;
    struct err e;
    AUTO(buf_clear) struct buf der = {0}, issuing_der = {0};
    buf_init(&der, CERT_MAX);
    buf_init(&issuing_der, CERT_MAX);
    if (!read_cert(d, PATH_ROOT_CERT, &der, &root, f, "kith ca install FILE") ||
        !read_cert(d, PATH_ISSUING_CERT, &issuing_der, &issuing, f, "kith ca install FILE"))
        return;
    if (!root_list_check(&crypto_openssl, in_dir(d, PATH_ROOT_CRL), &root, &issuing, &list, &e))
        bad_err(f, &e, NULL);
    else if (list.next_update && list.next_update < d->now)
        bad(f, hint, "the list was due to be renewed at %s", RFC3339(list.next_update));
    else if (list.next_update && list.next_update < d->now + CRL_DAYS * DAY_S)
        bad(f, hint, "the list has to be renewed before %s", RFC3339(list.next_update));
    else
        doctor_fine(f, "list %llu is good until %s", (unsigned long long)list.number, RFC3339(list.next_update));
}

/* ---- database ---- */

static const struct sql sql_quick_check = {"SELECT quick_check FROM pragma_quick_check(1)"};

static void check_database(struct doctor *d, struct doctor_finding *f)
{
    static const char hint[] = "restore it from a copy; kith ledger verify names what differs";
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    struct err e = {0};
    const char *where = d->s->database;
    bool there;
    if (!settings_check_lost(d->s, &d->cli->arena, &there, &e)) {
        bad_err(f, &e, NULL);
        return;
    }
    if (!there) {
        skip(f, "not there yet; kithd makes it");
        return;
    }
    if (!db_open(where, false, &db, &e) || !schema_sound(db, &e)) {
        if (e.code == ERR_STORE_EMPTY && !settings_has_signed(d->s, &d->cli->arena))
            skip(f, "empty; kithd makes its tables at the first start");
        else
            bad_err(f, &e, hint);
        return;
    }
    if (!last_entry_at(d) && settings_has_signed(d->s, &d->cli->arena)) {
        bad(f, "put the database back to its place, or restore its last copy",
            "its ledger is empty, but certificates were issued");
        return;
    }
    if (db_is_postgres(db)) {
        doctor_fine(f, "PostgreSQL answers, schema %d", SCHEMA_VERSION);
        return;
    }
    if (!db_query_row(db, &sql_quick_check, NULL, 0, &r, &e))
        bad(f, hint, "%s", e.code ? e.what : "it does not answer");
    else if (strcmp(rows_text(&r, 0), "ok") != 0)
        bad(f, hint, "%s", ERR_QUOTE(slice_str(rows_text(&r, 0))));
    else
        doctor_fine(f, "sound, schema %d", SCHEMA_VERSION);
}

/* ---- ports ---- */

/* Free while the server is down, open while it runs. */
static bool try_port(const struct doctor *d, const char *listen_at, struct doctor_finding *f)
{
    char host[256], port[8];
    uint16_t number;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = d->running ? 0 : AI_PASSIVE}, *list = NULL;
    if (!opt_split_address(slice_str(listen_at), host, sizeof host, &number)) {
        bad(f, "ADDRESS:PORT", "%s is no address and port", listen_at);
        return false;
    }
    snprintf(port, sizeof port, "%u", number);
    if (getaddrinfo(host[0] ? host : NULL, port, &hints, &list) != 0 || !list) {
        bad(f, "listen = ADDRESS:PORT in kith.conf", "%s is not an address of this machine", listen_at);
        return false;
    }
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool ok = fd >= 0 && (d->running ? connect(fd, list->ai_addr, list->ai_addrlen)
                                     : bind(fd, list->ai_addr, list->ai_addrlen)) == 0;
    int why = errno;
    if (ok && !d->running)
        ok = listen(fd, 1) == 0;
    if (!ok)
        bad(f, d->running ? "look at the log of kithd" : "ss -ltnp shows who has it", "%s: %s", listen_at,
            strerror(why));
    if (fd >= 0)
        close(fd);
    freeaddrinfo(list);
    return ok;
}

static void check_ports(struct doctor *d, struct doctor_finding *f)
{
    if (try_port(d, d->s->listen, f) && try_port(d, d->s->plain_listen, f))
        doctor_fine(f, "%s and %s %s", d->s->listen, d->s->plain_listen, d->running ? "answer" : "are free");
}

static void check_socket(struct doctor *d, struct doctor_finding *f)
{
    AUTO(buf_clear) struct buf reply = {0};
    struct err e;
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!d->running)
        skip(f, "the platform is not running");
    else if (!cli_call(d->cli, "GET", "/v1/status", NULL, 0, &reply, &e))
        bad_err(f, &e, "look at the log of kithd");
    else
        doctor_fine(f, "the server answers");
}

const struct doctor_check doctor_checks[] = {
    {"clock", "not before what the ledger has seen", check_clock},
    {"entropy", "the kernel's randomness", check_entropy},
    {"crypto", "OpenSSL, and which newer algorithms it has", check_crypto},
    {"sandbox", "Landlock and seccomp", check_sandbox},
    {"disk", "room for ledger and journals", check_disk},
    {"settings", "kith.conf: values that go together, and with what init made", check_settings},
    {"permissions", "directories, keys and journals closed to others", check_permissions},
    {"passphrase", "the file that opens the keys", check_passphrase},
    {"token", "the PKCS#11 token", check_token},
    {"keys", "each can be opened and signs", check_keys},
    {"roster", "profiles as the signer was set up with", check_roster},
    {"root", "the root's certificate", check_root},
    {"issuing", "the issuing CA's certificate", check_issuing},
    {"root-crl", "the root's CRL", check_root_crl},
    {"database", "opens, its schema, its integrity", check_database},
    {"ports", "free, or answering while the server runs", check_ports},
    {"server", "the running server", check_socket},
};
const size_t doctor_checks_n = ARRAY_LEN(doctor_checks);
