/* The n-th allocation fails, for each n in turn, until the whole act succeeds. */
#include "../test.h"

#include <stdlib.h>

#include "base/args.h"
#include "base/config.h"
#include "base/frame.h"
#include "base/json_out.h"
#include "base/manual.h"
#include "base/queue.h"

static bool counting;
static int left;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);

void *__wrap_malloc(size_t n)
{
    return counting && left-- == 0 ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return counting && left-- == 0 ? NULL : __real_calloc(count, n);
}

struct target {
    const char *text;
    struct opt_list list;
    bool on;
};

static const struct opt rows[] = {
    {.section = "a", .name = "text", .type = OPT_TEXT, .offset = OPT_TARGET(struct target, text)},
    {.section = "a", .name = "list", .type = OPT_LIST, .offset = OPT_TARGET(struct target, list)},
    {.name = "on", .type = OPT_BOOL, .help = "on", .offset = OPT_TARGET(struct target, on)},
    {.name = "text", .type = OPT_TEXT, .help = "text", .offset = OPT_TARGET(struct target, text)},
};

static bool grow_buf(struct err *e)
{
    struct slice s;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    bool ok = buf_done(&b, &s, e);
    buf_clear(&b);
    return ok;
}

static bool read_config(struct err *e)
{
    struct target t = {0};
    struct arena a;
    char text[9000] = "[a]\ntext = ";
    memset(text + 11, 'x', 4000);
    strcpy(text + 4011, "\nlist = a b c\n");
    arena_init(&a, 1 << 16);
    bool ok = config_read("f", slice_str(text), rows, ARRAY_LEN(rows), &a, &t, e);
    arena_clear(&a);
    return ok;
}

static bool read_args(struct err *e)
{
    struct target t = {0};
    struct args_words w;
    struct arena a;
    arena_init(&a, 1 << 16);
    bool ok = args_read(rows, ARRAY_LEN(rows), 3, (char *[]){"--on", "--text=x", "word"}, false, &a, &t, &w, NULL, e);
    arena_clear(&a);
    return ok;
}

static bool write_help(struct err *e)
{
    static const struct manual_program p = {.name = "x", .synopsis = "", .about = "", .rows = rows, .rows_n = 4};
    struct slice s;
    struct buf b;
    buf_init(&b, 10000);
    manual_put_help(&b, &p);
    manual_put_completion(&b, &p);
    manual_put_mdoc_config(&b, rows, ARRAY_LEN(rows));
    manual_put_mdoc_options(&b, rows, ARRAY_LEN(rows));
    bool ok = buf_done(&b, &s, e);
    buf_clear(&b);
    return ok;
}

static bool write_json(struct err *e)
{
    struct buf b;
    buf_init(&b, 10000);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    for (int i = 0; i < 50; i++)
        json_out_text(&o, "key", "value");
    json_out_end(&o);
    struct slice s;
    bool ok = json_out_done(&o) && buf_done(&b, &s, e);
    if (!ok && !e->code)
        err_set(e, ERR_NOMEM, "json_out");
    buf_clear(&b);
    return ok;
}

static bool read_frame(struct err *e)
{
    struct frame_in f;
    static uint8_t bytes[3004] = {0, 0, 0x0b, 0xb8};
    struct slice in = SLICE_ARRAY(bytes), frame;
    bool have = false, ok = true;
    frame_in_init(&f, FRAME_MAX);
    for (size_t at = 0; ok && at < sizeof bytes; at += 500) {
        in = slice_of(bytes + at, sizeof bytes - at < 500 ? sizeof bytes - at : 500);
        ok = frame_feed(&f, &in, &frame, &have, e);
    }
    frame_in_clear(&f);
    return ok && have;
}

static bool make_queue(struct err *e)
{
    struct queue *q;
    bool ok = queue_new(4, &q, e);
    queue_free(q);
    return ok;
}

static void survives_each_allocation_that_fails(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool (*run)(struct err *e);
    } acts[] = {{"grow a buf", grow_buf},      {"read a configuration", read_config},
                {"read arguments", read_args}, {"write the help", write_help},
                {"write JSON", write_json},    {"read a frame", read_frame},
                {"make a queue", make_queue}};
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        bool ok = false;
        int n = 0;
        for (; !ok && n < 1000; n++) {
            struct err e = {0};
            left = n;
            counting = true;
            ok = acts[i].run(&e);
            counting = false;
            if (ok ? e.code != 0 : e.code == 0)
                fail_msg("%s: %d with code %x at allocation %d", acts[i].name, ok, (unsigned)e.code, n);
        }
        if (!ok || n < 2)
            fail_msg("%s: %d allocations", acts[i].name, n - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(survives_each_allocation_that_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
