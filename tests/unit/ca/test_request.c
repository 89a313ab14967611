/* The words between server and signer, and the connection that carries them. */
#include "../test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../mutate.h"
#include "base/frame.h"
#include "ca/client.h"
#include "core/cbor.h"

static void sample(struct writer *w)
{
    const struct issue_request q = {
        .profile = SLICE_LIT("ldevid"),
        .spki = SLICE_LIT("key"),
        .csr_san = SLICE_LIT("\x30\x00"),
        .authority = {.kind = AUTHORITY_CLAIM,
                      .nonce = SLICE_LIT("0123456789abcdef"),
                      .expires_at = -1,
                      .claim = SLICE_LIT("claim"),
                      .who = SLICE_LIT("who")},
        .facts = {{SLICE_LIT("id"), SLICE_LIT("x")}, {SLICE_LIT("tag:site"), SLICE_LIT("north")}},
        .facts_n = 2,
    };
    issue_request_put(w, &q);
}

static size_t taken;

/* Whatever is read is written again byte for byte, or refused. */
static void read_variant(struct slice v, void *ctx)
{
    (void)ctx;
    struct issue_request q;
    uint8_t again[512];
    struct reader r = reader_of(v);
    struct writer w = WRITER_ARRAY(again);
    issue_request_get(&r, &q);
    if (!reader_end(&r))
        return;
    issue_request_put(&w, &q);
    assert_slice(writer_slice(&w), v);
    taken++;
}

static void reads_requests_back_and_nothing_else(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct writer w = WRITER_ARRAY(bytes);
    sample(&w);
    assert_true(writer_ok(&w));
    read_variant(writer_slice(&w), NULL);
    assert_int_equal(taken, 1);
    mutate_each(writer_slice(&w), read_variant, NULL);
    assert_true(taken > 1);
}

static void read_status(struct slice v, void *ctx)
{
    (void)ctx;
    struct signer_status s;
    uint8_t again[512];
    struct reader r = reader_of(v);
    struct writer w = WRITER_ARRAY(again);
    signer_status_get(&r, &s);
    if (!reader_end(&r))
        return;
    signer_status_put(&w, &s);
    assert_slice(writer_slice(&w), v);
    taken++;
}

static void reads_a_signers_status_back_and_nothing_else(void **state)
{
    (void)state;
    static const uint8_t root[SHA256_SIZE] = {1, 2, 3};
    const struct signer_status s = {.domain = SLICE_LIT("issuing"),
                                    .leaves = 7,
                                    .uncovered = 1,
                                    .journal_at = 70000,
                                    .vouch_spki = SLICE_LIT("key"),
                                    .head_seq = 3,
                                    .issued = 1u << 20,
                                    .refused = 2,
                                    .signed_at = 1795392000,
                                    .token = SLICE_LIT("healthy"),
                                    .clock_off_s = -5,
                                    .vouched_size = 6,
                                    .forked = true,
                                    .vouched_root = SLICE_ARRAY(root),
                                    .root_list = 4,
                                    .root_digest = SLICE_ARRAY(root)};
    struct signer_status got;
    uint8_t bytes[512];
    struct writer w = WRITER_ARRAY(bytes);
    signer_status_put(&w, &s);
    struct reader r = reader_of(writer_slice(&w));
    size_t fields = 0;
    for (; reader_ok(&r) && reader_left(&r); fields++)
        cbor_skip(&r);
    assert_int_equal(fields, SIGNER_STATUS_FIELDS);
    r = reader_of(writer_slice(&w));
    signer_status_get(&r, &got);
    assert_true(reader_end(&r) && got.forked && got.clock_off_s == -5 && got.signed_at == 1795392000);
    assert_slice(got.vouched_root, s.vouched_root);
    assert_slice(got.root_digest, s.root_digest);
    assert_int_equal(got.root_list, 4);
    taken = 0;
    mutate_each(writer_slice(&w), read_status, NULL);
    assert_true(taken > 1);
}

static void read_answer(struct slice v, void *ctx)
{
    (void)ctx;
    struct err e;
    size_t n;
    struct reader r = reader_of(v);
    if (!answer_get(&r, &n, &e))
        assert_true(e.code != ERR_NONE);
}

