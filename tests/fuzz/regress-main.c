/* Runs a fuzz target on every file of the directories that are named, without a fuzzer: TAP, one line per
 * file. A find shows itself by ending the program. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int number;

static void run_file(const char *path)
{
        FILE *f = fopen(path, "rb");
        struct stat st;
        uint8_t *data;

        if (!f || fstat(fileno(f), &st) < 0 || !S_ISREG(st.st_mode) ||
                !(data = malloc((size_t)st.st_size + 1))) {
                printf("not ok %d - cannot read %s\n", ++number, path);
                exit(1);
        }
        if (fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
                exit(1);
        LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
        printf("ok %d - %s\n", ++number, path);
        free(data);
        fclose(f);
}

static void run_directory(const char *path)
{
        struct dirent **names;
        int n = scandir(path, &names, NULL, alphasort);

        for (int i = 0; i < n; i++) {
                char file[4096];

                snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
                if (names[i]->d_name[0] != '.')
                        run_file(file);
                free(names[i]);
        }
        if (n >= 0)
                free(names);
}

int main(int argc, char **argv)
{
        /* the smallest input is worth a test of its own */
        LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
        for (int i = 1; i < argc; i++)
                run_directory(argv[i]);
        if (number == 0)
                printf("ok %d - the empty input\n", ++number);
        printf("1..%d\n", number);
        return 0;
}
