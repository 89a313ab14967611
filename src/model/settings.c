#include "model/settings.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/file.h"
#include "base/path.h"

#define AT(field) .offset = offsetof(struct settings, field)
#define FILE_MAX  (64 * 1024)

const struct opt settings_rows[] = {
    {"platform", "name", OPT_TEXT, 1, 64, NULL, .help = "the organisation that operates this platform", AT(name),
     .required = true},
    {"platform", "origin", OPT_TEXT, 1, 100, NULL, .help = "the ledger's own name, as in a URL without scheme",
     AT(origin), .required = true},
    {"platform", "node", OPT_INT, 1, 127, "1", .help = "this node's number; the first byte of its serial numbers",
     AT(node)},
    {"platform", "url", OPT_URL, 1, 200, NULL, opt_https, .help = "where devices reach the TLS listener", AT(url),
     .required = true},
    {"platform", "plain_url", OPT_URL, 1, 200, NULL, opt_http, .help = "where anybody fetches CRLs and CA certificates",
     AT(plain_url), .required = true},
    {"server", "listen", OPT_ADDRESS, 1, 65535, "127.0.0.1:8443", .help = "TLS listener", AT(listen)},
    {"server", "plain_listen", OPT_ADDRESS, 1, 65535, "127.0.0.1:8080",
     .help = "listener without TLS, for what is signed anyway", AT(plain_listen)},
    {"server", "socket", OPT_PATH, .def = "run/kith.sock", .help = "local socket for the command line", AT(socket)},
    {"server", "hostnames", OPT_LIST, 0, SETTINGS_HOSTS_MAX - 1, "",
     .help = "further names and addresses in the server's certificate", AT(hostnames)},
    {"server", "workers", OPT_INT, 0, 64, "0", .help = "worker threads; 0 for one a core", AT(workers)},
    {"server", "sandbox", OPT_BOOL, .def = "yes", .help = "give up what the process does not need", AT(sandbox)},
    {"store", "database", OPT_TEXT, 1, 400, "sqlite:data/kith.db", .help = "sqlite:FILE or postgresql://...",
     AT(database)},
    {"keys", "passphrase_file", OPT_PATH, .help = "seals the keys in files; credential:NAME for one of systemd",
     AT(passphrase_file)},
    {"keys", "hsm_module", OPT_PATH, .needs = "hsm_token hsm_pin_file", .help = "PKCS#11 module", AT(hsm_module)},
    {"keys", "hsm_token", OPT_TEXT, .help = "label of the token", AT(hsm_token)},
    {"keys", "hsm_pin_file", OPT_PATH, .help = "file with the user PIN, mode 0600", AT(hsm_pin_file)},
    {"keys", "hsm_sessions", OPT_INT, 1, 256, "8", .help = "sessions at most", AT(hsm_sessions)},
    {"keys", "hsm_template", OPT_TEXT, 1, 400, "generic", .arg = "DEVICE[, NAME=yes|no|omit ...]",
     .help = "what a new key in the token is asked to be: generic, nshield, nshield-pool, luna or cloudhsm, then "
             "attributes",
     AT(hsm_template)},
    {"keys", "hsm_network", OPT_TEXT, 1, 200, .arg = "HOST:PORT|PATH",
     .help = "what the PKCS#11 module talks to, over TCP or a local socket; the signers' sandbox has no socket without",
     AT(hsm_network)},
    {"keys", "hsm_paths", OPT_LIST, 0, SETTINGS_HSM_PATHS_MAX, "/etc/softhsm, /var/lib/softhsm", .arg = "PATH,...",
     .help = "files and directories of the PKCS#11 module; the signers' sandbox lets it at these", AT(hsm_paths)},
    {"ca", "root_key", OPT_TEXT, .help = "key of the root, only where it is kept online", AT(root_key)},
    {"ca", "issuing_key", OPT_TEXT, .help = "key of the issuing CA: file:PATH or pkcs11:...", AT(issuing_key),
     .required = true},
    {"ca", "ledger_key", OPT_TEXT, .help = "key that signs checkpoints (Ed25519)", AT(ledger_key), .required = true},
    {"ca", "cosign_key", OPT_TEXT, .help = "key with which the issuing signer cosigns (Ed25519)", AT(cosign_key),
     .required = true},
    {"ca", "derive_key", OPT_TEXT, .help = "key (Ed25519) that claims and serial numbers are derived with",
     AT(derive_key), .required = true},
    {"ca", "crl_span", OPT_SECONDS, 600, 31536000, "7d", .help = "how long a CRL is valid", AT(crl_span_s)},
    {"ca", "crl_refresh", OPT_SECONDS, 60, 31536000, "1d", .less_than = "crl_span",
     .help = "how often a CRL is made again without a change", AT(crl_refresh_s)},
    {"signer", "rate_per_minute", OPT_INT, 1, 100000000, "600000", .help = "certificates a minute at most",
     AT(rate_per_minute)},
    {"feed", "interval", OPT_SECONDS, 1, 86400, "1m", .less_than = "valid",
     .help = "a new head at the latest after; no bound on what a gateway without news lets in: that is valid",
     AT(feed_interval_s)},
    {"feed", "valid", OPT_SECONDS, 5, 2592000, "1h",
     .help =
         "how long a head holds; a gateway without news lets devices in for so long and its own grace (gate.conf, 1 h "
         "unless set) after the time of its last head",
     AT(feed_valid_s)},
    {"limits", "connections", OPT_INT, 1, 1000000, "10000", .help = "connections in all", AT(connections_max)},
    {"limits", "connections_per_address", OPT_INT, 1, 1000000, "1000", .help = "connections for each address",
     AT(connections_per_address)},
    {"limits", "handshake", OPT_MS, 100, 600000, "10s", .help = "a TLS handshake in all", AT(handshake_ms)},
    {"limits", "header", OPT_MS, 100, 600000, "10s", .help = "a request's header in all", AT(header_ms)},
    {"limits", "body", OPT_MS, 100, 600000, "30s", .help = "a request's body in all", AT(body_ms)},
    {"limits", "idle", OPT_MS, 100, 3600000, "60s", .help = "a connection without a request", AT(idle_ms)},
};
const size_t settings_rows_n = ARRAY_LEN(settings_rows);

