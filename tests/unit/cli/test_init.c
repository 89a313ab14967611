/* kith init and the offline root: what is made, checked by openssl; what is refused; going on after a kill. */
#include "fixture.h"

#include "ca/roster.h"
#include "keys/crypto.h"

/* openssl verify takes PEM only. */
static bool chain_is_good(const char *root, const char *issuing)
{
    char cmd[400];
    snprintf(cmd, sizeof cmd,
             "openssl x509 -inform der -in %s -out vr.pem && openssl x509 -inform der -in %s -out vi.pem && "
             "openssl verify -x509_strict -CAfile vr.pem vi.pem",
             root, issuing);
    return shell(cmd);
}

static void makes_a_chain_that_openssl_verifies(void **state)
{
    (void)state;
    assert_says(0, "root SHA-256", "init", "--dir", at("d"), "--name", "Acme, Inc.");
    assert_true(shell("openssl x509 -inform der -in d/ca/root.cer -out r.pem"));
    assert_true(shell("openssl x509 -inform der -in d/ca/issuing.cer -out i.pem"));
    assert_true(shell("openssl verify -x509_strict -CAfile r.pem i.pem"));
    assert_true(shell("openssl crl -inform der -in d/ca/root.crl -CAfile r.pem -noout 2>&1 | grep -q 'verify OK'"));
    assert_true(shell("openssl x509 -in i.pem -noout -ext basicConstraints | grep -q 'pathlen:0'"));
    /* OpenSSL opens the sealed keys with the passphrase, and each belongs to its certificate. */
    assert_true(shell("openssl pkey -in d/keys/issuing.key -passin file:d-secrets/passphrase -pubout > a &&"
                      "openssl x509 -in i.pem -noout -pubkey > b && cmp a b"));
}

static void secrets_are_outside_and_closed(void **state)
{
    (void)state;
    assert_run(0, "init", "--dir", at("d"), "--secrets", at("s"));
    assert_true(shell("test $(stat -c %a s/passphrase) = 600 && test $(stat -c %a d) = 700"));
    assert_true(shell("! grep -rqf s/passphrase d"));
    assert_true(shell("test $(find d/keys -name '*.key' -perm 600 | wc -l) = 5"));
}

/* However the place is written, and whether the directories are there yet. */
static void secrets_are_never_beside_the_keys(void **state)
{
    (void)state;
    static const char *const places[] = {"d", "d/s", "l/s", "x/../d/s", "d/x/../s", "./d//./s/", "d/s/t"};
    for (int made = 0; made < 2; made++) {
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            if (!made && strncmp(places[i], "l/", 2) == 0)
                continue;
            assert_says(2, "--secrets: ", "init", "--dir", at("d"), "--secrets", at(places[i]));
            if (!made)
                assert_says(2, "--secrets: ", "ca", "init-root", "--name", "A", "--dir", at("d"), "--secrets",
                            at(places[i]));
        }
        assert_true(shell("test ! -e d/s && test ! -e d/ca && test ! -e d-secrets"));
        assert_true(shell("mkdir -p -m 700 d && ln -sfn d l"));
    }
    assert_run(0, "init", "--dir", at("d"), "--secrets", at("d/../ds"));
    assert_run(0, "init", "--dir", at("e"), "--secrets", at("e-s"));
    assert_true(shell("test -s ds/passphrase && test -s e-s/passphrase"));
}

static void what_is_there_is_never_touched(void **state)
{
    (void)state;
    assert_run(0, "init", "--dir", at("d"));
    assert_true(shell("find d -type f | sort | xargs sha256sum > before"));
    assert_says(5, "installation already", "init", "--dir", at("d"));
    assert_true(shell("find d -type f | sort | xargs sha256sum > after && cmp before after"));
    assert_true(shell("mkdir -m 700 e && echo x > e/mine"));
    assert_says(5, "has something in it", "init", "--dir", at("e"));
    assert_says(5, "mine is no directory", "init", "--dir", at("e/mine"));
}

