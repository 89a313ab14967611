/* kith: the command line.  Everything is in run.c and the files of the verbs, so that tests can link it. */
#include <signal.h>
#include <unistd.h>

#include "cli/cli.h"
#include "keys/crypto.h"

int main(int argc, char **argv)
{
    struct cli cli = {.out = stdout, .talk = stderr, .program = argc ? argv[0] : "kith"};
    env_init_real(&cli.env, NULL);
    signal(SIGPIPE, SIG_IGN);
    int status = cli_run(&cli, argc - 1, argv + 1);
    fflush(stdout);
    fflush(stderr);
    /* PKCS#11 modules crash in their exit handlers; nothing is left to do. */
    _exit(status);
}
