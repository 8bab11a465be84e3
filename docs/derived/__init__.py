"""Pages and files that are derived from the code: what each module here makes is text."""
