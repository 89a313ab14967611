#include "model/token.h"

#include "base/codec.h"
#include "core/cbor.h"

#define TOKEN_VERSION  1
#define TOKEN_CBOR_MAX 384 /* 2 + 258 + 34 + 32 + 34, and room */

static bool token_is_not(struct err *e, const char *what)
{
    err_set(e, ERR_TOKEN, "enrolment token: %s", what);
    return err_try(e, "kith device add --token, and take the whole line");
}

bool token_check_url(struct slice url, struct err *e)
{
    static const char scheme[] = "https://";
    const size_t begin = sizeof scheme - 1;
    bool ok = url.n > begin && url.n <= TOKEN_URL_MAX && memcmp(url.p, scheme, begin) == 0 && url.p[url.n - 1] != '/' &&
              url.p[begin] != '/' && url.p[begin] != ':';
    for (size_t i = 0; ok && i < url.n; i++)
        ok = url.p[i] > ' ' && url.p[i] < 0x7f && !strchr("\"<>\\^`{|}@?#", url.p[i]);
    if (ok)
        return true;
    err_set(e, ERR_TOKEN, "\"%s\" is not the URL of a platform", ERR_QUOTE(url));
    err_why(e, "https://HOST[:PORT], without user, query and '/' at the end (RFC 3986)");
    return err_try(e, "correct url in [platform] of kith.conf; a token with it is a new one");
}

static bool token_check(struct slice url, struct slice device, struct slice claim, struct token *out, struct err *e)
{
    uint8_t bytes[20];
    size_t n = 0;
    if (!token_check_url(url, e))
        return false;
    memcpy(out->url, url.p, url.n);
    if (device.n >= sizeof out->device)
        return token_is_not(e, "the device id is too long");
    memcpy(out->device, device.p, device.n);
    if (memchr(device.p, 0, device.n) || !id_is_valid("dev_", out->device)) {
        err_set(e, ERR_TOKEN, "enrolment token: \"%s\" is not a device id", ERR_QUOTE(device));
        return err_why(e, "\"dev_\" and %d characters of Crockford base32 in lower case", ID_CHARS);
    }
    if (claim.n != TOKEN_CLAIM_CHARS || !codec_decode(CODEC_BASE32, claim, bytes, sizeof bytes, &n, NULL) ||
        n != sizeof bytes)
        return token_is_not(e, "the claim is not 32 characters of base32 in lower case");
    memcpy(out->claim, claim.p, claim.n);
    return true;
}

bool token_format(const char *url, const uint8_t root_sha256[SHA256_SIZE], const char *device, const char *claim,
                  char *out, size_t cap, struct err *e)
{
    struct token t = {0};
    uint8_t buf[TOKEN_CBOR_MAX];
    struct writer w = WRITER_ARRAY(buf);
    struct slice body;
    const size_t prefix = sizeof TOKEN_PREFIX - 1;
    if (cap)
        out[0] = '\0';
    if (!token_check(slice_str(url), slice_str(device), slice_str(claim), &t, e))
        return false;
    cbor_put_array(&w, 5);
    cbor_put_uint(&w, TOKEN_VERSION);
    cbor_put_text(&w, url);
    cbor_put_bstr(&w, slice_of(root_sha256, SHA256_SIZE));
    cbor_put_text(&w, device);
    cbor_put_text(&w, claim);
    if (!writer_done(&w, &body) || cap <= prefix || !codec_encode(CODEC_BASE64URL, body, out + prefix, cap - prefix)) {
        if (cap)
            out[0] = '\0';
        return err_set(e, ERR_LIMIT, "an enrolment token does not fit %zu bytes", cap);
    }
    memcpy(out, TOKEN_PREFIX, prefix);
    return true;
}

bool token_parse(struct slice text, struct token *out, struct err *e)
{
    uint8_t buf[TOKEN_CBOR_MAX];
    struct token t = {0};
    size_t n = 0;
    const size_t prefix = sizeof TOKEN_PREFIX - 1;
    *out = (struct token){0};
    if (text.n <= prefix || text.n > TOKEN_MAX || memcmp(text.p, TOKEN_PREFIX, prefix) != 0)
        return token_is_not(e, "it does not begin with \"" TOKEN_PREFIX "\", or is too long");
    if (!codec_decode(CODEC_BASE64URL, slice_of(text.p + prefix, text.n - prefix), buf, sizeof buf, &n, NULL))
        return token_is_not(e, "it is not base64url behind \"" TOKEN_PREFIX "\"");

    struct reader r = reader_of(slice_of(buf, n));
    cbor_get_array_n(&r, 5);
    uint64_t version = cbor_get_uint(&r);
    struct slice url = cbor_get_tstr(&r), root = cbor_get_bstr_n(&r, SHA256_SIZE);
    struct slice device = cbor_get_tstr(&r), claim = cbor_get_tstr(&r);
    if (!reader_end(&r))
        return token_is_not(e, "a part of it is missing or changed");
    if (version != TOKEN_VERSION)
        return token_is_not(e, "it is of a version that this program does not know");
    if (!token_check(url, device, claim, &t, e)) {
        err_ctx(e, "the enrolment token was damaged on its way");
        return err_try(e, "the same token again, the whole line; else kith device token SERIAL, for a new one");
    }
    memcpy(t.root_sha256, root.p, SHA256_SIZE);
    *out = t;
    return true;
}
