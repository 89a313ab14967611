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
#include "store/schema.h"
#include "store/tables.h"
#include "x509/cert.h"

static bool check_cert(struct app *app, const char *name, struct err *e)
{
    struct cert c;
    AUTO(buf_clear) struct buf b = {0};
    const char *path = settings_path(&app->settings, &app->arena, name);
    buf_init(&b, CERT_MAX);
    if (!path || !file_exists(path)) /* told by who started us, or still to come from the offline root */
        return true;
    if (file_read(path, CERT_MAX, &b, e) && cert_read(buf_slice(&b), &c, e))
        return true;
    if (!e->hint[0])
        err_try(e, "restore it from its copy");
    return err_ctx(e, "%s", path);
}

static bool check_root(struct app *app, struct err *e)
{
    return check_cert(app, PATH_ROOT_CERT, e);
}

static bool check_issuing(struct app *app, struct err *e)
{
    return check_cert(app, PATH_ISSUING_CERT, e);
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

static bool check_database(struct app *app, struct err *e)
{
    AUTO(db_free_auto) struct db *db = NULL;
    const char *where = app->settings.database, *file = where + 7;
    bool there, sqlite = strncmp(where, "sqlite:", 7) == 0;
    if (!settings_check_lost(&app->settings, &app->arena, &there, e))
        return true; /* told by who started us */
    if (there) {
        if (db_open(where, false, &db, e) && tables_check(db, e) && check_entries(app, db, e)) {
            struct err why;
            if (!schema_sound(db, &why)) /* told, not refused: whoever looks after a database may add an index */
                problem_print(stderr, "warning", &why);
            return true;
        }
        if (!e->hint[0])
            err_try(e, sqlite ? "restore it from its copy; kith ledger verify names what differs"
                              : "is the database server running, and may this user connect?");
        return err_ctx(e, "[store] database");
    }
    const char *slash = strrchr(file, '/');
    const char *dir = slash && slash > file ? arena_str(&app->arena, slice_of(file, (size_t)(slash - file))) : "/";
    if (dir && access(dir, W_OK | X_OK) == 0)
        return true;
    err_set(e, ERR_IO, "[store] database: \"%s\" cannot be written to: %s", dir ? dir : "", strerror(errno));
    return err_try(e, "mkdir -m 700 %s, as the user that runs kithd", dir ? dir : "");
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
    char host[256] = "";
    const char *colon = strrchr(listen_at, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    size_t n = colon ? (size_t)(colon - listen_at) : 0;
    bool v6 = n > 2 && listen_at[0] == '[' && listen_at[n - 1] == ']';
    if (n < sizeof host)
        snprintf(host, sizeof host, "%.*s", (int)(n - 2 * v6), listen_at + v6);
    if (!colon || n >= sizeof host || getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &list) != 0) {
        err_set(e, ERR_CONFIG, "[server] %s: \"%s\" is no address and port of this machine", name,
                ERR_QUOTE(slice_str(listen_at)));
        return err_try(e, "%s = ADDRESS:PORT in kith.conf", name);
    }
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool ok = fd >= 0 && bind(fd, list->ai_addr, list->ai_addrlen) == 0 && listen(fd, 1) == 0;
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
    static bool (*const checks[])(struct app * app, struct err * e) = {
        check_root, check_issuing, check_database, check_data_dir, check_listen, check_plain_listen,
    };
    int first = 0;
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        struct err e = {0};
        if (checks[i](app, &e))
            continue;
        problem_print(stderr, "error", &e);
        first = first ? first : err_exit_code(e.code);
    }
    return first;
}