static void carries_an_error_whole_and_survives_spoilt_ones(void **state)
{
    (void)state;
    struct err e, got;
    size_t n;
    uint8_t bytes[2048];
    struct writer w = WRITER_ARRAY(bytes);
    (void)err_set(&e, ERR_RATE, "what \"it\" was");
    (void)err_why(&e, "a reason");
    (void)err_try(&e, "a way");
    answer_put_error(&w, 7, &e);
    struct reader r = reader_of(writer_slice(&w));
    assert_err(answer_get(&r, &n, &got), got, ERR_RATE);
    assert_string_equal(got.what, e.what);
    assert_string_equal(got.why, e.why);
    assert_string_equal(got.hint, e.hint);
    mutate_each(writer_slice(&w), read_answer, NULL);
}

struct waits {
    struct client *c;
    struct err e;
    bool ok;
    pthread_t thread;
};

static void *call(void *arg)
{
    struct waits *w = arg;
    struct buf out;
    size_t n;
    buf_init(&out, 1024);
    w->ok = client_call(w->c, REQUEST_STATUS, (struct slice){0}, 0, &out, &n, &w->e);
    buf_clear(&out);
    return NULL;
}

/* A client and what stands in for its signer. */
struct link {
    char dir[32], path[64];
    struct env env;
    int listener, fd;
    struct client *client;
    struct buf frame;
};

static void link_open(struct link *l)
{
    struct err e;
    *l = (struct link){.dir = "/tmp/kith-client-XXXXXX"};
    buf_init(&l->frame, 1024);
    env_init_real(&l->env, NULL);
    assert_non_null(mkdtemp(l->dir));
    snprintf(l->path, sizeof l->path, "%s/s", l->dir);
    assert_ok(frame_listen(l->path, &l->listener, &e), e);
    assert_ok(client_new(l->path, &l->env, NULL, NULL, &l->client, &e), e);
}

static void link_accept(struct link *l)
{
    struct err e;
    struct frame_peer peer;
    l->fd = -1;
    for (int i = 0; l->fd < 0 && i < 500; i++) {
        assert_ok(frame_accept(l->listener, (uid_t)-1, &l->fd, &peer, &e), e);
        usleep(l->fd < 0 ? 10000 : 0);
    }
    assert_true(l->fd >= 0);
    for (int i = 0; i < 500 && !client_is_connected(l->client); i++)
        usleep(10000);
}

/* Asks from a thread of its own, until the signer has it; the request's number. */
static uint64_t link_ask(struct link *l, struct waits *w)
{
    struct err e;
    bool closed;
    w->c = l->client;
    pthread_create(&w->thread, NULL, call, w);
    assert_ok(frame_read(l->fd, &l->env, 5000, &l->frame, &closed, &e), e);
    struct reader r = reader_of(buf_slice(&l->frame));
    cbor_get_array(&r);
    return cbor_get_uint(&r);
}

static void link_answer(struct link *l, struct waits *w, struct slice answer)
{
    struct err e;
    assert_ok(frame_write(l->fd, &l->env, 5000, answer, &e), e);
    pthread_join(w->thread, NULL);
}

static void link_remove(struct link *l)
{
    client_free(l->client);
    close(l->fd);
    close(l->listener);
    unlink(l->path);
    rmdir(l->dir);
    buf_clear(&l->frame);
}