/* The directory that a path is in, absolute if the path is. */
static const char *dir_of(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return arena_str(a, SLICE_LIT("."));
    return slash == path ? arena_str(a, SLICE_LIT("/")) : arena_str(a, slice_of(path, (size_t)(slash - path)));
}

static bool is_credential(const char *file)
{
    return file && strncmp(file, "credential:", 11) == 0;
}

static const char *absolute(struct arena *a, const char *dir, const char *path)
{
    if (!path || path[0] == '/' || is_credential(path))
        return path;
    return arena_printf(a, "%s/%s", dir, path);
}

/* "file:x" and "sqlite:x" name a file behind the colon. */
static const char *absolute_ref(struct arena *a, const char *dir, const char *ref)
{
    static const char *const schemes[] = {"file:", "sqlite:"};
    for (size_t i = 0; ref && i < ARRAY_LEN(schemes); i++) {
        size_t n = strlen(schemes[i]);
        if (strncmp(ref, schemes[i], n) == 0 && ref[n] != '/')
            return arena_printf(a, "%s%s/%s", schemes[i], dir, ref + n);
    }
    return ref;
}

bool settings_parse(const char *path, struct slice text, struct arena *a, struct settings *out, struct err *e)
{
    *out = (struct settings){0};
    struct settings s = {0};
    if (!config_read(path, text, settings_rows, settings_rows_n, a, &s, e))
        return false;
    s.file = arena_str(a, slice_str(path));
    s.dir = dir_of(a, path);
    const char **paths[] = {&s.socket, &s.passphrase_file, &s.hsm_module, &s.hsm_pin_file};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        *paths[i] = absolute(a, s.dir, *paths[i]);
    for (size_t i = 0; i < s.hsm_paths.n; i++)
        s.hsm_paths.v[i] = absolute(a, s.dir, s.hsm_paths.v[i]);
    const char **refs[] = {&s.database, &s.root_key, &s.issuing_key, &s.ledger_key, &s.cosign_key, &s.derive_key};
    for (size_t i = 0; i < ARRAY_LEN(refs); i++)
        *refs[i] = absolute_ref(a, s.dir, *refs[i]);
    if (!arena_ok(a, e))
        return false;
    *out = s;
    return true;
}

