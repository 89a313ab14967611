/* The lists in the manual pages are those of the option rows.  `test_supervisor_manual --print` writes the lists, to be put
 * into the pages when a row changes. */
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "model/settings.h"
#include "supervisor/options.h"

static const char *man_dir;

static void put_conf(struct buf *b)
{
    manual_put_mdoc_config(b, settings_rows, settings_rows_n);
}

static void put_options(struct buf *b)
{
    manual_put_mdoc_options(b, options_program.rows, options_program.rows_n);
}

static void assert_page_has(const char *page, void (*put)(struct buf *))
{
    AUTO(buf_clear) struct buf want, text;
    struct err e;
    char path[300];
    buf_init(&want, 65536);
    buf_init(&text, 65536);
    put(&want);
    snprintf(path, sizeof path, "%s/%s", man_dir, page);
    assert_ok(file_read(path, 65536, &text, &e), e);
    if (!strstr(buf_str(&text), buf_str(&want)))
        fail_msg("%s has not the list of the option rows; it should have:\n%s", page, buf_str(&want));
}

static void kith_conf_5_has_every_setting(void **state)
{
    (void)state;
    assert_page_has("kith.conf.5", put_conf);
}

static void kithd_8_has_every_option(void **state)
{
    (void)state;
    assert_page_has("kithd.8", put_options);
}

int main(int argc, char **argv)
{
    assert_true(argc == 2);
    if (strcmp(argv[1], "--print") == 0) {
        AUTO(buf_clear) struct buf b;
        buf_init(&b, 65536);
        put_conf(&b);
        buf_put_str(&b, "-----\n");
        put_options(&b);
        fputs(buf_str(&b), stdout);
        return 0;
    }
    man_dir = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kith_conf_5_has_every_setting),
        cmocka_unit_test(kithd_8_has_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
