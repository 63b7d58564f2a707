/* Runs a command between the two marks, so that the recording begins with its exec and ends with its last process.
 *   launch [--own-marks] COMMAND ARGS…
 * --own-marks: the command says itself where the recording begins. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "mark.h"

int main(int count, char **arguments) {
    const int has_own_marks = count > 1 && !strcmp(arguments[1], "--own-marks");
    char **command = arguments + 1 + has_own_marks;
    const pid_t child = fork();
    if (child == 0) {
        /* The serial console is a device access a byte: not what anybody wants to record. Errors still go there. */
        dup2(open("/dev/null", O_RDWR), 0);
        dup2(0, 1);
        if (!has_own_marks) MEMLAB_BEGIN();
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    MEMLAB_END();
    if (WIFSIGNALED(status)) fprintf(stderr, "memlab-guest: the workload ended by signal %d\n", WTERMSIG(status));
    else fprintf(stderr, "memlab-guest: the workload ended with status %d\n", WEXITSTATUS(status));
    return 0;
}
