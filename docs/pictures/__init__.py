"""Makes the pictures of the README and the docs: `python -m docs.pictures`."""
