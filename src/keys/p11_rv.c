#include "keys/p11_impl.h"

static const struct rv_row {
    CK_RV rv;
    enum p11_class class;
    const char *name;
} rows[] = {
#define ROW(name, class)                                                                                               \
    {                                                                                                                  \
        name, class, #name                                                                                             \
    }
    ROW(CKR_OK, P11_OK),
    ROW(CKR_HOST_MEMORY, P11_DEVICE),
    ROW(CKR_SLOT_ID_INVALID, P11_TOKEN),
    ROW(CKR_GENERAL_ERROR, P11_DEVICE),
    ROW(CKR_FUNCTION_FAILED, P11_DEVICE),
    ROW(CKR_ARGUMENTS_BAD, P11_REQUEST),
    ROW(CKR_NEED_TO_CREATE_THREADS, P11_FATAL),
    ROW(CKR_CANT_LOCK, P11_FATAL),
    ROW(CKR_ATTRIBUTE_READ_ONLY, P11_REQUEST),
    ROW(CKR_ATTRIBUTE_SENSITIVE, P11_REQUEST),
    ROW(CKR_ATTRIBUTE_TYPE_INVALID, P11_REQUEST),
    ROW(CKR_ATTRIBUTE_VALUE_INVALID, P11_REQUEST),
    ROW(CKR_ACTION_PROHIBITED, P11_REQUEST),
    ROW(CKR_DATA_INVALID, P11_REQUEST),
    ROW(CKR_DATA_LEN_RANGE, P11_REQUEST),
    ROW(CKR_DEVICE_ERROR, P11_DEVICE),
    ROW(CKR_DEVICE_MEMORY, P11_DEVICE),
    ROW(CKR_DEVICE_REMOVED, P11_TOKEN),
    ROW(CKR_FUNCTION_CANCELED, P11_DEVICE),
    ROW(CKR_FUNCTION_NOT_SUPPORTED, P11_REQUEST),
    ROW(CKR_KEY_HANDLE_INVALID, P11_OBJECT),
    ROW(CKR_KEY_SIZE_RANGE, P11_REQUEST),
    ROW(CKR_KEY_TYPE_INCONSISTENT, P11_REQUEST),
    ROW(CKR_KEY_FUNCTION_NOT_PERMITTED, P11_REQUEST),
    ROW(CKR_MECHANISM_INVALID, P11_REQUEST),
    ROW(CKR_MECHANISM_PARAM_INVALID, P11_REQUEST),
    ROW(CKR_OBJECT_HANDLE_INVALID, P11_OBJECT),
    ROW(CKR_OPERATION_ACTIVE, P11_SESSION),
    ROW(CKR_OPERATION_NOT_INITIALIZED, P11_SESSION),
    ROW(CKR_PIN_INCORRECT, P11_PIN),
    ROW(CKR_PIN_INVALID, P11_PIN),
    ROW(CKR_PIN_LEN_RANGE, P11_PIN),
    ROW(CKR_PIN_EXPIRED, P11_PIN),
    ROW(CKR_PIN_LOCKED, P11_PIN),
    ROW(CKR_SESSION_CLOSED, P11_SESSION),
    ROW(CKR_SESSION_COUNT, P11_SESSION),
    ROW(CKR_SESSION_HANDLE_INVALID, P11_SESSION),
    ROW(CKR_SESSION_PARALLEL_NOT_SUPPORTED, P11_FATAL),
    ROW(CKR_SESSION_READ_ONLY, P11_REQUEST),
    ROW(CKR_TEMPLATE_INCOMPLETE, P11_REQUEST),
    ROW(CKR_TEMPLATE_INCONSISTENT, P11_REQUEST),
    ROW(CKR_TOKEN_NOT_PRESENT, P11_TOKEN),
    ROW(CKR_TOKEN_NOT_RECOGNIZED, P11_TOKEN),
    ROW(CKR_TOKEN_WRITE_PROTECTED, P11_REQUEST),
    ROW(CKR_USER_ALREADY_LOGGED_IN, P11_REQUEST),
    ROW(CKR_USER_NOT_LOGGED_IN, P11_SESSION),
    ROW(CKR_USER_PIN_NOT_INITIALIZED, P11_TOKEN), /* no PIN was compared, none is counted: perhaps a blank read */
    ROW(CKR_USER_TYPE_INVALID, P11_PIN),
    ROW(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, P11_PIN),
    ROW(CKR_USER_TOO_MANY_TYPES, P11_PIN),
    ROW(CKR_DOMAIN_PARAMS_INVALID, P11_REQUEST),
    ROW(CKR_CURVE_NOT_SUPPORTED, P11_REQUEST),
    ROW(CKR_BUFFER_TOO_SMALL, P11_SESSION), /* the operation stays active: the session is of no use */
    ROW(CKR_CRYPTOKI_NOT_INITIALIZED, P11_TOKEN),
    ROW(CKR_MUTEX_BAD, P11_FATAL),
    ROW(CKR_MUTEX_NOT_LOCKED, P11_FATAL),
    ROW(CKR_FIPS_SELF_TEST_FAILED, P11_FATAL),
    ROW(CKR_LIBRARY_LOAD_FAILED, P11_FATAL),
    ROW(CKR_FUNCTION_REJECTED, P11_REQUEST),
    {P11_RV_SET, P11_REQUEST, "error"},
    {P11_RV_BUSY, P11_REQUEST, "no session free"},
    {P11_RV_AWAY, P11_TOKEN, "no login with the token"},
    {P11_RV_GONE, P11_TOKEN, "key not visible"},
#undef ROW
};

static const struct rv_row *row_of(CK_RV rv)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].rv == rv)
            return &rows[i];
    return NULL;
}

enum p11_class p11_class_of(CK_RV rv)
{
    const struct rv_row *r = row_of(rv);
    return r ? r->class : P11_DEVICE; /* vendors' own codes are faults of their devices */
}

const char *p11_rv_name(CK_RV rv)
{
    const struct rv_row *r = row_of(rv);
    return r ? r->name : NULL;
}
