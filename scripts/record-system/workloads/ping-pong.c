/* Two processes hand a byte to and fro through pipes: address-space switches and little else.
 *   ping-pong [ROUNDS]    400 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
    int there[2], back[2];
    char byte = 0;
    if (pipe(there) || pipe(back)) return 1;
    if (fork() == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1) {}
        _exit(0);
    }
    for (int rounds = count > 1 ? atoi(arguments[1]) : 400; rounds > 0; rounds--)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) return 1;
    close(there[1]);
    wait(NULL);
    return 0;
}
