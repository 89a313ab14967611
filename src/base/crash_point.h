/* A place where a test may end the process, as a power cut would.  The programs that we give away link an empty function
 * (base/crash_point.c); tests/crash links the same objects with one that counts and kills (tests/crash/crash_point.c).  So
 * nothing outside, neither a file nor a variable, arms a point in a program that was not built for it. */
#ifndef KITH_BASE_CRASH_POINT_H
#define KITH_BASE_CRASH_POINT_H

/* `name` is "program.place", one for each place in the source: the test finds them by reading it. */
void crash_point(const char *name);

#endif
