"""For tests of plugins and hosts: registries without a node. Needs no pytest."""

from stigmem_plugins.testing.registries import TestPluginRegistry, stigmem_plugins

__all__ = ["TestPluginRegistry", "stigmem_plugins"]
