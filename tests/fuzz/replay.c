/* Runs a fuzz target over files and the files of directories: the seeds in every build, a crash by hand. */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

#define FILE_MAX (1 << 20)

static bool run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return false;
    }
    uint8_t *big = malloc(FILE_MAX), *exact;
    size_t n = big ? fread(big, 1, FILE_MAX, f) : 0;
    fclose(f);
    exact = malloc(n ? n : 1);
    if (!big || !exact)
        abort();
    memcpy(exact, big, n);
    free(big);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return true;
}

static bool run_dir(const char *path, size_t *runs)
{
    DIR *d = opendir(path);
    if (!d) {
        perror(path);
        return false;
    }
    bool good = true;
    for (struct dirent *entry; (entry = readdir(d));) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        good = run_file(file) && good;
        ++*runs;
    }
    closedir(d);
    return good;
}

int main(int argc, char **argv)
{
    size_t runs = 0;
    bool good = true;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
            good = run_dir(argv[i], &runs) && good;
        } else {
            good = run_file(argv[i]) && good;
            runs++;
        }
    }
    printf("%zu inputs\n", runs);
    return good && runs ? 0 : 1;
}
