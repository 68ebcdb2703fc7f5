"""One attempt of a task: its context, its folder, what it reports."""
