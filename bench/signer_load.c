/* The issuing signer alone, as its server would drive it: certificates on claims, WINDOW requests under way, so that it signs
 * in batches and syncs its journal once for each.  The bare operation is C_Sign of the same token in the same process, with as
 * many sessions as the signer signs with: one.
 *
 *     signer_load SOCKET MODULE TOKEN KEY PIN_FILE N      KEY: label of the issuing key */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "ca/client.h"
#include "ca/request.h"
#include "core/cbor.h"
#include "keys/crypto.h"
#include "kit.h"

#define WINDOW  256
#define KEYS    64
#define LIFE_S  86400
#define BARE_S  2.0
#define ID_SIZE 30

struct unit {
    struct load *l;
    char id[ID_SIZE + 1], claim[64], serial[32];
    uint8_t nonce[16];
};

struct load {
    struct client *c;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    size_t done, sent;
    int64_t expires_at;
    struct unit *units;
    uint8_t spki[KEYS][91];
};

static void answered(struct unit *u, const struct err *e)
{
    struct load *l = u->l;
    if (e) {
        fprintf(stderr, "signer_load: %s\n", e->what);
        exit(1);
    }
    pthread_mutex_lock(&l->lock);
    l->done++;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

static void on_claim(void *arg, struct reader *fields, size_t n, const struct err *e)
{
    struct unit *u = arg;
    struct slice text = e ? (struct slice){0} : cbor_get_tstr(fields);
    if (!e && n == 1 && text.n < sizeof u->claim)
        memcpy(u->claim, text.p, text.n);
    answered(u, e);
}

static void on_cert(void *arg, struct reader *fields, size_t n, const struct err *e)
{
    (void)n;
    if (!e && cbor_get_bstr(fields).n < 100)
        kit_die("no certificate");
    answered(arg, e);
}

static void send_claim(struct unit *u)
{
    uint8_t fields[256];
    struct err e;
    struct writer w = WRITER_ARRAY(fields);
    cbor_put_tstr(&w, slice_str(u->id));
    cbor_put_bstr(&w, SLICE_ARRAY(u->nonce));
    cbor_put_int(&w, u->l->expires_at);
    if (!client_send(u->l->c, REQUEST_CLAIM, writer_slice(&w), 3, on_claim, u, &e))
        answered(u, &e);
}

static void send_issue(struct unit *u)
{
    uint8_t fields[REQUEST_SMALL_MAX];
    struct err e;
    struct writer w = WRITER_ARRAY(fields);
    struct issue_request r = {
        .profile = SLICE_LIT("ldevid"),
        .spki = SLICE_ARRAY(u->l->spki[(size_t)(u - u->l->units) % KEYS]),
        .authority = {.kind = AUTHORITY_CLAIM,
                      .claim = slice_str(u->claim),
                      .nonce = SLICE_ARRAY(u->nonce),
                      .expires_at = u->l->expires_at,
                      .who = SLICE_LIT("bench")},
        .facts = {{SLICE_LIT("id"), slice_str(u->id)},
                  {SLICE_LIT("model"), SLICE_LIT("m")},
                  {SLICE_LIT("serial"), slice_str(u->serial)}},
        .facts_n = 3,
    };
    issue_request_put(&w, &r);
    if (!client_send(u->l->c, REQUEST_ISSUE, writer_slice(&w), 5, on_cert, u, &e))
        answered(u, &e);
}

static double drive(struct load *l, size_t n, void (*send)(struct unit *u))
{
    double start = kit_now_s();
    l->done = l->sent = 0;
    pthread_mutex_lock(&l->lock);
    while (l->done < n) {
        while (l->sent < n && l->sent - l->done < WINDOW) {
            struct unit *u = &l->units[l->sent++];
            pthread_mutex_unlock(&l->lock);
            send(u);
            pthread_mutex_lock(&l->lock);
        }
        if (l->done < n)
            pthread_cond_wait(&l->wake, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return (double)n / (kit_now_s() - start);
}

static void prepare(struct load *l, size_t n)
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    l->units = calloc(n, sizeof *l->units);
    for (size_t i = 0; i < KEYS; i++) {
        uint8_t *p = l->spki[i];
        EVP_PKEY *key = EVP_EC_gen("P-256");
        if (!key || i2d_PUBKEY(key, &p) != (int)sizeof l->spki[i])
            kit_die("key");
        EVP_PKEY_free(key);
    }
    for (size_t i = 0; l->units && i < n; i++) {
        struct unit *u = &l->units[i];
        u->l = l;
        memcpy(u->id, "dev_01k", 7);
        for (int k = 0; k < 23; k++)
            u->id[7 + k] = digits[k < 17 ? 0 : i >> (5 * (22 - k)) & 31];
        snprintf(u->serial, sizeof u->serial, "unit-%zu", i);
        if (!random_bytes(u->nonce, sizeof u->nonce, NULL))
            kit_die("random");
    }
}

/* ---- the token itself ---- */

static CK_SLOT_ID slot_of(CK_FUNCTION_LIST *f, const char *label)
{
    CK_SLOT_ID slots[64];
    CK_ULONG n = 64;
    CK_TOKEN_INFO info;
    if (f->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
        kit_die("C_GetSlotList");
    for (CK_ULONG i = 0; i < n; i++)
        if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK && memcmp(info.label, label, strlen(label)) == 0)
            return slots[i];
    kit_die("no such token");
}

static double bare_rate(const char *module, const char *token, const char *label, const char *pin_file)
{
    CK_C_GetFunctionList get;
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE s;
    CK_OBJECT_HANDLE key;
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ULONG found = 0, sig_n;
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    unsigned char hash[32] = {1}, sig[64];
    char pin[128] = "";
    void *so = dlopen(module, RTLD_NOW);
    FILE *p = fopen(pin_file, "r");
    if (!so || !p || fscanf(p, "%127s", pin) != 1)
        kit_die("module or PIN");
    fclose(p);
    *(void **)&get = dlsym(so, "C_GetFunctionList");
    CK_ATTRIBUTE what[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
    if (!get || get(&f) != CKR_OK || f->C_Initialize(NULL) != CKR_OK ||
        f->C_OpenSession(slot_of(f, token), CKF_SERIAL_SESSION, NULL, NULL, &s) != CKR_OK ||
        f->C_Login(s, CKU_USER, (unsigned char *)pin, strlen(pin)) != CKR_OK ||
        f->C_FindObjectsInit(s, what, 2) != CKR_OK || f->C_FindObjects(s, &key, 1, &found) != CKR_OK || !found ||
        f->C_FindObjectsFinal(s) != CKR_OK)
        kit_die("token");
    double start = kit_now_s(), n = 0;
    for (; kit_now_s() - start < BARE_S; n++) {
        sig_n = sizeof sig;
        if (f->C_SignInit(s, &ecdsa, key) != CKR_OK || f->C_Sign(s, hash, sizeof hash, sig, &sig_n) != CKR_OK)
            kit_die("C_Sign");
    }
    return n / (kit_now_s() - start);
}

int main(int argc, char **argv)
{
    static struct load l = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    struct env env;
    struct log log;
    struct err e;
    if (argc < 7) {
        fprintf(stderr, "usage: signer_load SOCKET MODULE TOKEN KEY PIN_FILE N\n");
        return 2;
    }
    size_t n = strtoul(argv[6], NULL, 10);
    log_init_fd(&log, STDERR_FILENO, LOG_LEVEL_WARN, false);
    env_init_real(&env, &log);
    if (!crypto_init(&e) || !client_new(argv[1], &env, NULL, NULL, &l.c, &e))
        kit_die("start");
    while (!client_is_connected(l.c))
        usleep(10000);
    l.expires_at = time(NULL) + LIFE_S;
    prepare(&l, n);
    drive(&l, n, send_claim);
    double bare = bare_rate(argv[2], argv[3], argv[4], argv[5]), rate = drive(&l, n, send_issue);
    kit_print("est_hsm", rate, "1/s", bare, "C_Sign", rate / bare, ">= 0.8");
    return 0;
}
