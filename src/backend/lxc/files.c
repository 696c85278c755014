/* The memory files of nexcage-init, the socket it waits on, and the PID file. */
#include "backend/lxc/lxc-internal.h"

#include "core/fs.h"
#include "core/path.h"
#include "core/publish.h"
#include "init/plan.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define INIT_MAX_BYTES (16u << 20)

/* Beside the program as it lies in the build directory, else where it is installed. */
static int open_program(char *path, size_t size)
{
        char exe[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

        if (n > 0) {
                exe[n] = '\0';
                *strrchr(exe, '/') = '\0';
                if ((size_t)snprintf(path, size, "%s/src/init/nexcage-init", exe) < size) {
                        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

                        if (fd >= 0)
                                return fd;
                }
        }
        snprintf(path, size, "%s/nexcage-init", NXC_LIBEXEC_DIR);
        return open(path, O_RDONLY | O_CLOEXEC);
}

/* A copy: what the container's first process executes can then be reached by nobody. It is gone when that
 * has become the program. */
int lxc_open_init(int *ret_fd, struct nxc_error *err)
{
        char path[PATH_MAX];
        _cleanup_close_ int from = open_program(path, sizeof(path)), fd = -EBADF;
        struct stat st;
        ssize_t n;

        if (from < 0 || fstat(from, &st) < 0)
                return nxc_fail_kind(
                        err, NXC_ERR_RUNTIME_NOT_AVAILABLE, errno, "open nexcage's own '%s'", path);
        if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > INIT_MAX_BYTES)
                return nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "'%s' is no program", path);
        fd = memfd_create("nexcage-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return nxc_fail(err, errno, "make a memory file for nexcage-init");
        for (off_t done = 0; done < st.st_size; done += n) {
                n = sendfile(fd, from, NULL, (size_t)(st.st_size - done));
                if (n <= 0)
                        return nxc_fail(err, n < 0 ? errno : EIO, "copy '%s'", path);
        }
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return nxc_fail(err, errno, "seal nexcage-init");
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int lxc_seal_plan(const struct nxc_buf *plan, int *ret_fd, struct nxc_error *err)
{
        _cleanup_close_ int fd = memfd_create("nexcage-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (plan->len > NXC_PLAN_MAX_BYTES)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_SPEC, 0, "the process of config.json is too large");
        if (fd < 0)
                return nxc_fail(err, errno, "make a memory file for the plan");
        r = nxc_write_all(fd, plan->data, plan->len);
        if (r < 0)
                return nxc_fail(err, -r, "write the plan");
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return nxc_fail(err, errno, "seal the plan");
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int lxc_publish_pid(const char *path, pid_t pid, struct nxc_error *err)
{
        char text[16];

        snprintf(text, sizeof(text), "%d", (int)pid);
        return nxc_publish_at(AT_FDCWD, path, text, strlen(text), 0644, 0, err);
}

/* Paths of sockets are short, those of files are not: through the directory's descriptor. */
int lxc_connect(const char *path, int *ret_fd, struct nxc_error *err)
{
        _cleanup_free_ char *copy = nxc_path_absolute(path);
        _cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = -EBADF;
        struct sockaddr_un addr = { .sun_family = AF_UNIX };
        char *slash;

        if (!copy)
                return nxc_oom(err);
        slash = strrchr(copy, '/');
        *slash = '\0';
        dir = open(*copy ? copy : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 || sock < 0)
                return nxc_fail(err, errno, "connect to '%s'", path);
        if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir, slash + 1) >=
                sizeof(addr.sun_path))
                return nxc_fail(err, ENAMETOOLONG, "connect to '%s'", path);
        if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
                return nxc_fail(err, errno, "connect to '%s'", path);
        *ret_fd = TAKE_FD(sock);
        return 0;
}
