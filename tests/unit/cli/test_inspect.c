/* kith inspect and explain, help and manual, tables of devices. */
#include "fixture.h"

#include "base/csv.h"
#include "cli/import_line.h"
#include "core/cbor.h"
#include "core/revset.h"
#include "core/writer.h"
#include "model/token.h"

static void names_what_it_sees(void **state)
{
    (void)state;
    assert_run(0, "init", "--dir", at("d"), "--name", "Acme");
    assert_true(shell("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -subj /CN=x "
                      "-addext subjectAltName=DNS:host.test -out r.pem && cat r.pem k.pem > two.pem"));
    assert_says(0, "certificate\nsubject        CN=Acme Root CA, O=Acme", "inspect", at("d/ca/root.cer"));
    assert_says(0, "self-signature good", "inspect", at("d/ca/root.cer"));
    assert_true(shell(
        "base64 -w 0 d/ca/root.cer > one.b64; openssl x509 -inform DER -in d/ca/root.cer | tr -d '\\n' > one.pem"));
    assert_says(0, "CN=Acme Root CA", "inspect", at("one.b64"));
    assert_says(0, "CN=Acme Root CA", "inspect", at("one.pem"));
    assert_says(0, "certificate revocation list", "inspect", at("d/ca/root.crl"));
    assert_says(0, "possession     good", "inspect", at("r.pem"));
    assert_says(0, "dns:host.test", "inspect", at("r.pem"));
    assert_says(0, "private key (not looked into)", "inspect", at("two.pem"));
    assert_says(0, "\"not_after\":\"2046-", "inspect", at("d/ca/root.cer"), "--json");
    assert_says(0, "private key", "inspect", at("d/keys/root.key"));
    assert_says(0, "keys that sign a log's checkpoints", "inspect", at("d/ledger.vkeys"));
    assert_says(0, "ca path length any", "inspect", at("d/ca/root.cer"));
    assert_true(shell("openssl pkey -in k.pem -pubout -out pub.pem && head -c 200 d/ca/root.cer > cut.der"));
    assert_says(0, "public key\nkey", "inspect", at("pub.pem"));
    assert_says(6, "DER, cut at byte 200 of", "inspect", at("cut.der"));
}

static void shows_cbor_as_diagnostic_notation(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct writer w = WRITER_ARRAY(bytes);
    cbor_put_array(&w, 4);
    cbor_put_int(&w, -3);
    cbor_put_text(&w, "a\n");
    cbor_put_map(&w, 1);
    cbor_put_uint(&w, 1);
    cbor_put_bstr(&w, SLICE_LIT("\x01\xff"));
    cbor_put_null(&w);
    write_file("c", writer_slice(&w), 0644);
    assert_says(0, "[-3, \"a\\n\", {1: h'01ff'}, null]", "inspect", at("c"));
}

static void knows_sets_and_tokens(void **state)
{
    (void)state;
    uint8_t bytes[256], root[SHA256_SIZE] = {1};
    char token[TOKEN_MAX];
    struct err e;
    struct writer w = WRITER_ARRAY(bytes);
    const uint32_t members[] = {3, 17, 400};
    assert_ok(revset_build(members, 3, 1000, &w, &e), e);
    write_file("s", writer_slice(&w), 0644);
    assert_says(0, "3, 17, 400", "inspect", at("s"));
    assert_ok(token_format("https://k.test", root, "dev_01m846fkfwd0rpat0t8pr8bcew", "knguagiblzj4ukdng423aqrifvhd5e3g",
                           token, sizeof token, &e),
              e);
    write_file("t", slice_str(token), 0600);
    assert_says(0, "dev_01m846fkfwd0rpat0t8pr8bcew", "inspect", at("t"));
    struct ran r = run("inspect", at("t"), NULL);
    assert_null(strstr(r.out, "knguagib"));
    ran_clear(&r);
}

