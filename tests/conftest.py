"""For all tests."""

import signal

# A job that a shell started in the background ignores Ctrl-C, and one of `nohup` HUP, and so would every process that a
# test sends them to. A handler in place of "ignore" is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)