static void the_roster_is_one_that_a_signer_reads(void **state)
{
    (void)state;
    struct roster r;
    struct err e;
    assert_run(0, "init", "--dir", at("d"));
    assert_ok(roster_read(at("d/signers/issuing/roster"), at("d/profiles"), &crypto_openssl, &r, &e), e);
    assert_non_null(roster_profile(&r, SLICE_LIT("ldevid")));
    assert_non_null(roster_profile(&r, SLICE_LIT("gateway")));
    roster_clear(&r);
    assert_true(shell("sed -i '/^derive_check/d' d/signers/issuing/roster"));
    assert_err(roster_read(at("d/signers/issuing/roster"), at("d/profiles"), &crypto_openssl, &r, &e), e, ERR_ROSTER);
}

/* What kithd would refuse is refused before anything is made, so that init can be asked again. */
static void makes_nothing_that_kithd_would_refuse(void **state)
{
    (void)state;
    static const char *const odd[][3] = {
        {"--listen", "foo", "listen"},
        {"--plain-listen", "1:2:3", "plain_listen"},
        {"--database", "mysql://x", "database"},
        {"--url", "ftp://kith.test", "url"},
        {"--url", "https://kith.test:99999", "url"},
        {"--url", "https://my_host", "url"},
        {"--plain-url", "https://kith.test", "plain-url"},
        {"--plain-url", "http://kith.test/", "without '/' at its end"},
        {"--plain-url", "http://my_host", "plain-url"},
        {"--hostnames", "kith.test,bad_host", "bad_host"},
        {"--origin", "a b", "--origin: "},
        {"--origin", "a+b", "--origin: "},
        {"--name", "a\x1b[31m", "a\\x1b[31m\" has control characters"},
        {"--name", "a\n[server]", "a\\x0a[server]\" has control characters"},
        {"--name", "a\xc2\x9b", "has control characters"},
        {"--name", "a\xff", "is not UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        assert_says(2, odd[i][2], "init", "--dir", at("d"), odd[i][0], odd[i][1]);
        assert_true(shell("test ! -e d && test ! -e d-secrets"));
    }
    assert_says(2, "has control characters", "ca", "init-root", "--dir", at("d"), "--name", "a\rb");
    assert_true(shell("test ! -e d && touch file && mkdir -m 700 e"));
    const char *const places[][2] = {
        {"/nope/x.db", "is not there"},
        {at("file/x.db"), "is not a directory"},
        {"nope/x.db", "is not there"},
    };
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        char where[300];
        snprintf(where, sizeof where, "sqlite:%s", places[i][0]);
        assert_says(3, places[i][1], "init", "--dir", at("d"), "--database", where);
    }
    assert_says(3, "no profiles in", "init", "--dir", at("d"), "--profiles", at("nope"));
    assert_says(3, "no profiles in", "init", "--dir", at("d"), "--profiles", at("e"));
    assert_true(shell("mkdir p && echo nonsense > p/ldevid.profile"));
    assert_says(2, "p/ldevid.profile", "init", "--dir", at("d"), "--profiles", at("p"));
    assert_says(2, "plain_listen", "init", "--dir", at("d"), "--listen", "127.0.0.1:9001", "--plain-listen",
                "127.0.0.1:9001");
    assert_true(shell("test ! -e d && test ! -e d-secrets"));
    assert_run(0, "init", "--dir", at("d"));
}

/* Every file but the first may be missing or there when init is killed: the next one goes on and keeps what was made. */
static void a_killed_init_goes_on(void **state)
{
    (void)state;
    static const char *const left[] = {
        "rm -f d/ca/* d/keys/* d/profiles/* d/ledger.vkeys d/signers/issuing/roster d-secrets/passphrase",
        "rm -f d/ca/* d/profiles/* d/keys/ledger.key d/keys/cosign.key d/keys/derive.key d/ledger.vkeys",
        "rm -f d/ca/* d/ledger.vkeys",
        "rm -f d/ca/issuing.cer d/ca/root.crl",
        "rm -f d/ca/issuing.cer",
        "true",
    };
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        assert_run(0, "init", "--dir", at("d"), "--name", "Acme");
        assert_true(
            shell("mv d/kith.conf d/kith.conf.part && ls d/keys | sed \"s#^#file:$PWD/d/keys/#\" > d/init.keys"));
        assert_true(shell(left[i]));
        assert_true(shell("find d -name '*.key' -o -name '*.cer' | sort | xargs -r sha256sum > kept"));
        assert_says(5, "other options", "init", "--dir", at("d"), "--name", "Another");
        assert_says(0, "went on", "init", "--dir", at("d"), "--name", "Acme");
        assert_true(shell("test ! -s kept || sha256sum --quiet -c kept"));
        assert_true(chain_is_good("d/ca/root.cer", "d/ca/issuing.cer") && shell("test ! -e d/init.keys"));
        assert_true(shell("rm -rf d d-secrets"));
    }
}

