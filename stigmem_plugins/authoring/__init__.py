"""What can be said of a plugin by reading it: a source tree, a wheel or an installed one.

Nothing of the plugin is imported or run.
"""
