/* Routes as a tree of path segments: a literal child goes before {name}, that before {name...}. */
#include <stdio.h>
#include <stdlib.h>

#include "base/http_conn.h"

enum node_kind { NODE_LITERAL, NODE_PARAM, NODE_REST };

struct row {
    struct row *next;
    const struct http_route *route;
};

struct route_node {
    enum node_kind kind;
    const char *text; /* literal, borrowed from the route */
    size_t n;
    struct route_node *child, *next;
    struct row *rows;
};

static struct route_node *child_of(struct route_node *parent, enum node_kind kind, const char *text, size_t n)
{
    struct route_node **p = &parent->child;
    for (; *p && (*p)->kind <= kind; p = &(*p)->next)
        if ((*p)->kind == kind && (kind != NODE_LITERAL || ((*p)->n == n && memcmp((*p)->text, text, n) == 0)))
            return *p;
    struct route_node *fresh = calloc(1, sizeof(*fresh));
    if (!fresh)
        return NULL;
    *fresh = (struct route_node){.kind = kind, .text = text, .n = n, .next = *p};
    *p = fresh;
    return fresh;
}

static enum node_kind kind_of(const char *seg, size_t n)
{
    if (n < 3 || seg[0] != '{' || seg[n - 1] != '}')
        return NODE_LITERAL;
    return n > 5 && memcmp(seg + n - 4, "...}", 4) == 0 ? NODE_REST : NODE_PARAM;
}

static bool bad_route(const struct http_route *row, const char *what, struct err *e)
{
    return err_set(e, ERR_USAGE, "route %s %s: %s", row->method, row->path, what);
}

bool http_routes_add(struct route_node **root, const struct http_route *row, struct err *e)
{
    if (!*root && !(*root = calloc(1, sizeof(**root))))
        return err_set(e, ERR_NOMEM, "out of memory for routes");
    if (row->path[0] != '/')
        return bad_route(row, "does not begin with /", e);
    struct route_node *at = *root;
    unsigned params = 0;
    for (const char *p = row->path; *p;) {
        p++;
        size_t n = strcspn(p, "/");
        enum node_kind kind = kind_of(p, n);
        if (kind != NODE_LITERAL && ++params > HTTP_PARAMS_MAX)
            return bad_route(row, "has too many parameters", e);
        if (kind == NODE_REST && p[n])
            return bad_route(row, "goes on after {name...}", e);
        at = child_of(at, kind, p, n);
        if (!at)
            return err_set(e, ERR_NOMEM, "out of memory for routes");
        p += n;
    }
    for (const struct row *r = at->rows; r; r = r->next)
        if (strcmp(r->route->method, row->method) == 0 && r->route->doors == row->doors)
            return bad_route(row, "is there twice", e);
    struct row *r = calloc(1, sizeof(*r));
    if (!r)
        return err_set(e, ERR_NOMEM, "out of memory for routes");
    *r = (struct row){at->rows, row};
    at->rows = r;
    return true;
}

void http_routes_free(struct route_node *n)
{
    while (n) {
        struct route_node *next = n->next;
        http_routes_free(n->child);
        while (n->rows) {
            struct row *gone = n->rows;
            n->rows = gone->next;
            free(gone);
        }
        free(n);
        n = next;
    }
}

static bool has_door(const struct http_route *r, enum http_door door)
{
    unsigned doors = r->doors ? r->doors : HTTP_DOOR_TLS | HTTP_DOOR_LOCAL;
    return (doors & door) != 0;
}

/* The deepest match that has a row at this door; what a parameter took is in params. */
static const struct route_node *walk(const struct route_node *at, struct http_request *req, size_t i, unsigned params)
{
    if (i == req->segs.n) {
        for (const struct row *r = at->rows; r; r = r->next)
            if (has_door(r->route, req->door))
                return at;
        return NULL;
    }
    const char *seg = req->segs.seg[i];
    for (const struct route_node *c = at->child; c; c = c->next) {
        const struct route_node *found = NULL;
        if (c->kind == NODE_LITERAL) {
            if (strlen(seg) == c->n && memcmp(seg, c->text, c->n) == 0)
                found = walk(c, req, i + 1, params);
        } else if (*seg) {
            bool rest = c->kind == NODE_REST;
            req->params[params] = seg;
            if (rest) {
                /* The rest of the decoded path, slashes and all: behind the segments that are used up. */
                const char *p = req->path;
                for (size_t k = 0; k < i; k++)
                    p += 1 + strlen(req->segs.seg[k]);
                req->params[params] = p + 1;
            }
            found = walk(c, req, rest ? req->segs.n : i + 1, params + 1);
        }
        if (found)
            return found;
    }
    return NULL;
}

enum http_found http_routes_find(const struct route_node *root, struct http_request *req, char *allow, size_t cap)
{
    const char *method = req->is_head ? "GET" : req->head.method;
    allow[0] = 0;
    const struct route_node *at = root && req->segs.n ? walk(root, req, 0, 0) : NULL;
    if (!at)
        return HTTP_NO_PATH;
    size_t n = 0;
    for (const struct row *r = at->rows; r; r = r->next) {
        if (!has_door(r->route, req->door))
            continue;
        if (strcmp(r->route->method, method) == 0) {
            req->route = r->route;
            return HTTP_FOUND;
        }
        const char *more = strcmp(r->route->method, "GET") == 0 ? ", HEAD" : "";
        int put = snprintf(allow + n, cap - n, "%s%s%s", n ? ", " : "", r->route->method, more);
        if (put > 0 && (size_t)put < cap - n)
            n += (size_t)put;
    }
    return HTTP_NO_METHOD;
}
