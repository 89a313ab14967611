/* What `kith doctor` asks of what serves: database, ports, the running server. */
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/doctor.h"
#include "store/schema.h"
#include "store/tables.h"

static const struct sql sql_last_entry = {"SELECT time_ms FROM entry ORDER BY pos DESC LIMIT 1"};

int64_t doctor_last_entry_at(struct doctor *d)
{
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    struct err ignored;
    if (!db_open(d->s->database, false, &db, &ignored) || !db_query_row(db, &sql_last_entry, NULL, 0, &r, &ignored))
        return 0;
    return rows_int(&r, 0) / 1000;
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
    if (!doctor_last_entry_at(d) && settings_has_signed(d->s, &d->cli->arena)) {
        doctor_bad(f, "put the database back to its place, or restore its last copy",
                   "its ledger is empty, but certificates were issued");
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

/* Free while the server is down, open while it runs. */
static bool try_port(const struct doctor *d, const char *listen_at, struct doctor_finding *f)
{
    char host[256], port[8];
    uint16_t number;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = d->running ? 0 : AI_PASSIVE}, *list = NULL;
    if (!opt_split_address(slice_str(listen_at), host, sizeof host, &number)) {
        doctor_bad(f, "ADDRESS:PORT", "%s is no address and port", listen_at);
        return false;
    }
    snprintf(port, sizeof port, "%u", number);
    if (getaddrinfo(host[0] ? host : NULL, port, &hints, &list) != 0 || !list) {
        doctor_bad(f, "listen = ADDRESS:PORT in kith.conf", "%s is not an address of this machine", listen_at);
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
        doctor_bad(f, d->running ? "look at the log of kithd" : "ss -ltnp shows who has it", "%s: %s", listen_at,
                   strerror(why));
    if (fd >= 0)
        close(fd);
    freeaddrinfo(list);
    return ok;
}

void doctor_check_ports(struct doctor *d, struct doctor_finding *f)
{
    if (try_port(d, d->s->listen, f) && try_port(d, d->s->plain_listen, f))
        doctor_fine(f, "%s and %s %s", d->s->listen, d->s->plain_listen, d->running ? "answer" : "are free");
}

void doctor_check_socket(struct doctor *d, struct doctor_finding *f)
{
    if (!d->running)
        doctor_skip(f, "the platform is not running");
    else if (d->mute.code)
        doctor_bad_err(f, &d->mute, "look at the log of kithd");
    else
        doctor_fine(f, "the server answers");
}
