"""The only door to transformers and peft."""

import logging

# peft imports bitsandbytes wherever it is installed, which then advises every user of a CPU to install a faster kernel.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
# It is imported along, where it is installed, and tells every user without a GPU so, on stdout.
logging.getLogger("DeepSpeed").addFilter(lambda record: "Setting accelerator to CPU" not in record.getMessage())
