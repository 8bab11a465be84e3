"""`python -m stigmem_plugins` is `stigmem-plugins`."""

from stigmem_plugins.cli import main

main(prog_name="stigmem-plugins")
