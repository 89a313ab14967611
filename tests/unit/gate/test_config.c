#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "gate/sessions.h"
#include "model/config_write.h"

static void what_is_written_has_no_traps(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf b;
    struct config_trap traps[CONFIG_TRAPS_MAX];
    size_t n;
    const struct config_write c = {.plugin = "/p.so", .gate_dir = "/d", .ca = "/ca", .cert = "/c", .key = "/k"};
    buf_init(&b, 1 << 16);
    assert_ok(config_write_mosquitto(&c, &b, &e), e);
    config_check_mosquitto(buf_slice(&b), traps, &n);
    for (size_t i = 0; i < n; i++)
        print_message("%u: %s\n", traps[i].line, traps[i].what);
    assert_int_equal(n, 0);
    buf_clear(&b);
}

static void names_each_trap(void **state)
{
    (void)state;
    static const char good[] = "listener 8883\nrequire_certificate true\nallow_anonymous false\nset_tcp_nodelay true\n"
                               "check_retain_source true\n"
                               "plugin x.so\nplugin_opt_dir d\n";
    static const struct {
        const char *line, *word;
    } rows[] = {
        {"per_listener_settings true", "per_listener_settings"},
        {"  use_identity_as_username   true", "use_identity_as_username"},
        {"use_subject_as_username true", "use_subject_as_username"},
        {"crlfile x", "crlfile"},
        {"allow_anonymous true", "allow_anonymous"},
        {"require_certificate false", "require_certificate"},
        {"password_file p", "password_file"},
        {"plugin y.so", "plugin"},
        {"protocol websockets", "protocol websockets"},
        {"tls_version tlsv1.1", "tls_version: tlsv1.2 is the lowest"},
        {"tls_version tlsv1", "tls_version: tlsv1.2 is the lowest"},
        {"tls_version", "tls_version: tlsv1.2 is the lowest"},
        {"listener 1883", "listener"},
        {"check_retain_source false", "check_retain_source"},
        {"include_dir d", "include_dir"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[512];
        struct config_trap traps[CONFIG_TRAPS_MAX];
        size_t n;
        snprintf(text, sizeof text, "%s%s\n", good, rows[i].line);
        config_check_mosquitto(slice_str(text), traps, &n);
        if (n != 1 || traps[0].line != 8 || strncmp(traps[0].what, rows[i].word, strlen(rows[i].word)) != 0)
            fail_msg("%s: %zu traps", rows[i].line, n);
    }
}

static void names_what_is_missing(void **state)
{
    (void)state;
    struct config_trap traps[CONFIG_TRAPS_MAX];
    size_t n;
    config_check_mosquitto(SLICE_LIT(""), traps, &n);
    assert_int_equal(n, 7);
}

static void refuses_paths_with_a_line_end(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf b;
    const struct config_write c = {
        .plugin = "/p.so\nallow_anonymous true", .gate_dir = "/d", .ca = "/ca", .cert = "/c", .key = "/k"};
    buf_init(&b, 1 << 16);
    assert_err(config_write_mosquitto(&c, &b, &e), e, ERR_USAGE);
    buf_clear(&b);
}

/* ---- the table of sessions ---- */

static const void *key_of(size_t i)
{
    return (const void *)(uintptr_t)(0x1000 + i * 64);
}

static void sessions_are_found_by_pointer_and_the_newest_by_name(void **state)
{
    (void)state;
    struct sessions *t = sessions_new(1000);
    for (size_t i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%zu", i / 2);
        assert_non_null(sessions_add(t, key_of(i), name));
    }
    assert_null(sessions_add(t, key_of(1000), "x"));
    for (size_t i = 0; i < 1000; i++)
        assert_non_null(sessions_find(t, key_of(i)));
    assert_ptr_equal(sessions_by_client(t, "c3"), sessions_find(t, key_of(7)));
    sessions_find(t, key_of(6))->state = SESSION_AWAY;
    sessions_drop_away(t, "c3", NULL);
    assert_null(sessions_find(t, key_of(6)));
    assert_ptr_equal(sessions_by_client(t, "c3"), sessions_find(t, key_of(7)));
    assert_non_null(sessions_add(t, key_of(1000), "x"));
    /* Full again: one that is away makes room. */
    sessions_find(t, key_of(8))->state = SESSION_AWAY;
    assert_non_null(sessions_add(t, key_of(1001), "y"));
    assert_null(sessions_find(t, key_of(8)));
    size_t at = 0, n = 0;
    for (struct session *s; (s = sessions_step(t, &at)); n++)
        sessions_remove(t, s->key);
    assert_int_equal(n, 1000);
    assert_int_equal(sessions_count(t), 0);
    sessions_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_has_no_traps),
        cmocka_unit_test(names_each_trap),
        cmocka_unit_test(names_what_is_missing),
        cmocka_unit_test(refuses_paths_with_a_line_end),
        cmocka_unit_test(sessions_are_found_by_pointer_and_the_newest_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
