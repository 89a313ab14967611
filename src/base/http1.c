#include "base/http1.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool is_tchar(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool http1_is_token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_tchar((unsigned char)s[i]))
            return false;
    return n > 0;
}

bool http1_is_value(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool http1_list_has(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; *p;) {
        p += strspn(p, " \t,");
        size_t len = strcspn(p, ",");
        size_t bare = len;
        while (bare > 0 && (p[bare - 1] == ' ' || p[bare - 1] == '\t'))
            bare--;
        if (bare == n && strncasecmp(p, word, n) == 0)
            return true;
        p += len;
    }
    return false;
}

static bool bad_by(struct err *e, const char *rule, const char *what)
{
    err_set(e, ERR_HTTP_REQUEST, "%s", what);
    return err_why(e, "%s", rule);
}

#define bad(e, section, what) bad_by(e, "RFC 9112 section " section, what)

/* Cuts the next line off; lines end with CRLF and hold neither. */
static bool next_line(char **p, char *end, char **line, size_t *n)
{
    char *cr = memchr(*p, '\r', (size_t)(end - *p));
    if (!cr || cr + 1 >= end || cr[1] != '\n' || memchr(*p, '\n', (size_t)(cr - *p)))
        return false;
    *cr = 0;
    *line = *p;
    *n = (size_t)(cr - *p);
    *p = cr + 2;
    return true;
}

static bool read_target(char *t, size_t n, struct http1_head *out, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)t[i] <= 0x20 || (unsigned char)t[i] >= 0x7f || t[i] == '#')
            return bad(e, "3.2", "the request target has characters that no URI has");
    if (strncasecmp(t, "http://", 7) == 0 || strncasecmp(t, "https://", 8) == 0) {
        char *path = strchr(strchr(t, ':') + 3, '/');
        if (!path)
            return bad(e, "3.2.2", "the request target has no path");
        t = path;
    }
    if (t[0] != '/' && strcmp(t, "*") != 0)
        return bad(e, "3.2", "the request target does not begin with /");
    out->target = t;
    return true;
}

static bool read_request_line(char *line, size_t n, struct http1_head *out, struct err *e)
{
    char *sp = memchr(line, ' ', n);
    if (!sp || !http1_is_token(line, (size_t)(sp - line)) || sp - line > 24)
        return bad(e, "3", "the request line does not begin with a method");
    *sp = 0;
    out->method = line;
    char *target = sp + 1;
    char *sp2 = memchr(target, ' ', n - (size_t)(target - line));
    if (!sp2)
        return bad(e, "3", "the request line has no protocol version");
    *sp2 = 0;
    const char *version = sp2 + 1;
    if (strlen(version) != n - (size_t)(version - line) ||
        (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0))
        return bad(e, "2.3", "the protocol version is not HTTP/1.1 or 1.0");
    out->minor = version[7] - '0';
    return read_target(target, (size_t)(sp2 - target), out, e);
}