/* Before the first file has its name there is only what it is written as. */
static void an_init_killed_at_its_first_file_goes_on(void **state)
{
    (void)state;
    static const char *const left[] = {
        "mkdir -m 700 d d-secrets",
        "mkdir -m 700 d d-secrets && touch d/kith.conf.part.tmp-Ab12_9",
        "mkdir -m 700 d d-secrets && echo half > d/kith.conf.part.tmp-abcdef && touch d/kith.conf.part.tmp-ABCDEF",
    };
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        assert_true(shell(left[i]));
        assert_says(0, "is initialised", "init", "--dir", at("d"));
        assert_true(shell("test -z \"$(find d -name '*.tmp-*')\" && rm -rf d d-secrets"));
    }
    static const char *const others[] = {"kith.conf.part.tmp-abcdefg", "kith.conf.tmp-abcdef", "x.tmp-abcdef"};
    assert_true(shell("mkdir -m 700 d"));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        char cmd[100];
        snprintf(cmd, sizeof cmd, "rm -f d/* && touch d/%s", others[i]);
        assert_true(shell(cmd));
        assert_says(5, "has something in it", "init", "--dir", at("d"));
    }
}

static void refuses_options_that_do_not_fit(void **state)
{
    (void)state;
    assert_says(2, "--dir is missing", "init");
    assert_says(2, "--hsm needs --token", "init", "--dir", at("d"), "--hsm", "/x.so");
    static const char *const of_a_token[] = {"--token", "--pin-file", "--hsm-label", "--hsm-paths", "--hsm-template"};
    for (size_t i = 0; i < ARRAY_LEN(of_a_token); i++)
        assert_says(2, "needs --hsm", "init", "--dir", at("d"), of_a_token[i], "x");
    assert_says(2, "--hsm-template needs --hsm", "ca", "init-root", "--dir", at("d"), "--name", "A", "--hsm-template",
                "x");
    assert_false(shell("test -e d"));
    assert_says(2, "https://", "init", "--dir", at("d"), "--url", "http://x");
    assert_says(2, "did you mean --name?", "init", "--dir", at("d"), "--nmae", "x");
    assert_says(3, "no profiles", "init", "--dir", at("d"), "--profiles", at("nowhere"));
}

/* RFC 7512 section 2.3: a label is any text. */
static void a_token_may_have_any_label(void)
{
    static const char label[] = "my lab; 50% & \"more\"";
    assert_true(shell("softhsm2-util --init-token --free --label 'my lab; 50% & \"more\"' --pin 1234 --so-pin 5678"));
    assert_run(0, "ca", "init-root", "--dir", at("r"), "--name", "Acme", "--hsm", SOFTHSM, "--token", label,
               "--pin-file", at("pin"));
    assert_true(shell("test ! -e r/root.key"));
    assert_run(0, "init", "--dir", at("o"), "--offline-root", "--hsm", SOFTHSM, "--token", label, "--pin-file",
               at("pin"), "--hsm-paths", at(""));
    assert_run(0, "ca", "sign-request", at("o/ca/issuing.csr"), "--root-dir", at("r"), "--out", at("signed.pem"));
    assert_run(0, "--dir", at("o"), "ca", "install", at("signed.pem"));
    assert_run(0, "ca", "crl", "--root-dir", at("r"), "--out", at("root.pem"));
    assert_run(0, "--dir", at("o"), "doctor", "token", "keys", "issuing");
}