bool settings_read(const char *path, struct arena *a, struct settings *out, struct err *e)
{
    *out = (struct settings){0};
    AUTO(buf_clear) struct buf text = {0};
    buf_init(&text, FILE_MAX);
    if (file_read(path, FILE_MAX, &text, e))
        return settings_parse(path, buf_slice(&text), a, out, e);
    /* Another user's, or below what is: reading it once more will not help. */
    if (access(path, R_OK) != 0 && errno == EACCES) {
        e->code = ERR_FILE_MODE;
        err_why(e, "an installation belongs to the user that made it; this one is user %u", (unsigned)geteuid());
        err_try(e, "run this as that user, or give it the installation: chown -R");
    }
    return false;
}

bool settings_hsm_peer(const struct settings *s, struct hsm_peer *out, struct err *e)
{
    *out = (struct hsm_peer){0};
    const char *text = s->hsm_network;
    if (!text)
        return true;
    const char *colon = strrchr(text, ':');
    if (text[0] == '/') {
        *out = (struct hsm_peer){.given = true, .local = true};
        return true;
    }
    uint64_t port = 0;
    if (colon && colon > text && strlen(colon + 1) <= 5)
        for (const char *c = colon + 1; *c; c++)
            port = *c >= '0' && *c <= '9' && port <= UINT16_MAX ? port * 10 + (uint64_t)(*c - '0') : UINT32_MAX;
    if (port == 0 || port > UINT16_MAX) {
        err_set(e, ERR_CONFIG, "[keys] hsm_network: \"%s\" is neither HOST:PORT nor the path of a socket",
                ERR_QUOTE(slice_str(text)));
        err_why(e, "the signers' sandbox lets the module at that place and at no other");
        return err_try(e, "hsm_network = 192.0.2.7:9004");
    }
    *out = (struct hsm_peer){.given = true, .port = (uint16_t)port};
    return true;
}

bool settings_is_credential(const struct settings *s)
{
    return is_credential(s->passphrase_file) || is_credential(s->hsm_pin_file);
}

const char *settings_database_file(const struct settings *s)
{
    return strncmp(s->database, "sqlite:", 7) == 0 ? s->database + 7 : NULL;
}

const char *settings_database_dir(const struct settings *s, struct arena *a)
{
    const char *file = settings_database_file(s);
    return file ? dir_of(a, file) : NULL;
}

bool settings_check_database(const struct settings *s, struct arena *a, struct err *e)
{
    const char *dir = settings_database_dir(s, a);
    if (!dir)
        return arena_ok(a, e);
    const char *keys = settings_path(s, a, "keys"), *signers = settings_path(s, a, PATH_SIGNERS);
    const char *const closed[] = {settings_path(s, a, SETTINGS_FILE), keys, signers, s->passphrase_file,
                                  s->hsm_pin_file};
    if (!arena_ok(a, e))
        return false;
    const char *there = path_is_below(keys, dir) ? keys : path_is_below(signers, dir) ? signers : NULL;
    for (size_t i = 0; i < ARRAY_LEN(closed) && !there; i++)
        if (closed[i] && !is_credential(closed[i]) && path_is_below(dir, closed[i]))
            there = closed[i];
    if (!there)
        return true;
    err_set(e, ERR_CONFIG, "[store] database: its directory \"%s\" has \"%s\" in it", ERR_QUOTE(slice_str(dir)),
            ERR_QUOTE(slice_str(there)));
    err_why(e, "the server may write in the directory of its database, and nowhere near keys and signers");
    return err_try(e, "stop kithd, move kith.db, kith.db-wal and kith.db-shm to a directory of their own (" PATH_DATA
                      "), and set database = sqlite:" PATH_DATA "/kith.db in kith.conf");
}

static bool check_dir(const char *key, const char *dir, struct err *e)
{
    struct stat st;
    const char *q = ERR_QUOTE_PATH(slice_str(dir));
    bool there = stat(dir, &st) == 0;
    if (there && S_ISDIR(st.st_mode) && access(dir, W_OK | X_OK) == 0)
        return true;
    if (there && !S_ISDIR(st.st_mode))
        err_set(e, ERR_SETUP, "%s: \"%s\" is not a directory", key, q);
    else
        err_set(e, ERR_SETUP, "%s: its directory \"%s\" %s: %m", key, q, there ? "is closed" : "is not there");
    err_why(e, "the server makes and writes its files there");
    return err_try(e, "make it, for the user that kithd runs as, or name another place");
}