/* What the signer's files or token do not let it do is nobody's fault who asks; what it refuses is. */
static void tells_the_signers_own_trouble_as_one_that_is_away(void **state)
{
    static const struct {
        enum err_code said, told;
    } rows[] = {
        {ERR_JOURNAL, ERR_SIGNER_GONE},
        {ERR_JOURNAL_LOST, ERR_SIGNER_GONE},
        {ERR_IO, ERR_SIGNER_GONE},
        {ERR_P11_PIN, ERR_SIGNER_GONE},
        {ERR_P11_OBJECT, ERR_SIGNER_GONE},
        {ERR_P11_REFUSED, ERR_SIGNER_GONE},
        {ERR_P11_DEVICE, ERR_P11_DEVICE},
        {ERR_CLOCK, ERR_CLOCK},
        {ERR_PROFILE_KEY, ERR_PROFILE_KEY},
        {ERR_SERIAL, ERR_SERIAL},
        {ERR_CERT_SIGNATURE, ERR_CERT_SIGNATURE},
    };
    (void)state;
    struct link l;
    struct waits w = {0};
    link_open(&l);
    link_accept(&l);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bytes[256];
        struct writer a = WRITER_ARRAY(bytes);
        struct err said;
        err_set(&said, rows[i].said, "/var/lib/kith/journal: no");
        answer_put_error(&a, link_ask(&l, &w), &said);
        link_answer(&l, &w, writer_slice(&a));
        assert_false(w.ok);
        assert_int_equal(w.e.code, rows[i].told);
        assert_int_equal(strstr(w.e.what, "/var") != NULL, rows[i].said == rows[i].told);
    }
    link_remove(&l);
}

static void fails_what_waits_when_the_signer_goes_and_connects_again(void **state)
{
    (void)state;
    struct link l;
    struct err e;
    struct waits w = {0};
    link_open(&l);
    for (int round = 0; round < 3; round++) {
        link_accept(&l);
        uint64_t id = link_ask(&l, &w);
        if (round == 1) { /* one round with an answer */
            uint8_t bytes[32];
            struct writer a = WRITER_ARRAY(bytes);
            answer_put(&a, id, 0);
            link_answer(&l, &w, writer_slice(&a));
            assert_true(w.ok);
            close(l.fd);
            continue;
        }
        close(l.fd);
        pthread_join(w.thread, NULL);
        assert_false(w.ok);
        assert_int_equal(w.e.code, ERR_SIGNER_GONE);
    }
    static const uint8_t some[16];
    assert_err(client_send(l.client, REQUEST_STATUS, slice_of(some, REQUEST_FRAME_MAX), 1, NULL, NULL, &e), e,
               ERR_LIMIT);
    /* Its end fails what waits, and what comes later. */
    link_accept(&l);
    (void)link_ask(&l, &w);
    client_close(l.client);
    pthread_join(w.thread, NULL);
    assert_int_equal(w.e.code, ERR_SIGNER_GONE);
    assert_err(client_send(l.client, REQUEST_STATUS, (struct slice){0}, 0, NULL, NULL, &e), e, ERR_SIGNER_GONE);
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[199] = 0;
    assert_err(client_new(longer, &l.env, NULL, NULL, &w.c, &e), e, ERR_USAGE);
    link_remove(&l);
}

/* A record is whole and alone: its items are those of its kind, and nothing stands behind them. */
static void reads_records_of_a_journal_and_nothing_beside_them(void **state)
{
    static const size_t items[] = {[JOURNAL_CERT] = 7, [JOURNAL_CRL] = 6, [JOURNAL_CLOCK] = 2, [JOURNAL_ROOT_LIST] = 4};
    (void)state;
    for (uint64_t kind = 0; kind < 12; kind++)
        for (size_t n = 0; n < 9; n++)
            for (size_t there = 0; there < 9; there++) {
                uint8_t bytes[32];
                struct writer w = WRITER_ARRAY(bytes);
                struct reader fields;
                enum journal_kind got;
                int64_t at;
                struct err e = {0};
                if (kind >= ARRAY_LEN(items) || (kind && !items[kind]))
                    continue;
                cbor_put_array(&w, n);
                for (size_t i = 0; i < there; i++)
                    cbor_put_uint(&w, i ? 9 : kind);
                bool good = kind && n == items[kind] && there == n;
                assert_int_equal(journal_record_read(writer_slice(&w), &fields, &got, &at, &e), good);
                assert_true(good || e.code == ERR_JOURNAL);
                assert_true(!good || (got == kind && at == 9));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_requests_back_and_nothing_else),
        cmocka_unit_test(reads_a_signers_status_back_and_nothing_else),
        cmocka_unit_test(reads_records_of_a_journal_and_nothing_beside_them),
        cmocka_unit_test(carries_an_error_whole_and_survives_spoilt_ones),
        cmocka_unit_test(tells_the_signers_own_trouble_as_one_that_is_away),
        cmocka_unit_test(fails_what_waits_when_the_signer_goes_and_connects_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