static void the_ca_lives_in_a_token(void **state)
{
    (void)state;
    assert_true(shell("mkdir t && printf 'directories.tokendir = %s/t\\nobjectstore.backend = file\\n' \"$PWD\" > c"));
    setenv("SOFTHSM2_CONF", at("c"), 1);
    assert_true(shell("softhsm2-util --init-token --free --label lab --pin 1234 --so-pin 5678"));
    write_file("pin", SLICE_LIT("1234\n"), 0600);
    /* Paths of a command line begin where it was said, wherever kithd is started. */
    assert_int_equal(chdir(fixture_dir), 0);
    assert_run(0, "init", "--dir", "d", "--hsm", SOFTHSM, "--token", "lab", "--pin-file", "pin", "--hsm-paths",
               "./t,c");
    assert_int_equal(chdir("/"), 0);
    assert_true(shell("grep -q 'issuing_key = \"\\?pkcs11:token=lab;object=kith-issuing' d/kith.conf"));
    assert_true(shell("test ! -e d/keys/issuing.key && test ! -e d/keys/root.key"));
    assert_true(chain_is_good("d/ca/root.cer", "d/ca/issuing.cer"));
    /* A second installation must not take the first one's keys. */
    assert_says(5, "did not make", "init", "--dir", at("e"), "--hsm", SOFTHSM, "--token", "lab", "--pin-file",
                at("pin"));
    assert_false(file_exists(at("e")));
    /* The signers' sandbox would not let them at this token; what was made is good all the same. */
    assert_says(7, "is made, but kithd would not start", "init", "--dir", at("e"), "--hsm", SOFTHSM, "--token", "lab",
                "--pin-file", at("pin"), "--hsm-label", "other");
    assert_true(shell("test -e e/kith.conf && echo 'hsm_paths = ..' > p && sed -i '/^.keys.$/r p' e/kith.conf"));
    assert_run(0, "--dir", at("e"), "doctor", "token", "keys", "signers");
    a_token_may_have_any_label();
    write_file("pin", SLICE_LIT("9999\n"), 0600);
    assert_says(1, "CKR_PIN_INCORRECT", "--dir", at("d"), "doctor", "token", "keys");
}

/* What the guide and init's own line say gives the value that is printed. */
static void openssl_gives_the_digest_of_the_request(void **state)
{
    (void)state;
    struct ran r = run("init", "--dir", at("d"), "--offline-root", NULL);
    FILE *f = fopen(at("said"), "w");
    assert_non_null(f);
    assert_true(fputs(r.out, f) >= 0 && fclose(f) == 0);
    ran_clear(&r);
    assert_true(shell("grep -qF 'openssl req -in issuing.csr -outform DER | openssl dgst -sha256 -c' said"));
    assert_true(shell("d=$(openssl req -in d/ca/issuing.csr -outform DER | openssl dgst -sha256 -c) && "
                      "grep -qF \"$(echo ${d#*= } | tr a-f A-F)\" said"));
}

static void the_offline_root_signs_and_takes_back(void **state)
{
    (void)state;
    assert_run(0, "ca", "init-root", "--dir", at("r"), "--name", "Acme");
    assert_run(0, "init", "--dir", at("d"), "--offline-root", "--plain-url", "http://pki.test");
    assert_false(file_exists(at("d/keys/root.key")));
    assert_says(1, "ca install", "--dir", at("d"), "doctor", "issuing");
    assert_run(0, "ca", "sign-request", at("d/ca/issuing.csr"), "--root-dir", at("r"), "--out", at("s.pem"));
    assert_run(0, "--dir", at("d"), "ca", "install", at("s.pem"));
    assert_true(chain_is_good("r/root.cer", "d/ca/issuing.cer"));
    assert_true(
        shell("openssl x509 -inform der -in d/ca/issuing.cer -noout -text | grep -q http://pki.test/crl/root.crl"));
    assert_says(3, "has signed no certificate 0102", "ca", "crl", "--root-dir", at("r"), "--revoke", "0102", "--out",
                at("c.pem"));
    assert_run(0, "ca", "crl", "--root-dir", at("r"), "--out", at("c.pem"));
    assert_run(0, "--dir", at("d"), "ca", "install", at("c.pem"));
    assert_says(5, "older", "--dir", at("d"), "ca", "install", at("s.pem"));
}

