"""What flows keep: outputs, keys, secrets, files of namespaces, log lines."""
