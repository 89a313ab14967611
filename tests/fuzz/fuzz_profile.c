/* Profiles: what is accepted and can be applied makes a certificate that our reader takes and that says the same. */
#include "ca/profile.h"
#include "fuzz.h"
#include "x509/name.h"

#define NOW INT64_C(1795435200)

/* A P-256 key: only its form is looked at. */
static uint8_t spki[91] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                           0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
/* CN=x */
static const uint8_t issuer_name[] = {0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06,
                                      0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, 'x'};

static void make(const struct cert_template *t, const struct profile *p)
{
    uint8_t tbs[CERT_MAX], der[CERT_MAX], sig[64] = {1};
    struct writer tw = WRITER_ARRAY(tbs), dw = WRITER_ARRAY(der);
    struct cert c;
    struct err e = {0};
    if (!cert_build_tbs(t, &fuzz_crypto, &tw, &e))
        return;
    HOLDS(cert_assemble(writer_slice(&tw), SIG_EDDSA, SLICE_ARRAY(sig), &dw, &e));
    HOLDS(cert_read(writer_slice(&dw), &c, &e));
    HOLDS(c.is_ca == p->is_ca && c.not_after == t->not_after && !c.unknown_critical.n);
    HOLDS((c.eku & EKU_OTHER) == 0 && c.eku == p->eku);
    HOLDS(slice_eq(c.subject, t->subject) && name_valid(c.subject));
    for (size_t i = 0; i < t->san_n; i++)
        HOLDS(san_holds(c.san, &t->san[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct profile_work work;
    const struct profile_tag tags[] = {{SLICE_LIT("site"), SLICE_LIT("hall 7")}};
    const struct profile_facts facts = {.id = SLICE_LIT("dev_01jd3z7x9k2m4n6p8q0r2s4t6v"),
                                        .model = SLICE_LIT("Meter 3"),
                                        .serial = SLICE_LIT("SN-42, O=x"),
                                        .owner = SLICE_LIT("Acme+1"),
                                        .name = SLICE_LIT("hub-1"),
                                        .csr_cn = SLICE_LIT("a,b=\"c\""),
                                        .hw_type = SLICE_LIT("\x2b\x06\x01"),
                                        .tags = tags,
                                        .tags_n = 1};
    const struct profile_issuer issuer = {.subject = SLICE_ARRAY(issuer_name),
                                          .key_id = SLICE_LIT("01234567890123456789"),
                                          .sig_alg = SIG_EDDSA,
                                          .not_after = NOW + INT64_C(1000000000),
                                          .plain_url = "http://k",
                                          .node = 1};
    struct profile p;
    struct cert_template t;
    struct err e = {0};
    if (!profile_parse(&fuzz_crypto, slice_of(data, n), &p, &e)) {
        HOLDS(e.code == ERR_PROFILE);
        return 0;
    }
    if (!profile_apply(&p, &facts, SLICE_ARRAY(spki), &issuer, NOW, &t, &work, &e)) {
        HOLDS(e.code != ERR_NONE && t.spki.p == NULL);
        return 0;
    }
    t.serial = SLICE_LIT("\x01\x02");
    make(&t, &p);
    return 0;
}
