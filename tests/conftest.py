"""For all tests."""

import signal

# A job that a shell started in the background ignores Ctrl-C, and so would every process that a test presses it for.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