static bool read_field(char *line, size_t n, struct http1_head *out, struct err *e)
{
    char *colon = memchr(line, ':', n);
    if (!colon || !http1_is_token(line, (size_t)(colon - line)))
        return bad(e, "5.1", "a field line has no name, or space before its colon, or is folded");
    if (out->fields_n == HTTP1_FIELDS_MAX)
        return bad(e, "5", "there are too many header fields");
    *colon = 0;
    char *v = colon + 1, *end = line + n;
    while (*v == ' ' || *v == '\t')
        v++;
    while (end > v && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (!http1_is_value(v, (size_t)(end - v)))
        return bad(e, "5.5", "a field value has control characters");
    *end = 0;
    out->fields[out->fields_n++] = (struct http1_field){line, v};
    return true;
}

static bool read_length(const char *v, int64_t *out, struct err *e)
{
    size_t n = strlen(v);
    if (n == 0 || n > 18 || strspn(v, "0123456789") != n)
        return bad(e, "6.2", "Content-Length is not a number of at most 18 digits");
    *out = 0;
    for (; *v; v++)
        *out = *out * 10 + (*v - '0');
    return true;
}

/* uri-host [ ":" port ] by its characters (RFC 3986 section 3.2.2); empty where the target has no authority. */
static bool is_host(const char *v)
{
    for (; *v; v++)
        if (!isalnum((unsigned char)*v) && !strchr("-._~%!$&'()*+,;=:[]", *v))
            return false;
    return true;
}

/* Fields that must not be there twice, for two readers may each believe another one. */
static bool once(unsigned *seen, unsigned bit, struct err *e)
{
    if (*seen & bit)
        return bad(e, "5.3",
                   "Host, Content-Length, Transfer-Encoding, Content-Type or Authorization stands there twice");
    *seen |= bit;
    return true;
}

static bool read_meaning(struct http1_head *h, struct err *e)
{
    unsigned seen = 0;
    bool says_close = false, says_keep = false;
    for (size_t i = 0; i < h->fields_n; i++) {
        const char *name = h->fields[i].name, *v = h->fields[i].value;
        if (strcasecmp(name, "host") == 0) {
            if (!once(&seen, 1, e))
                return false;
            if (!is_host(v))
                return bad(e, "3.2", "Host has characters that no host has");
        } else if (strcasecmp(name, "content-length") == 0) {
            if (!once(&seen, 2, e) || !read_length(v, &h->length, e))
                return false;
        } else if (strcasecmp(name, "transfer-encoding") == 0) {
            if (!once(&seen, 4, e))
                return false;
            if (strcasecmp(v, "chunked") != 0 || h->minor == 0)
                return bad(e, "6.1", "a Transfer-Encoding other than chunked is not taken");
            h->chunked = true;
        } else if (strcasecmp(name, "content-type") == 0) {
            if (!once(&seen, 8, e))
                return false;
        } else if (strcasecmp(name, "authorization") == 0) {
            if (!once(&seen, 16, e))
                return false;
        } else if (strcasecmp(name, "connection") == 0) {
            says_close |= http1_list_has(v, "close");
            says_keep |= http1_list_has(v, "keep-alive");
        } else if (strcasecmp(name, "expect") == 0) {
            if (strcasecmp(v, "100-continue") != 0)
                return bad_by(e, "RFC 9110 section 10.1.1", "an expectation other than 100-continue is not met");
            h->expects_continue = h->minor == 1;
        }
    }
    if (h->minor == 1 && !(seen & 1))
        return bad(e, "3.2", "Host is missing");
    if (h->chunked && (seen & 2))
        return bad(e, "6.1", "Content-Length and Transfer-Encoding stand together");
    h->keep_alive = !says_close && (h->minor == 1 || says_keep);
    return true;
}

bool http1_read_head(char *text, size_t n, struct http1_head *out, struct err *e)
{
    out->method = out->target = NULL;
    out->fields_n = 0;
    out->length = -1;
    out->minor = 0;
    out->chunked = out->keep_alive = out->expects_continue = false;
    char *p = text, *end = text + n, *line;
    size_t line_n;
    if (memchr(text, 0, n))
        return bad(e, "2.2", "the header has a NUL in it");
    if (!next_line(&p, end, &line, &line_n))
        return bad(e, "2.2", "the request line does not end with CRLF");
    if (!read_request_line(line, line_n, out, e))
        return false;
    for (;;) {
        if (!next_line(&p, end, &line, &line_n))
            return bad(e, "2.2", "a header line does not end with CRLF");
        if (line_n == 0)
            return read_meaning(out, e);
        if (!read_field(line, line_n, out, e))
            return false;
    }
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http1_unescape(const char *s, size_t n, bool plus, char *dst)
{
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '%') {
            if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
                return false;
            c = (char)(hex(s[i + 1]) << 4 | hex(s[i + 2]));
            i += 2;
            if (c == 0)
                return false;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *dst++ = c;
    }
    *dst = 0;
    return true;
}

bool http1_read_path(const char *target, char *dst, struct http1_path *out, struct err *e)
{
    out->n = 0;
    const char *p = target, *end = target + (*target == '/' ? strcspn(target, "?") : 0);
    while (p < end) {
        p++; /* the slash */
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t n = (size_t)((slash ? slash : end) - p);
        if (out->n == HTTP1_SEGMENTS_MAX)
            return bad(e, "3.2", "the path has too many segments");
        if (!http1_unescape(p, n, false, dst) || !http1_is_value(dst, strlen(dst)))
            return bad(e, "3.2", "the path has a bad escape or a control character");
        if (strcmp(dst, ".") == 0 || strcmp(dst, "..") == 0)
            return bad(e, "3.2", "the path has dot segments");
        out->seg[out->n++] = dst;
        dst += strlen(dst) + 1;
        p += n;
    }
    return true;
}

static bool bad_chunk(struct err *e, const char *what)
{
    return bad(e, "7.1", what);
}

#define CHUNK_EXTRA_MAX 4096 /* chunk extensions and trailers of one body; nothing reads them */

static bool read_chunk_byte(struct http1_chunks *c, uint8_t b, struct err *e)
{
    int digit;
    switch (c->at) {
    case CHUNK_SIZE:
        digit = hex((char)b);
        if (digit >= 0) {
            c->left = c->left << 4 | (unsigned)digit;
            return ++c->digits <= 8 || bad_chunk(e, "a chunk is larger than anything that is taken here");
        }
        if (c->digits == 0)
            return bad_chunk(e, "a chunk has no size");
        c->at = b == '\r' ? CHUNK_SIZE_LF : CHUNK_EXT;
        return b == '\r' || b == ';' || b == ' ' || b == '\t' || bad_chunk(e, "a chunk size is not a number");
    case CHUNK_EXT:
        if (b == '\r')
            c->at = CHUNK_SIZE_LF;
        return (b != '\n' && ++c->extra <= CHUNK_EXTRA_MAX) ||
               bad_chunk(e, "a chunk extension is malformed or too long");
    case CHUNK_SIZE_LF:
        c->at = c->left ? CHUNK_DATA : CHUNK_TRAILER;
        c->line = 0;
        return b == '\n' || bad_chunk(e, "a chunk size does not end with CRLF");
    case CHUNK_CR:
        c->at = CHUNK_LF;
        return b == '\r' || bad_chunk(e, "a chunk is longer than its size");
    case CHUNK_LF:
        c->at = CHUNK_SIZE;
        c->digits = 0;
        return b == '\n' || bad_chunk(e, "a chunk does not end with CRLF");
    case CHUNK_TRAILER:
        if (b == '\r')
            c->at = CHUNK_TRAILER_LF;
        else
            c->line++;
        return (b != '\n' && ++c->extra <= CHUNK_EXTRA_MAX) || bad_chunk(e, "a trailer is malformed or too long");
    case CHUNK_TRAILER_LF:
        c->done = c->line == 0;
        c->at = CHUNK_TRAILER;
        c->line = 0;
        return b == '\n' || bad_chunk(e, "a trailer does not end with CRLF");
    case CHUNK_DATA:
        break;
    }
    return false;
}

bool http1_read_chunks(struct http1_chunks *c, struct slice in, size_t *used, struct slice *data, struct err *e)
{
    *used = 0;
    *data = (struct slice){0};
    size_t i = 0;
    while (i < in.n && !c->done) {
        if (c->at == CHUNK_DATA) {
            size_t n = in.n - i < c->left ? in.n - i : (size_t)c->left;
            *data = slice_of(in.p + i, n);
            c->left -= n;
            if (c->left == 0)
                c->at = CHUNK_CR;
            *used = i + n;
            return true;
        }
        if (!read_chunk_byte(c, in.p[i++], e))
            return false;
    }
    *used = i;
    return true;
}
