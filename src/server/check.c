#include "server/check.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/problem.h"
#include "base/rfc3339.h"
#include "ca/ca_cert.h"
#include "ca/in_step.h"
#include "ca/root_list.h"
#include "ledger/note.h"
#include "model/settings_check.h"
#include "store/log_name.h"
#include "store/schema.h"
#include "x509/cert.h"

static bool check_cert(struct app *app, const char *name, struct err *e)
{
    struct cert c;
    AUTO(buf_clear) struct buf der = {0};
    /* missing: told by who started us, or still to come from the offline root */
    return !file_exists(settings_path(&app->settings, &app->arena, name)) ||
           ca_cert_read(&app->settings, name, &der, &c, e);
}

static bool check_root(struct app *app, struct err *e)
{
    return check_cert(app, PATH_ROOT_CERT, e);
}

static bool check_issuing(struct app *app, struct err *e)
{
    AUTO(buf_clear) struct buf root_der = {0}, der = {0};
    struct cert root, issuing;
    struct err ignored;
    if (!check_cert(app, PATH_ISSUING_CERT, e))
        return false;
    return !ca_cert_read(&app->settings, PATH_ROOT_CERT, &root_der, &root, &ignored) ||
           !ca_cert_read(&app->settings, PATH_ISSUING_CERT, &der, &issuing, &ignored) ||
           root_list_check_issuing(app->crypto, &root, &issuing, e);
}

static bool check_vkeys(struct app *app, struct err *e)
{
    struct note_key keys[2];
    if (!file_exists(settings_path(&app->settings, &app->arena, PATH_VKEYS)) || app_vkeys(app, keys, e))
        return true; /* missing: told by who started us */
    err_why(e, "one line each for the log's key and the issuing signer's, as kith init wrote them");
    return err_try(e, "restore it from the backup of the directory");
}

/* *there: both certificates are, and with them the list has to be. */
static bool read_root_list(struct app *app, bool *there, struct root_list *out, struct err *e)
{
    AUTO(buf_clear) struct buf root_der = {0}, issuing_der = {0};
    struct cert root, issuing;
    struct err ignored;
    *there = ca_cert_read(&app->settings, PATH_ROOT_CERT, &root_der, &root, &ignored) &&
             ca_cert_read(&app->settings, PATH_ISSUING_CERT, &issuing_der, &issuing, &ignored);
    if (!*there)
        return true;
    const char *file = settings_path(&app->settings, &app->arena, PATH_ROOT_CRL);
    return root_list_check(app->crypto, file, &root, &issuing, NULL, out, e) || err_ctx(e, PATH_ROOT_CRL);
}

static bool check_root_list(struct app *app, struct err *e)
{
    struct root_list list;
    bool there;
    return read_root_list(app, &there, &list, e);
}

static bool check_root_list_age(struct app *app, struct err *e)
{
    struct root_list list;
    struct err ignored;
    bool there;
    if (!read_root_list(app, &there, &list, &ignored) || !there || !list.next_update ||
        list.next_update >= app_now(app))
        return true;
    err_set(e, ERR_ROOT_CRL, PATH_ROOT_CRL ": the list was due to be renewed at \"%s\"", RFC3339(list.next_update));
    err_why(e, "RFC 5280 section 5.1.2.5: who checks it takes no list that is over");
    return err_try(e, "kith ca crl --root-dir ROOT, then kith ca install FILE");
}

static const struct sql sql_any_entry = {"SELECT pos FROM entry LIMIT 1"};

/* As the server says at its start: a ledger without any entry is not that of signers that have signed. */
static bool check_entries(struct app *app, struct db *db, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    if (db_query_row(db, &sql_any_entry, NULL, 0, &r, e) || e->code ||
        !settings_has_signed(&app->settings, &app->arena))
        return e->code == ERR_NONE;
    err_set(e, ERR_STORE_LOST, "the ledger in it is empty, but this platform has issued certificates");
    err_why(e, "the issuing signer's journal has them; a new database would not know them");
    return err_try(e, "put the database back to its place, or restore its last copy");
}

/* A log of another name or node would be begun beside the one that is there. */
static bool check_log(struct app *app, struct db *db, struct err *e)
{
    bool there;
    return log_name_check(db, (unsigned)app->settings.node, app->settings.origin, &there, e) ||
           settings_blame(&app->settings, "platform", there ? "origin" : "node", e);
}

static bool is_new(struct app *app, const struct err *e)
{
    return e->code == ERR_STORE_EMPTY && !settings_has_signed(&app->settings, &app->arena);
}

