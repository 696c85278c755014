/* The program. */
#include "cli/command.h"

int main(int argc, char **argv)
{
        return nxc_cli_main(argc, argv);
}
