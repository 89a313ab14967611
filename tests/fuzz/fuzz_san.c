/* Alternative names as GeneralNames, and each as text: what is read is written again and is the same. */
#include "base/host.h"
#include "fuzz.h"
#include "x509/san.h"

static void through_text(const struct san *s)
{
    uint8_t text[1024], store[512];
    struct writer t = WRITER_ARRAY(text), w = WRITER_ARRAY(store);
    struct san back;
    san_text(&t, s);
    HOLDS(writer_ok(&t) || s->type == SAN_HARDWARE_MODULE); /* a type as long as the input */
    if (writer_ok(&t) && san_from_text(writer_slice(&t), &w, &back, NULL))
        HOLDS(back.type == s->type);
}

static void as_der(struct slice der)
{
    struct san few[4], all[SAN_COUNT_MAX];
    size_t few_n, n;
    struct err e = {0};
    if (!san_read(der, all, SAN_COUNT_MAX, &n, &e)) {
        HOLDS(e.code == ERR_SAN && n == 0);
        return;
    }
    HOLDS(san_read(der, few, ARRAY_LEN(few), &few_n, &e) == (n <= ARRAY_LEN(few)));
    uint8_t *buf = malloc(der.n);
    HOLDS(buf != NULL);
    struct writer w = writer_of(buf, der.n);
    san_put_all(&w, all, n);
    HOLDS(writer_ok(&w) && slice_eq(writer_slice(&w), der));
    free(buf);
    for (size_t i = 0; i < n; i++) {
        struct san other = all[i];
        HOLDS(san_holds(der, &all[i]));
        other.type = other.type == SAN_DNS ? SAN_URI : SAN_DNS;
        HOLDS(!san_eq(&other, &all[i]));
        HOLDS(san_eq(&all[i], &all[0]) == san_eq(&all[0], &all[i]));
        through_text(&all[i]);
    }
}

static void as_url(struct slice text)
{
    char url[300];
    if (text.n >= sizeof url)
        return;
    memcpy(url, text.n ? text.p : (const uint8_t *)"", text.n);
    url[text.n] = 0;
    struct slice host = host_of_url(url);
    HOLDS((const char *)host.p >= url && (const char *)host.p + host.n <= url + text.n);
}

static void as_text(struct slice text)
{
    uint8_t store[512], der[2048];
    struct writer s = WRITER_ARRAY(store), w = WRITER_ARRAY(der);
    struct san name;
    struct err e = {0};
    HOLDS(host_check(text, &e) || e.code != ERR_NONE);
    as_url(text);
    if (!san_from_text(text, &s, &name, &e)) {
        HOLDS(e.code == ERR_SAN && name.type == SAN_NONE);
        return;
    }
    san_put_all(&w, &name, 1);
    if (!writer_ok(&w)) /* longer than der[] */
        return;
    HOLDS(san_holds(writer_slice(&w), &name));
    as_der(writer_slice(&w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t tiny[4];
    struct writer w = WRITER_ARRAY(tiny);
    as_der(slice_of(data, n));
    as_text(slice_of(data, n));
    san_put(&w, &(struct san){.type = n && data[0] & 1 ? SAN_IP : SAN_DNS, .value = slice_of(data, n)});
    return 0;
}