static void brings_in_no_list_that_is_old_or_foreign_and_no_revoked_ca(void **state)
{
    (void)state;
    char serial[64] = "";
    assert_run(0, "ca", "init-root", "--dir", at("r"), "--name", "Acme");
    assert_run(0, "ca", "init-root", "--dir", at("r2"), "--name", "Acme");
    assert_run(0, "init", "--dir", at("d"), "--offline-root");
    assert_run(0, "ca", "sign-request", at("d/ca/issuing.csr"), "--root-dir", at("r"), "--out", at("s.pem"));
    assert_run(0, "--dir", at("d"), "ca", "install", at("s.pem"));
    assert_says(6, "root's list", "--dir", at("d"), "ca", "install", at("r2/root.crl"));
    fixture_shift_s = 400 * 86400;
    assert_says(6, "was due to be renewed", "--dir", at("d"), "ca", "install", at("r/root.crl"));
    fixture_shift_s = 0;
    assert_true(shell("openssl x509 -inform der -in d/ca/issuing.cer -noout -serial | cut -d= -f2 | tr A-F a-f > n"));
    FILE *f = fopen(at("n"), "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%63s", serial), 1);
    fclose(f);
    assert_run(0, "ca", "crl", "--root-dir", at("r"), "--revoke", serial, "--out", at("c.pem"));
    assert_says(0, "issues nothing more", "--dir", at("d"), "ca", "install", at("c.pem"));
    assert_says(1, "has revoked the issuing CA", "--dir", at("d"), "doctor", "root-crl");
    assert_says(7, "ca-revoked", "--dir", at("d"), "ca", "install", at("d/ca/issuing.cer"));
    /* The same key with another certificate, and all is well. */
    assert_run(0, "ca", "sign-request", at("d/ca/issuing.csr"), "--root-dir", at("r"), "--out", at("t.pem"));
    assert_run(0, "--dir", at("d"), "ca", "install", at("t.pem"));
    assert_run(0, "--dir", at("d"), "doctor", "root-crl");
}

/* Also from a copy of the root's directory that was put back, whose numbers begin again. */
static void no_list_takes_the_place_of_a_newer_one(void **state)
{
    (void)state;
    assert_run(0, "ca", "init-root", "--dir", at("r"), "--name", "Acme");
    assert_run(0, "init", "--dir", at("d"), "--offline-root");
    assert_run(0, "ca", "sign-request", at("d/ca/issuing.csr"), "--root-dir", at("r"), "--out", at("s.pem"));
    assert_run(0, "--dir", at("d"), "ca", "install", at("s.pem"));
    assert_true(shell("cp -a r copy"));
    assert_run(0, "ca", "crl", "--root-dir", at("r"), "--out", at("c.pem"));
    assert_run(0, "--dir", at("d"), "ca", "install", at("c.pem"));
    assert_run(0, "--dir", at("d"), "ca", "install", at("c.pem"));
    assert_says(5, "only grows", "ca", "crl", "--root-dir", at("copy"), "--out", at("c.pem"));
    assert_run(0, "ca", "crl", "--root-dir", at("copy"), "--out", at("other.pem"));
    assert_says(5, "not the content", "--dir", at("d"), "ca", "install", at("other.pem"));
    assert_true(shell("openssl crl -in c.pem -outform der | cmp - d/ca/root.crl"));
    assert_true(shell("cp d/ca/root.crl copy/root.crl"));
    assert_run(0, "ca", "crl", "--root-dir", at("copy"), "--out", at("c.pem"));
    assert_run(0, "--dir", at("d"), "ca", "install", at("c.pem"));
    /* What is no list has no number. */
    assert_true(shell("cp d/ca/root.crl whole && head -c 100 whole > d/ca/root.crl"));
    assert_run(0, "--dir", at("d"), "ca", "install", at("c.pem"));
    assert_true(shell("cmp whole d/ca/root.crl"));
    /* A root that the platform keeps: its list is the one that the server reads, whatever else lies there. */
    assert_run(0, "init", "--dir", at("on"));
    for (int i = 0; i < 2; i++)
        assert_says(0, "it is in force", "ca", "crl", "--root-dir", at("on"), "--out", at("on/root.crl"));
    assert_true(shell("openssl crl -inform der -in on/ca/root.crl -noout -crlnumber | grep -qx 'crlNumber=0x03'"));
    assert_true(shell("openssl crl -in on/root.crl -outform der | cmp - on/ca/root.crl"));
}

