/* What `kith doctor` asks of what serves: database, ports, the running server. */
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/http_client.h"
#include "ca/in_step.h"
#include "cli/client.h"
#include "cli/doctor.h"
#include "keys/crypto.h"
#include "store/schema.h"
#include "store/tables.h"

#define PORT_MS 2000 /* on this machine */

static const struct sql sql_last_entry = {"SELECT time_ms FROM entry ORDER BY pos DESC LIMIT 1"};

bool doctor_last_entry_at(struct doctor *d, int64_t *out, struct err *e)
{
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    *out = 0;
    if (!db_open(d->s->database, false, &db, e))
        return false;
    if (!db_query_row(db, &sql_last_entry, NULL, 0, &r, e))
        return e->code == ERR_NONE;
    *out = rows_int(&r, 0) / 1000;
    return true;
}

static const struct sql sql_quick_check = {"SELECT quick_check FROM pragma_quick_check(1)"};

void doctor_check_database(struct doctor *d, struct doctor_finding *f)
{
    static const char hint[] = "restore it from a copy; kith ledger verify names what differs";
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    struct err e = {0};
    const char *where = d->s->database;
    bool there;
    int64_t last;
    if (!settings_check_lost(d->s, &d->cli->arena, &there, &e)) {
        doctor_bad_err(f, &e, NULL);
        return;
    }
    if (!there) {
        doctor_skip(f, "not there yet; kithd makes it");
        return;
    }
    if (!db_open(where, false, &db, &e) || !schema_sound(db, &e)) {
        if (e.code == ERR_STORE_EMPTY && !settings_has_signed(d->s, &d->cli->arena))
            doctor_skip(f, "empty; kithd makes its tables at the first start");
        else
            doctor_bad_err(f, &e, hint);
        return;
    }
    if (!doctor_last_entry_at(d, &last, &e)) { /* an error is no empty ledger: perhaps a right is missing */
        doctor_bad_err(f, &e, hint);
        return;
    }
    if (!last && settings_has_signed(d->s, &d->cli->arena)) {
        doctor_bad(f, "put the database back to its place, or restore its last copy",
                   "its ledger is empty, but certificates were issued");
        return;
    }
    if (!in_step_check(db, d->s, &crypto_openssl, &e)) {
        doctor_bad_err(f, &e, NULL);
        return;
    }
    if (db_is_postgres(db)) {
        doctor_fine(f, "PostgreSQL answers, schema %d", SCHEMA_VERSION);
        return;
    }
    if (!db_query_row(db, &sql_quick_check, NULL, 0, &r, &e))
        doctor_bad(f, hint, "%s", e.code ? e.what : "it does not answer");
    else if (strcmp(rows_text(&r, 0), "ok") != 0)
        doctor_bad(f, hint, "%s", ERR_QUOTE(slice_str(rows_text(&r, 0))));
    else
        doctor_fine(f, "sound, schema %d", SCHEMA_VERSION);
}

/* While the server is down. */
static bool is_free(const char *listen_at, const char *host, uint16_t number, struct doctor_finding *f)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    snprintf(port, sizeof port, "%u", number);
    if (getaddrinfo(host[0] ? host : NULL, port, &hints, &list) != 0 || !list) {
        doctor_bad(f, "listen = ADDRESS:PORT in kith.conf", "%s is not an address of this machine", listen_at);
        return false;
    }
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool ok = fd >= 0 && bind(fd, list->ai_addr, list->ai_addrlen) == 0 && listen(fd, 1) == 0;
    if (!ok)
        doctor_bad(f, "ss -ltnp shows who has it", "%s: %s", listen_at, strerror(errno));
    if (fd >= 0)
        close(fd);
    freeaddrinfo(list);
    return ok;
}

/* While it runs: over TLS with a certificate of the platform's server, and either way with the platform's root.  A server that
 * cannot start says so on the plain port. */
static bool is_ours(struct doctor *d, const char *listen_at, const char *to, const char *url, struct doctor_finding *f)
{
    char type[64];
    struct cert cert;
    struct err e;
    struct http_reply r = {0};
    AUTO(buf_clear) struct buf root = {0};
    AUTO(http_client_free_auto) struct http_client *c = NULL;
    if (!doctor_read_cert(d, PATH_ROOT_CERT, &root, &cert, &e)) {
        doctor_bad_err(f, &e, NULL);
        return false;
    }
    struct http_client_opts o = {
        .tls = {.root = buf_slice(&root), .platform = true}, .connect_to = to, .connect_ms = PORT_MS};
    struct http_call call = {
        .url = arena_printf(&d->cli->arena, "%s/ca/root.cer", url), .timeout_ms = PORT_MS, .any_status = true};
    if (!http_client_new(&o, &c, &e) || !http_client_call(c, &call, &r, &e)) {
        doctor_bad(f, "ss -ltnp shows who listens there; the log of kithd, whether it does", "%s: %s%s%s", listen_at,
                   e.what, e.why[0] ? "; " : "", e.why);
        return false;
    }
    bool starting = r.status == 503 && http_reply_header(&r, "content-type", type, sizeof type) &&
                    strcmp(type, "application/problem+json") == 0;
    bool ok = starting || (r.status == 200 && slice_eq(buf_slice(&r.body), buf_slice(&root)));
    http_reply_clear(&r);
    if (!ok)
        doctor_bad(f, "ss -ltnp shows who listens there; end it, and restart kithd",
                   "%s: something else than this platform answers", listen_at);
    return ok;
}

static bool check_port(struct doctor *d, const char *listen_at, const char *url, struct doctor_finding *f)
{
    char host[256], to[300];
    uint16_t number;
    if (!opt_split_address(slice_str(listen_at), host, sizeof host, &number)) {
        doctor_bad(f, "ADDRESS:PORT", "%s is no address and port", listen_at);
        return false;
    }
    if (!d->running)
        return is_free(listen_at, host, number, f);
    snprintf(to, sizeof to, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host[0] ? host : "127.0.0.1", number);
    return is_ours(d, listen_at, to, url, f);
}

void doctor_check_ports(struct doctor *d, struct doctor_finding *f)
{
    if (check_port(d, d->s->listen, d->s->url, f) && check_port(d, d->s->plain_listen, d->s->plain_url, f))
        doctor_fine(f, "%s and %s %s", d->s->listen, d->s->plain_listen, d->running ? "answer" : "are free");
}

void doctor_check_socket(struct doctor *d, struct doctor_finding *f)
{
    struct err e;
    if (cli_socket_is_lost(d->cli, d->s, &e))
        doctor_bad_err(f, &e, NULL);
    else if (!d->running)
        doctor_skip(f, "the platform is not running");
    else if (d->mute.code)
        doctor_bad_err(f, &d->mute, "look at the log of kithd");
    else
        doctor_fine(f, "the server answers");
}
