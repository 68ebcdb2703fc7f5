"""What happens to executions in this process: events in, commits out."""
