"""For authors: what can be said of a plugin by reading it, and a package to begin with.

What is read is a source tree, a wheel or an installed distribution; nothing of the plugin is
imported or run.
"""
