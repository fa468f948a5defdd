"""The only door to transformers and peft."""

import logging

# peft imports bitsandbytes wherever it is installed, which then advises every user of a CPU to install a faster kernel.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
