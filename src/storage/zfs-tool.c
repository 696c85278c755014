/* The zfs program: the one place where it is run, and where its words become errors. libzfs has no stable
 * interface; the program's is what its authors keep. */
#include "storage/zfs-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/process.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#define WORDS_MAX 4096
#define BUSY_FIRST_MS 10 /* doubled each time: two and a half seconds in all */
#define BUSY_TRIES 8
#define CLONES_MAX 1000 /* clones of clones that are promoted for one destroy */
#define MOUNTINFO_MAX_BYTES (4u << 20)

/* Its messages, in the order in which they are to be looked for (lib/libzfs/libzfs_util.c). */
static const struct {
        const char *words;
        int errnum;
} meanings[] = {
        { "does not exist", ENOENT },
        { "no such pool", ENOENT },
        { "already exists", EEXIST },
        { "has dependent clones", EMLINK },
        { "has children", EMLINK },
        { "is busy", EBUSY },
        { "out of space", ENOSPC },
        { "No space left", ENOSPC },
        { "quota exceeded", EDQUOT },
        { "permission denied", EPERM },
        { "more recent snapshots", EEXIST },
        { "I/O is currently suspended", EIO },
};

int nxc_zfs_errno_of(const char *words)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(meanings); i++)
                if (strstr(words, meanings[i].words))
                        return meanings[i].errnum;
        return EIO;
}

/* One line: "cannot create 'tank/x': out of space (zfs clone tank/a@ready tank/x)". */
static int fail_tool(const char *const *args, int status, char *words, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf line = { 0 };
        size_t len = words ? strlen(words) : 0;
        int errnum = words ? nxc_zfs_errno_of(words) : EIO;

        for (size_t i = 0; i < len; i++)
                words[i] = words[i] == '\n' ? (i + 1 < len ? ';' : '\0') : words[i];
        for (size_t i = 0; args[i]; i++)
                if (nxc_buf_printf(&line, " %s", args[i]) < 0)
                        return nxc_oom(err);
        if (words && words[0])
                nxc_fail_kind(err, NXC_ERR_ZFS, 0, "%.600s (zfs%.350s)", words, line.data);
        else
                nxc_fail_kind(err, NXC_ERR_ZFS, 0, "zfs%.600s ended with %d", line.data,
                        nxc_process_exit_code(status));
        if (err)
                err->errnum = errnum;
        if (errnum == ENOSPC || errnum == EDQUOT)
                nxc_error_hint(err, "nexcage prune removes what no container uses any more");
        return -errnum;
}

int nxc_zfs_run(const char *const *args, struct nxc_buf *ret_out, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf words = { .limit = WORDS_MAX };
        struct nxc_process_opts opts = NXC_PROCESS_OPTS_INIT;
        const char *argv[64] = { "zfs" };
        int status, r;

        for (size_t i = 0; args[i]; i++) {
                if (i + 2 == NXC_ARRAY_SIZE(argv))
                        return nxc_fail_kind(err, NXC_ERR_ZFS, E2BIG, "run zfs %s", args[0]);
                argv[i + 1] = args[i];
        }
        opts.argv = argv;
        opts.capture_stdout = ret_out;
        opts.capture_stderr = &words;
        r = nxc_process_run(&opts, &status, err);
        if (r < 0)
                return nxc_error_set_kind(err, NXC_ERR_ZFS);
        return status == 0 ? 0 : fail_tool(args, status, words.data, err);
}

/* --- destroying --- */

/* Whether a line of mountinfo is of the dataset: "... - zfs tank/x rw". */
static bool has_mount_of(const char *mountinfo, const char *dataset)
{
        _cleanup_free_ char *want = nxc_strf(" - zfs %s ", dataset);

        return want && strstr(mountinfo, want);
}

