"""The published node, driven over HTTP on this plugin layer and on its own."""
