/* checkpoint and restore, by criu through the runtime. */
#include "cli/commands.h"
#include "backend/backend-ops.h"
#include "core/cleanup.h"

#define STATUS_FD_MAX (1 << 20)

struct checkpoint_args {
        struct nxc_backend_checkpoint criu;
        struct nxc_create_opts create; /* of restore */
        int64_t status_fd;
        const char *cgroups_mode;
};
static const struct checkpoint_args defaults = { .status_fd = -1 };

static const char *const cgroups_modes[] = { "soft", "full", "strict", "ignore", NULL };

#define A struct checkpoint_args
/* clang-format off */
#define CRIU_OPTIONS                                                                                        \
        { "image-path", .metavar = "DIR", NXC_OPT(STRING, A, criu.image_path),                              \
                .help = "where the images of the processes are" },                                          \
        { "work-path", .metavar = "DIR", NXC_OPT(STRING, A, criu.work_path),                                \
                .help = "where criu puts its logs" },                                                       \
        { "parent-path", .metavar = "DIR", NXC_OPT(STRING, A, criu.parent_path),                            \
                .help = "images of an earlier --pre-dump, from --image-path" },                             \
        { "tcp-established", NXC_OPT(FLAG, A, criu.tcp_established),                                        \
                .help = "allow open TCP connections" },                                                     \
        { "ext-unix-sk", NXC_OPT(FLAG, A, criu.ext_unix_sk),                                                \
                .help = "allow connected external Unix sockets" },                                          \
        { "shell-job", NXC_OPT(FLAG, A, criu.shell_job),                                                    \
                .help = "allow processes with a terminal from outside" },                                   \
        { "file-locks", NXC_OPT(FLAG, A, criu.file_locks), .help = "handle file locks" },                   \
        { "manage-cgroups-mode", .choices = cgroups_modes, NXC_OPT(WORD, A, cgroups_mode),                  \
                .help = "what criu does about cgroups" },                                                   \
        { "empty-ns", .metavar = "NAMESPACE", NXC_OPT(LIST, A, criu.empty_ns),                              \
                .help = "leave out this namespace's properties" },                                          \
        { "lazy-pages", NXC_OPT(FLAG, A, criu.lazy_pages),                                                  \
                .help = "move memory pages when they are used" },                                           \
        { "auto-dedup", NXC_OPT(FLAG, A, criu.auto_dedup),                                                  \
                .help = "drop pages that the images have twice" }
/* clang-format on */

static const struct nxc_option checkpoint_options[] = {
        CRIU_OPTIONS,
        { "page-server", .metavar = "ADDRESS:PORT", NXC_OPT(STRING, A, criu.page_server),
                .help = "send the pages to criu's page server" },
        { "status-fd", .metavar = "FD", NXC_OPT(INT, A, status_fd), .max = STATUS_FD_MAX,
                .help = "write a byte there when criu is ready (lazy pages)" },
        { "leave-running", NXC_OPT(FLAG, A, criu.leave_running), .help = "let the container go on" },
        { "pre-dump", NXC_OPT(FLAG, A, criu.pre_dump),
                .help = "save the memory only, and let the container go on" },
        { 0 },
};

static const struct nxc_option restore_options[] = {
        { "bundle", 'b', .metavar = "DIR", NXC_OPT(STRING, A, create.bundle), .help = "the OCI bundle (.)" },
        { "detach", 'd', NXC_OPT(FLAG, A, create.detach), .help = "return once it runs" },
        { "pid-file", .metavar = "FILE", NXC_OPT(STRING, A, create.pid_file),
                .help = "write the pid of the container's init to FILE" },
        { "console-socket", .metavar = "SOCKET", NXC_OPT(STRING, A, create.console_socket),
                .help = "send the terminal's master to this AF_UNIX socket" },
        { "no-pivot", NXC_OPT(FLAG, A, create.no_pivot), .help = "do not use pivot_root(2)" },
        { "no-subreaper", NXC_OPT(FLAG, A, create.no_subreaper),
                .help = "do not take over the container's orphaned processes" },
        { "runtime", .metavar = "NAME", NXC_OPT(STRING, A, create.runtime),
                .help = "restore with this backend" },
        CRIU_OPTIONS,
        { 0 },
};

static int complete(struct nxc_call *call, struct nxc_host **ret_host, struct nxc_error *err)
{
        struct checkpoint_args *a = call->opts;

        a->criu.status_fd = (int)a->status_fd;
        a->criu.manage_cgroups_mode = a->cgroups_mode;
        a->create.id = call->args[0];
        a->create.interactive = true;
        if (!a->create.bundle)
                a->create.bundle = ".";
        return nxc_call_host(call, ret_host, err);
}

static int run_checkpoint(struct nxc_call *call, struct nxc_error *err)
{
        struct checkpoint_args *a = call->opts;
        struct nxc_host *host;
        int r = complete(call, &host, err);

        return r < 0 ? r : nxc_checkpoint(host, call->args[0], &a->criu, err);
}

static int run_restore(struct nxc_call *call, struct nxc_error *err)
{
        struct checkpoint_args *a = call->opts;
        struct nxc_host *host;
        int r = complete(call, &host, err);

        return r < 0 ? r : nxc_restore(host, &a->create, &a->criu, &call->exit_code, err);
}

const struct nxc_command nxc_command_checkpoint = {
        .name = "checkpoint",
        .synopsis = "[OPTION...] ID",
        .summary = "save the processes of a container to files",
        .options = checkpoint_options,
        .defaults = &defaults,
        .opts_size = sizeof(struct checkpoint_args),
        .min_args = 1,
        .max_args = 1,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .run = run_checkpoint,
};

const struct nxc_command nxc_command_restore = {
        .name = "restore",
        .synopsis = "[OPTION...] ID",
        .summary = "make a container from saved processes",
        .options = restore_options,
        .defaults = &defaults,
        .opts_size = sizeof(struct checkpoint_args),
        .min_args = 1,
        .max_args = 1,
        .group = NXC_GROUP_OCI,
        .run = run_restore,
};