/* The process in whose mount namespace it is still mounted, e.g. "1234 (sleep)"; "" when none is seen. */
static void find_holder(const char *dataset, char *ret, size_t size)
{
        _cleanup_closedir_ DIR *proc = opendir("/proc");
        struct dirent *de;

        ret[0] = '\0';
        while (proc && (de = readdir(proc))) {
                _cleanup_free_ char *text = NULL, *name = NULL;
                char path[64];
                uint64_t pid;

                if (nxc_parse_u64(de->d_name, &pid) < 0)
                        continue;
                snprintf(path, sizeof(path), "%llu/mountinfo", (unsigned long long)pid);
                if (nxc_read_file_at(dirfd(proc), path, MOUNTINFO_MAX_BYTES, &text, NULL, NULL) < 0 ||
                        !has_mount_of(text, dataset))
                        continue;
                snprintf(path, sizeof(path), "%llu/comm", (unsigned long long)pid);
                if (nxc_read_file_at(dirfd(proc), path, 64, &name, NULL, NULL) < 0)
                        continue;
                snprintf(ret, size, "%llu (%.*s)", (unsigned long long)pid, (int)strcspn(name, "\n"), name);
                return;
        }
}

static int fail_busy(const char *dataset, struct nxc_error *why, struct nxc_error *err)
{
        char holder[64];
        int r;

        find_holder(dataset, holder, sizeof(holder));
        if (!holder[0]) {
                nxc_error_set_kind(why, NXC_ERR_BUSY);
                if (err)
                        *err = *why;
                return -EBUSY;
        }
        r = nxc_fail_kind(err, NXC_ERR_BUSY, EBUSY, "destroy dataset '%s', which process %s has mounted",
                dataset, holder);
        nxc_error_hint(err, "end it, and delete the container again");
        return r;
}

/* The first clone of any of its snapshots: 0 and a name, or "" when there is none. */
static int find_clone(const char *dataset, char ret[NXC_ZFS_NAME_MAX], struct nxc_error *err)
{
        const char *args[] = { "list", "-H", "-r", "-d", "1", "-t", "snapshot", "-o", "clones", dataset,
                NULL };
        _cleanup_buf_ struct nxc_buf out = { 0 };
        int r = nxc_zfs_run(args, &out, err);

        ret[0] = '\0';
        for (char *line = out.data; r == 0 && line && *line;) {
                size_t n = strcspn(line, ",\n");

                if (n > 1 && n < NXC_ZFS_NAME_MAX) { /* "-" is a snapshot without any */
                        snprintf(ret, NXC_ZFS_NAME_MAX, "%.*s", (int)n, line);
                        return 0;
                }
                line += n + (line[n] != '\0');
        }
        return r;
}

/* A clone that is promoted gets the snapshots up to the one it was made from. */
static int hand_over(const char *dataset, bool *ret_none, struct nxc_error *err)
{
        char clone[NXC_ZFS_NAME_MAX];
        int r = find_clone(dataset, clone, err);

        *ret_none = r == 0 && !clone[0];
        if (r < 0 || *ret_none)
                return r;
        return nxc_zfs_run((const char *const[]){ "promote", clone, NULL }, NULL, err);
}

static void sleep_ms(int ms)
{
        struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

        nanosleep(&ts, NULL);
}

int nxc_zfs_destroy(const char *dataset, struct nxc_error *err)
{
        int busy = 0, promoted = 0;

        for (;;) {
                struct nxc_error why = { 0 };
                bool none = false;
                int r = nxc_zfs_run((const char *const[]){ "destroy", "-r", dataset, NULL }, NULL, &why);

                if (r == 0 || r == -ENOENT)
                        return 0;
                if (r == -EBUSY && busy < BUSY_TRIES) {
                        sleep_ms(BUSY_FIRST_MS << busy++);
                        continue;
                }
                if (r == -EBUSY)
                        return fail_busy(dataset, &why, err);
                if (r == -EMLINK && promoted++ < CLONES_MAX) {
                        r = hand_over(dataset, &none, err);
                        if (r < 0)
                                return r;
                        if (!none)
                                continue;
                }
                if (err)
                        *err = why;
                return -why.errnum;
        }
}