bool settings_check_database_dir(const struct settings *s, struct arena *a, struct err *e)
{
    const char *dir = settings_database_dir(s, a);
    return dir ? check_dir("[store] database", dir, e) : arena_ok(a, e);
}

/* kithd makes this one when it starts. */
static bool is_run_dir(const char *dir, const char *run)
{
    char real[PATH_MAX], real_run[PATH_MAX];
    path_real(dir, real);
    path_real(run, real_run);
    return strcmp(real, real_run) == 0;
}

bool settings_check_socket(const struct settings *s, struct arena *a, struct err *e)
{
    struct stat st;
    const size_t room = sizeof((struct sockaddr_un *)0)->sun_path - 1, n = strlen(s->socket);
    const char *dir = dir_of(a, s->socket), *run = settings_path(s, a, PATH_RUN);
    if (!arena_ok(a, e))
        return false;
    if (n > room) {
        err_set(e, ERR_CONFIG, "[server] socket: a path of %zu bytes", n);
        err_why(e, "unix(7): the path of a socket has %zu at most", room);
    } else if (s->socket[n - 1] == '/' || (lstat(s->socket, &st) == 0 && !S_ISSOCK(st.st_mode))) {
        err_set(e, ERR_CONFIG, "[server] socket: \"%s\" is something else", ERR_QUOTE_PATH(slice_str(s->socket)));
        err_why(e, "the server makes its socket there, and removes nothing but a socket");
    } else
        return (is_run_dir(dir, run) && !file_exists(run)) || check_dir("[server] socket", dir, e);
    return err_try(e, "socket = " PATH_RUN "/kith.sock");
}

bool settings_has_signed(const struct settings *s, struct arena *a)
{
    struct stat st;
    const char *journal = settings_path(s, a, PATH_SIGNERS "/issuing/journal");
    return journal && stat(journal, &st) == 0 && st.st_size > JOURNAL_SET_UP_MAX;
}

bool settings_check_lost(const struct settings *s, struct arena *a, bool *there, struct err *e)
{
    struct stat st;
    const char *file = settings_database_file(s);
    bool missing = file && stat(file, &st) != 0;
    bool unseen = missing && errno != ENOENT, empty = missing || (file && st.st_size == 0);
    if (there)
        *there = !empty;
    if (unseen) { /* it may be there, and whole */
        err_set(e, ERR_IO, "[store] database: \"%s\" cannot be looked at: %m", ERR_QUOTE_PATH(slice_str(file)));
        err_why(e, "the server has no capability: it opens what its user may open, even if that is root");
        return err_try(e, "chown the database and its directory to the user that runs kithd");
    }
    if (!empty || !settings_has_signed(s, a))
        return true;
    err_set(e, ERR_STORE_LOST, "[store] database: \"%s\" is %s, but this platform has issued certificates",
            ERR_QUOTE_PATH(slice_str(file)), missing ? "not there" : "empty");
    err_why(e, "the issuing signer's journal has them; a new database would not know them");
    return err_try(e, "put the database back to its place, or restore its last copy");
}

bool settings_check_ca(const struct settings *s, struct arena *a, const char *name, bool *to_come, struct err *e)
{
    const char *path = settings_path(s, a, name), *issuing = settings_path(s, a, PATH_ISSUING_CERT);
    *to_come = false;
    if (!arena_ok(a, e))
        return false;
    if (file_exists(path))
        return true;
    *to_come = !s->root_key && !file_exists(issuing) && !settings_has_signed(s, a);
    err_set(e, ERR_SETUP, "\"%s\" is not there%s", ERR_QUOTE_PATH(slice_str(path)), *to_come ? " yet" : "");
    err_why(e, *to_come ? "the offline root has to sign first; until then nothing is recorded or issued"
                        : "it was there since the platform was set up; without it nothing is recorded or issued");
    return err_try(
        e,
        *to_come
            ? "kith ca install FILE, once the offline root has signed the request (kith ca sign-request)"
            : "restore it from the backup of the directory; a copy of the certificate will do: kith ca install FILE");
}

const char *settings_path(const struct settings *s, struct arena *a, const char *name)
{
    return arena_printf(a, "%s/%s", s->dir, name);
}