/* Keys of others: a backup of the platform's directory must not hold them. */
static void no_key_of_another_goes_into_a_platform(void **state)
{
    (void)state;
    assert_run(0, "init", "--dir", at("d"));
    assert_true(shell("ln -s d link"));
    static const char *const places[] = {"d", "d/x", "d/x/y", "link/x", "link/../d/x"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        assert_says(2, "directory of a platform", "--dir", at("d"), "operator", "add", "bob", "--role", "admin",
                    "--out", at(places[i]));
        if (i)
            assert_says(2, "directory of a platform", "ca", "init-root", "--name", "A", "--dir", at(places[i]));
    }
    assert_says(7, "not running", "--dir", at("d"), "operator", "add", "bob", "--role", "admin", "--out", at("bob"));
    assert_true(shell("test ! -e d/x && test ! -e d/key.pem"));
    assert_says(2, "https://", "--dir", at("d"), "gateway", "add", "g", "--feed-url", "ftp://x");
    assert_says(2, "feed-url", "--dir", at("d"), "gateway", "add", "g", "--feed-url", "https://my_host");
    assert_says(3, "no user", "--dir", at("d"), "gateway", "add", "g", "--user", "nobody-here");
}

static void installs_nothing_of_another_root_or_key(void **state)
{
    (void)state;
    assert_run(0, "ca", "init-root", "--dir", at("r"), "--name", "Acme");
    assert_run(0, "ca", "init-root", "--dir", at("r2"), "--name", "Acme");
    assert_run(0, "init", "--dir", at("d"), "--offline-root");
    assert_run(0, "init", "--dir", at("e"), "--offline-root");
    assert_run(0, "ca", "sign-request", at("e/ca/issuing.csr"), "--root-dir", at("r"), "--out", at("e.pem"));
    assert_says(6, "not for this platform", "--dir", at("d"), "ca", "install", at("e.pem"));
    assert_false(file_exists(at("d/ca/root.cer")));
    assert_says(2, "a root alone", "--dir", at("d"), "ca", "install", at("r2/root.cer"));
    assert_false(file_exists(at("d/ca/root.cer")));
    assert_run(0, "ca", "sign-request", at("d/ca/issuing.csr"), "--root-dir", at("r"), "--out", at("d.pem"));
    assert_says(6, "SHA-256", "--dir", at("d"), "ca", "install", at("d.pem"), "--root-sha256",
                "0000000000000000000000000000000000000000000000000000000000000000");
    assert_true(shell("cp r2/root.cer d/ca/root.cer")); /* nothing was issued under it: the right one may come */
    assert_run(0, "--dir", at("d"), "ca", "install", at("d.pem"));
    assert_run(0, "ca", "sign-request", at("d/ca/issuing.csr"), "--root-dir", at("r2"), "--out", at("d2.pem"));
    assert_says(5, "another root", "--dir", at("d"), "ca", "install", at("d2.pem"));
    /* What is damaged is no other root. */
    assert_true(shell("cp d/ca/root.cer whole && head -c 300 whole > d/ca/root.cer"));
    assert_says(6, "d/ca/root.cer is damaged: ", "--dir", at("d"), "ca", "install", at("d.pem"));
    assert_true(shell("head -c -1 whole > d/ca/root.cer && printf '\\377' >> d/ca/root.cer"));
    assert_says(6, "d/ca/root.cer is damaged: ", "--dir", at("d"), "ca", "install", at("d.pem"));
    assert_true(shell("rm d/ca/root.cer"));
    assert_says(6, "issuing certificate", "--dir", at("d"), "ca", "install", at("r2/root.cer"));
    assert_run(0, "--dir", at("d"), "ca", "install", at("r/root.cer"));
    /* One bit of the request: proof of possession fails. */
    assert_true(shell("openssl req -in d/ca/issuing.csr -outform der | sed 's/Issuing/Issuinh/' > bad.csr"));
    assert_run(6, "ca", "sign-request", at("bad.csr"), "--root-dir", at("r"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
    const struct CMUnitTest tests[] = {
        T(makes_a_chain_that_openssl_verifies),
        T(secrets_are_outside_and_closed),
        T(secrets_are_never_beside_the_keys),
        T(what_is_there_is_never_touched),
        T(the_roster_is_one_that_a_signer_reads),
        T(makes_nothing_that_kithd_would_refuse),
        T(a_killed_init_goes_on),
        T(an_init_killed_at_its_first_file_goes_on),
        T(refuses_options_that_do_not_fit),
        T(openssl_gives_the_digest_of_the_request),
        T(the_offline_root_signs_and_takes_back),
        T(brings_in_no_list_that_is_old_or_foreign_and_no_revoked_ca),
        T(no_list_takes_the_place_of_a_newer_one),
        T(no_key_of_another_goes_into_a_platform),
        T(installs_nothing_of_another_root_or_key),
        T(the_ca_lives_in_a_token), /* last: a process keeps its module */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
