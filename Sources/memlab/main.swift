import Glibc

// A reader that goes away (`| head`) shows as EPIPE in Output, which then keeps quiet.
signal(SIGPIPE, SIG_IGN)
Cancellation.catchSignals()
exit(Command.run(Array(CommandLine.arguments.dropFirst())))
