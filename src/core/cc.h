/* Compiler attributes, in one place.  C11 or later, gcc or clang. */
#ifndef KITH_CORE_CC_H
#define KITH_CORE_CC_H

#define MUST_USE               __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NONNULL(...)           __attribute__((nonnull(__VA_ARGS__)))
#define NORETURN               __attribute__((noreturn))

/* AUTO(fn): fn is called with the variable's address when its scope ends.
 * AUTO_FREE_FN(T, f) makes such an fn, f_auto, out of `void f(T)`; f(NULL) must be fine. */
#define AUTO(fn) __attribute__((cleanup(fn)))
#define AUTO_FREE_FN(type, fn)                                                                                         \
    static inline void fn##_auto(type *p)                                                                              \
    {                                                                                                                  \
        fn(*p);                                                                                                        \
    }                                                                                                                  \
    _Static_assert(1, "")

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