static bool check_tables(struct app *app, struct err *e)
{
    AUTO(db_free_auto) struct db *db = NULL;
    const char *where = app->settings.database;
    if ((db_open(where, false, &db, e) && check_log(app, db, e) && check_entries(app, db, e) &&
         in_step_check(db, &app->settings, app->crypto, e)) ||
        is_new(app, e))
        return true; /* new: check_database_new() says so */
    if (!e->hint[0])
        err_try(e, settings_database_file(&app->settings)
                       ? "restore it from its copy; kith ledger verify names what differs"
                       : "is the database server running, and may this user connect?");
    return err_ctx(e, "[store] database");
}

static bool check_database(struct app *app, struct err *e)
{
    bool there;
    if (!settings_check_lost(&app->settings, &app->arena, &there, e))
        return e->code == ERR_STORE_LOST; /* told by who started us; what we may not do, he may */
    if (there)
        return check_tables(app, e);
    const char *dir = settings_database_dir(&app->settings, &app->arena);
    if (dir && access(dir, W_OK | X_OK) == 0)
        return true;
    err_set(e, ERR_IO, "[store] database: \"%s\" cannot be written to: %s", dir ? dir : "", strerror(errno));
    return err_try(e, "mkdir -m 700 %s, as the user that runs kithd", dir ? dir : "");
}

static bool check_database_new(struct app *app, struct err *e)
{
    AUTO(db_free_auto) struct db *db = NULL;
    struct err ignored;
    bool there;
    if (!settings_check_lost(&app->settings, &app->arena, &there, &ignored) || !there ||
        db_open(app->settings.database, false, &db, e) || !is_new(app, e))
        return true;
    return err_ctx(e, "[store] database");
}

/* Told, not refused: whoever looks after a database may add an index. */
static bool check_schema(struct app *app, struct err *e)
{
    AUTO(db_free_auto) struct db *db = NULL;
    struct err ignored;
    bool there;
    return !settings_check_lost(&app->settings, &app->arena, &there, &ignored) || !there ||
           !db_open(app->settings.database, false, &db, &ignored) || schema_sound(db, e);
}

static bool check_room(struct app *app, struct err *e)
{
    return settings_check_room(&app->settings, &app->arena, e);
}

static bool check_data_dir(struct app *app, struct err *e)
{
    const char *parts[] = {PATH_SIGNERS "/issuing", PATH_SIGNERS "/ledger"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const char *dir = settings_path(&app->settings, &app->arena, parts[i]);
        if (!dir || access(dir, W_OK | X_OK) == 0 || errno == ENOENT)
            continue;
        err_set(e, ERR_IO, "\"%s\" cannot be written to: %s", dir, strerror(errno));
        return err_try(e, "chown it to the user that runs kithd");
    }
    return true;
}

/* A platform that runs has its ports itself. */
static bool is_running(const struct settings *s)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", s->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool check_port(const char *name, const char *listen_at, struct err *e)
{
    char host[256], port[8];
    uint16_t number = 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    bool ok = opt_split_address(slice_str(listen_at), host, sizeof host, &number);
    snprintf(port, sizeof port, "%u", number);
    if (!ok || getaddrinfo(host[0] ? host : NULL, port, &hints, &list) != 0) {
        err_set(e, ERR_CONFIG, "[server] %s: \"%s\" is no address and port of this machine", name,
                ERR_QUOTE(slice_str(listen_at)));
        return err_try(e, "%s = ADDRESS:PORT in kith.conf", name);
    }
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ok = fd >= 0 && bind(fd, list->ai_addr, list->ai_addrlen) == 0 && listen(fd, 1) == 0;
    int why = errno;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(list);
    if (ok)
        return true;
    err_set(e, why == EADDRINUSE ? ERR_CONFLICT : ERR_IO, "[server] %s: %s: %s", name, listen_at, strerror(why));
    return err_try(e, why == EADDRINUSE ? "ss -ltnp shows who has it; or another port in kith.conf"
                      : why == EACCES   ? "a port above 1023, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
                                        : "an address of this machine in kith.conf");
}

static bool check_listen(struct app *app, struct err *e)
{
    return is_running(&app->settings) || check_port("listen", app->settings.listen, e);
}

static bool check_plain_listen(struct app *app, struct err *e)
{
    return is_running(&app->settings) || check_port("plain_listen", app->settings.plain_listen, e);
}

int server_check(struct app *app)
{
    static const struct {
        bool (*run)(struct app *app, struct err *e);
        bool warns; /* it would start all the same */
    } checks[] = {
        {check_root, false},     {check_issuing, false},  {check_root_list, false},   {check_root_list_age, true},
        {check_vkeys, false},    {check_database, false}, {check_database_new, true}, {check_schema, true},
        {check_data_dir, false}, {check_room, false},     {check_listen, false},      {check_plain_listen, false},
    };
    int first = 0;
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        struct err e = {0};
        if (checks[i].run(app, &e))
            continue;
        problem_print(stderr, checks[i].warns ? "warning" : "error", &e);
        if (!checks[i].warns && !first)
            first = err_exit_code(e.code);
    }
    return first;
}