static void looks_at_damaged_files_without_harm(void **state)
{
    (void)state;
    AUTO(buf_clear) struct buf der;
    struct err e;
    buf_init(&der, 65536);
    assert_run(0, "init", "--dir", at("d"));
    assert_ok(file_read(at("d/ca/issuing.cer"), 65536, &der, &e), e);
    for (size_t i = 0; i < der.n; i += 3) {
        der.p[i] ^= 0x41;
        write_file("x", buf_slice(&der), 0644);
        struct ran r = run("inspect", at("x"), NULL);
        assert_true(r.status == 0 || r.status == 6);
        ran_clear(&r);
        der.p[i] ^= 0x41;
    }
    for (size_t n = 0; n < der.n; n += 7) {
        write_file("x", slice_of(der.p, n), 0644);
        assert_run(6, "inspect", at("x"));
    }
    assert_run(3, "inspect", at("nothing"));
}

/* It is CBOR, and not what Kith takes: which of the two is wrong is said. */
static void tells_cbor_that_is_not_deterministic(void **state)
{
    (void)state;
    const struct {
        struct slice cbor;
        int status;
        const char *says;
    } rows[] = {
        {SLICE_LIT("\x18\x17"), 6, "shortest form, at byte 0"},
        {SLICE_LIT("\x82\x01\x19\x00\xff"), 6, "shortest form, at byte 2"},
        {SLICE_LIT("\x1a\x00\x00\xff\xff"), 6, "shortest form, at byte 0"},
        {SLICE_LIT("\x1b\x00\x00\x00\x00\xff\xff\xff\xff"), 6, "shortest form, at byte 0"},
        {SLICE_LIT("\x9f\x01\xff"), 6, "an indefinite length, at byte 0"},
        {SLICE_LIT("\xa1\x01\x5f\x41\x61\xff"), 6, "an indefinite length, at byte 2"},
        {SLICE_LIT("\xa2\x02\x01\x01\x01"), 6, "keys of a map"},
        {SLICE_LIT("\xfb\x40\x09\x21\xfb\x54\x44\x2d\x18"), 6, "a float"},
        {SLICE_LIT("\x81\xf7"), 6, "a simple value, which nothing here has, at byte 1"},
        {SLICE_LIT("\x1a\x00\x01\x00\x00"), 0, "65536"},
        {SLICE_LIT("\x9f\x01"), 6, "none of the forms"},
        {SLICE_LIT("\x82\x18\x17"), 6, "none of the forms"},
        {SLICE_LIT("\x81\xff"), 6, "none of the forms"},
        {SLICE_LIT("\x1c"), 6, "none of the forms"},
        {SLICE_LIT("\x1f"), 6, "none of the forms"},
        {SLICE_LIT("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"), 6, "none of the forms"},
        {SLICE_LIT("\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x18"), 6, "none of the forms"},
        {SLICE_LIT("\x18\x17\x00"), 6, "none of the forms"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_file("x", rows[i].cbor, 0644);
        assert_says(rows[i].status, rows[i].says, "inspect", at("x"));
    }
}

static void explains_every_code(void **state)
{
    (void)state;
#define ERR_ROW(id, class, number, slug, explain) assert_says(0, slug "\n", "explain", slug);
#include "core/err_codes.h"
#undef ERR_ROW
    assert_says(3, "try: kith explain claim", "explain", "clam");
    assert_says(0, "not what its last entry says", "explain", "row-edited");
}

static void the_manual_is_the_one_in_doc(void **state)
{
    (void)state;
    AUTO(buf_clear) struct buf file;
    struct err e;
    buf_init(&file, 1 << 20);
    struct ran r = run("manual", NULL);
    assert_ok(file_read(MANUAL, 1 << 20, &file, &e), e);
    if (getenv("KITH_GOLDEN_WRITE"))
        assert_ok(file_write_atomic(MANUAL, 0644, slice_of(r.out, r.out_n), &e), e);
    else if (strcmp(r.out, buf_str(&file)) != 0)
        fail_msg("an option has changed: kith manual > doc/man/kith.1");
    ran_clear(&r);
}

/* `kith --help` and that of every command, one behind the other, as tests/unit/cli/help.txt has it. */
static void the_help_is_the_one_kept(void **state)
{
    (void)state;
    AUTO(buf_clear) struct buf file, all;
    struct arena a;
    struct err e;
    const struct verb *verbs;
    size_t n;
    buf_init(&file, 1 << 20);
    buf_init(&all, 1 << 20);
    arena_init(&a, 1 << 20);
    struct ran r = run("--help", NULL);
    buf_put_str(&all, r.out);
    ran_clear(&r);
    assert_ok(cli_verbs(&a, &verbs, &n, &e), e);
    for (size_t i = 0; i < n; i++) {
        const char *second = strchr(verbs[i].name, ' ');
        const char *first = arena_str(&a, slice_of(verbs[i].name, strcspn(verbs[i].name, " ")));
        r = second ? run("help", first, second + 1, NULL) : run("help", first, NULL);
        struct ran same = second ? run(first, second + 1, "--help", NULL) : run(first, "--help", NULL);
        assert_int_equal(r.status, 0);
        assert_string_equal(r.out, same.out);
        buf_printf(&all, "\n%s", r.out);
        ran_clear(&same);
        ran_clear(&r);
    }
    arena_clear(&a);
    if (getenv("KITH_GOLDEN_WRITE"))
        assert_ok(file_write_atomic(HELP, 0644, buf_slice(&all), &e), e);
    assert_ok(file_read(HELP, 1 << 20, &file, &e), e);
    if (strcmp(buf_str(&all), buf_str(&file)) != 0)
        fail_msg("an option has changed: KITH_GOLDEN_WRITE=1 build/tests/unit/cli/test_cli_inspect");
}

static void find_company(const struct opt *rows, size_t n, const char *names)
{
    for (const char *s = names; s && *s; s += strcspn(s, " "), s += strspn(s, " "))
        if (!opt_find(rows, n, NULL, slice_of(s, strcspn(s, " "))))
            fail_msg("there is no option --%s beside it", s);
}

/* A row that names one that is not there would be checked by nobody. */
static void options_name_only_what_is_beside_them(void **state)
{
    (void)state;
    struct arena a;
    struct err e;
    const struct verb *verbs;
    size_t n, named = 0;
    arena_init(&a, 1 << 20);
    assert_ok(cli_verbs(&a, &verbs, &n, &e), e);
    for (size_t i = 0; i <= n; i++) {
        const struct opt *rows = i < n ? verbs[i].rows : cli_global_rows;
        size_t rows_n = i < n ? verbs[i].rows_n : cli_global_rows_n;
        for (size_t k = 0; k < rows_n; k++) {
            find_company(rows, rows_n, rows[k].needs);
            find_company(rows, rows_n, rows[k].not_with);
            named += rows[k].needs || rows[k].not_with;
        }
    }
    assert_true(named > 10);
    arena_clear(&a);
}

static void options_stand_anywhere_and_help_is_there(void **state)
{
    (void)state;
    assert_says(0, "usage: kith device revoke", "device", "revoke", "--help");
    assert_says(0, "commands:", "--help");
    assert_says(2, "did you mean \"device ls\"", "device", "lx");
    assert_says(2, "one of these behind it: add, ls,", "device");
    assert_says(0, "  device history DEVICE", "help", "device");
    assert_says(0, "  device history DEVICE", "device", "--help");
    assert_says(0, "\"name\":\"device add\"", "help", "--json");
    assert_says(2, "word 1 is empty", "inspect", "");
    assert_says(3, "try: kith init --dir", "status", "--dir", at("d"));
    assert_says(3, "try: --dir DIR, where kith.conf is", "status", "--dir", "/etc");
    assert_run(0, "init", "--dir", at("d"));
    assert_says(7, "not running", "status", "--dir", at("d"));
    assert_says(0, "complete", "completion", "bash");
}

static void csv_is_read_as_rfc_4180_has_it(void **state)
{
    (void)state;
    static const struct {
        const char *csv;
        size_t n;
        const char *fields[3];
    } rows[] = {
        {"a,b\n", 2, {"a", "b"}},
        {"\"a\",b\r\nnext", 2, {"a", "b"}},
        {"\"a\"\"b\",\"c,\nd\",\n", 3, {"a\"b", "c,\nd", ""}},
        {"\n", 1, {""}},
        {"a", 1, {"a"}},
        {"\"open\n", 0, {NULL}},
        {"\"a\"b,c\n", 0, {NULL}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a;
        struct err e;
        const char *f[4];
        size_t n;
        struct slice rest = slice_str(rows[i].csv);
        arena_init(&a, 1 << 16);
        bool ok = csv_record(&rest, &a, f, 4, &n, &e);
        assert_int_equal(ok, rows[i].n > 0);
        for (size_t k = 0; ok && k < rows[i].n; k++)
            assert_string_equal(f[k], rows[i].fields[k]);
        if (ok)
            assert_int_equal(n, rows[i].n);
        arena_clear(&a);
    }
}

/* Texts end at it, and so would the reader: a serial number cut there would be another one. */
static void csv_with_a_nul_byte_is_refused_and_read_past(void **state)
{
    (void)state;
    const struct {
        struct slice csv;
        bool good;
    } rows[] = {
        {SLICE_LIT("pump,12\0 3\npump,4\n"), false},
        {SLICE_LIT("\0,12\n"), false},
        {SLICE_LIT("pump,\"12\0 3\"\n"), false},
        {SLICE_LIT("\"pump\"\0,12\n"), false},
        {SLICE_LIT("pump,12\n"), true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a;
        struct err e = {0};
        const char *f[4];
        size_t n, lines = 0;
        struct slice rest = rows[i].csv;
        arena_init(&a, 1 << 16);
        assert_int_equal(csv_record(&rest, &a, f, 4, &n, &e), rows[i].good);
        assert_true(rows[i].good || e.code == ERR_SYNTAX);
        for (; rest.n && lines < 9; lines++) /* as `kith device import` goes on */
            if (!csv_record(&rest, &a, f, 4, &n, &e))
                (void)slice_take_line(&rest);
        assert_int_equal(rest.n, 0);
        arena_clear(&a);
    }
}

static void a_record_becomes_the_line_that_the_server_takes(void **state)
{
    (void)state;
    static const char *const titles[] = {"serial", "tag:site", "tags", "owner"};
    static const struct {
        const char *site, *tags, *says; /* NULL: refused */
    } rows[] = {
        {"berlin", "", "\"tags\":{\"site\":\"berlin\"},"},
        {"", "", ""},
        {"", "a=b;c=d", "\"tags\":{\"a\":\"b\",\"c\":\"d\"},"},
        {"berlin", " a=b x , c=d=e ;", "\"tags\":{\"site\":\"berlin\",\"a\":\"b x\",\"c\":\"d=e\"},"},
        {"berlin", "site=bonn", NULL},
        {"", "nonsense", NULL},
        {"", "=b", NULL},
    };
    const struct import_opts o = {.model = "meter", .owner = "Acme", .token = true};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *const fields[] = {"1\"2", rows[i].site, rows[i].tags, ""};
        char wanted[200];
        struct arena a;
        struct buf b;
        struct err e = {0};
        arena_init(&a, 65536);
        buf_init(&b, 4096);
        bool ok = import_line_of_csv(titles, fields, 4, &o, &a, &b, &e);
        snprintf(wanted, sizeof wanted,
                 "{\"serial\":\"1\\\"2\",%s\"model\":\"meter\",\"owner\":\"Acme\",\"token\":true}",
                 rows[i].says ? rows[i].says : "");
        if (ok != (rows[i].says != NULL) || (ok && strcmp(buf_str(&b), wanted) != 0))
            fail_msg("%s, %s: %s %s", rows[i].site, rows[i].tags, buf_str(&b), e.what);
        buf_clear(&b);
        arena_clear(&a);
    }
}

static void a_title_that_is_a_slip_is_refused(void **state)
{
    (void)state;
    struct err e;
    assert_true(import_line_check_title("tags", &e) && import_line_check_title("tag:x", &e));
    assert_err(import_line_check_title("seriel", &e), e, ERR_SYNTAX);
    assert_string_equal(e.hint, "did you mean \"serial\"?");
}

bool __real_file_read(const char *path, size_t max, struct buf *out, struct err *e);
bool __wrap_file_read(const char *path, size_t max, struct buf *out, struct err *e);
bool __wrap_file_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    if (!strstr(path, "advised"))
        return __real_file_read(path, max, out, e);
    err_set(e, ERR_IO, "cannot read \"%s\"", path);
    return err_try(e, "make room");
}

/* With a hint of the cause, or with that of the command line. */
static void input_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    assert_says(1, "try: make room", "gateway", "config", "--check", at("advised"));
    assert_says(3, "try: a regular file", "gateway", "config", "--check", at("nothing"));
}

