/* The reader of HTTP/1.1 by itself: meanings, and that no bytes upset it. */
#include "../test.h"

#include <stdlib.h>

#include "base/http1.h"

static bool read_text(const char *text, size_t n, char *room, struct http1_head *h, struct err *e)
{
    memcpy(room, text, n);
    room[n] = 0;
    return http1_read_head(room, n, h, e);
}

static void reads_a_head(void **state)
{
    (void)state;
    static const char text[] = "PUT http://h:1/a/b?c HTTP/1.1\r\nhOST: h\r\nContent-Length:  12 \t\r\nX:\r\n"
                               "Connection: foo , Close\r\nExpect: 100-Continue\r\n\r\n";
    char room[300];
    struct http1_head h;
    struct err e = {0};
    assert_ok(read_text(text, sizeof(text) - 1, room, &h, &e), e);
    assert_string_equal(h.method, "PUT");
    assert_string_equal(h.target, "/a/b?c");
    assert_int_equal(h.length, 12);
    assert_int_equal(h.fields_n, 5);
    assert_string_equal(h.fields[2].value, "");
    assert_true(h.expects_continue && !h.keep_alive && !h.chunked);
}

static void keeps_a_connection_by_version_and_wish(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: x\r\nConnection: closer\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char room[200];
        struct http1_head h;
        struct err e = {0};
        assert_ok(read_text(rows[i].text, strlen(rows[i].text), room, &h, &e), e);
        assert_int_equal(h.keep_alive, rows[i].keep);
    }
}

static void reads_chunks_whatever_the_pieces(void **state)
{
    (void)state;
    static const char text[] = "5\r\nhello\r\n1;x=\"y\"\r\n,\r\nA \r\n0123456789\r\n0\r\nT: v\r\n\r\nnext";
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct http1_chunks c = {0};
        struct err e = {0};
        char got[64];
        size_t n = 0, at = 0;
        while (!c.done && at < sizeof(text) - 1) {
            size_t left = sizeof(text) - 1 - at, used;
            struct slice data;
            struct slice in = slice_of(text + at, piece < left ? piece : left);
            assert_ok(http1_read_chunks(&c, in, &used, &data, &e), e);
            assert_true(used > 0);
            if (data.n)
                memcpy(got + n, data.p, data.n);
            n += data.n;
            at += used;
        }
        assert_true(c.done);
        assert_slice(slice_of(got, n), SLICE_LIT("hello,0123456789"));
        assert_string_equal(text + at, "next");
    }
}

static void splits_paths(void **state)
{
    (void)state;
    struct http1_path p;
    struct err e = {0};
    char dst[100];
    assert_ok(http1_read_path("/a%2Fb//c%20?d/e", dst, &p, &e), e);
    assert_int_equal(p.n, 3);
    assert_string_equal(p.seg[0], "a/b");
    assert_string_equal(p.seg[1], "");
    assert_string_equal(p.seg[2], "c ");
    static const char *const bad[] = {"/%", "/%4", "/%g0", "/%00", "/a/%2e%2E/b", "/.", "/%0d%0a"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(http1_read_path(bad[i], dst, &p, &e), e, ERR_HTTP_REQUEST);
}

/* Flips, cuts and doublings: what is taken must still be consistent. */
static void stands_changed_heads(void **state)
{
    (void)state;
    static const char seed[] =
        "POST /a/%41?x=1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nAuthorization: Basic YTpi\r\n"
        "Connection: keep-alive\r\n\r\n";
    srand(3);
    for (int round = 0; round < 200000; round++) {
        char text[sizeof(seed) * 2], room[sizeof(seed) * 2 + 1], dst[sizeof(seed) * 2];
        size_t n = sizeof(seed) - 1;
        memcpy(text, seed, n);
        for (int k = rand() % 4; k >= 0; k--) {
            size_t at = (size_t)rand() % n;
            if (rand() % 3 == 0 && n > 20 && at + 8 < n) {
                memmove(text + at, text + at + 7, n - at - 7);
                n -= 7;
            } else {
                text[at] = (char)rand();
            }
        }
        struct http1_head h;
        struct http1_path p;
        if (!read_text(text, n, room, &h, NULL))
            continue;
        assert_true(h.length >= -1 && !(h.chunked && h.length >= 0));
        assert_true(h.target[0] == '/' || strcmp(h.target, "*") == 0);
        for (size_t i = 0; i < h.fields_n; i++)
            assert_true(http1_is_token(h.fields[i].name, strlen(h.fields[i].name)));
        if (http1_read_path(h.target, dst, &p, NULL))
            for (size_t i = 0; i < p.n; i++)
                assert_true(strlen(p.seg[i]) <= strlen(h.target));
        struct http1_chunks c = {0};
        struct slice in = slice_of(text, n), data;
        size_t used = 1;
        while (in.n && !c.done && used && http1_read_chunks(&c, in, &used, &data, NULL)) {
            assert_true(used <= in.n && data.n <= used);
            in = slice_of(in.p + used, in.n - used);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_head),
        cmocka_unit_test(keeps_a_connection_by_version_and_wish),
        cmocka_unit_test(reads_chunks_whatever_the_pieces),
        cmocka_unit_test(splits_paths),
        cmocka_unit_test(stands_changed_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
