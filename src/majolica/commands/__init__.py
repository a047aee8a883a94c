"""What each verb of the command line does: one module a verb, each with `run(args)`.

Options are typed function arguments or dataclass fields that tyro turns into a parser. What needs torch is
imported inside the functions, so that a mistyped option is answered at once.
"""

from pathlib import Path

DEFAULT_RUN = Path("runs/demo")
"""The run that a verb uses when it is not told another: the demo's."""
