#include "server/anteroom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/http_server.h"
#include "server/health.h"

#define DOORS (HTTP_DOOR_PLAIN | HTTP_DOOR_LOCAL)

struct anteroom {
    struct loop *loop;
    struct http_server *http;
    const char *part;
    struct err why;
    struct http_route routes[16];
    size_t routes_n;
};

static void get_healthz(struct http_request *req, void *arg)
{
    (void)arg;
    http_answer_text(req, 200, "ok\n");
}

/* What is told at this door: the names of files, tokens and databases are no business of who asks from outside. */
static struct err why_at(const struct http_request *req, const struct anteroom *a)
{
    struct err e = a->why;
    if (http_door(req) == HTTP_DOOR_LOCAL)
        return e;
    err_set(&e, a->why.code, "the platform cannot start yet (%s)", err_slug(a->why.code));
    err_why(&e, "it waits for its %s", a->part);
    err_try(&e, "ask again later; " HEALTH_INSIDE);
    return e;
}

static void get_readyz(struct http_request *req, void *arg)
{
    const struct anteroom *a = arg;
    struct err e = why_at(req, a);
    char text[ERR_WHAT_MAX + ERR_TRY_MAX + 64];
    snprintf(text, sizeof text, "FAIL %s: %s; %s\n", a->part, e.what, e.hint);
    http_answer_text(req, 503, text);
}

static void refuse(struct http_request *req, void *arg)
{
    struct err e = why_at(req, arg);
    http_problem(req, 503, &e, NULL, 0);
}

static void add(struct anteroom *a, const char *method, const char *path, http_handler *handler)
{
    a->routes[a->routes_n++] =
        (struct http_route){.method = method, .path = path, .handler = handler, .arg = a, .doors = DOORS};
}

static bool serve(struct anteroom *a, const struct anteroom_place *at, struct err *e)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    struct http_server_opts opts = {.realm = "kith"};
    add(a, "GET", "/healthz", get_healthz);
    add(a, "GET", "/readyz", get_readyz);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        add(a, methods[i], "/{path...}", refuse);
    http_limits_default(&opts.limits);
    if (!loop_new(1, &a->loop, e))
        return false;
    opts.loop = a->loop;
    if (!http_server_new(&opts, &a->http, e) || !http_server_add(a->http, a->routes, a->routes_n, e) ||
        !loop_start(a->loop, e) || !http_server_listen(a->http, HTTP_DOOR_PLAIN, at->host, at->port, NULL, e))
        return false;
    int own = fcntl(at->local, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return err_set(e, ERR_HTTP_LISTEN, "descriptor %d: %s", at->local, strerror(errno));
    return http_server_adopt(a->http, HTTP_DOOR_LOCAL, own, e);
}

bool anteroom_open(const struct anteroom_place *at, const char *part, const struct err *why, struct anteroom **out,
                   struct err *e)
{
    *out = NULL;
    AUTO(anteroom_close_auto) struct anteroom *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(e, ERR_NOMEM, "the anteroom");
    a->part = part;
    a->why = *why;
    if (!serve(a, at, e))
        return false;
    *out = a;
    a = NULL;
    return true;
}

void anteroom_close(struct anteroom *a)
{
    if (!a)
        return;
    http_server_free(a->http);
    loop_free(a->loop);
    free(a);
}
