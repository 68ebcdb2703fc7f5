"""What people, tasks and triggers ask of executions and flows: create, change, end, explain."""
