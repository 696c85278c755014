/* See pidfd-internal.h. */
#include "lifecycle/pidfd-internal.h"

#include "core/cleanup.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

int nxc_pidfd_send(const char *socket_path, pid_t pid, struct nxc_error *err)
{
        _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        _cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un addr = { .sun_family = AF_UNIX };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec iov = { .iov_base = (char[]){ 0 }, .iov_len = 1 };
        struct msghdr msg = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

        if (strlen(socket_path) >= sizeof(addr.sun_path))
                return nxc_fail(err, ENAMETOOLONG, "connect to the pidfd socket '%s'", socket_path);
        strcpy(addr.sun_path, socket_path);
        if (pidfd < 0 || sock < 0)
                return nxc_fail(err, errno, "open a pidfd of process %d", (int)pid);
        *c = (struct cmsghdr){
                .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS
        };
        memcpy(CMSG_DATA(c), &pidfd, sizeof(pidfd));
        if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
                sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
                return nxc_fail(err, errno, "send the pidfd to '%s'", socket_path);
        return 0;
}
