#include "ca.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "keys/crypto.h"
#include "x509/csr.h"
#include "x509/name.h"

static struct slice name_of(const char *text, uint8_t buf[NAME_DER_MAX])
{
    struct writer w = writer_of(buf, NAME_DER_MAX);
    if (!name_write(&w, slice_str(text), NULL))
        abort();
    return writer_slice(&w);
}

static struct slice issue(struct ca *ca, struct slice spki, struct slice subject, bool is_ca, uint8_t *out, size_t cap)
{
    static unsigned count;
    uint8_t issuer[NAME_DER_MAX],
        serial[4] = {1, (uint8_t)(ca->book->asked >> 8), (uint8_t)ca->book->asked, (uint8_t)++count};
    struct writer w = writer_of(out, cap);
    const struct signer s = key_signer(ca->key);
    struct err e = {0};
    const struct cert_template t = {.serial = SLICE_ARRAY(serial),
                                    .sig_alg = s.alg,
                                    .issuer = name_of("CN=Root", issuer),
                                    .subject = subject,
                                    .not_before = CA_NOW - 3600,
                                    .not_after = CA_NOW + CA_LIFE_S,
                                    .spki = spki,
                                    .key_usage = is_ca ? KU_KEY_CERT_SIGN : KU_DIGITAL_SIGNATURE,
                                    .basic_constraints = is_ca,
                                    .is_ca = is_ca,
                                    .path_len = -1};
    if (!cert_issue(&t, &crypto_openssl, &s, &w, &e)) {
        fprintf(stderr, "%s (%s)\n", e.what, e.why);
        abort();
    }
    return writer_slice(&w);
}

void ca_make(struct ca *ca, const char *dir)
{
    char ref[256];
    uint8_t subject[NAME_DER_MAX];
    *ca = (struct ca){.book = mmap(NULL, sizeof *ca->book, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    snprintf(ref, sizeof ref, "file:%s/ca.pem?plain", dir);
    if (ca->book == MAP_FAILED || !key_generate(NULL, ref, KEY_P256, &ca->key, NULL))
        abort();
    ca->book->kill_at = -1;
    ca->root_n = issue(ca, key_get0_spki(ca->key), name_of("CN=Root", subject), true, ca->root, sizeof ca->root).n;
    sha256(slice_of(ca->root, ca->root_n), ca->root_sha256);
}

void ca_free(struct ca *ca)
{
    key_free(ca->key);
    munmap(ca->book, sizeof *ca->book);
}

struct token ca_token(const struct ca *ca)
{
    struct token t = {.url = "https://kith.example", .device = CA_DEVICE, .claim = CA_CLAIM};
    memcpy(t.root_sha256, ca->root_sha256, sizeof t.root_sha256);
    return t;
}

static bool ca_cacerts(void *ctx, struct platform_answer *out, struct err *e)
{
    const struct ca *ca = ctx;
    (void)e;
    buf_put(&out->certs, slice_of(ca->root, ca->root_n));
    return true;
}

/* One claim, one key. */
static bool claim_ok(struct ca_book *b, struct slice spki, const char *device, const char *claim, struct err *e)
{
    uint8_t key[SHA256_SIZE];
    sha256(spki, key);
    if (strcmp(device, CA_DEVICE) != 0 || strcmp(claim, CA_CLAIM) != 0)
        return err_set(e, ERR_CLAIM, "no such claim");
    if (b->claim_used && memcmp(key, b->claim_key, sizeof key) != 0) {
        b->other_keys++;
        return err_set(e, ERR_CLAIM_OTHER_KEY, "another key");
    }
    memcpy(b->claim_key, key, sizeof key);
    return b->claim_used = true;
}

static bool works(const struct credential *c)
{
    return c && c->key && c->evp && c->chain_n && slice_eq(c->cert.spki, key_get0_spki(c->key));
}

static bool ca_enroll(void *ctx, const struct platform_request *want, struct platform_answer *out, struct err *e)
{
    struct ca *ca = ctx;
    struct csr csr;
    uint8_t cert[4096], der[CSR_MAX];
    struct writer w = WRITER_ARRAY(der);
    const struct credential *by = want->by;
    ca->book->asked++;
    if (ca->book->retired)
        return err_set(e, ERR_DEVICE_RETIRED, "retired");
    if (!want->make_csr(want->arg, (struct slice){0}, &w, e) || !csr_read(writer_slice(&w), &csr, e) ||
        !csr_verify(&crypto_openssl, &csr, e))
        return false;
    if (by ? !works(by) : !claim_ok(ca->book, csr.spki, want->device, want->claim, e)) {
        ca->book->bad += by != NULL;
        return by ? err_set(e, ERR_DENIED, "not a credential") : false;
    }
    if (ca->book->pending) {
        out->retry_after_s = 7;
        return true;
    }
    struct slice spki = ca->book->wrong_key ? key_get0_spki(ca->key) : csr.spki;
    buf_put(&out->certs, issue(ca, spki, csr.subject, false, cert, sizeof cert));
    return true;
}

static bool ca_hello(void *ctx, const struct credential *by, struct platform_hello *out, struct err *e)
{
    struct ca *ca = ctx;
    *out = (struct platform_hello){0};
    ca->book->hellos++;
    if (ca->book->retired)
        return err_set(e, ERR_DEVICE_RETIRED, "retired");
    if (works(by))
        return true;
    ca->book->bad++;
    return err_set(e, ERR_DENIED, "not a credential");
}

struct platform ca_platform(struct ca *ca)
{
    return (struct platform){ca, ca_cacerts, ca_enroll, ca_hello};
}