static void a_broker_whose_files_others_may_use_is_told(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"chmod 777 g", "plugin_opt_dir: ", "chmod go-w"},
        {"chmod 666 g/gate.conf", "/g/gate.conf has", "chmod go-w"},
        {"chmod 640 g/key.pem", "/g/key.pem has", "chmod go="},
        {"chmod 620 m.conf", "m.conf has mode 0620", "chmod go-w"},
        {"chmod 664 ca.pem", "cafile: ", "chmod go-w"},
        {"chmod 644 tls.key", "keyfile: ", "chmod g-w,o="},
        {"chmod 640 tls.key && false", NULL, NULL}, /* of a group that may read it, as Debian has it */
    };
    char conf[1024];
    assert_true(shell("mkdir g && touch g/gate.conf g/key.pem g/cert.pem p.so ca.pem tls.key"));
    snprintf(conf, sizeof conf,
             "listener 8883\ncafile %s\ncertfile %s\nkeyfile %s\nrequire_certificate true\ntls_version tlsv1.2\n"
             "allow_anonymous false\nset_tcp_nodelay true\ncheck_retain_source true\nplugin %s\nplugin_opt_dir %s\n",
             at("ca.pem"), at("g/cert.pem"), at("tls.key"), at("p.so"), at("g"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(shell("chmod 700 g; chmod 644 g/* ca.pem p.so; chmod 600 g/key.pem tls.key"));
        write_file("m.conf", slice_str(conf), 0644);
        bool bad = shell(rows[i][0]);
        struct ran r = run("gateway", "config", "--user", "root", "--check", at("m.conf"), NULL);
        if (bad != (r.status != 0) || (bad && (!strstr(r.out, rows[i][1]) || !strstr(r.out, rows[i][2]))))
            fail_msg("%s: %d %s%s", rows[i][0], r.status, r.out, r.talk);
        ran_clear(&r);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
    const struct CMUnitTest tests[] = {
        T(names_what_it_sees),
        T(shows_cbor_as_diagnostic_notation),
        T(knows_sets_and_tokens),
        T(looks_at_damaged_files_without_harm),
        T(explains_every_code),
        T(the_manual_is_the_one_in_doc),
        T(the_help_is_the_one_kept),
        T(options_name_only_what_is_beside_them),
        T(options_stand_anywhere_and_help_is_there),
        T(input_that_cannot_be_read_is_an_error),
        T(tells_cbor_that_is_not_deterministic),
        T(a_broker_whose_files_others_may_use_is_told),
        T(csv_is_read_as_rfc_4180_has_it),
        T(csv_with_a_nul_byte_is_refused_and_read_past),
        T(a_record_becomes_the_line_that_the_server_takes),
        T(a_title_that_is_a_slip_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
